"""From cells to their numbers: product-limit percentiles, counts and rates of any set of visits, in two statements.

A cell is whatever (job, stage) pairs are picked under one number: a stage of a job, a category of a job, of a
department, of everything. The kept numbers of a heatmap and the answers to any other question come from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from analytics import wide
from analytics.calendars import ensure_compiled
from analytics.estimators import Estimate, Unit, gated
from analytics.models import EXITS
from ats.models import CATEGORY_RANK
from config import sql

TABLES = {
    "picked": """cell bigint, job_id bigint, stage_id bigint, place int, since timestamptz, until timestamptz, as_of timestamptz,
                 clocks text[], counted boolean, primary key (cell, job_id, stage_id)""",
    "cell_visit": """cell bigint, job_id bigint, place int, since timestamptz, until timestamptz, as_of timestamptz, clocks text[],
                     counted boolean, stage_id bigint, application_id bigint, n int, entered_at timestamptz, left_at timestamptz,
                     exit_kind text, well_dated boolean, bd float8""",
    "job_clock": "job_id bigint primary key, calendar_id bigint",
    "job_hold": "job_id bigint, held_from float8, held_until float8",
    "place_now": "stage_id bigint primary key, place int",
    "cell_curve": """cell bigint, clock text, n int, n_exits int, n_open int, p50 float8, p50_low float8, p50_high float8, p85 float8,
                     p95 float8, longest float8, primary key (cell, clock)""",
    "cell_moves": "cell bigint primary key, moves_at timestamptz",
    "cell_window": """cell bigint primary key, entered bigint, exited bigint, avg_hours float8, oldest timestamptz, first_entries bigint,
                      advanced bigint, undecided bigint, rejected bigint, withdrawn bigint""",
}

#: window of everything a limit or a delay is compared with
BASELINE_DAYS = 180
#: window of the median a delay is read from
RECENT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Pick:
    """Visits of one (job, stage) that began in [since, until), as of a moment, counted into ``cell``.

    ``place``: who has since been in a stage of the job with a higher place has advanced. ``counted``: rates and
    counts are wanted beside the curve.
    """

    cell: int
    job_id: int
    stage_id: int
    since: datetime
    until: datetime
    as_of: datetime
    place: int | None = None
    clocks: tuple[str, ...] = (Unit.BUSINESS_DAYS,)
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """A product-limit curve by what is ever shown of it; in days of its clock, not gated by sample size."""

    n: int = 0
    n_exits: int = 0
    n_open: int = 0
    p50: float | None = None
    p50_low: float | None = None
    p50_high: float | None = None
    p85: float | None = None
    p95: float | None = None
    longest: float | None = None

    def median(self, unit: Unit) -> Estimate:
        return self._shown(0.50, self.p50, unit, self.p50_low, self.p50_high)

    def upper(self, unit: Unit) -> Estimate:
        """The p85."""
        return self._shown(0.85, self.p85, unit)

    def _shown(self, p: float, value: float | None, unit: Unit, low: float | None = None, high: float | None = None) -> Estimate:
        return gated(p, value, unit, n=self.n, n_exits=self.n_exits, n_open=self.n_open, longest=self.longest, interval=(low, high))


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened in a cell during its window; ``first_entries`` and what became of them as in M07 and M08."""

    entered: int = 0
    exited: int = 0
    avg_hours: float | None = None
    oldest: datetime | None = None
    first_entries: int = 0
    advanced: int = 0
    undecided: int = 0
    rejected: int = 0
    withdrawn: int = 0


NO_SUMMARY = Summary()
NO_COUNTS = Counts()


@dataclass(frozen=True, slots=True)
class Measured:
    """Curves by (cell, clock) and counts by cell; a cell without visits has neither."""

    curves: dict[tuple[int, str], Summary]
    counts: dict[int, Counts]

    def curve(self, cell: int, clock: str = Unit.BUSINESS_DAYS) -> Summary:
        return self.curves.get((cell, clock), NO_SUMMARY)


