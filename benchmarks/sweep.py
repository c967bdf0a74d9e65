"""What the ten-minute sweep costs: per application that became due, with few and with many who are not, and when nobody is.

The due queue is held to two promises: a due application costs as much among a million as among a hundred thousand, and a
sweep that finds nobody due costs next to nothing beside asking every rule about everybody.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import django

from benchmarks import stack
from benchmarks.report import print_table, say

if TYPE_CHECKING:
    from connectors.models import Connector

#: applications that become due at once, in one measurement
DUE = 10_000
REPEATS = 5
PER_JOB = 100
STAGES = (("review", "Review"), ("screen", "Phone screen"), ("interview", "Interview"), ("decision", "Decision"), ("offer", "Offer"))

#: people %(first)s to %(last)s: each has applied to a job and waits in one of its stages since last week
LOAD = """
insert into ats_job (organization_id, connector_id, external_id, title, department, location, status, hiring_lead)
select %(organization)s, %(connector)s, 'j-' || n, 'Job ' || n, 'Engineering', '', 'open', ''
from generate_series(%(first)s / %(per_job)s, (%(last)s - 1) / %(per_job)s) n;
insert into ats_application (organization_id, connector_id, external_id, candidate_id, job_id, status, current_stage_id, applied_at,
                             last_event_at, last_activity_at)
select %(organization)s, %(connector)s, 'a-' || n, %(candidate)s, j.id, 'active', s.id, at, at, at
from (select n, %(now)s - interval '8 days' - n %% 1000 * interval '1 minute' as at from generate_series(%(first)s, %(last)s - 1) n) p
join ats_job j on j.connector_id = %(connector)s and j.external_id = 'j-' || p.n / %(per_job)s
join ats_stage s on s.connector_id = %(connector)s and s.external_id = 's-' || p.n %% %(stages)s;
insert into ats_candidateevent (organization_id, connector_id, provider_event_id, application_id, job_id, event_type, stage_to_id,
                                occurred_at, recorded_at, precision, metadata, raw_event_id)
select a.organization_id, a.connector_id, 'bench:' || a.external_id, a.id, a.job_id, 'application_created', a.current_stage_id,
       a.applied_at, a.applied_at, 'exact', '{}', 0
from ats_application a where a.connector_id = %(connector)s and substr(a.external_id, 3)::int >= %(first)s;
insert into analytics_stagevisit (entry_event_id, organization_id, application_id, n, job_id, stage_id, entered_at, entry_precision,
                                  entry_gap)
select e.id, e.organization_id, e.application_id, 1, e.job_id, e.stage_to_id, e.occurred_at, 'exact', 0
from ats_candidateevent e where e.connector_id = %(connector)s and substr(e.provider_event_id, 9)::int >= %(first)s;
insert into analytics_stagemetric (organization_id, job_id, stage_id, open, entered, exited, completed, completed_seconds, dirty,
                                   computed_at, oldest_entered_at)
select organization_id, job_id, stage_id, count(*), count(*), 0, 0, 0, false, %(now)s, min(entered_at)
from analytics_stagevisit v where v.organization_id = %(organization)s
  and v.job_id in (select id from ats_job where connector_id = %(connector)s
                   and substr(external_id, 3)::int >= %(first)s / %(per_job)s) group by 1, 2, 3;
insert into issues_cellwatch (organization_id, connector_id, job_id, stage_id, due_at, idle_days, stuck_days, limit_days,
                              limit_source, mark)
