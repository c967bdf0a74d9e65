"""The limit: what it takes to upsert the same facts and nothing else. COPY to a staging table, INSERT … ON CONFLICT into
a table with the ledger's columns and indexes, 10,000 at a time, one connection. No inbox, no applications, no flow.

Two figures: the SQL alone, its COPY text ready in memory; and with the file read, decoded and handed over by
``write_row``, as the plainest program that starts where ``import_events`` starts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import BinaryIO

import msgspec
import psycopg

BATCH = 10_000
COLUMNS = """organization_id, connector_id, provider_event_id, application_id, job_id, event_type, stage_from_id, stage_to_id,
    actor_external_id, actor_name, occurred_at, recorded_at, source_recorded_at, precision, metadata, raw_event_id"""


def prepare(address: str) -> None:
    """Make the table; as the owner of the schema."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("create table bench_ledger (like ats_candidateevent including defaults including indexes including identity)")
        connection.execute("grant all on bench_ledger to public")


INSERT = f"""insert into bench_ledger ({COLUMNS}) select {COLUMNS} from bench_stage order by provider_event_id
              on conflict (connector_id, provider_event_id) do nothing"""


def upsert(address: str, path: Path, events: int) -> tuple[float, float]:
    """Seconds for the first ``events`` rows of an import file: of the SQL alone for one half, with the file for the other."""
    sql_alone = whole = 0.0
    with psycopg.connect(address) as connection, path.open("rb") as file:
        connection.execute("create temporary table bench_stage (like bench_ledger) on commit delete rows")
        connection.execute("alter table bench_stage alter column id drop not null")
        connection.commit()
        for number in range(events // BATCH):
            if number % 2:
                whole += _with_file(connection, file)
            else:
                sql_alone += _prepared(connection, file)
    return 2 * sql_alone, 2 * whole


def _prepared(connection: psycopg.Connection, file: BinaryIO) -> float:
    text = "".join(["\t".join(["\\N" if value is None else str(value) for value in _values(file.readline())]) + "\n" for _ in range(BATCH)])
    started = time.perf_counter()
    with connection.cursor().copy(f"copy bench_stage ({COLUMNS}) from stdin") as copy:
        copy.write(text)
    connection.execute(INSERT)
    connection.commit()
    return time.perf_counter() - started


def _with_file(connection: psycopg.Connection, file: BinaryIO) -> float:
    started = time.perf_counter()
    with connection.cursor().copy(f"copy bench_stage ({COLUMNS}) from stdin") as copy:
        for _ in range(BATCH):
            copy.write_row(_values(file.readline()))
    connection.execute(INSERT)
    connection.commit()
    return time.perf_counter() - started


def _values(line: bytes) -> tuple[object, ...]:
    row = msgspec.json.decode(line)
    stage = row.get("stage_to")
    return (
        1, 1, row["provider_event_id"], int(row["application_external_id"]), int(row["job_external_id"].removeprefix("job-")),
        row["event_type"], None, int(stage.removeprefix("stage-")) if stage else None, None, None, row["timestamp"], row["recorded_at"],
        row["recorded_at"], "exact", "{}", 0,
    )  # fmt: skip
