"""The cells of a heatmap as they stand now, remembered between requests and exact all the same.

Reading the cells of two thousand jobs takes seconds, and between two requests hardly anything has changed. So what was
read stays in memory: when people entered, what their cell is measured with, its numbers as finished JSON. Each request
asks the database what has been committed since (one query, ``analytics.changes``) and reads those jobs again. What
moves with time alone (ages, and the bands, heat and overdue days that follow) is computed for every answer.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import RLock
from time import monotonic

import msgspec
from django.db import connection
from django.utils import timezone

from analytics import changes
from analytics.bands import measure_ages, overdue_days
from analytics.baselines import Course
from analytics.calendars import BEGINNING, JobClock
from analytics.cells import CANONICAL_STAGES, CellReader, Question, Standing, canonical, category_ref, stage_ref
from analytics.clocks import CompiledCalendar, cd
from analytics.estimators import Unit
from analytics.frames import Frame
from analytics.heatmap import Json, StageRef, fixed_cell, job_dict
from analytics.numbers import CellNumbers
from ats.models import Job, Stage
from connectors.events import StageCategory

#: The moment of a live answer moves in steps of this length, and with every change. Ages are told to a ten-thousandth of
#: a day, 8.64 s; within a step the same question has the same answer, byte for byte, from every process.
STEP = timedelta(seconds=10)
#: Everything is read again after this at the latest; changes are kept for longer (``changes.KEPT``).
LIFE_SECONDS = 1800.0
#: Jobs remembered in one process, over all organizations; some 30 kB each.
JOBS_REMEMBERED = 6000

UNMAPPED = category_ref(StageCategory.UNMAPPED)

#: never the same twice in a process: a version names one state of one memory
_versions = count(1)


class Now:
    """One moment, on every calendar."""

    def __init__(self, as_of: datetime, clock: str) -> None:
        self.as_of = as_of
        self.clock = clock
        self._places: dict[int, float] = {}

    def on(self, calendar: CompiledCalendar) -> float:
        place = self._places.get(id(calendar))
        if place is None:
            place = self._places[id(calendar)] = calendar.position(self.as_of)
        return place


class LiveCell:
    """One cell: what does not move with time as JSON, and what does as places on the job's clock."""

    __slots__ = ("_clock", "_fixed", "_numbers", "_places", "standing")

    def __init__(self, standing: Standing, clock: JobClock) -> None:
        self.standing = standing
        self._clock = clock
        self._fixed: bytes | None = None
        self._numbers: tuple[datetime, CellNumbers] | None = None
        self._places: list[float] = []
        if standing.entered_open and not clock.holds:
            # entries in the future (clock skew) have age 0 for longer than this is remembered
            last = clock.calendar.latest
            self._places = sorted(clock.calendar.position(min(max(moment, BEGINNING), last)) for moment in standing.entered_open)

    def numbers(self, now: Now) -> CellNumbers:
        """Beside those who wait. A reader in another thread may be at another moment."""
        if self.standing.later is None:
            return self.standing.numbers
        known = self._numbers
        if known is None or known[0] != now.as_of:
            known = self._numbers = (now.as_of, self.standing.later(now.as_of))
        return known[1]

    def ages(self, now: Now) -> list[float]:
        """Business days, as ``JobClock.bd`` counts them."""
        if not self._places:
            return self._clock.bd(self.standing.entered_open, now.as_of)
        here = now.on(self._clock.calendar)
        return [math.floor(max(0.0, here - place) * 10_000 + 0.50001) / 10_000 for place in self._places]

    def overdue(self, now: Now) -> float:
        """M20, looking only at those who may be over the limit."""
        if not self.standing.entered_open:
            return 0.0
        limit = self.numbers(now).measure.limit.value
        if not self._places:
            return overdue_days(self.ages(now), limit)
        here = now.on(self._clock.calendar)
        late = self._places[: bisect_right(self._places, here - limit + 1e-3)]
        return overdue_days([math.floor((here - place) * 10_000 + 0.50001) / 10_000 for place in late], limit)

    def json(self, now: Now) -> bytes:
        fixed, entered = self._fixed or self._told(now), self.standing.entered_open
        if not entered:
            return fixed + _NOBODY
        told = measure_ages(self.ages(now), self.numbers(now).measure)
        oldest = told.oldest_age if now.clock == Unit.BUSINESS_DAYS else round(cd(min(entered), now.as_of), 4)
        fresh, watch, late, critical = told.bands.values()
        return fixed + _WAITING % (fresh, watch, late, critical, str(told.heat).encode(), b"%r" % oldest, b"%r" % told.overdue_days)

    def _told(self, now: Now) -> bytes:
        one = self.standing
        told = fixed_cell(one.ref, n_open=len(one.entered_open), clock=now.clock, numbers=self.numbers(now), issues_open=one.issues_open)
        fixed = msgspec.json.encode(told)[:-1]
        if one.later is None:
            self._fixed = fixed
        return fixed


