"""The road's SQL against the slow oracles, from one ledger: snapshots, visits, counters and percentiles.

Events arrive late, doubled and out of order, a few at a time; after the last one everything must be as if they had
been told at once, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Organization
from analytics import measure, services
from analytics.clocks import WorkingCalendar
from analytics.estimators import Curve
from analytics.models import StageMetric, StageVisit
from ats.models import Application, Candidate, CandidateEvent, FormerPlace, Job, Stage
from ats.services import lock_applications, refresh_snapshots_of
from connectors.events import NormalizedEvent
from connectors.models import Connector
from tests.oracles.curves import cell_percentiles, observations
from tests.oracles.histories import JOBS, REORDERS, STAGE_ORDER, STAGES, START, History, seeded_history
from tests.oracles.visits import Cell, Folded, Visit, cells, fold, job_histories, ledgers

#: (category, position) that give the stages the order the oracle is told
PLACES = {
    "s-review": ("review", 0),
    "s-screen": ("screen", 0),
    "s-interview": ("interview", 0),
    "s-offer": ("interview", 0),
    "s-unplaced": ("unmapped", 0),
}
#: the same of the orders the stages had before
FORMER_PLACES = {None: ("unmapped", 0), 0: ("review", -1), 4: ("offer", 0)}


class Tenant:
    """An organization whose ledger is written straight into its table, and the road's statements run over it."""

    def __init__(self) -> None:
        self.organization = Organization.objects.create(name="Histories", slug="histories")
        self.connector = Connector.objects.create(organization=self.organization, provider="files", name="histories")
        self.owner = owner = {"organization": self.organization, "connector": self.connector}
        self.jobs = {each: Job.objects.create(**owner, external_id=each) for each in JOBS}
        self.stages = {
            each: Stage.objects.create(**owner, external_id=each, category=category, position=position)
            for each, (category, position) in PLACES.items()
        }
        FormerPlace.objects.bulk_create(
            FormerPlace(stage=self.stages[stage], until=until, category=FORMER_PLACES[order][0], position=FORMER_PLACES[order][1])
            for stage, until, order in REORDERS
        )
        self.applications: dict[str, Application] = {}

    def absorb(self, events: Iterable[NormalizedEvent]) -> None:
        """One batch: into the ledger what is new, then snapshots, visits and counters of what it touches."""
        events = list(events)
        names = {event.application_external_id for event in events if event.application_external_id}
        for name in sorted(names - set(self.applications)):
            candidate = Candidate.objects.create(**self.owner, external_id=name)
            self.applications[name] = Application.objects.create(**self.owner, external_id=name, candidate=candidate)
        CandidateEvent.objects.bulk_create([self._row(event) for event in events], ignore_conflicts=True)
        # A change of a job's status may concern every application on it.
        all_of_them = any(event.application_external_id is None for event in events)
        touched = [row.pk for name, row in self.applications.items() if all_of_them or name in names]
        with transaction.atomic(), connection.cursor() as cursor:
            refresh_snapshots_of(cursor, touched)
            lock_applications(cursor, touched)
            measure.derive(cursor, organization_id=self.organization.pk)
            measure.write(cursor, organization_id=self.organization.pk, window_days=services.WINDOW_DAYS)

    def visits(self) -> dict[str, list[tuple[Any, ...]]]:
        found: dict[str, list[tuple[Any, ...]]] = {name: [] for name in self.applications}
        for visit in StageVisit.objects.select_related("application", "entry_event", "job", "stage").order_by("application", "n"):
            found[visit.application.external_id].append(
                (
                    visit.n,
                    visit.entry_event.provider_event_id,
                    visit.job and visit.job.external_id,
                    visit.stage.external_id,
                    visit.entered_at,
                    visit.left_at,
                    visit.exit_kind,
                    visit.entry_precision,
                    visit.exit_precision,
                    visit.entry_gap,
                    visit.survivor,
                )
            )
        return found

    def business_days(self) -> dict[str, float | None]:
        """By the key of the event that began the visit."""
        return dict(StageVisit.objects.values_list("entry_event__provider_event_id", "bd"))

    def snapshots(self) -> dict[str, tuple[Any, ...]]:
        return {
            row.external_id: (
                row.job and row.job.external_id,
                row.current_stage and row.current_stage.external_id,
                row.status,
                row.applied_at,
                row.last_event_at,
                row.last_activity_at,
            )
            for row in Application.objects.select_related("job", "current_stage")
        }

    def counters(self) -> dict[tuple[str | None, str], Cell]:
        return {
            (row.job.external_id, row.stage.external_id): Cell(row.entered, row.exited, row.open, row.completed, row.completed_seconds)
            for row in StageMetric.objects.select_related("job", "stage")
            if row.entered
        }

    def percentiles(self, as_of: datetime) -> dict[tuple[str, str], tuple[Any, ...]]:
        """(n, exits, p50, p85, longest, interval of p50) of every cell with a sample, whatever its size."""
        with transaction.atomic(), connection.cursor() as cursor:
            services.make_refresh_tables(cursor)
            cursor.execute("insert into refreshed select id, job_id, stage_id, %s, false from analytics_stagemetric", [as_of])
            services.compute_cells(cursor)
            cursor.execute(
                """select j.external_id, s.external_id, c.n, c.n_exits, c.p50, c.p85, c.longest, c.p50_low, c.p50_high
                   from cell_curve c join refreshed r on c.cell = r.metric_id * 4 and c.clock = 'cd'
                   join ats_job j on j.id = r.job_id join ats_stage s on s.id = r.stage_id"""
            )
            return {(job, stage): tuple(row) for job, stage, *row in cursor.fetchall()}

    def _row(self, event: NormalizedEvent) -> CandidateEvent:
        return CandidateEvent(
            **self.owner,
            provider_event_id=event.provider_event_id,
            application=self.applications.get(event.application_external_id or ""),
            job=self.jobs.get(event.job_external_id or ""),
            event_type=event.event_type,
            stage_from=self.stages.get(event.stage_from or ""),
            stage_to=self.stages.get(event.stage_to or ""),
            occurred_at=event.timestamp,
            recorded_at=event.recorded_at or event.timestamp,
            source_recorded_at=event.recorded_at,
            precision=event.precision,
            metadata=event.metadata,
            raw_event_id=0,
        )


