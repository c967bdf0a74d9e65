"""The numbers of very many cells at once, for a window nobody has kept anything for: one pass over the visits, in arrays.

``samples`` finds the visits of each cell by an index, which is right for a job and a hundred times too slow for two
thousand: every visit costs a look at another page. Here the table is read once, from end to end, and everything else
is sorting and running sums over arrays. The definitions are those of ``sql/window_counts.sql`` and ``sql/curves.sql``;
a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from django.db import connection, transaction

from analytics.array_cells import MINUTE, UNDECIDED
from analytics.array_fold import FOREVER, KINDS, Array
from analytics.calendars import BEGINNING, JobClocks
from analytics.estimators import Unit
from analytics.models import EXITS, ExitKind
from ats.models import Job, Stage

if TYPE_CHECKING:
    from analytics.samples import Pick

#: From so many (job, stage) pairs on, and when they hold this share of all visits, reading everything is cheaper.
MANY_PAIRS = 500
LARGE_SHARE = 0.05

#: PostgreSQL counts microseconds from here
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
#: z of a 95 % interval
Z = 1.959963984540054

#: What is read of each visit, as arrays: a row per visit would be a million messages. ``packed`` holds n, the code of the
#: end, and whether the entry is well dated.
COLUMNS = (("application", ">i8"), ("job", ">i8"), ("stage", ">i8"), ("entered", ">i8"), ("left", ">i8"), ("packed", ">i4"), ("bd", ">f8"))
#: of an array in PostgreSQL's binary format, before its elements: dimensions, flags, type, length, lower bound
ARRAY_HEADER = 20

_ENTERED = "entered_at >= %(since)s and entered_at < %(until)s and entered_at <= %(as_of)s"
_VISITS = f"""
select array_agg(v.application_id), array_agg(v.job_id), array_agg(v.stage_id), array_agg(v.entered_at),
       array_agg(coalesce(v.left_at, 'infinity')),
       array_agg(v.n::int4 * 64 + coalesce(array_position(%(kinds)s::text[], v.exit_kind::text), 0) * 2
                 + ((v.entry_precision = 'exact' or v.entry_precision = 'bounded' and v.entry_gap <= 86400) and not v.survivor)::int4),
       array_agg(coalesce(v.bd, 'NaN'))
from analytics_stagevisit v
where v.application_id in (select application_id from analytics_stagevisit
                           where organization_id = any(%(organizations)s) and {_ENTERED})
  and v.job_id is not null and v.entered_at <= %(as_of)s
"""  # noqa: S608 (no part comes from outside)
_EXITS = """
select job_id, stage_id, count(*) from analytics_stagevisit
where organization_id = any(%(organizations)s) and left_at >= %(since)s and left_at < %(until)s and left_at <= %(as_of)s
  and job_id is not null