_NOBODY = b',"bands":{"fresh":0,"watch":0,"late":0,"critical":0},"heat":null,"oldest_age":null,"overdue_days":0.0}'
_WAITING = b',"bands":{"fresh":%d,"watch":%d,"late":%d,"critical":%d},"heat":"%b","oldest_age":%b,"overdue_days":%b}'


class LiveRow:
    """One job with its cells."""

    __slots__ = ("_head", "cells", "clock", "courses", "job", "job_id", "title", "uses_unmapped")

    def __init__(self, job: Job, clock: JobClock, standings: Sequence[Standing]) -> None:
        self.job, self.job_id, self.title, self.clock = job, job.pk, str(job), clock
        #: what people in some stages (by their ids) are compared with, where somebody asked, see ``paces``
        self.courses: dict[tuple[int, ...], Course] = {}
        self.cells = [LiveCell(standing, clock) for standing in standings]
        self.uses_unmapped = any(one.used for one in standings if one.ref.id == UNMAPPED.id)
        told: Json = {
            "job": job_dict(job),
            "open": sum(len(one.entered_open) for one in standings),
            "issues_open": sum(one.issues_open for one in standings),
        }
        self._head = msgspec.json.encode(told)[1:-1]

    def cell(self, stage: int | str) -> LiveCell | None:
        """None: the row has no such cell."""
        return next((cell for cell in self.cells if cell.standing.ref.id == stage), None)

    def overdue(self, now: Now) -> float:
        return round(sum(cell.overdue(now) for cell in self.cells), 4)

    def json(self, now: Now, *, key: bytes, columns: int | None = None) -> bytes:
        """As an object without its braces. ``columns``: how many of the cells are shown; they stand under ``key``."""
        cells = b",".join([cell.json(now) for cell in self.cells[:columns]])
        return b'%b,"overdue_days":%r,"%b":[%b]' % (self._head, self.overdue(now), key, cells)


@dataclass(slots=True)
class LiveCells:
    """The rows of one organization on one clock, by canonical stages or by the jobs' own."""

    organization_id: int
    clock: str
    by_category: bool
    lock: RLock = field(default_factory=RLock)
    #: another one whenever something may have changed
    version: int = 0
    latest: datetime | None = None
    rows: dict[int, LiveRow] = field(default_factory=dict)
    snapshot: str | None = None
    _job_ids: set[int] | None = None
    _frame: Frame | None = None
    _read_at: float = 0.0

    def note(self, since: changes.Since) -> None:
        """Forget what has changed; it is read again when it is asked for."""
        expired = monotonic() - self._read_at > LIFE_SECONDS
        if self.snapshot is None or expired or since.jobs is None:
            self.rows, self._job_ids, self._frame, self._read_at = {}, None, None, monotonic()
            self.version = next(_versions)
        elif since.anything:
            # a reader in another thread keeps the rows it has
            self.rows = {job_id: row for job_id, row in self.rows.items() if job_id not in since.jobs}
            if self._job_ids is not None:
                self._job_ids = self._job_ids | since.jobs
            self.version = next(_versions)
        self.snapshot = since.snapshot
        if since.latest is not None:
            self.latest = since.latest if self.latest is None else max(self.latest, since.latest)

    def all_rows(self) -> dict[int, LiveRow]:
        if self._job_ids is None:
            self._job_ids = set(Job.objects.filter(organization=self.organization_id).order_by().values_list("pk", flat=True))
        missing = self._job_ids - self.rows.keys()
        self._read(missing)
        self._job_ids -= missing - self.rows.keys()
        return self.rows

    def row(self, job_id: int) -> LiveRow | None:
        """A job's row, None if the organization has no such job."""
        if job_id not in self.rows:
            self._read({job_id})
        return self.rows.get(job_id)

    def frame(self) -> Frame:
        """What stands around the cells of all jobs."""
        if self._frame is None:
            self._frame = Frame.of(self.organization_id)
        return self._frame

    def _read(self, job_ids: Iterable[int]) -> None:
        jobs = list(Job.objects.filter(pk__in=job_ids, organization=self.organization_id)) if job_ids else []
        if not jobs:
            return
        frame = self.frame()
        for job in jobs:
            job.organization = frame.organization
        group: Callable[[Stage], StageRef] = canonical if self.by_category else stage_ref
        reader = CellReader(jobs, Question(as_of=timezone.now(), clock=self.clock), frame)
        columns = (*CANONICAL_STAGES, UNMAPPED) if self.by_category else None
        self.rows = self.rows | {
            job.pk: LiveRow(job, clock, standings) for job, clock, standings in reader.standings(group, columns=columns)
        }


