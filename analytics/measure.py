"""The fold of the road: ledger → moves → visits → counters, for a touched set of applications, in SQL.

``derive`` fills temporary tables and writes nothing, so that rebuild and its check share it with the step.
"""

from __future__ import annotations

from datetime import datetime

from django.db.backends.utils import CursorWrapper

from analytics.calendars import ensure_compiled
from analytics.models import EXITS
from ats.models import CATEGORY_RANK
from config import sql
from connectors.events import MOVING_EVENTS

TABLES = {
    "move": """application_id bigint, rn bigint, event_id bigint, event_type text, job_id bigint, stage_id bigint, occurred_at timestamptz,
               precision text, gap boolean, survivor boolean, seen_from float8, seen_until float8""",
    "job_left_open": "job_id bigint, left_open_at timestamptz",
    "stage_place": "stage_id bigint, until timestamptz, place int, primary key (stage_id, until)",
    "derived": """entry_event_id bigint primary key, application_id bigint, n int, job_id bigint, stage_id bigint, entered_at timestamptz,
                  left_at timestamptz, exit_kind text, entry_precision text, exit_precision text, entry_gap float8, survivor boolean,
                  bd float8""",
    "job_clock": "job_id bigint primary key, calendar_id bigint",
    "job_hold": "job_id bigint, held_from float8, held_until float8",
    "cell_delta": """job_id bigint, stage_id bigint, open bigint, entered bigint, exited bigint, completed bigint,
                     completed_seconds numeric, changes bigint""",
}


def derive(cursor: CursorWrapper, *, organization_id: int, known_by: datetime | None = None) -> None:
    """Fill ``derived`` with the visits of the applications in ``touched`` as the ledger tells them now.

    ``known_by``: as it told them then, going by when each event was recorded.
    """
    ensure_compiled(cursor, organization_id)
    for name, columns in TABLES.items():
        sql.temporary_table(cursor, name, columns)
    known = {"known_by": known_by}
    sql.run(cursor, "analytics", "moves", {"moving": sorted(MOVING_EVENTS), **known})
    while sql.run(cursor, "analytics", "drop_misclicks"):
        sql.run(cursor, "analytics", "merge_neighbours")
    sql.run(cursor, "analytics", "stage_places", {"categories": [str(category) for category in CATEGORY_RANK]})
    cursor.execute("insert into job_clock select distinct coalesce(job_id, 0) from move")
    sql.run(cursor, "analytics", "jobs_left_open", known)
    sql.run(cursor, "analytics", "job_clocks", {"organization": organization_id})
    sql.run(cursor, "analytics", "job_holds", known)
    sql.run(cursor, "analytics", "derive_visits")


def write(cursor: CursorWrapper, *, organization_id: int, window_days: int) -> None:
    """Bring visits and counters to what ``derive`` found."""
    sql.run(cursor, "analytics", "write_visits", {"organization": organization_id, "exits": list(EXITS)})
    sql.run(cursor, "analytics", "move_counters", {"organization": organization_id, "window_days": window_days})
