"""Derived state is a function of the ledger: make it so again, or say where it is not.

The rebuild runs the very statements of the road over all applications, a chunk per transaction; the check runs them
too, counts what they would have changed, and rolls back. A quiet installation shows no drift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from analytics import baselines, services
from analytics import measure as fold
from analytics.models import EXITS, StageMetric
from ats.models import Application
from ats.services import read_pipelines, refresh_snapshots_of
from config import sql

CHUNK = 20_000


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
    for ids in _chunks(organization_id):
        with _unhurried(undo=check) as cursor:
            drift.snapshots += refresh_snapshots_of(cursor, ids)
            sql.plan_for_all(cursor)
            read_pipelines(cursor, organization_id)
            fold.derive(cursor, organization_id=organization_id)
            fold.write(cursor, organization_id=organization_id, window_days=services.WINDOW_DAYS)
            cursor.execute("select coalesce(sum(changes), 0) from cell_delta")
            drift.visits += int(cursor.fetchone()[0])
        progress(len(ids))
    with _unhurried(undo=check) as cursor:
        drift.counters = _mend_counters(cursor, organization_id)
    with _unhurried() as cursor:
        drift.percentiles = _percentile_drift(cursor, organization_id)
    if not check:
        _measure_again(organization_id)
    return drift


def _measure_again(organization_id: int) -> None:
    """All percentiles and baselines as of now."""
    with _unhurried():
        StageMetric.objects.filter(organization_id=organization_id).update(dirty=True)
    refreshed = services.CELLS_AT_ONCE
    while refreshed == services.CELLS_AT_ONCE:
        with _unhurried():
            refreshed = len(services.refresh_cells(organization_id=organization_id, as_of=timezone.now()))
    with _unhurried():
        baselines.refresh(organization_id, as_of=timezone.now())


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


def _mend_counters(cursor: CursorWrapper, organization_id: int) -> int:
    cursor.execute(sql.text("analytics", "counter_drift"), {"organization": organization_id, "exits": list(EXITS)})
    wrong = cursor.fetchall()
    if wrong:
        cursor.executemany(
            """insert into analytics_stagemetric (organization_id, job_id, stage_id, open, entered, exited, completed, completed_seconds,
                                                  dirty, window_days, window_entered, window_exited, n, n_exits)
               values (%s, %s, %s, %s, %s, %s, %s, %s, true, %s, 0, 0, 0, 0)
               on conflict (job_id, stage_id) do update set open = excluded.open, entered = excluded.entered, exited = excluded.exited,
                   completed = excluded.completed, completed_seconds = excluded.completed_seconds, dirty = true""",
            [(organization_id, *row, services.WINDOW_DAYS) for row in sorted(wrong)],
        )
    return len(wrong)


def _percentile_drift(cursor: CursorWrapper, organization_id: int) -> int:
    """Clean cells whose stored percentiles are not what the visits give for the moment they were computed."""
    services.make_refresh_tables(cursor)
    cursor.execute(
        """insert into refreshed select id, job_id, stage_id, computed_at, false from analytics_stagemetric
           where organization_id = %s and not dirty and computed_at is not null""",
        [organization_id],
    )
    services.compute_cells(cursor)
    cursor.execute(sql.text("analytics", "curve_drift"))
    return int(cursor.fetchone()[0])
