"""The plainest recompute of visits and their numbers from the ledger, in SQL: no corrections, no business days, no people
still waiting in the percentiles. What ``rebuild`` is measured beside."""

from __future__ import annotations

import time

import psycopg

from connectors.events import MOVING_EVENTS

VISITS = """
create unlogged table bench_visit as
select application_id, row_number() over w as n, job_id, stage_to_id as stage_id, occurred_at as entered_at, left_at, exit_type
from (
    select application_id, job_id, stage_to_id, occurred_at, provider_event_id, lead(occurred_at) over w as left_at,
           lead(event_type) over w as exit_type
    from ats_candidateevent where event_type = any(%s) and application_id is not null
    window w as (partition by application_id order by occurred_at, provider_event_id)
) e
where stage_to_id is not null
window w as (partition by application_id order by occurred_at, provider_event_id)
"""
METRICS = """
create unlogged table bench_metric as
select job_id, stage_id, count(*) filter (where left_at is null) as open, count(*) as entered, count(left_at) as exited,
       sum(extract(epoch from left_at - entered_at)) as seconds,
       percentile_cont(array[0.5, 0.85]) within group (order by extract(epoch from left_at - entered_at)) as percentiles
from bench_visit group by job_id, stage_id
"""


def recompute(address: str) -> float:
    """Seconds; ``address`` is the owner's."""
    with psycopg.connect(address) as database:
        started = time.perf_counter()
        database.execute(VISITS, [sorted(MOVING_EVENTS)])
        database.execute(METRICS)
        seconds = time.perf_counter() - started
        database.rollback()
    return seconds
