"""The fold of the road: ledger → moves → visits → counters, for a touched set of applications, in SQL.

``derive`` fills temporary tables and writes nothing, so that rebuild and its check share it with the step.
"""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from analytics.models import EXITS
from ats.models import CATEGORY_RANK
from config import sql
from connectors.events import MOVING_EVENTS

TABLES = {
    "move": """application_id bigint, rn bigint, event_id bigint, event_type text, job_id bigint, stage_id bigint, occurred_at timestamptz,
               precision text, gap boolean, entry_gap float8""",
    "job_left_open": "job_id bigint, left_open_at timestamptz",
    "stage_place": "stage_id bigint primary key, stage_order int",
    "derived": """entry_event_id bigint primary key, application_id bigint, n int, job_id bigint, stage_id bigint, entered_at timestamptz,
                  left_at timestamptz, exit_kind text, entry_precision text, exit_precision text, entry_gap float8""",
    "cell_delta": """job_id bigint, stage_id bigint, open bigint, entered bigint, exited bigint, completed bigint,
                     completed_seconds numeric, changes bigint""",
}


def derive(cursor: CursorWrapper) -> None:
    """Fill ``derived`` with the visits of the applications in ``touched`` as the ledger tells them now."""
    for name, columns in TABLES.items():
        sql.temporary_table(cursor, name, columns)
    sql.run(cursor, "analytics", "moves", {"moving": sorted(MOVING_EVENTS)})
    while sql.run(cursor, "analytics", "drop_misclicks"):
        sql.run(cursor, "analytics", "merge_neighbours")
    sql.run(cursor, "analytics", "jobs_left_open")
    sql.run(cursor, "analytics", "stage_places", {"categories": [str(category) for category in CATEGORY_RANK]})
    sql.run(cursor, "analytics", "derive_visits")


def write(cursor: CursorWrapper, *, organization_id: int, window_days: int) -> None:
    """Bring visits and counters to what ``derive`` found."""
    sql.run(cursor, "analytics", "write_visits", {"organization": organization_id, "exits": list(EXITS)})
    sql.run(cursor, "analytics", "move_counters", {"organization": organization_id, "window_days": window_days})
