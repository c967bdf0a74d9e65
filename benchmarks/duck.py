"""The peer of an arbitrary window: DuckDB on a Parquet file of the same visits, both cores, the same product-limit curve."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import psycopg

COLUMNS = (
    "application_id, n, job_id, stage_id, entered_at at time zone 'utc' as entered_at, left_at at time zone 'utc' as left_at, exit_kind, bd"
)

CURVES = """
with sample as (
    select job_id, stage_id, left_at is not null as is_exit,
           coalesce(bd, date_diff('second', entered_at, $as_of::timestamp) / 86400.0 * 5 / 7) as days
    from visits where entered_at >= $since and entered_at < $until
), at_times as (
    select job_id, stage_id, days, count(*) as leaving, count(*) filter (is_exit) as exits from sample group by all
), at_risk as (
    select *, sum(leaving) over (partition by job_id, stage_id order by days desc) as n from at_times
), curve as (
    select *, exp(sum(case when exits = 0 then 0 when exits < n then ln(1 - exits / n) else -1e9 end)
                  over (partition by job_id, stage_id order by days)) as survival
    from at_risk
)
select job_id, stage_id, sum(leaving), sum(exits), min(days) filter (exits > 0 and survival <= 0.5 + 1e-9),
       min(days) filter (exits > 0 and survival <= 0.15 + 1e-9)
from curve group by all
"""
COUNTS = """
with whole as (
    select *, max(stage_id) over later as furthest, bool_or(exit_kind = 'hired') over later as hired,
           row_number() over (partition by application_id, job_id, stage_id order by n) as nth
    from visits where application_id in (select application_id from visits where entered_at >= $since and entered_at < $until)
    window later as (partition by application_id, job_id order by n rows between current row and unbounded following)
)
select job_id, stage_id, count(*), count(*) filter (nth = 1), count(*) filter (nth = 1 and (furthest > stage_id or hired)),
       count(*) filter (exit_kind = 'rejected'), avg(date_diff('second', entered_at, left_at))
from whole where entered_at >= $since and entered_at < $until group by all
"""


def export(address: str, folder: Path) -> Path:
    """All visits as Parquet."""
    plain, packed = folder / "visits.csv", folder / "visits.parquet"
    statement = f"copy (select {COLUMNS} from analytics_stagevisit) to stdout (format csv, header)"
    with psycopg.connect(address) as database, plain.open("wb") as file, database.cursor().copy(statement) as copy:
        for block in copy:
            file.write(block)
    duckdb.connect().execute(f"copy (select * from read_csv('{plain}')) to '{packed}' (format parquet)")
    plain.unlink()
    return packed


def window(visits: Path, since: datetime, until: datetime) -> tuple[float, float]:
    """Median seconds: of the curves alone, and of curves and counts."""
    database = duckdb.connect()
    database.execute(f"create view visits as select * from '{visits}'")
    asked = {"since": _plain(since), "until": _plain(until)}
    curves, counts = [], []
    for _ in range(3):
        started = time.perf_counter()
        database.execute(CURVES, asked | {"as_of": _plain(datetime.now(UTC))}).fetchall()
        curves.append(time.perf_counter() - started)
        database.execute(COUNTS, asked).fetchall()
        counts.append(time.perf_counter() - started)
    return statistics.median(curves), statistics.median(counts)


def _plain(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
