"""The limit: what PostgreSQL alone takes to upsert the same facts. COPY to a staging table, INSERT … ON CONFLICT into a
table with the ledger's columns and indexes, 10,000 at a time, one connection. No jobs, no applications, no flow."""

from __future__ import annotations

import time
from pathlib import Path

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


def upsert(address: str, path: Path, events: int) -> float:
    """Seconds to upsert the first ``events`` rows of an import file; reading and shaping them is not counted."""
    seconds = 0.0
    with psycopg.connect(address) as connection, path.open("rb") as file:
        connection.execute("create temporary table bench_stage (like bench_ledger) on commit delete rows")
        connection.execute("alter table bench_stage alter column id drop not null")
        connection.commit()
        done = 0
        while done < events:
            lines = [_line(row, done + n) for n, row in enumerate(_rows(file, min(BATCH, events - done)))]
            text = "".join(lines)
            started = time.perf_counter()
            with connection.cursor().copy(f"copy bench_stage ({COLUMNS}) from stdin") as copy:
                copy.write(text)
            connection.execute(
                f"""insert into bench_ledger ({COLUMNS}) select {COLUMNS} from bench_stage order by provider_event_id
                    on conflict (connector_id, provider_event_id) do nothing"""
            )
            connection.commit()
            seconds += time.perf_counter() - started
            done += len(lines)
    return seconds


def _rows(file, count: int):  # type: ignore[no-untyped-def]
    for _ in range(count):
        yield msgspec.json.decode(file.readline())


def _line(row: dict[str, str], number: int) -> str:
    stage = row.get("stage_to")
    values = (
        "1", "1", row["provider_event_id"], row["application_external_id"], row["job_external_id"].removeprefix("job-"), row["event_type"],
        "\\N", stage.removeprefix("stage-") if stage else "\\N", "\\N", "\\N", row["timestamp"], row["recorded_at"], row["recorded_at"],
        "exact", "{}", str(number),
    )  # fmt: skip
    return "\t".join(values) + "\n"
