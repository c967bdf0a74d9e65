"""What of the connectors' own records ages: payloads, batches that are through, runs that ended.

Dead letters, payloads whose batch has not gone all the way, and runs with such a batch never go, however old. Deleting
runs in small transactions beside everything else and waits for nobody: a row somebody holds is left for the next time.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction

from config.partitions import PartitionedTable

INBOX = PartitionedTable(
    table="connectors_rawevent",
    column="received_at",
    width=timedelta(days=7),
    ahead=timedelta(days=28),
    kept="r.state = 'dead' or exists (select from connectors_batch b where b.id = r.batch_id and b.finished_at is null)",
)

#: batches or runs looked at in one transaction
CHUNK = 1_000

#: Through for long, of no run, and no payload left that refers to it.
_BATCHES = """
select b.id, b.finished_at < %(before)s and b.sync_run_id is null
             and not exists (select from connectors_rawevent r where r.batch_id = b.id)
from connectors_batch b where b.id > %(last)s and b.created_at < %(before)s order by b.id limit %(chunk)s
"""

#: Ended for long, every batch through and without payloads, and not the newest of its kind: what connectors show as their last.
_RUNS = """
select s.id, s.finished_at < %(before)s
             and not exists (select from connectors_batch b where b.sync_run_id = s.id and b.finished_at is null)
             and not exists (select from connectors_batch b join connectors_rawevent r on r.batch_id = b.id where b.sync_run_id = s.id)
             and exists (select from connectors_syncrun n where n.connector_id = s.connector_id and n.mode = s.mode
                         and n.state = s.state and n.id > s.id)
from connectors_syncrun s where s.id > %(last)s and s.requested_at < %(before)s order by s.id limit %(chunk)s
"""


def prune_inbox(*, before: datetime | None, now: datetime) -> int:
    """Make room for new payloads and forget those from before ``before`` (None: none). Returns what was dropped or deleted."""
    INBOX.make_ahead(now=now)
    return INBOX.forget(before=before) if before else 0


def prune_runs(*, before: datetime) -> int:
    """Delete runs that ended before, with their batches, and batches of no run that were through by then. How many rows."""
    runs = _walk(
        _RUNS,
        before,
        "with gone as (delete from connectors_batch where sync_run_id = any(%(ids)s) returning 1),"
        " runs as (delete from connectors_syncrun where id = any(%(ids)s) returning 1)"
        " select (select count(*) from gone) + (select count(*) from runs)",
    )
    batches = _walk(
        _BATCHES, before, "with gone as (delete from connectors_batch where id = any(%(ids)s) returning 1) select count(*) from gone"
    )
    return runs + batches


def _walk(query: str, before: datetime, delete: str) -> int:
    """Chunk by chunk in the order of ids, each in a transaction of its own."""
    gone, last = 0, 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(query, {"before": before, "last": last, "chunk": CHUNK})
            rows = cursor.fetchall()
            if not rows:
                return gone
            last = rows[-1][0]
            ids = [row_id for row_id, is_over in rows if is_over]
            if ids:
                cursor.execute(delete, {"ids": ids})
                gone += cursor.fetchone()[0]