def measured(picks: Sequence[Pick], *, known_by: datetime | None = None) -> Measured:
    """The numbers of picked cells. ``known_by``: holds as known then (the visits are what the caller's view shows)."""
    if not picks:
        return Measured({}, {})
    if wide.is_wide(picks):
        told = wide.measured(picks, known_by=known_by)
        return Measured(
            {cell: Summary(*numbers) for cell, numbers in told.curves.items()},
            {cell: Counts(**numbers) for cell, numbers in told.counts.items()},
        )
    with transaction.atomic(), connection.cursor() as cursor:
        pick(cursor, picks)
        compute(cursor, known_by=known_by)
        return fetch(cursor)


def pick(cursor: CursorWrapper, picks: Sequence[Pick]) -> None:
    """Empty tables but for ``picked``."""
    make_tables(cursor)
    lines = (
        f"{p.cell}\t{p.job_id}\t{p.stage_id}\t{sql.NULL if p.place is None else p.place}\t{p.since.isoformat()}\t{p.until.isoformat()}"
        f"\t{p.as_of.isoformat()}\t{{{','.join(p.clocks)}}}\t{'t' if p.counted else 'f'}\n"
        for p in picks
    )
    sql.copy_rows(cursor, "picked", lines)


def make_tables(cursor: CursorWrapper) -> None:
    """Empty tables for a computation, and plans that fit them: to the end of the transaction."""
    sql.pin_plans(cursor)
    sql.temporary_tables(cursor, TABLES)


def compute(cursor: CursorWrapper, *, known_by: datetime | None = None) -> None:
    """Fill ``cell_curve`` and ``cell_window`` for the rows in ``picked``."""
    gather(cursor, known_by=known_by)
    sql.run(cursor, "analytics", "window_counts", {"exits": list(EXITS)})
    cursor.execute(of_sample("curves"), {"exits": list(EXITS)})


def of_sample(name: str) -> str:
    """A statement that begins with the sample."""
    return sql.text("analytics", name).replace("{sample}", sql.text("analytics", "sample"))


def gather(cursor: CursorWrapper, *, known_by: datetime | None = None) -> None:
    """Fill ``cell_visit`` for the rows in ``picked``, and what is needed to count their days."""
    cursor.execute("insert into job_clock select distinct job_id from picked")
    cursor.execute(
        """select distinct j.organization_id from job_clock k
           cross join lateral (select organization_id from ats_job j where j.id = k.job_id offset 0) j
           where not exists (select 1 from analytics_workingcalendar c
                             where c.organization_id = j.organization_id and c.job_id is null and c.compiled_from <> '')"""
    )
    for (organization_id,) in cursor.fetchall():
        ensure_compiled(cursor, organization_id)
    sql.run(cursor, "analytics", "job_clocks", {"organization": None})
    sql.run(cursor, "analytics", "job_holds", {"known_by": known_by})
    sql.run(cursor, "analytics", "places", {"categories": [str(category) for category in CATEGORY_RANK]})
    sql.run(cursor, "analytics", "cell_visits")


def fetch(cursor: CursorWrapper) -> Measured:
    cursor.execute("select * from cell_curve")
    curves = {(cell, clock): Summary(*numbers) for cell, clock, *numbers in cursor.fetchall()}
    cursor.execute("select * from cell_window")
    return Measured(curves, {cell: Counts(*numbers) for cell, *numbers in cursor.fetchall()})


def windows_of(as_of: datetime, days: int) -> tuple[datetime, datetime]:
    return as_of - timedelta(days=days), as_of


def baseline_picks(cell: int, cells: Iterable[tuple[int, int]], as_of: datetime) -> list[Pick]:
    """The 180 days before ``as_of`` of some (job, stage) pairs as one cell."""
    since, until = windows_of(as_of, BASELINE_DAYS)
    return [Pick(cell, job_id, stage_id, since, until, as_of) for job_id, stage_id in cells]