_remembered: OrderedDict[tuple[int, str, bool], LiveCells] = OrderedDict()
_remembering = RLock()


@dataclass(frozen=True, slots=True)
class Live:
    """Some organizations' cells, up to date as of ``now``; rows are read when they are asked for."""

    cells: Sequence[LiveCells]
    now: Now
    #: whether what is read for it serves the next request as well
    remembered: bool = True

    @property
    def organization_ids(self) -> list[int]:
        return [one.organization_id for one in self.cells]

    @property
    def versions(self) -> tuple[int, ...]:
        return tuple(one.version for one in self.cells)

    def rows(self) -> list[LiveRow]:
        """All rows of all organizations."""
        found: list[LiveRow] = []
        for one in self.cells:
            with one.lock:
                found += one.all_rows().values()
        return found

    def row(self, job_id: int) -> LiveRow | None:
        """A job's row; None if none of the organizations has such a job."""
        for one in sorted(self.cells, key=lambda one: job_id not in one.rows):
            with one.lock:
                if (found := one.row(job_id)) is not None:
                    return found
        return None

    def stages(self, row: LiveRow) -> Sequence[Stage]:
        """The stages of the connector that a row's job comes from, by id."""
        for one in self.cells:
            if one.organization_id == row.job.organization_id:
                with one.lock:
                    return one.frame().stages_of(row.job.connector_id)
        return ()


def live(organization_ids: Iterable[int], clock: str, *, by_category: bool) -> Live:
    """What is remembered of some organizations, with everything forgotten that has changed; one query.

    Within a transaction nothing is remembered: what it has written may be rolled back.
    """
    own = sorted(set(organization_ids))
    if connection.in_atomic_block:
        cells = [LiveCells(organization_id, clock, by_category) for organization_id in own]
    else:
        cells = [_recall(organization_id, clock, by_category) for organization_id in own]
    with ExitStack() as locks:
        for one in cells:
            locks.enter_context(one.lock)
        since = changes.since({one.organization_id: one.snapshot for one in cells}) if cells else {}
        for one in cells:
            one.note(since[one.organization_id])
        latest = max((one.latest for one in cells if one.latest is not None), default=None)
    return Live(cells, Now(step_of(timezone.now(), latest), str(clock)), remembered=not connection.in_atomic_block)


def step_of(now: datetime, latest: datetime | None) -> datetime:
    """The moment a live answer given now is about: the last full step, or the last change where that came later.

    Never before a change it tells of, so that the same question asked about that moment later on finds the same.
    """
    step = datetime.fromtimestamp(now.timestamp() // STEP.total_seconds() * STEP.total_seconds(), UTC)
    return step if latest is None else max(step, latest)


def _recall(organization_id: int, clock: str, by_category: bool) -> LiveCells:
    key = (organization_id, str(clock), by_category)
    with _remembering:
        found = _remembered.get(key) or LiveCells(*key)
        _remembered[key] = found
        _remembered.move_to_end(key)
        while len(_remembered) > 1 and sum(len(one.rows) for one in _remembered.values()) > JOBS_REMEMBERED:
            _remembered.popitem(last=False)
    return found
