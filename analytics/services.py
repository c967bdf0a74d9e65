"""The writes of analytics: visits and counters with each batch, percentiles soon after, all of it anew on request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from analytics import measure as fold
from analytics import samples
from ats.models import CATEGORY_RANK
from ats.services import lock_applications, read_pipelines
from config import flow, sql
from connectors import batches
from connectors.models import Batch

#: window of a heatmap cell unless asked otherwise (M01, M06: job view)
WINDOW_DAYS = 90
#: cells refreshed in one transaction
CELLS_AT_ONCE = 2000
#: a cell changes with time alone: at moments that are known beforehand (``cell_moves.sql``), when it is refreshed; and wherever
#: somebody who waits outlasts another of the past stays, which moves the curve by little: refreshed when older than this
STALE_CELL = timedelta(hours=1)
MOVES_WITH_TIME = "(open > 0 or own_n > 0 or window_entered > 0 or window_exited > 0)"

#: what ``store_curves.sql`` is filled in with
CLEAN = "dirty = false, moves_at = p.moves_at, "
STAGE_CELLS = {"metrics": "analytics_stagemetric", "refreshed": "refreshed", "step": "4", "sign": "", "clean": CLEAN}
CATEGORY_CELLS = {"metrics": "analytics_categorymetric", "refreshed": "refreshed_pool", "step": "-4", "sign": "-", "clean": ""}
#: the 180 days a cell's own limit looks at are read again with its window, but not more often than this: a long import
#: touches a cell again and again. What was left out then is caught up with as soon as it may be.
OWN_RESTS = timedelta(minutes=1)
BEHIND = "(own_at < computed_at and own_at < %(own_before)s)"
MOVED = "moves_at < %(now)s"


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
        fold.derive(cursor, organization_id=batch.organization_id)
        fold.write(cursor, organization_id=batch.organization_id, window_days=WINDOW_DAYS)
    return None


def _hit_by_job_status(cursor: CursorWrapper, job_ids: list[int]) -> list[int]:
    """Applications whose rejection may turn into a clean-up, or back, because a job left the open state; and everybody who
    was ever in a job that was on hold, for business days leave that time out."""
    if not job_ids:
        return []
    cursor.execute(
        """select distinct application_id from unnest(%s::bigint[]) as j(job_id)
           cross join lateral (
               select application_id from analytics_stagevisit v
               where v.job_id = j.job_id and v.left_at is not null
                 and (v.exit_kind in ('rejected', 'job_closed')
                      or (select true from ats_candidateevent e where e.job_id = j.job_id and e.event_type = 'job_status_changed'
                          and e.metadata ->> 'status' = 'on_hold' limit 1)) offset 0) v
           order by 1""",
        [job_ids],
    )
    return [row[0] for row in cursor.fetchall()]


def refresh_cells(*, organization_id: int, as_of: datetime, aged: bool = True) -> list[tuple[int, int]]:
    """Recompute window counts and percentiles of dirty cells, at most ``CELLS_AT_ONCE``; returns their (job, stage) ids.

    Also of cells whose own 180 days were left for later, of those that time has changed, and if ``aged`` of those where it may
    have and whose numbers are older than ``STALE_CELL``. One refresher per organization at a time: a second one leaves, for the
    first or the next sweep sees its cells too.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s, %s)", [_REFRESH_LOCK, organization_id])
        if not cursor.fetchone()[0]:
            return []
        make_refresh_tables(cursor)
        cursor.execute(
            f"""insert into refreshed
                select id, job_id, stage_id, %(as_of)s, coalesce(own_at < %(own_before)s, true) from analytics_stagemetric
                where id = any(array({_to_refresh("id", aged=aged)}))
                order by job_id, stage_id limit %(limit)s for update
                returning job_id, stage_id""",  # noqa: S608 (no part comes from outside)
            {
                "organization": organization_id,
                "as_of": as_of,
                **_due(as_of),
                "limit": CELLS_AT_ONCE,
            },
        )
        picked: list[tuple[int, int]] = cursor.fetchall()
        if picked:
            sql.run(cursor, "analytics", "pool_cells", {"organization": organization_id})
            compute_cells(cursor)
            _store(cursor, STAGE_CELLS)
            _store(cursor, CATEGORY_CELLS)
        return picked


