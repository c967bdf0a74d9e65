"""The past as it was known: an answer asked for again, about a moment gone by, is the answer given then.

Within ``as_known`` every read of visits sees them folded from the events recorded by that moment. A temporary view
takes the table's name, so that there is one way of reading, and no second one that could drift from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from analytics import measure as fold
from config import sql

#: A temporary relation comes before the one of the same name in the schema.
VIEW = """
create temporary view analytics_stagevisit as
select entry_event_id, organization_id, application_id, n, job_id, stage_id, entered_at, left_at, exit_kind, entry_precision,
       exit_precision, entry_gap, survivor, bd
from public.analytics_stagevisit v
where not exists (select 1 from refolded r where r.application_id = v.application_id)
union all
select entry_event_id, organization_id, application_id, n, job_id, stage_id, entered_at, left_at, exit_kind, entry_precision,
       exit_precision, entry_gap, survivor, bd
from known_visit
"""

#: Whoever has an event recorded since, or was in a job whose status was recorded since (holds, clean-ups).
#: The ledger's block ranges (``event_recorded``) leave out what was written before: a question about yesterday reads a day.
CHANGED_SINCE = """
insert into touched
select application_id from ats_candidateevent
where organization_id = %(organization)s and recorded_at > %(known_by)s and application_id is not null
union
select v.application_id from public.analytics_stagevisit v
where v.job_id in (select job_id from ats_candidateevent
                   where organization_id = %(organization)s and event_type = 'job_status_changed' and recorded_at > %(known_by)s)
"""


@contextmanager
def as_known(known_by: datetime | None, organization_ids: Iterable[int]) -> Iterator[None]:
    """Visits as the ledger told them by ``known_by``; None: as they stand, at no cost. Reads only: all is rolled back."""
    if known_by is None:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            sql.temporary_table(cursor, "refolded", "application_id bigint primary key")
            sql.temporary_table(cursor, "known_visit", f"{fold.TABLES['derived']}, organization_id bigint")
            for organization_id in sorted(set(organization_ids)):
                _refold(cursor, organization_id, known_by)
            cursor.execute("create index on known_visit (job_id, stage_id, left_at); create index on known_visit (application_id)")
            cursor.execute("analyze known_visit; analyze refolded")
            cursor.execute(VIEW)
        try:
            yield
        finally:
            transaction.set_rollback(True)


def changed_since() -> set[int]:
    """Within ``as_known``: the applications of which something was recorded after the moment."""
    with connection.cursor() as cursor:
        cursor.execute("select application_id from refolded")
        return {row[0] for row in cursor.fetchall()}


def _refold(cursor: CursorWrapper, organization_id: int, known_by: datetime) -> None:
    sql.temporary_table(cursor, "touched", "application_id bigint primary key")
    cursor.execute(CHANGED_SINCE, {"organization": organization_id, "known_by": known_by})
    cursor.execute("insert into refolded select application_id from touched on conflict do nothing")
    with transaction.atomic():
        sql.pin_plans(cursor)
        fold.derive(cursor, organization_id=organization_id, known_by=known_by)
        cursor.execute("insert into known_visit select d.*, %s from derived d", [organization_id])
        cursor.execute("set local enable_hashjoin = on; set local enable_mergejoin = on; set local enable_seqscan = on")
        cursor.execute("set local enable_bitmapscan = on")