group by job_id, stage_id
"""
_SHARE = """
select coalesce(sum(m.entered), 0) / greatest((select reltuples from pg_class where oid = 'public.analytics_stagevisit'::regclass), 1)
from analytics_stagemetric m where m.job_id = any(%s)
"""

_PLANS = """
set local enable_indexscan = off; set local enable_bitmapscan = off; set local enable_seqscan = on; set local enable_hashjoin = on;
set local work_mem = '128MB'; set local max_parallel_workers_per_gather = 2
"""

#: one at a time in a process: each holds some hundred bytes per visit
_turn = Lock()


@dataclass(frozen=True, slots=True)
class Wide:
    """What a wide question found, by cell; ``curves`` by (cell, clock), in the order of ``samples.Summary``."""

    curves: dict[tuple[int, str], tuple[Any, ...]]
    counts: dict[int, dict[str, Any]]


def is_wide(picks: Sequence[Pick]) -> bool:
    """Whether these cells are better read all at once: many, of one window, and a good part of everything there is."""
    if len(picks) < MANY_PAIRS:
        return False
    first = picks[0]
    asked = (first.since, first.until, first.as_of, first.clocks, first.counted)
    if any((pick.since, pick.until, pick.as_of, pick.clocks, pick.counted) != asked for pick in picks):
        return False
    if len({(pick.job_id, pick.stage_id) for pick in picks}) < len(picks):
        return False
    with connection.cursor() as cursor:
        cursor.execute(_SHARE, [sorted({pick.job_id for pick in picks})])
        return bool(cursor.fetchone()[0] >= LARGE_SHARE)


def measured(picks: Sequence[Pick], *, known_by: datetime | None) -> Wide:
    """Curves and counts of the picked cells."""
    jobs = list(Job.objects.filter(pk__in={pick.job_id for pick in picks}).select_related("organization"))
    with _turn:
        visits, exits = _read(picks[0], sorted({job.organization_id for job in jobs}))
        return _Computation(picks, jobs, visits, known_by).run(exits)


def stays(picks: Sequence[Pick], *, known_by: datetime | None) -> tuple[Array, Array, Array, Array]:
    """The sample of the picked cells on their first clock, a row per stay: cell, days, whether it ended in an exit, is open."""
    jobs = list(Job.objects.filter(pk__in={pick.job_id for pick in picks}).select_related("organization"))
    with _turn:
        visits, _ = _read(picks[0], sorted({job.organization_id for job in jobs}))
        return _Computation(picks, jobs, visits, known_by).stays()


def _read(pick: Pick, organizations: list[int]) -> tuple[dict[str, Array], list[tuple[int, int, int]]]:
    asked: dict[str, Any] = {
        "since": pick.since, "until": pick.until, "as_of": pick.as_of, "kinds": list(KINDS), "organizations": organizations,
    }  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PLANS)
        cursor.execute(_EXITS, asked)
        exits = cursor.fetchall()
        with psycopg.Cursor(connection.connection) as arrays:  # Django's own cursors speak text only
            arrays.execute(_VISITS, asked, binary=True)
            visits = dict(zip((name for name, _ in COLUMNS), arrays_of(arrays, [kind for _, kind in COLUMNS]), strict=True))
        transaction.set_rollback(True)  # nothing was written, and the plans of others are theirs again
    packed = visits.pop("packed")
    return visits | {"n": packed >> 6, "kind": (packed >> 1) & 31, "well_dated": (packed & 1).astype(bool)}, exits


def arrays_of(cursor: psycopg.Cursor[Any], kinds: Sequence[str]) -> list[Array]:
    """The columns of the one row that a statement executed with ``binary=True`` gave, each an array of this kind."""
    assert cursor.pgresult is not None, "a statement that was executed has a result"
    return [_array(cursor.pgresult.get_value(0, place), kind) for place, kind in enumerate(kinds)]


def _array(value: bytes | None, kind: str) -> Array:
    """The elements of an array without nulls; each stands behind its length."""
    native = np.dtype(kind).newbyteorder("=")
    if value is None:
        return np.array([], native)
    return np.frombuffer(value, np.dtype([("length", ">i4"), ("value", kind)]), offset=ARRAY_HEADER)["value"].astype(native)


class _Computation:
    def __init__(self, picks: Sequence[Pick], jobs: Sequence[Job], visits: dict[str, Array], known_by: datetime | None) -> None:
        pick = picks[0]
        self._picks, self._jobs, self._known_by, self._as_of = picks, jobs, known_by, pick.as_of
        self._clocks, self._counted = pick.clocks, pick.counted
        self._since, self._until, self._now = (micros(moment) for moment in (pick.since, pick.until, pick.as_of))
        self._cells = np.array(sorted({pick.cell for pick in picks}), np.int64)
        order = np.lexsort((visits["n"], visits["job"], visits["application"]))
        for name, values in visits.items():
            setattr(self, name, values[order])
        self._place_visits(picks)
        self._entry = (self.cell >= 0) & (self.entered >= self._since) & (self.entered < self._until) & (self.entered <= self._now)
        self._over = self.left <= self._now
        self._ends = np.isin(self.kind, [KINDS.index(kind) + 1 for kind in EXITS])
        self._lasted = np.minimum(self.left, self._now) - self.entered

    application: Array
    n: Array
    job: Array
    stage: Array
    entered: Array
    left: Array
    kind: Array
    well_dated: Array
    bd: Array

    def _place_visits(self, picks: Sequence[Pick]) -> None:
        """Each visit's cell (as an index, -1 for none), the place of its stage, and the place beyond which it has advanced."""
        keys = np.array([(pick.job_id, pick.stage_id) for pick in picks], np.int64)
        cells = np.searchsorted(self._cells, np.array([pick.cell for pick in picks], np.int64))
        beyond = np.array([FOREVER if pick.place is None else pick.place for pick in picks], np.int64)
        stages, where = np.unique(np.concatenate([keys[:, 1], self.stage]), return_inverse=True)
        _, which = np.unique(np.concatenate([keys[:, 0], self.job]), return_inverse=True)
        pairs = which * len(stages) + where
        own, theirs = pairs[: len(keys)], pairs[len(keys) :]
        order = np.argsort(own)
        found = np.minimum(np.searchsorted(own[order], theirs), len(own) - 1)
        hit = order[found]
        known = own[hit] == theirs
        self.cell = np.where(known, cells[hit], -1)
        self.beyond = np.where(known, beyond[hit], FOREVER)
        orders = {stage.pk: stage.order for stage in Stage.objects.filter(pk__in=stages.tolist())}
        places = np.array([-1 if (place := orders.get(int(stage))) is None else place for stage in stages], np.int64)
        self.place = places[where[len(keys) :]]

    def run(self, exits: list[tuple[int, int, int]]) -> Wide:
        curves: dict[tuple[int, str], tuple[Any, ...]] = {}
        for clock in self._clocks:
            curves |= {(cell, clock): summary for cell, summary in product_limit(*self.stays(clock)).items()}
        return Wide(curves, self._counts(exits) if self._counted else {})

    def stays(self, clock: str | None = None) -> tuple[Array, Array, Array, Array]:
        chosen = np.flatnonzero(self._entry & (self.entered < self._now) & self.well_dated & (self._lasted >= MINUTE))
        bd = (clock or self._clocks[0]) == Unit.BUSINESS_DAYS
        days = self._business_days(chosen, self._over) if bd else self._lasted[chosen] / 86_400e6
        return self._cells[self.cell[chosen]], days, (self._over & self._ends)[chosen], ~self._over[chosen]

    def _business_days(self, chosen: Array, over: Array) -> Array:
        """Stored for visits that are over, counted here for those that were not at the question's moment."""
        days = self.bd[chosen].copy()
        missing = np.flatnonzero(~over[chosen] | np.isnan(days))
        clocks = JobClocks(self._jobs, self._as_of, self._earliest(chosen[missing]), known_by=self._known_by)
        jobs = {job.pk: job for job in self._jobs}
        by_job: dict[int, list[int]] = {}
        for at in missing.tolist():
            by_job.setdefault(int(self.job[chosen[at]]), []).append(at)
        for job_id, own in by_job.items():
            clock = clocks.of(jobs[job_id])
            for at in own:
                visit = chosen[at]
                until = moment(int(self.left[visit])) if over[visit] else self._as_of
                days[at] = clock.calendar.bd(max(moment(int(self.entered[visit])), BEGINNING), until, holds=clock.holds)
        return days

    def _earliest(self, visits: Array) -> datetime:
        return max(moment(int(self.entered[visits].min())), BEGINNING) if len(visits) else self._as_of

    def _counts(self, exits: list[tuple[int, int, int]]) -> dict[int, dict[str, Any]]:
        entry, over, lasted = self._entry, self._over, self._lasted
        advanced, last_end = self._ways(over)
        first = entry & self._first_in_cell()
        staying = first & ~advanced
        completed = entry & over & self._ends & (lasted >= MINUTE)
        seconds = np.bincount(self.cell[completed], lasted[completed] / 1e6, len(self._cells))
        masks = {
            "entered": entry,
            "completed": completed,
            "first_entries": first,
            "advanced": first & advanced,
            "undecided": staying & np.isin(last_end, UNDECIDED),
            "rejected": staying & (last_end == KINDS.index(ExitKind.REJECTED) + 1),
            "withdrawn": staying & (last_end == KINDS.index(ExitKind.WITHDRAWN) + 1),
        }
        told = {name: np.bincount(self.cell[mask], minlength=len(self._cells)).tolist() for name, mask in masks.items()}
        exited: dict[int, int] = dict.fromkeys(self._cells.tolist(), 0)
        cell_of = {(pick.job_id, pick.stage_id): pick.cell for pick in self._picks}
        for job_id, stage_id, count in exits:
            if (cell := cell_of.get((job_id, stage_id))) is not None:
                exited[cell] += count
        done = told.pop("completed")
        return {
            cell: {name: values[at] for name, values in told.items()}
            | {"exited": exited[cell], "avg_hours": float(seconds[at]) / done[at] / 3600 if done[at] else None}
            for at, cell in enumerate(self._cells.tolist())
        }

    def _ways(self, over: Array) -> tuple[Array, Array]:
        """Whether each visit's application has since advanced in the job, and how its last visit there ended (0: it has not)."""
        count = len(self.application)
        starts = np.ones(count, bool)
        starts[1:] = (self.application[1:] != self.application[:-1]) | (self.job[1:] != self.job[:-1])
        group = np.cumsum(starts) - 1
        # from the back, each group above the one before it, so that one running maximum serves them all
        above = (group[-1] - group if count else group)[::-1] * 1_000_000
        furthest = np.maximum.accumulate(self.place[::-1] + 1 + above) - above - 1
        later = np.full(count, -1)
        later[:-1] = np.where(group[1:] == group[:-1], furthest[::-1][1:], -1)
        hired = (self.kind == KINDS.index(ExitKind.HIRED) + 1) & over
        still = (np.maximum.accumulate(hired[::-1] + above) - above).astype(bool)[::-1]
        last = np.append(np.flatnonzero(starts)[1:], count) - 1 if count else np.array([], int)
        last_end = np.where(over[last], self.kind[last], 0)
        return (later > self.beyond) | still, last_end[group]

    def _first_in_cell(self) -> Array:
        order = np.lexsort((self.n, self.job, self.cell, self.application))
        first = np.ones(len(order), bool)
        again = np.ones(max(len(order) - 1, 0), bool)
        for values in (self.application, self.cell, self.job):
            ordered = values[order]
            again &= ordered[1:] == ordered[:-1]
        first[1:] = ~again
        found = np.empty(len(order), bool)
        found[order] = first
        return found