def _to_refresh(column: str, *, aged: bool) -> str:
    """Of which cells: those dirty, behind and moved have indexes of their own; the aged are looked for less often.

    ``organization`` null: of every organization.
    """
    kinds = ["dirty", BEHIND, MOVED, *([f"{MOVES_WITH_TIME} and computed_at < %(before)s"] if aged else [])]
    own = "(%(organization)s::bigint is null or organization_id = %(organization)s)"
    return " union ".join(f"select {column} from analytics_stagemetric where {own} and {kind}" for kind in kinds)  # noqa: S608


def _due(now: datetime) -> dict[str, datetime]:
    return {"now": now, "before": now - STALE_CELL, "own_before": now - OWN_RESTS}


def recompute_cells(cursor: CursorWrapper, *, organization_id: int, job_ids: Sequence[int], now: datetime, store: bool) -> int:
    """Compute all cells of some jobs, each as of the moment of its stored numbers (those without any as of ``now``).

    Returns in how many cells the stored percentiles and windows were not what the visits give; ``store`` writes all of them.
    """
    make_refresh_tables(cursor)
    cursor.execute(
        f"""insert into refreshed
            select id, job_id, stage_id, case when dirty or computed_at is null then %(now)s else computed_at end, %(store)s
            from analytics_stagemetric
            where organization_id = %(organization)s and job_id = any(%(jobs)s) and (%(store)s or not dirty and computed_at is not null)
            order by job_id, stage_id {"for update" if store else ""}""",  # noqa: S608 (no part comes from outside)
        {"now": now, "store": store, "organization": organization_id, "jobs": list(job_ids)},
    )
    if store:
        sql.run(cursor, "analytics", "pool_cells", {"organization": organization_id})
    compute_cells(cursor)
    cursor.execute(sql.text("analytics", "curve_drift"))
    drift = int(cursor.fetchone()[0])
    if store:
        _store(cursor, STAGE_CELLS)
        _store(cursor, CATEGORY_CELLS)
    return drift


def make_refresh_tables(cursor: CursorWrapper) -> None:
    samples.make_tables(cursor)
    columns = "metric_id bigint primary key, job_id bigint, stage_id bigint, as_of timestamptz, with_own boolean"
    sql.temporary_table(cursor, "refreshed", columns)
    sql.temporary_table(cursor, "refreshed_pool", columns.replace("stage_id bigint", "category text"))


def compute_cells(cursor: CursorWrapper) -> None:
    """Fill ``cell_curve`` and ``cell_window`` for the metrics in ``refreshed`` and ``refreshed_pool``, each as of its moment.

    A metric's cells are numbered 4 x its id and on (below zero for categories): its window on both clocks, its own
    180 days, its last 30.
    """
    sql.run(
        cursor,
        "analytics",
        "pick_cells",
        {
            "categories": [str(category) for category in CATEGORY_RANK],
            "window": WINDOW_DAYS,
            "baseline": samples.BASELINE_DAYS,
            "recent": samples.RECENT_DAYS,
        },
    )
    samples.compute(cursor)
    sql.run(cursor, "analytics", "cell_moves")


def _store(cursor: CursorWrapper, names: dict[str, str]) -> None:
    cursor.execute(sql.text("analytics", "store_curves").format(**names).replace("+ -", "- "), {"window_days": WINDOW_DAYS})


def refresh_dirty(*, aged: bool) -> int:
    """Refresh the cells of every organization that needs it, and tell the screens. Returns the number of cells."""
    total = 0
    with connection.cursor() as cursor:
        now = timezone.now()
        cursor.execute(_to_refresh("organization_id", aged=aged), {"organization": None, **_due(now)})
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
