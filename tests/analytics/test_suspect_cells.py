"""A cell whose numbers are not what its visits say is found over arrays, and no other: they tell what the statements tell."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from analytics import baselines, services, suspect_cells, suspects
from analytics.models import Baseline, CategoryMetric, StageMetric, StageVisit
from analytics.rebuilding import rebuild
from tests.analytics.test_derive_against_oracle import Tenant
from tests.oracles.histories import START, seeded_history

pytestmark = pytest.mark.django_db

T = START + timedelta(days=61)


def found(tenant: Tenant, *, dirty_too: bool = False) -> list[int]:
    with transaction.atomic(), connection.cursor() as cursor:
        beside = suspects.pipelines(cursor, tenant.organization.pk)
        return suspect_cells.look([job.pk for job in tenant.jobs.values()], beside, as_of=T, dirty_too=dirty_too).jobs


def computed(seed: int, *days: float) -> Tenant:
    """A history whose cells were computed in turns: so many of them at each of these days after its start."""
    tenant = Tenant()
    tenant.absorb(seeded_history(seed, applications=120).events)
    cells = list(StageMetric.objects.order_by("job_id", "stage_id").values_list("pk", flat=True))
    StageMetric.objects.update(dirty=False)
    for turn, day in enumerate(days):
        own = cells[turn :: len(days)]
        StageMetric.objects.filter(pk__in=own).update(dirty=True, own_at=None)
        services.refresh_cells(organization_id=tenant.organization.pk, as_of=START + timedelta(days=day), aged=False)
        StageMetric.objects.update(moves_at=None)  # or the next turn's moment would bring these up to date as well
    return tenant


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("day", [1, 20, 61.5, 400])
def test_no_cell_is_suspected_that_the_statements_have_computed(seed: int, day: float) -> None:
    tenant = computed(seed, day)
    assert CategoryMetric.objects.exclude(computed_at=None).exists()

    assert found(tenant) == []


@pytest.mark.parametrize("seed", range(6))
def test_each_cell_is_judged_as_of_the_moment_it_was_computed(seed: int) -> None:
    tenant = computed(seed, 12, 33, 90)
    assert StageMetric.objects.values("computed_at").distinct().count() == 3

    assert found(tenant) == []


NUMBERS = (*suspect_cells.NUMBERS, "window_days")


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_differs_is_found_in_cells_of_stages_and_of_categories(name: str) -> None:
    tenant = computed(4, 61)
    model: type[StageMetric | CategoryMetric]
    for model in (StageMetric, CategoryMetric):
        row = model.objects.order_by(F(name).asc(nulls_last=True), "-job_id")[0]  # where none is known, one too many
        kept = getattr(row, name)
        model.objects.filter(pk=row.pk).update(**{name: 1 if kept is None else kept + 1})
        assert found(tenant) == [row.job_id]
        model.objects.filter(pk=row.pk).update(**{name: kept})
        assert found(tenant) == []


def test_a_moment_that_differs_a_lost_sample_and_a_lost_category_are_found() -> None:
    tenant = computed(4, 61)
    row = StageMetric.objects.filter(oldest_entered_at__isnull=False, p50__isnull=False).order_by("-job_id")[0]
    assert row.oldest_entered_at is not None
    for change in ({"oldest_entered_at": row.oldest_entered_at + timedelta(seconds=1)}, {"oldest_entered_at": None}, {"p50": None}):
        StageMetric.objects.filter(pk=row.pk).update(**change)
        assert found(tenant) == [row.job_id]
        row.save()
    pool = CategoryMetric.objects.order_by("-job_id")[0]
    pool.delete()

    assert found(tenant) == [pool.job_id]


def test_cells_to_be_computed_are_suspected_only_where_they_are_to_be_stored() -> None:
    tenant = computed(4, 61)
    row = StageMetric.objects.order_by("-job_id")[0]
    StageMetric.objects.filter(pk=row.pk).update(dirty=True, n=F("n") + 1)

    assert (found(tenant), found(tenant, dirty_too=True)) == ([], [row.job_id])


def test_cells_without_visits_and_jobs_without_cells_are_in_order() -> None:
    tenant = computed(4, 61)
    StageVisit.objects.all().delete()
    StageMetric.objects.update(dirty=True, own_at=None)
    services.refresh_cells(organization_id=tenant.organization.pk, as_of=START + timedelta(days=61), aged=False)
    assert found(tenant) == []
    StageMetric.objects.all().delete()
    CategoryMetric.objects.all().delete()
    assert found(tenant) == []


def test_a_rebuild_makes_the_baselines_of_a_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = computed(4, 61)
    monkeypatch.setattr(timezone, "now", lambda: T)

    def kept() -> Any:
        found = Baseline.objects.order_by("level", "department", "category").values_list("category", "n", "n_exits", "n_open", "p50", "p85")
        others = StageMetric.objects.order_by("pk").values_list("others_at", "others_level", "others_n", "others_p50")
        return list(found), list(others)

    baselines.refresh(tenant.organization.pk, as_of=T)
    expected = kept()
    assert any(n_exits for _, _, n_exits, *_ in expected[0])
    Baseline.objects.update(n=0, n_exits=0, p50=None)
    StageMetric.objects.update(others_n=0)
    StageVisit.objects.filter(pk__in=StageVisit.objects.order_by("pk").values("pk")[:5]).update(bd=None)

    rebuild(organization_id=tenant.organization.pk)

    assert kept() == expected
