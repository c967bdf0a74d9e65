"""Derived state is a function of the ledger: make it so again, or say where it is not.

Everything is read and folded over arrays; whoever is not what that says goes through the very statements of the road,
a chunk per transaction. The check runs them too, counts what they would have changed, and rolls back. A quiet
installation shows no drift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import chain, islice
from typing import TypeVar

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from analytics import baselines, services, suspect_cells, suspects
from analytics import measure as fold
from analytics.models import EXITS
from analytics.stays import Stays
from ats.models import Application
from ats.services import read_pipelines, refresh_snapshots_of
from config import sql

#: applications whose events and visits are held in arrays at once, some two kilobytes each
CHUNK = 50_000
#: applications mended in one transaction, and locked so long
MENDED_AT_ONCE = 20_000
#: jobs whose cells are computed in one transaction: the road waits for them no longer than for a refresh
JOBS_AT_ONCE = 250
#: connections that go through chunks side by side: PostgreSQL gives each a core, and the road keeps the others
CONNECTIONS = 2

_MEND_COUNTERS = """
insert into analytics_stagemetric (organization_id, job_id, stage_id, open, entered, exited, completed, completed_seconds, dirty,
                                   window_days, window_entered, window_exited, n, n_exits)
values (%s, %s, %s, %s, %s, %s, %s, %s, true, %s, 0, 0, 0, 0)
on conflict (job_id, stage_id) do update set open = excluded.open, entered = excluded.entered, exited = excluded.exited,
    completed = excluded.completed, completed_seconds = excluded.completed_seconds, dirty = true
"""

Piece = TypeVar("Piece")
Told = TypeVar("Told")


@dataclass
class Drift:
    """Rows that differ from what the ledger says (and were mended, in a rebuild)."""

    snapshots: int = 0
    visits: int = 0
    counters: int = 0
    percentiles: int = 0

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    def __str__(self) -> str:
        return ", ".join(f"{field.name} {getattr(self, field.name):,}" for field in fields(self))


def rebuild(*, organization_id: int, check: bool = False, progress: Callable[[int], None] = lambda done: None) -> Drift:
    """Recompute all derived rows of an organization; with ``check`` only report. ``progress`` gets applications done."""
    drift = Drift()
    with _unhurried() as cursor:
        beside = suspects.pipelines(cursor, organization_id)
        counters = suspect_cells.Counters(organization_id)

    def fold_again(ids: Sequence[int]) -> tuple[int, int, int]:
        with _unhurried() as cursor:
            found, visits = suspects.among(cursor, ids, beside)
        counters.add(visits)
        pieces = (found[start : start + MENDED_AT_ONCE] for start in range(0, len(found), MENDED_AT_ONCE))
        mended = [_fold_again(organization_id, piece, check=check) for piece in pieces]
        return len(ids), sum(snapshots for snapshots, _ in mended), sum(visits for _, visits in mended)

    for done, snapshots, visits in _side_by_side(fold_again, _chunks(organization_id)):
        drift.snapshots += snapshots
        drift.visits += visits
        progress(done)
    miscounted = counters.suspects()

    now = timezone.now()
    stays: list[Stays] = []

    def measure_again(job_ids: Sequence[int]) -> tuple[int, int]:
        wrong = _mend_counters(organization_id, [job for job in job_ids if job in miscounted], check=check)
        with _unhurried():
            looked = suspect_cells.look(job_ids, beside, as_of=now, dirty_too=not check)
        stays.append(looked.stays)
        return wrong, _measure_again(organization_id, looked.jobs, check=check)

    jobs = counters.jobs
    for wrong, differing in _side_by_side(
        measure_again, (jobs[start : start + JOBS_AT_ONCE] for start in range(0, len(jobs), JOBS_AT_ONCE))
    ):
        drift.counters += wrong
        drift.percentiles += differing
    if not check:
        with _unhurried():
            baselines.refresh(organization_id, as_of=now, stays=Stays.joined(stays))
    return drift


def _fold_again(organization_id: int, ids: Sequence[int], *, check: bool) -> tuple[int, int]:
    """Snapshots and visits of some applications; how many of each differed."""
    with _unhurried(undo=check) as cursor:
        snapshots = refresh_snapshots_of(cursor, list(ids))
        sql.plan_for_all(cursor)
        read_pipelines(cursor, organization_id)
        fold.derive(cursor, organization_id=organization_id)
        fold.write(cursor, organization_id=organization_id, window_days=services.WINDOW_DAYS)
        cursor.execute("select coalesce(sum(changes), 0) from cell_delta")
        return snapshots, int(cursor.fetchone()[0])


def _side_by_side(work: Callable[[Piece], Told], pieces: Iterator[Piece]) -> Iterator[Told]:
    """What ``work`` says of each piece, in no order: on ``CONNECTIONS`` connections, where there is more than one piece.

    Pieces are taken as they are needed. The first error ends it, once the pieces begun are done.
    """
    first = list(islice(pieces, 2))
    if len(first) < 2:
        yield from map(work, first)
        return

    def alone(piece: Piece) -> Told:
        try:
            return work(piece)
        finally:
            connection.close()

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        running: set[Future[Told]] = set()
        for piece in chain(first, pieces):
            if len(running) == CONNECTIONS:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in done)
            running.add(threads.submit(alone, piece))
        yield from (each.result() for each in running)


def _chunks(organization_id: int) -> Iterator[list[int]]:
    """Application ids in order, by keyset: constant memory, and no long transaction holds the list together."""
    last = 0
    while ids := list(
        Application.objects.filter(organization_id=organization_id, pk__gt=last).order_by("pk").values_list("pk", flat=True)[:CHUNK]
    ):
        yield ids
        last = ids[-1]


@contextmanager
def _unhurried(*, undo: bool = False) -> Iterator[CursorWrapper]:
    """A transaction whose statements may take long; rolled back at its end when only a check was asked for."""
    with transaction.atomic(), connection.cursor() as cursor:
        sql.take_time(cursor)
        yield cursor
        if undo:
            transaction.set_rollback(True)


def _mend_counters(organization_id: int, job_ids: Sequence[int], *, check: bool) -> int:
    """Bring the counters of some jobs to what their visits say; in how many cells they were not."""
    if not job_ids:
        return 0
    with _unhurried(undo=check) as cursor:
        if not check:
            # in the road's own order; what a step adds waits, so that it is added to what is counted here
            cursor.execute(
                "select 1 from analytics_stagemetric where job_id = any(%s) order by job_id, stage_id for update", [list(job_ids)]
            )
        # few groups of very many visits: sorting those, as the rest of this work likes it, would take most of the time
        cursor.execute("set local enable_hashagg = on; set local work_mem = '64MB'")
        cursor.execute(sql.text("analytics", "miscounted_cells"), {"jobs": list(job_ids), "exits": list(EXITS)})
        wrong = cursor.fetchall()
        if wrong:
            cursor.executemany(_MEND_COUNTERS, [(organization_id, *row, services.WINDOW_DAYS) for row in sorted(wrong)])
        return len(wrong)


def _measure_again(organization_id: int, job_ids: Sequence[int], *, check: bool) -> int:
    """Bring the numbers of some jobs' cells to what their visits say; in how many that were computed they were not."""
    if not job_ids:
        return 0
    with _unhurried(undo=check) as cursor:
        return services.recompute_cells(cursor, organization_id=organization_id, job_ids=job_ids, now=timezone.now(), store=not check)
