"""Many curves of stays that were read once are the curves that reading each cell for itself gives."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from analytics import baselines, wide
from analytics.models import StageMetric
from analytics.samples import Summary, baseline_picks, measured
from analytics.stays import Stays
from tests.analytics.test_derive_against_oracle import Tenant
from tests.analytics.test_properties import comparable
from tests.oracles.histories import START, seeded_history

pytestmark = pytest.mark.django_db

T = START + timedelta(days=60)
Cells = list[tuple[int, int]]


@pytest.fixture
def cells() -> Cells:
    tenant = Tenant()
    tenant.absorb(seeded_history(901, applications=120).events)
    return list(StageMetric.objects.order_by("job_id", "stage_id").values_list("job_id", "stage_id"))


@pytest.fixture(params=["cell by cell", "all at once"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "all at once":
        monkeypatch.setattr(wide, "MANY_PAIRS", 1)
        monkeypatch.setattr(wide, "LARGE_SHARE", 0.0)


def in_sql(*groups: Cells) -> list[Summary]:
    """The same cells under one number each; a second group keeps the question from being read at once."""
    picks = [pick for number, group in enumerate(groups) for pick in baseline_picks(number, group, T)]
    assert not wide.is_wide([*picks, *picks])
    found = measured([*picks, *baseline_picks(len(groups), groups[0], T)])
    return [found.curve(number) for number in range(len(groups))]


def plain(summaries: list[Summary]) -> Any:
    return [comparable([getattr(one, name) for name in Summary.__slots__]) for one in summaries]


@pytest.mark.usefixtures("way")
def test_curves_of_groups_are_those_of_the_samples(cells: Cells) -> None:
    groups = [list(own) for _, own in groupby(cells, key=lambda cell: cell[0])]
    expected = in_sql(*groups)
    assert any(one.n_open and one.n_exits >= 20 and one.p50 is not None for one in expected)

    assert plain(Stays.at(cells, T).curves(groups)) == plain(expected)


@pytest.mark.usefixtures("way")
def test_a_curve_without_a_job_is_that_of_the_other_jobs(cells: Cells) -> None:
    jobs = sorted({job for job, _ in cells})
    expected = [in_sql([cell for cell in cells if cell[0] != job])[0] for job in jobs]
    assert len({one.p50 for one in expected}) > 1

    found = Stays.at(cells, T).curves_without(cells, jobs)

    assert plain([found[job] for job in jobs]) == plain(expected)


def test_of_nothing_there_is_no_curve() -> None:
    stays = Stays.at([], T)

    assert stays.curves([[], []]) == [Summary(), Summary()]
    assert stays.curves_without([], [7]) == {7: Summary()}


def test_baselines_read_the_visits_once_however_many_jobs_are_compared(cells: Cells) -> None:
    StageMetric.objects.update(recent_n_exits=20)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        baselines.refresh(StageMetric.objects.values_list("organization_id", flat=True)[0], as_of=T)

    assert len({job for job, _ in cells}) > 1
    assert sum("insert into cell_visit" in query["sql"] for query in queries) == 1
