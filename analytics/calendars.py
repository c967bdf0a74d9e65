"""Working calendars as rows: which one a job is held to, compiled for SQL, edited with consequences.

An organization without a calendar of its own making gets one the first time something is measured: its time zone,
Monday to Friday. Python counts with ``clocks.CompiledCalendar``, SQL with the rows compiled here; a test holds
the two together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q
from django.utils import timezone

from accounts.models import Organization
from analytics import clocks
from analytics.clocks import CompiledCalendar, Hold, OfficeHours, compile_calendar
from analytics.models import CalendarSegment, StageVisit, WorkingCalendar
from analytics.public_holidays import public_holidays
from ats.models import CandidateEvent, Job
from ats.services import change_pipelines
from config import flow, sql
from connectors import batches
from connectors.events import EventType, JobStatus

#: Compiled calendars begin here; an earlier moment is a typing error and counts as this one.
FIRST_DAY = date(2000, 1, 1)
BEGINNING = datetime(2000, 1, 3, tzinfo=UTC)
#: Years after the current one that are compiled ahead.
YEARS_AHEAD = 2


@dataclass(frozen=True, slots=True)
class JobClock:
    """What one job's business days are counted with."""

    calendar: CompiledCalendar
    holds: Sequence[Hold] = ()

    def bd(self, entered: Iterable[datetime], as_of: datetime) -> list[float]:
        """Ages at ``as_of``; entries in the future (clock skew) have age 0."""
        starts = [max(min(moment, as_of), BEGINNING) for moment in entered]
        if self.holds:
            return [self.calendar.bd(start, as_of, holds=self.holds) for start in starts]
        return self.calendar.bd_of_pairs((start, as_of) for start in starts)


@dataclass(frozen=True, slots=True)
class Definitions:
    """The calendars that some organizations have defined, and their time zones for those that have not."""

    _of_job: Mapping[int, clocks.WorkingCalendar]
    _of_organization: Mapping[int, clocks.WorkingCalendar]

    @classmethod
    def read(cls, organizations: Mapping[int, Organization], job_ids: Iterable[int] | None = None) -> Definitions:
        """One query. ``job_ids``: whose own calendars are read; None: those of all jobs."""
        rows = WorkingCalendar.objects.order_by().filter(organization__in=organizations)  # the table's own order would join the jobs
        if job_ids is not None:
            rows = rows.filter(Q(job=None) | Q(job__in=job_ids))
        own: dict[int, clocks.WorkingCalendar] = {}
        shared = {pk: clocks.WorkingCalendar(zone=organization.time_zone) for pk, organization in organizations.items()}
        for row in rows:
            if row.job_id is None:
                shared[row.organization_id] = definition(row, organizations[row.organization_id])
            else:
                own[row.job_id] = definition(row, organizations[row.organization_id])
        return cls(own, shared)

    def of(self, job: Job) -> clocks.WorkingCalendar:
        return self._of_job.get(job.pk) or self._of_organization[job.organization_id]