select organization_id, %(connector)s, job_id, stage_id, %(now)s + interval '30 days', 3, 13, 7, 'default', ''
from analytics_stagemetric where organization_id = %(organization)s on conflict do nothing;
insert into issues_watch (application_id, organization_id, connector_id, due_at)
select id, organization_id, connector_id, %(now)s + interval '10 days' from ats_application
where connector_id = %(connector)s and substr(external_id, 3)::int >= %(first)s;
analyze ats_application; analyze ats_candidateevent; analyze analytics_stagevisit; analyze issues_watch; analyze analytics_stagemetric;
analyze ats_job; analyze issues_cellwatch
"""


def run(folder: Path, *, small: int, large: int) -> None:
    if small < DUE * REPEATS or large <= small:
        raise SystemExit(f"--few must be at least {DUE * REPEATS:,}, and --many more than that.")
    with stack.servers(folder):
        django.setup()
        found = dict(_measure(small, large))
    few, many = found[small], found[large]
    print_table(
        "The sweep (issues)",
        [
            (f"one of {DUE:,} due, among {small:,} open", f"{few.due * 1e6:.0f} us", ""),
            (f"one of {DUE:,} due, among {large:,} open", f"{many.due * 1e6:.0f} us", f"{many.due / few.due:.2f} x (at most 1.3)"),
            (f"nobody due, among {large:,} open", f"{many.empty * 1e3:.1f} ms", ""),
            (
                "asking every rule about everybody instead",
                f"{many.scan:.1f} s",
                f"1/{many.scan / many.empty:,.0f} of it is the empty sweep (at most 1/50)",
            ),
        ],
    )


class _Figures(NamedTuple):
    """Seconds: per due application, of an empty sweep, of judging everybody."""

    due: float
    empty: float
    scan: float


def _measure(small: int, large: int) -> Iterator[tuple[int, _Figures]]:
    from django.db import connection
    from django.utils import timezone

    from accounts.models import Organization
    from ats.models import Candidate, Stage
    from connectors.models import Connector
    from issues import services

    organization = Organization.objects.create(slug="bench", name="Bench")
    connector = Connector.objects.create(organization=organization, provider="files", name="bench", fresh_at=timezone.now())
    candidate = Candidate.objects.create(organization=organization, connector=connector, external_id="c")
    for number, (category, name) in enumerate(STAGES):
        Stage.objects.create(organization=organization, connector=connector, external_id=f"s-{number}", category=category, name=name)
    loaded = 0
    for size in (small, large):
        say(f"{size:,} open applications")
        with connection.cursor() as cursor:
            for statement in LOAD.split(";\n"):
                cursor.execute(
                    statement,
                    {
                        "organization": organization.pk, "connector": connector.pk, "candidate": candidate.pk, "first": loaded,
                        "last": size, "per_job": PER_JOB, "stages": len(STAGES), "now": timezone.now(),
                    },
                )  # fmt: skip
        loaded = size
        Connector.objects.filter(pk=connector.pk).update(fresh_at=timezone.now())
        services.sweep()  # notes the inputs once
        due = statistics.median(_due(connector, size, turn) for turn in range(REPEATS)) / DUE
        empty = statistics.median(_timed(services.sweep) for _ in range(20))
        yield size, _Figures(due, empty, _timed(lambda: _scan(connector)))


def _due(connector: Connector, size: int, turn: int) -> float:
    """Seconds to judge ``DUE`` applications that have just become due, all of them idle; taken back afterwards."""
    from django.db import connection, transaction
    from django.utils import timezone

    from config import flow
    from connectors import batches
    from connectors.models import Batch
    from issues import services

    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                """update issues_watch set due_at = %s where application_id in (
                       select id from ats_application where connector_id = %s and mod(substr(external_id, 3)::int, %s) = %s)""",
                [timezone.now() - timedelta(hours=1), connector.pk, size // DUE, turn],
            )
        batch = batches.start(organization_id=connector.organization_id, connector_id=connector.pk, kind=Batch.Kind.DUE, step=flow.DETECT)
        seconds = _timed(lambda: services.detect(batch))
        if len(batch.application_ids) != DUE:
            raise SystemExit(
                f"{len(batch.application_ids):,} of {DUE:,} due applications changed; the bench expects all of them to be idle."
            )
        transaction.set_rollback(True)
    return seconds


def _scan(connector: Connector) -> None:
    """Every rule about everybody, in the chunks a sweep takes; nothing is written."""
    from django.db import connection, transaction
    from django.utils import timezone

    from config import sql
    from issues import services
    from issues.detection import judge_picked

    last = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            sql.pin_plans(cursor)
            services._pick(
                cursor, "select id from ats_application where connector_id = %s and id > %s order by id limit 10000", [connector.pk, last]
            )
            judgements = judge_picked(cursor, connector.organization, timezone.now())
        if not judgements:
            return
        last = max(judgements)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