def told_at_once(history: History) -> dict[str, Folded]:
    statuses = job_histories(history.events)
    return {
        application: fold(events, stage_order=STAGE_ORDER, reorders=REORDERS, job_statuses=statuses)
        for application, events in ledgers(history.events).items()
    }


def visit_row(visit: Visit) -> tuple[Any, ...]:
    return (
        visit.n,
        visit.entry_event_id,
        visit.job,
        visit.stage,
        visit.entered_at,
        visit.left_at,
        visit.exit_kind,
        visit.entry_precision,
        visit.exit_precision,
        visit.entry_gap,
        visit.survivor,
    )


def expected_business_days(folded: Iterable[Folded], history: History) -> dict[str, float | None]:
    """Date by date, without table or SQL: Monday to Friday in UTC, outside the job's holds."""
    calendar, statuses = WorkingCalendar("UTC"), job_histories(history.events)
    holds = {
        job: [(at, until) for (at, status), (until, _) in pairwise([*told, (None, "")]) if status == "on_hold"]
        for job, told in statuses.items()
    }
    return {
        visit.entry_event_id: None
        if visit.left_at is None
        else calendar.bd(visit.entered_at, visit.left_at, holds=holds.get(visit.job or "", ()))
        for each in folded
        for visit in each.visits
    }


def snapshot_row(folded: Folded) -> tuple[Any, ...]:
    snapshot = folded.snapshot
    return (
        snapshot.job,
        snapshot.stage,
        snapshot.status,
        snapshot.applied_at,
        snapshot.last_event_at,
        snapshot.last_activity_at,
    )


def expected_percentiles(folded: Iterable[Folded], as_of: datetime) -> Iterator[tuple[tuple[str, str], tuple[Any, ...]]]:
    visits = [visit for each in folded for visit in each.visits]
    for job in JOBS:
        for stage in STAGES:
            here = [visit for visit in visits if visit.place == (job, stage)]
            window = {"since": as_of - timedelta(days=services.WINDOW_DAYS), "until": as_of, "as_of": as_of}
            found, sample = cell_percentiles(here, **window), observations(here, **window)
            # The oracle has no interval of its own; the estimator's is judged by lifelines elsewhere.
            curve = Curve.of(
                exits=[float(days) for days, ending in sample if ending == "exit"],
                cut_off=[float(days) for days, ending in sample if ending != "exit"],
            )
            if found.n:
                numbers = (found.n, found.n_exits, found.p50_any, found.p85_any, found.longest)
                yield (job, stage), (*numbers, *curve.quantile_interval(0.5))


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(20))
def test_the_roads_statements_agree_with_the_oracles(seed: int) -> None:
    # given
    history = seeded_history(seed, applications=40)
    tenant = Tenant()

    # when
    for batch in history.batches(40 + 17 * seed):
        tenant.absorb(batch)

    # then
    expected = told_at_once(history)
    visits = tenant.visits()
    for application, folded in expected.items():
        assert visits[application] == [visit_row(visit) for visit in folded.visits], application
    assert tenant.business_days() == expected_business_days(expected.values(), history)
    assert tenant.snapshots() == {application: snapshot_row(folded) for application, folded in expected.items()}
    assert tenant.counters() == cells(visit for folded in expected.values() for visit in folded.visits)
    for days in (1, 30, 80, 400):
        as_of = START + timedelta(days=days)
        found, wanted = tenant.percentiles(as_of), dict(expected_percentiles(expected.values(), as_of))
        assert set(found) == set(wanted)
        for cell, numbers in wanted.items():
            assert found[cell] == pytest.approx(numbers, abs=1e-9), (cell, days)
