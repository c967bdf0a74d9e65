"""Working calendars as rows: SQL counts with them what the clocks count, and an edit has everything counted anew."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from django.db import connection, transaction

from accounts.models import Organization
from analytics import calendars, clocks, services
from analytics.models import CalendarSegment, StageVisit, WorkingCalendar
from ats.models import CandidateEvent, Job, Stage
from connectors.events import EventType
from connectors.models import Batch
from tests.factories.accounts import OrganizationFactory
from tests.factories.ats import ApplicationFactory, CandidateEventFactory, JobFactory, StageFactory
from tests.factories.connectors import ConnectorFactory

pytestmark = pytest.mark.django_db

BERLIN = {"zone": "Europe/Berlin", "holidays": frozenset({date(2026, 5, 1)})}


@pytest.fixture
def berlin() -> Organization:
    made: Organization = OrganizationFactory(time_zone="Europe/Berlin")
    return made


@pytest.fixture
def job(berlin: Organization) -> Job:
    made: Job = JobFactory(connector=ConnectorFactory(organization=berlin))
    return made


@pytest.fixture
def stages(job: Job) -> list[Stage]:
    return [StageFactory(connector=job.connector), StageFactory(connector=job.connector)]


def stay(job: Job, stages: list[Stage], entered: datetime, left: datetime) -> CandidateEvent:
    """An application that entered the first stage and went on to the second; returns the event that began the visit."""
    application = ApplicationFactory(job=job)
    begun: CandidateEvent = CandidateEventFactory(
        application=application, event_type=EventType.APPLICATION_CREATED, stage_to=stages[0], occurred_at=entered
    )
    CandidateEventFactory(application=application, event_type=EventType.STAGE_CHANGED, stage_to=stages[1], occurred_at=left)
    return begun


def told(job: Job, status: str, at: datetime) -> None:
    CandidateEvent.objects.create(
        organization=job.organization,
        connector=job.connector,
        provider_event_id=f"{job.pk}:{at.isoformat()}:{status}",
        job=job,
        event_type=EventType.JOB_STATUS_CHANGED,
        occurred_at=at,
        recorded_at=at,
        metadata={"status": status},
        raw_event_id=0,
    )


def measure(job: Job, *, jobs: list[int] | None = None) -> None:
    batch = Batch(
        organization=job.organization,
        application_ids=[] if jobs else list(job.applications.values_list("pk", flat=True)),
        job_ids=jobs or [],
    )
    with transaction.atomic():
        services.measure(batch)


def bd_of(event: CandidateEvent) -> float | None:
    return StageVisit.objects.get(pk=event.pk).bd


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


class TestBusinessDaysInSql:
    @pytest.mark.parametrize(
        ("calendar", "entered", "left", "bd"),
        [
            # metrics example D; Berlin is UTC+2 in summer, +1 in winter
            ({"zone": "Europe/Berlin", "closing_days": [date(2026, 5, 1)]}, utc(2026, 4, 30, 10), utc(2026, 5, 4, 10), 1.0),
            ({"zone": "Europe/Berlin", "country": "DE"}, utc(2026, 4, 30, 10), utc(2026, 5, 4, 10), 1.0),
            ({"zone": "Europe/Berlin"}, utc(2026, 3, 27, 17), utc(2026, 3, 30, 4), 0.5),
            ({"zone": "Asia/Jerusalem", "working_days": [6, 0, 1, 2, 3]}, utc(2026, 10, 24, 21), utc(2026, 10, 25, 22), 1.0),
            ({"zone": "UTC", "opens_at": time(9), "closes_at": time(17)}, utc(2026, 3, 6, 16), utc(2026, 3, 9, 10), 0.25),
            ({"zone": "Europe/Berlin"}, utc(2026, 6, 5, 22), utc(2026, 6, 8, 6), 0.3333),
            ({"zone": "America/Los_Angeles"}, utc(2026, 6, 5, 22), utc(2026, 6, 8, 6), 0.375),
        ],
    )
    def test_the_worked_examples_are_stored_on_the_visits(
        self, job: Job, stages: list[Stage], calendar: dict[str, object], entered: datetime, left: datetime, bd: float
    ) -> None:
        calendars.save_calendar(WorkingCalendar(organization=job.organization, **calendar))
        begun = stay(job, stages, entered, left)

        measure(job)

        assert bd_of(begun) == bd

    def test_a_rejection_on_a_sunday_ends_at_the_friday_midnight_value(self, job: Job, stages: list[Stage]) -> None:
        begun = stay(job, stages, utc(2026, 6, 4, 10), utc(2026, 6, 7, 15))  # Thursday noon to Sunday

        measure(job)

        assert bd_of(begun) == 1.5

    def test_many_random_stays_agree_with_the_clocks_holds_included(self, job: Job, stages: list[Stage]) -> None:
        from random import Random

        rng, start = Random(7), utc(2025, 1, 1)
        moments = sorted(start + timedelta(seconds=rng.randrange(600 * 86_400)) for _ in range(8))
        for status, at in zip(["on_hold", "open", "on_hold", "on_hold", "closed", "open", "on_hold", "open"], moments, strict=True):
            told(job, status, at)
        calendar = WorkingCalendar(
            organization=job.organization, zone="Europe/Berlin", country="DE", opens_at=time(8, 30), closes_at=time(17)
        )
        calendars.save_calendar(calendar)
        spans = {}
        for _ in range(60):
            entered = start + timedelta(seconds=rng.randrange(500 * 86_400))
            left = entered + timedelta(seconds=rng.choice([0, 1, 61, rng.randrange(90_000), rng.randrange(200 * 86_400)]))
            spans[stay(job, stages, entered, left).pk] = (entered, left)

        measure(job)

        exact, holds = calendars.definition(calendar), calendars.holds_of([job.pk])[job.pk]
        stored = dict(StageVisit.objects.filter(pk__in=spans).values_list("pk", "bd"))
        assert stored == {pk: exact.bd(*span, holds=holds) for pk, span in spans.items()}
        assert any(value != exact.bd(*spans[pk]) for pk, value in stored.items()), "no hold mattered"

    def test_an_open_visit_has_no_business_days_stored(self, job: Job, stages: list[Stage]) -> None:
        application = ApplicationFactory(job=job)
        begun = CandidateEventFactory(
            application=application, event_type=EventType.APPLICATION_CREATED, stage_to=stages[0], occurred_at=utc(2026, 6, 4)
        )

        measure(job)

        assert bd_of(begun) is None

    def test_the_lookup_is_inlined_rather_than_called(self, job: Job) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """explain verbose select business_days_at(least(x.at, 9), c.s, c.s, c.s)
                   from (select random() as at offset 0) x, (select array_agg(1.0::float8) as s offset 0) c"""
            )
            plan = "\n".join(row[0] for row in cursor.fetchall())

        assert "width_bucket" in plan
        assert "business_days_at" not in plan


class TestChanges:
    def test_a_hold_learned_of_later_is_taken_out_of_visits_already_measured(self, job: Job, stages: list[Stage]) -> None:
        begun = stay(job, stages, utc(2026, 6, 1, 0), utc(2026, 6, 6, 0))  # Monday to Saturday, two hours off
        measure(job)
        before = bd_of(begun)

        told(job, "on_hold", utc(2026, 6, 1, 22))  # Tuesday 00:00 in Berlin
        told(job, "open", utc(2026, 6, 3, 22))
        measure(job, jobs=[job.pk])

        assert before is not None
        assert bd_of(begun) == pytest.approx(before - 2)

    def test_a_job_s_own_calendar_comes_before_the_organization_s(self, job: Job, stages: list[Stage]) -> None:
        other = JobFactory(connector=job.connector)
        weekend = (utc(2026, 6, 5, 22), utc(2026, 6, 7, 22))  # Saturday and Sunday in Berlin
        calendars.save_calendar(WorkingCalendar(organization=job.organization, job=job, working_days=[5, 6]))

        on_own, on_common = stay(job, stages, *weekend), stay(other, stages, *weekend)
        measure(job)
        measure(other)

        assert (bd_of(on_own), bd_of(on_common)) == (2.0, 0.0)

    def test_an_edit_has_every_application_measured_anew_through_the_road(
        self, job: Job, stages: list[Stage], django_capture_on_commit_callbacks: object
    ) -> None:
        begun = stay(job, stages, utc(2026, 6, 5, 22), utc(2026, 6, 7, 22))
        measure(job)
        calendar = WorkingCalendar.objects.get(organization=job.organization)

        calendar.working_days = [5, 6]
        assert calendars.save_calendar(calendar) == 1

        (batch,) = Batch.objects.filter(organization=job.organization)
        assert (batch.step, batch.application_ids) == ("analytics.measure", [begun.application_id])
        services.measure(batch)
        assert bd_of(begun) == 2.0

    def test_an_edit_that_changes_nothing_measures_nothing(self, job: Job, stages: list[Stage]) -> None:
        stay(job, stages, utc(2026, 6, 5), utc(2026, 6, 8))
        measure(job)

        assert calendars.save_calendar(WorkingCalendar.objects.get(organization=job.organization)) == 0
        assert not Batch.objects.exists()

    def test_a_new_time_zone_of_the_organization_is_noticed(self, job: Job, stages: list[Stage]) -> None:
        begun = stay(job, stages, utc(2026, 6, 5, 22), utc(2026, 6, 8, 6))
        measure(job)
        assert bd_of(begun) == 0.3333

        Organization.objects.filter(pk=job.organization_id).update(time_zone="America/Los_Angeles")
        assert calendars.recompile_all() == 1
        services.measure(Batch.objects.get(organization=job.organization))

        assert bd_of(begun) == 0.375

    def test_the_segments_cover_every_moment_without_a_gap(self, job: Job) -> None:
        calendars.save_calendar(WorkingCalendar(organization=job.organization, opens_at=time(9), closes_at=time(17)))

        rows = list(CalendarSegment.objects.order_by("starts_at").values_list("starts_at", "ends_at"))

        assert all(before[1] == after[0] for before, after in pairwise(rows))
        assert rows[0][0] < utc(2000, 1, 2)
        assert rows[-1][1] > datetime.now(UTC) + timedelta(days=700)


def test_holidays_once_looked_up_stay_as_they_are(berlin: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    calendar = WorkingCalendar(organization=berlin, country="DE")
    calendars.save_calendar(calendar)
    known = list(calendar.holidays)

    monkeypatch.setattr(calendars, "public_holidays", lambda country, years, *, subdivision: frozenset({date(min(years), 6, 6)}))
    calendars.compile_rows(calendar, now=utc(datetime.now(UTC).year + 1, 1, 2))

    assert set(known) < set(calendar.holidays)
    assert len(calendar.holidays) == len(known) + 1


def test_a_calendar_without_end_of_hours_is_refused() -> None:
    with pytest.raises(ValueError, match="end before they begin"):
        calendars.definition(WorkingCalendar(zone="UTC", opens_at=time(17), closes_at=time(9)))


def test_an_organization_without_calendar_has_monday_to_friday_in_its_zone(berlin: Organization) -> None:
    assert calendars.calendar_of(berlin) == clocks.WorkingCalendar(zone="Europe/Berlin")
