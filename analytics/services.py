"""The writes of analytics: visits and counters with each batch, percentiles soon after, all of it anew on request."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from analytics import measure as fold
from analytics.models import EXITS
from ats.services import lock_applications, read_pipelines
from config import flow, sql
from connectors import batches
from connectors.models import Batch

#: window of a heatmap cell unless asked otherwise (M01, M06: job view)
WINDOW_DAYS = 90
#: cells refreshed in one transaction
CELLS_AT_ONCE = 2000
#: a cell with people waiting changes with time alone: refreshed when older than this
STALE_CELL = timedelta(hours=1)

REFRESH_TABLES = {
    "picked": "job_id bigint, stage_id bigint, as_of timestamptz, primary key (job_id, stage_id)",
    "cell_visit": """job_id bigint, stage_id bigint, as_of timestamptz, since timestamptz, entered_at timestamptz, left_at timestamptz,
                     exit_kind text, well_dated boolean""",
    "cell_curve": """job_id bigint, stage_id bigint, n int, n_exits int, p50 float8, p50_low float8, p50_high float8, p85 float8,
                     longest float8, primary key (job_id, stage_id)""",
    "cell_window": """job_id bigint, stage_id bigint, entered bigint, exited bigint, avg_hours float8, oldest timestamptz,
                      primary key (job_id, stage_id)""",
}


def measure(batch: Batch) -> bool | None:
    """Step 3: visits of the touched applications, and the counters they move.

    A batch of what became due brings the percentiles of dirty cells up to date instead, ``CELLS_AT_ONCE`` a turn.
    """
    if batch.kind == Batch.Kind.DUE:
        refreshed = refresh_cells(organization_id=batch.organization_id, as_of=timezone.now(), aged=False)
        batch.job_ids = sorted({*batch.job_ids, *(job_id for job_id, _ in refreshed)})
        return len(refreshed) == CELLS_AT_ONCE
    with connection.cursor() as cursor:
        sql.pin_plans(cursor)
        lock_applications(cursor, batch.application_ids + _hit_by_job_status(cursor, batch.job_ids))
        read_pipelines(cursor, batch.organization_id)
        fold.derive(cursor)
        fold.write(cursor, organization_id=batch.organization_id, window_days=WINDOW_DAYS)
    return None


def _hit_by_job_status(cursor: CursorWrapper, job_ids: list[int]) -> list[int]:
    """Applications whose rejection may turn into a clean-up, or back, because a job left the open state."""
    if not job_ids:
        return []
    cursor.execute(
        """select distinct application_id from analytics_stagevisit
           where job_id = any(%s) and exit_kind in ('rejected', 'job_closed') order by 1""",
        [job_ids],
    )
    return [row[0] for row in cursor.fetchall()]


def refresh_cells(*, organization_id: int, as_of: datetime, aged: bool = True) -> list[tuple[int, int]]:
    """Recompute window counts and percentiles of dirty cells, at most ``CELLS_AT_ONCE``; returns their (job, stage) ids.

    ``aged``: also of cells with people waiting whose numbers are older than ``STALE_CELL``. One refresher per
    organization at a time: a second one leaves, for the first or the next sweep sees its cells too.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s, %s)", [_REFRESH_LOCK, organization_id])
        if not cursor.fetchone()[0]:
            return []
        sql.pin_plans(cursor)
        make_refresh_tables(cursor)
        cursor.execute(
            """insert into picked select job_id, stage_id, %(as_of)s from analytics_stagemetric
               where organization_id = %(organization)s and (dirty or %(aged)s and open > 0 and computed_at < %(before)s)
               order by job_id, stage_id limit %(limit)s for update
               returning job_id, stage_id""",
            {"organization": organization_id, "as_of": as_of, "aged": aged, "before": as_of - STALE_CELL, "limit": CELLS_AT_ONCE},
        )
        picked: list[tuple[int, int]] = cursor.fetchall()
        if picked:
            compute_cells(cursor)
            sql.run(cursor, "analytics", "store_curves", {"window_days": WINDOW_DAYS})
        return picked


def make_refresh_tables(cursor: CursorWrapper) -> None:
    for name, columns in REFRESH_TABLES.items():
        sql.temporary_table(cursor, name, columns)


def compute_cells(cursor: CursorWrapper) -> None:
    """Fill ``cell_window`` and ``cell_curve`` for the cells in ``picked``, each as of its own moment."""
    sql.run(cursor, "analytics", "cell_visits", {"window_days": WINDOW_DAYS})
    sql.run(cursor, "analytics", "window_counts", {"exits": list(EXITS)})
    sql.run(cursor, "analytics", "refresh_cells", {"exits": list(EXITS)})


def refresh_dirty(*, aged: bool) -> int:
    """Refresh the cells of every organization that needs it, and tell the screens. Returns the number of cells."""
    total = 0
    with connection.cursor() as cursor:
        # dirty rows have an index of their own; the aged are looked for less often
        query = "select distinct organization_id from analytics_stagemetric where dirty"
        if aged:
            cursor.execute(query + " or open > 0 and computed_at < %s", [timezone.now() - STALE_CELL])
        else:
            cursor.execute(query)
        organizations = [row[0] for row in cursor.fetchall()]
    for organization_id in organizations:
        with transaction.atomic():
            refreshed = refresh_cells(organization_id=organization_id, as_of=timezone.now(), aged=aged)
            if refreshed:
                jobs = sorted({job_id for job_id, _ in refreshed})
                batches.start(organization_id=organization_id, step=flow.PUSH, job_ids=jobs)
        total += len(refreshed)
    return total


_REFRESH_LOCK = 7301
