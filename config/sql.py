"""Set-based statements too long for a screen of Python live in ``<app>/sql/<name>.sql``; this reads and runs them.

The road's transactions also pin their plans here: temporary tables have no statistics, so the planner would
hash-join or scan whole tables as they grow (measured: the largest single effect on the road's speed).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.backends.utils import CursorWrapper

PINNED_PLANS = """
set local enable_hashjoin = off; set local enable_mergejoin = off;
set local enable_seqscan = off; set local enable_bitmapscan = off;
set local random_page_cost = 1.1; set local jit = off;
"""

#: for whoever goes through everything an organization has: most rows are wanted, so hashing and sorting beat looking each up
WHOLE_PLANS = """
set local enable_hashjoin = on; set local enable_seqscan = on; set local enable_bitmapscan = on;
set local work_mem = '128MB'; set local jit = off;
"""
#: an hour for one statement over all there is (the schedule gives the whole of a nightly check three); and most of what is
#: grouped there is wanted in order, so that hashing it first is work for nothing
LONG_WORK = "set local statement_timeout = '1h'; set local enable_hashagg = off"


@cache
def text(app: str, name: str) -> str:
    return (Path(settings.BASE_DIR) / app / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def pin_plans(cursor: CursorWrapper) -> None:
    """For the rest of this transaction: index lookups from the small side, whatever the tables' sizes."""
    cursor.execute(PINNED_PLANS)


def plan_for_all(cursor: CursorWrapper) -> None:
    """For the rest of this transaction: plans for going through everything, whatever was pinned before."""
    cursor.execute(WHOLE_PLANS)


def take_time(cursor: CursorWrapper) -> None:
    """For the rest of this transaction: the time (and the sorting) that work over everything needs."""
    cursor.execute(LONG_WORK)


def run(cursor: CursorWrapper, app: str, name: str, parameters: Mapping[str, Any] | None = None) -> int:
    """Execute ``<app>/sql/<name>.sql``; returns the number of rows it touched."""
    cursor.execute(text(app, name), parameters)
    return int(cursor.rowcount)


def temporary_table(cursor: CursorWrapper, name: str, columns: str) -> None:
    """An empty temporary table of this connection, made once and emptied by each commit."""
    cursor.execute(f"create temporary table if not exists {name} ({columns}) on commit delete rows")
    # a step that runs twice in one transaction (tests, rebuild) starts from nothing
    cursor.execute(f"delete from {name}")  # noqa: S608 (names come from this code)


def temporary_tables(cursor: CursorWrapper, tables: Mapping[str, str]) -> None:
    """Several at once (name → columns), in one round trip."""
    cursor.execute(
        "; ".join(
            f"create temporary table if not exists {name} ({columns}) on commit delete rows; delete from {name}"  # noqa: S608 (names come from this code)
            for name, columns in tables.items()
        )
    )


def copy_rows(cursor: CursorWrapper, target: str, lines: Iterable[str]) -> None:
    """COPY text-format ``lines`` (made with ``copy_line``) into ``target``: a table, or ``table (columns)``."""
    with cursor.copy(f"copy {target} from stdin") as copy:
        chunk: list[str] = []
        for line in lines:
            chunk.append(line)
            if len(chunk) >= 1000:
                copy.write("".join(chunk))
                chunk.clear()
        copy.write("".join(chunk))


#: COPY's word for null
NULL = "\\N"


def copy_line(values: Iterable[Any]) -> str:
    """One line of COPY's text format: None, text, numbers and aware datetimes."""
    return "\t".join([_field(value) for value in values]) + "\n"


def copy_text(value: str | None) -> str:
    """Free text as a field of COPY's text format."""
    if value is None:
        return NULL
    if value.isalnum() or not ("\\" in value or "\t" in value or "\n" in value or "\r" in value):
        return value
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _field(value: Any) -> str:
    if value is None or isinstance(value, str):
        return copy_text(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