def product_limit(cell: Array, days: Array, exit_: Array, open_: Array) -> dict[int, tuple[Any, ...]]:
    """By cell ``(n, n_exits, n_open, p50, low, high, p85, p95, longest)``, as in ``sql/curves.sql``."""
    order = np.argsort(days)
    order = order[np.argsort(cell[order], kind="stable")]  # half the time of a lexsort
    return product_limit_in_order(cell[order], days[order], exit_[order], open_[order])


def product_limit_in_order(cell: Array, days: Array, exit_: Array, open_: Array) -> dict[int, tuple[Any, ...]]:
    """The same of stays that come by cell, the shortest first.

    Running sums are kept to 18 digits: they go through all cells, and what is told of one is a difference.
    """
    if not len(cell):
        return {}
    curves = curves_in_order(cell, days, exit_)
    starts, group = curves.starts, curves.group
    quantiles = [
        _first_at(values <= bound + 1e-9, curves.exits, group, curves.time, len(starts))
        for values, bound in (
            (curves.survival, 0.5),
            (curves.lower, 0.5),
            (curves.upper, 0.5),
            (curves.survival, 0.15),
            (curves.survival, 0.05),
        )
    ]
    first = curves.at[starts]
    ends = np.append(first[1:], len(cell))
    columns = [
        (ends - first).tolist(),
        np.add.reduceat(exit_.astype(np.int64), first).tolist(),
        np.add.reduceat(open_.astype(np.int64), first).tolist(),
        *quantiles,
        days[ends - 1].tolist(),
    ]
    return dict(zip(cell[first].tolist(), zip(*columns, strict=True), strict=True))


