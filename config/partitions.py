"""Tables partitioned by time: room made ahead, and what has expired dropped in an instant.

The application owns no table. Two functions of the database, made by ``config/migrations/0002_partition_functions.py``,
do the two things it may. Both wait a second for their locks and then give up: the next run of the schedule tries again,
partitions are made long before they are needed, and what finds none goes into the default partition.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, OperationalError, connection, transaction

from config import sql

logger = logging.getLogger(__name__)

#: rows looked at in one transaction where single rows have to go
CHUNK = 5_000
_BOUNDS = re.compile(r"FROM \((?:MINVALUE|'([^']+)')\) TO \('([^']+)'\)")


@dataclass(frozen=True)
class Partition:
    """Rows from ``starts`` (None: from ever) to just before ``ends``; both None for the default partition."""

    name: str
    starts: datetime | None
    ends: datetime | None


@dataclass(frozen=True)
class PartitionedTable:
    """``table`` is partitioned by ``column``; a partition holds ``width`` and there is room for ``ahead``."""

    table: str
    column: str
    width: timedelta
    ahead: timedelta
    #: SQL: rows that never go by age, whatever theirs; ``r`` is the row
    kept: str = "false"

    def partitions(self) -> list[Partition]:
        """In the order of time, the default partition last."""
        with connection.cursor() as cursor:
            cursor.execute(
                """select c.relname, pg_get_expr(c.relpartbound, c.oid) from pg_inherits i join pg_class c on c.oid = i.inhrelid
                   where i.inhparent = %s::regclass""",
                [self.table],
            )
            found = [_partition(name, bounds) for name, bounds in cursor.fetchall()]
        return sorted(found, key=lambda one: (one.ends is None, one.ends))

    def make_ahead(self, *, now: datetime) -> int:
        """Make the partitions missing up to ``now + ahead``; returns how many."""
        last = max((one.ends for one in self.partitions() if one.ends), default=None)
        # rows of a gap (nobody made room in time) are in the default partition already: the next begins with tomorrow
        starts = last if last and last > now else _midnight(now) + timedelta(days=1)
        made = 0
        while starts < now + self.ahead:
            made += self._add(starts, starts + self.width)
            starts += self.width
        return made

    def _add(self, starts: datetime, ends: datetime) -> bool:
        name = f"{self.table}_{starts.astimezone(UTC):%Y%m%d}"
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("select stagewatch_add_partition(%s, %s, %s, %s)", [self.table, name, starts, ends])
            return True
        except (OperationalError, IntegrityError) as error:
            # somebody reads or writes just now, or a clock that ran ahead has put rows of that time into the default one
            logger.warning("no partition made", extra={"action": "partition_postponed", "partition": name, "error": type(error).__name__})
            return False

    def forget(self, *, before: datetime) -> int:
        """Let go of rows older than ``before``: whole partitions at once, else row by row. Returns how many partitions
        were dropped plus how many rows deleted."""
        gone = 0
        for one in self.partitions():
            if one.ends and one.ends <= before and self._drop(one):
                gone += 1
            elif one.starts is None:
                gone += self._delete(one, before)
        return gone

    def _drop(self, one: Partition) -> bool:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("select stagewatch_drop_partition(%s, %s)", [self.table, one.name])
                (kept,) = cursor.fetchone()
        except OperationalError:
            logger.info("partition in use, dropped later", extra={"action": "partition_in_use", "partition": one.name})
            return False
        logger.info("partition dropped", extra={"action": "partition_dropped", "partition": one.name, "kept": kept})
        return True

    def _delete(self, one: Partition, before: datetime) -> int:
        """Of a partition without a beginning, which cannot be dropped as long as newer rows come: chunk by chunk in the order
        of ids, up to the first chunk without an expired row."""
        gone, last = 0, 0
        while True:
            with transaction.atomic(), connection.cursor() as cursor:
                sql.pin_plans(cursor)
                cursor.execute(
                    f"select id, {self.column} < %s from {one.name} where id > %s order by id limit {CHUNK}",  # noqa: S608 (names of ours)
                    [before, last],
                )
                rows = cursor.fetchall()
                expired = [row_id for row_id, is_expired in rows if is_expired]
                if not expired:
                    return gone
                last = rows[-1][0]
                # locked first and looked at again, by a statement that sees what has been committed until then: a replay
                # that came in between has given its rows a new batch. Who holds a row is not waited for.
                cursor.execute(f"select id from {one.name} where id = any(%s) order by id for update skip locked", [expired])  # noqa: S608
                held = [row[0] for row in cursor.fetchall()]
                cursor.execute(f"delete from {one.name} r where id = any(%s) and not ({self.kept})", [held])  # noqa: S608
                gone += cursor.rowcount


def _partition(name: str, bounds: str) -> Partition:
    found = _BOUNDS.search(bounds)
    if found is None:
        return Partition(name, None, None)
    return Partition(name, _moment(found[1]), _moment(found[2]))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
