"""Whoever is not what the ledger says is found over arrays, and nobody else: the arrays tell what the road's statements tell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection, transaction

from analytics import array_fold, suspects
from analytics.calendars import save_calendar
from analytics.models import StageVisit, WorkingCalendar
from ats.models import Application, Candidate, CandidateEvent, Job, Stage
from tests.analytics.test_derive_against_oracle import Tenant
from tests.oracles.histories import seeded_history

pytestmark = pytest.mark.django_db


def found(tenant: Tenant) -> list[int]:
    ids = list(Application.objects.filter(organization=tenant.organization).order_by("pk").values_list("pk", flat=True))
    with transaction.atomic(), connection.cursor() as cursor:
        return suspects.among(cursor, ids, suspects.pipelines(cursor, tenant.organization.pk))[0]


def told(seed: int, applications: int = 40) -> Tenant:
    history, tenant = seeded_history(seed, applications=applications), Tenant()
    for batch in history.batches(40 + 17 * seed):
        tenant.absorb(batch)
    return tenant


@pytest.mark.parametrize("seed", range(12))
def test_nobody_is_suspected_whom_the_statements_of_the_road_left_behind(seed: int) -> None:
    tenant = told(seed)

    assert found(tenant) == []
    StageVisit.objects.update(bd=None, exit_kind=None)
    assert set(found(tenant)) == set(StageVisit.objects.filter(left_at__isnull=False).values_list("application_id", flat=True))


def test_each_job_goes_by_its_own_calendar() -> None:
    tenant = told(3)
    save_calendar(WorkingCalendar(organization=tenant.organization, job=tenant.jobs["j-1"], zone="Asia/Tokyo", working_days=[1, 2, 5]))
    organizations = WorkingCalendar.objects.get(organization=tenant.organization, job=None)
    organizations.zone, organizations.opens_at, organizations.closes_at = "America/New_York", time(9), time(17, 30)
    organizations.closing_days = [date(2026, 3, 10)]
    save_calendar(organizations)
    assert found(tenant), "their days were counted by the calendar before"

    tenant.absorb(seeded_history(3, applications=40).events)

    assert found(tenant) == []


def other(row: Any, field: str, model: Any) -> int:
    """The id of another one than the row's."""
    found: int = model.objects.exclude(pk=getattr(row, f"{field}_id")).order_by("pk")[0].pk
    return found


SECOND = timedelta(seconds=1)
VISIT: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "n": ({}, lambda row: row.n + 9),
    "job_id": ({}, lambda row: other(row, "job", Job)),
    "stage_id": ({}, lambda row: other(row, "stage", Stage)),
    "entered_at": ({}, lambda row: row.entered_at - SECOND),
    "left_at": ({"left_at__isnull": False}, lambda row: row.left_at + SECOND),
    "exit_kind": ({"exit_kind": "advanced"}, lambda row: "lateral"),
    "entry_precision": ({"entry_precision": "exact"}, lambda row: "unknown"),
    "exit_precision": ({"exit_precision": "exact"}, lambda row: "bounded"),
    "entry_gap": ({"entry_precision": "bounded"}, lambda row: row.entry_gap + 8.64),
    "survivor": ({}, lambda row: not row.survivor),
    "bd": ({"bd__isnull": False}, lambda row: row.bd + 0.0001),
}
SNAPSHOT: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "status": ({"status": "active"}, lambda row: "hired"),
    "job_id": ({}, lambda row: other(row, "job", Job)),
    "current_stage_id": ({"current_stage__isnull": False}, lambda row: None),
    "applied_at": ({"applied_at__isnull": False}, lambda row: None),
    "last_event_at": ({"last_event_at__isnull": False}, lambda row: row.last_event_at + SECOND),
    "last_activity_at": ({"last_activity_at__isnull": False}, lambda row: row.last_activity_at - SECOND),
}


@pytest.mark.parametrize("column", VISIT)
def test_a_visit_that_differs_in_any_column_is_found(column: str) -> None:
    tenant = told(11, applications=20)
    where, changed = VISIT[column]
    row = StageVisit.objects.filter(**where).order_by("pk")[0]
    StageVisit.objects.filter(pk=row.pk).update(**{column: changed(row)})

    assert found(tenant) == [row.application_id]


@pytest.mark.parametrize("column", SNAPSHOT)
def test_a_snapshot_that_differs_in_any_column_is_found(column: str) -> None:
    tenant = told(11, applications=20)
    where, changed = SNAPSHOT[column]
    row = Application.objects.filter(events__isnull=False, **where).order_by("pk")[0]
    Application.objects.filter(pk=row.pk).update(**{column: changed(row)})

    assert found(tenant) == [row.pk]


def test_visits_too_few_too_many_and_of_somebody_else_are_found() -> None:
    tenant = told(11, applications=20)
    lost, moved = StageVisit.objects.filter(n=2).order_by("pk")[:2]
    somebody = Application.objects.exclude(pk__in=[lost.application_id, moved.application_id]).order_by("pk")[0]
    never = CandidateEvent.objects.filter(event_type="comment_added").order_by("pk")[0]
    made: Any = StageVisit.objects.get(pk=lost.pk)
    made.pk, made.application_id, made.n = never.pk, never.application_id, 99
    made.save(force_insert=True)
    StageVisit.objects.filter(pk=lost.pk).delete()
    StageVisit.objects.filter(pk=moved.pk).update(application=somebody)

    assert set(found(tenant)) == {lost.application_id, moved.application_id, somebody.pk, never.application_id}


def test_a_person_stands_where_the_newest_active_application_stands() -> None:
    tenant = told(11, applications=20)
    active = Application.objects.filter(status="active", current_stage__isnull=False).order_by("last_event_at")
    older, newer = active[0], active.reverse()[0]
    assert older.last_event_at != newer.last_event_at
    Application.objects.filter(pk=older.pk).update(candidate=newer.candidate_id)

    assert found(tenant) == [], "one of the two is not where the person is, and that is as it should be"
    Candidate.objects.filter(pk=newer.candidate_id).update(current_stage=other(newer, "current_stage", Stage))
    assert set(found(tenant)) == {older.pk, newer.pk}
    Candidate.objects.filter(pk=newer.candidate_id).update(current_stage=newer.current_stage, last_event_at=older.last_event_at)
    assert set(found(tenant)) == {older.pk, newer.pk}


def test_somebody_without_events_is_left_as_he_is() -> None:
    tenant = told(1, applications=3)
    candidate = Candidate.objects.create(**tenant.owner, external_id="c-new")
    Application.objects.create(**tenant.owner, external_id="new", candidate=candidate, job=tenant.jobs["j-1"])

    assert found(tenant) == []


def test_events_that_come_in_any_order_are_put_in_fold_order() -> None:
    rng = np.random.default_rng(5)
    events = {name: rng.integers(0, high, 500) for name, high in (("application", 40), ("at", 4), ("recorded", 3), ("rank", 3))}
    for prepared in (np.arange(500), np.argsort(events["application"], kind="stable")):
        rows = array_fold.take(events, prepared)
        told = array_fold.take(rows, array_fold.in_order(rows))
        keys = list(zip(*(told[name].tolist() for name in ("application", "at", "recorded", "rank")), strict=True))
        assert keys == sorted(keys)