@dataclass(frozen=True, slots=True)
class Curves:
    """Product-limit curves, one after the other: a row per curve and distinct duration."""

    #: of each row the first stay, and its curve; of each curve the first row
    at: Array
    group: Array
    starts: Array
    time: Array
    at_risk: Array
    exits: Array
    survival: Array
    lower: Array
    upper: Array


def curves_in_order(cell: Array, days: Array, exit_: Array) -> Curves:
    """Of stays that come by cell, the shortest first; at least one."""
    at = np.flatnonzero(np.append(True, (cell[1:] != cell[:-1]) | (days[1:] != days[:-1])))
    exits = np.add.reduceat(exit_.astype(np.int64), at)
    owner, time = cell[at], days[at]
    begins = np.append(True, owner[1:] != owner[:-1])
    starts = np.flatnonzero(begins)
    group = np.cumsum(begins) - 1
    ends = np.append(at[starts][1:], len(cell))
    n = (ends[group] - at).astype(float)
    everybody = exits == n
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(everybody, 0.0, np.log1p(-exits / n))
        spread = np.where(everybody, 0.0, exits / (n * (n - exits)))
        survival = np.where(everybody, 0.0, np.exp(_running(logs, starts, group)))
        greenwood = _running(spread, starts, group)
        half = Z * np.sqrt(greenwood) / np.abs(np.log(survival))
        lower, upper = (np.exp(-np.minimum(np.exp(np.log(-np.log(survival)) + sign * half), 600)) for sign in (1, -1))
    for band in (lower, upper):
        band[survival <= 0], band[survival >= 1] = 0.0, 1.0
    return Curves(at, group, starts, time, n, exits, survival, lower, upper)


def _running(values: Array, starts: Array, group: Array) -> Array:
    """The running sum within each group."""
    total = np.cumsum(values, dtype=np.longdouble)
    before = np.append(np.longdouble(0), total)[starts]
    return np.asarray(total - before[group], float)


def _first_at(reached: Array, exits: Array, group: Array, time: Array, groups: int) -> list[float | None]:
    """Per group the first exit time at which something is reached."""
    found = np.flatnonzero(reached & (exits > 0))
    which, first = np.unique(group[found], return_index=True)
    told: list[float | None] = [None] * groups
    for where, value in zip(which.tolist(), time[found[first]].tolist(), strict=True):
        told[where] = value
    return told


def micros(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)