@dataclass(slots=True)
class JobClocks:
    """The clocks of some jobs as known at ``as_of``, read in two queries. ``earliest`` bounds the years compiled."""

    jobs: Sequence[Job]
    as_of: datetime
    earliest: datetime
    #: only what was recorded by then; None: everything
    known_by: datetime | None = None
    #: where the caller has them at hand; else they are read
    definitions: Definitions | None = None
    _holds: Mapping[int, Sequence[Hold]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        job_ids = [job.pk for job in self.jobs]
        if self.definitions is None:
            self.definitions = Definitions.read({job.organization_id: job.organization for job in self.jobs}, job_ids)
        self._holds = holds_of(job_ids, known_by=self.known_by)

    def of(self, job: Job) -> JobClock:
        assert self.definitions is not None
        calendar = self.definitions.of(job)
        return JobClock(compiled(calendar, earliest=self.earliest, as_of=self.as_of), self._holds.get(job.pk, ()))


def definition(row: WorkingCalendar, organization: Organization | None = None) -> clocks.WorkingCalendar:
    """A stored calendar as the clocks take it. Raises ``ValueError`` for hours or days that make no calendar."""
    hours = OfficeHours(row.opens_at, row.closes_at) if row.opens_at is not None and row.closes_at is not None else None
    return clocks.WorkingCalendar(
        zone=row.zone or (organization or row.organization).time_zone,
        working_days=frozenset(row.working_days),
        holidays=frozenset(row.holidays) | frozenset(row.closing_days),
        office_hours=hours,
    )


def compiled(calendar: clocks.WorkingCalendar, *, earliest: datetime, as_of: datetime) -> CompiledCalendar:
    """From before ``earliest`` to after ``as_of``, in whole years so that one serves many requests."""
    first = max(min(earliest, as_of).year - 1, FIRST_DAY.year - 1)
    return compile_calendar(calendar, date(first, 1, 1), date(max(as_of.year, first) + 2, 1, 1))


def calendar_of(organization: Organization) -> clocks.WorkingCalendar:
    """The calendar an organization's jobs are held to unless they have their own."""
    row = WorkingCalendar.objects.order_by("pk").filter(organization=organization, job=None).first()  # not by job: as above
    return definition(row, organization) if row else clocks.WorkingCalendar(zone=organization.time_zone)


def holds_of(job_ids: Sequence[int], *, known_by: datetime | None = None) -> dict[int, list[Hold]]:
    """When the jobs were on hold, from the ledger; the Python twin of ``sql/job_holds.sql``."""
    events = CandidateEvent.objects.filter(job__in=job_ids, event_type=EventType.JOB_STATUS_CHANGED)
    if known_by is not None:
        events = events.filter(recorded_at__lte=known_by)
    changes: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    for job_id, at, metadata in events.order_by("job", *CandidateEvent.FOLD_ORDER).values_list("job_id", "occurred_at", "metadata"):
        changes[job_id].append((at, metadata.get("status", "")))
    found: dict[int, list[Hold]] = defaultdict(list)
    for job_id, told in changes.items():
        ends: list[datetime | None] = [at for at, _ in told[1:]]
        for (at, status), until in zip(told, [*ends, None], strict=True):
            if status == JobStatus.ON_HOLD and until != at:
                found[job_id].append((at, until))
    return found


# --- writes ----------------------------------------------------------------------------------------
def ensure_compiled(cursor: CursorWrapper, organization_id: int) -> None:
    """There is a compiled calendar for the organization: one cheap look in the common case."""
    cursor.execute(
        "select 1 from analytics_workingcalendar where organization_id = %s and job_id is null and compiled_from <> ''", [organization_id]
    )
    if cursor.fetchone():
        return
    cursor.execute(
        """insert into analytics_workingcalendar (organization_id, zone, working_days, country, subdivision, closing_days, holidays,
                                                  compiled_from)
           values (%s, '', '{0,1,2,3,4}', '', '', '{}', '{}', '') on conflict (organization_id) where job_id is null do nothing""",
        [organization_id],
    )
    # of two workers who got here, the second waits at this row and finds the first one's work
    row = WorkingCalendar.objects.select_for_update(of=("self",)).select_related("organization").get(organization=organization_id, job=None)
    compile_rows(row)


def compile_rows(row: WorkingCalendar, *, now: datetime | None = None) -> bool:
    """Bring holidays and segments of a calendar up to date. False: they already were."""
    now = now or timezone.now()
    until = date(now.year + YEARS_AHEAD + 1, 1, 1)
    row.holidays = sorted(_holidays(row, until)) if row.country else []
    calendar = definition(row, row.organization)
    mark = _mark(calendar, until)
    if row.compiled_from == mark:
        return False
    CalendarSegment.objects.filter(calendar=row).delete()
    with connection.cursor() as cursor:
        sql.copy_rows(
            cursor,
            "analytics_calendarsegment (calendar_id, starts_at, ends_at, bd_before, bd_per_second)",
            (
                sql.copy_line((row.pk, part.starts_at, part.ends_at, part.bd_before, part.bd_per_second))
                for part in compile_calendar(calendar, FIRST_DAY, until).segments()
            ),
        )
    row.compiled_from = mark
    row.save(update_fields=["holidays", "compiled_from"])
    return True


def _holidays(row: WorkingCalendar, until: date) -> Iterable[date]:
    """What was looked up stays; only years without any are added, so that history does not shift under its numbers."""
    kept = set(row.holidays)
    years = {day.year for day in kept}
    missing = [year for year in range(FIRST_DAY.year, until.year) if year not in years]
    return kept | (public_holidays(row.country, missing, subdivision=row.subdivision or None) if missing else frozenset())


def _mark(calendar: clocks.WorkingCalendar, until: date) -> str:
    told = (calendar.zone, sorted(calendar.working_days), sorted(calendar.holidays), calendar.office_hours, until)
    return sha256(repr(told).encode()).hexdigest()


@transaction.atomic
def save_calendar(row: WorkingCalendar) -> int:
    """Keep an edited calendar and have everything counted with it counted anew. Returns how many applications that are.

    Raises ``ValueError`` for a country whose holidays are not known, or hours that make no day.
    """
    before = WorkingCalendar.objects.order_by().filter(pk=row.pk).values_list("country", "subdivision").first()
    if before != (row.country, row.subdivision):
        row.holidays = []
    row.save()
    return recompile(row)


@transaction.atomic
def recompile(row: WorkingCalendar) -> int:
    """Compile what changed (an edit, the organization's zone, a new year); returns how many applications are measured anew."""
    if not compile_rows(row):
        return 0
    return _measure_anew(row.organization_id, row.job_id)


@transaction.atomic
def delete_calendar(row: WorkingCalendar) -> int:
    """A job goes by its organization's calendar again. Returns how many applications are measured anew."""
    organization_id, job_id = row.organization_id, row.job_id
    row.delete()
    return _measure_anew(organization_id, job_id)


def _measure_anew(organization_id: int, job_id: int | None) -> int:
    with connection.cursor() as cursor:
        change_pipelines(cursor, organization_id)
    visits = StageVisit.objects.order_by().filter(organization=organization_id)
    if job_id is not None:
        visits = visits.filter(job=job_id)
    by_connector: dict[int, list[int]] = defaultdict(list)
    for connector_id, application_id in visits.values_list("application__connector_id", "application_id").distinct():
        by_connector[connector_id].append(application_id)
    for connector_id, ids in sorted(by_connector.items()):
        ids.sort()
        for start in range(0, len(ids), settings.BATCH_SIZE):
            chunk = ids[start : start + settings.BATCH_SIZE]
            batches.start(organization_id=organization_id, connector_id=connector_id, step=flow.MEASURE, application_ids=chunk)
    return sum(map(len, by_connector.values()))


def recompile_all() -> int:
    """Calendars whose organization changed its zone, or that a new year has shortened. Returns the applications measured anew."""
    return sum(recompile(row) for row in WorkingCalendar.objects.exclude(compiled_from="").select_related("organization", "job"))
