"""Reading everything at once gives the numbers that reading cell by cell gives."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from analytics import wide
from analytics.cells import Question
from analytics.heatmap import Window
from analytics.selectors import job_heatmap, org_heatmap
from ats.models import Job
from tests.analytics.test_derive_against_oracle import Tenant
from tests.analytics.test_properties import comparable, measured_at
from tests.oracles.histories import START, seeded_history

pytestmark = pytest.mark.django_db


@pytest.fixture
def read_wide(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From here on everything that can be read at once is; counts how often it was."""
    read: list[int] = []

    def counted(*arguments: Any, **named: Any) -> wide.Wide:
        read.append(1)
        return original(*arguments, **named)

    original = wide.measured
    monkeypatch.setattr(wide, "MANY_PAIRS", 1)
    monkeypatch.setattr(wide, "LARGE_SHARE", 0.0)
    monkeypatch.setattr(wide, "measured", counted)
    return read


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two answers differ, and by what."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [found for key in one for found in differences(one[key], other[key], f"{path}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [found for place, pair in enumerate(zip(one, other, strict=True)) for found in differences(*pair, f"{path}[{place}]")]
    return [] if one == other else [f"{path}: {one!r} {other!r}"]


@pytest.mark.parametrize("seed", range(3))
def test_a_window_read_at_once_is_the_window_read_cell_by_cell(
    seed: int, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    history, tenant = seeded_history(seed + 900, applications=80), Tenant()
    for batch in history.batches(80):
        tenant.absorb(batch)
    moment = START + timedelta(days=60)
    measured_at(tenant, moment)
    own, jobs = [tenant.organization.pk], list(Job.objects.select_related("organization").order_by("pk"))
    questions = [
        Question(as_of=moment, clock=clock, live=live, window=Window(START + timedelta(days=since), START + timedelta(days=until)))
        for clock, live, since, until in (("bd", True, 0, 60), ("cd", True, 5, 30), ("bd", False, 3, 25), ("cd", False, 0, 59))
    ]

    def answers() -> Any:
        return [
            comparable([org_heatmap(organization_ids=own, question=one), [job_heatmap(job=job, question=one) for job in jobs]])
            for one in questions
        ]

    cell_by_cell = answers()
    read = request.getfixturevalue("read_wide")

    assert differences(cell_by_cell, answers()) == []
    assert read


def test_the_plans_of_what_follows_are_left_as_they_were(read_wide: list[int]) -> None:
    tenant = Tenant()
    tenant.absorb(seeded_history(1, applications=20).events)
    moment = START + timedelta(days=60)

    org_heatmap(organization_ids=[tenant.organization.pk], question=Question(as_of=moment, window=Window(START, moment)))

    assert read_wide
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('enable_indexscan'), current_setting('enable_bitmapscan')")
        assert cursor.fetchone()[0] == "on"
