"""No step's cost may depend on how much there is: the plans and the rows really read, at two table sizes.

Every statement of every step is explained in the step's own transaction just before it runs. A scan of a large table, or
a walk through a whole index, fails at any size: at the small one because it would become dear, at the large one because
statistics may change the planner's mind. What EXPLAIN cannot promise PostgreSQL's own counters show: as many rows of
large tables are read on top of thirty times as many.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from analytics import services as analytics
from config import database, flow, partitions
from connectors import batches
from connectors import services as connectors
from connectors.models import Batch, Connector, RawEvent
from connectors.replaying import replay
from issues import services as issues
from realtime import services as realtime
from tests.walking import WORK, bring_in, event_row, file_connector

SMALL, LARGE = 2_000, 60_000
#: applications of one job: the load grows by jobs, as organizations do, so that what concerns one job stays as large
PER_JOB = 50
STAGES = 6

#: tables that grow with an organization or with time
GROWING = {
    "ats_candidateevent", "ats_application", "ats_candidate", "ats_job", "analytics_stagevisit", "analytics_stagemetric",
    "connectors_rawevent", "connectors_batch", "issues_issue", "issues_issuetransition", "issues_watch", "triggers_task",
    "realtime_update",
}  # fmt: skip
#: comments, then a verb EXPLAIN knows
EXPLAINABLE = re.compile(r"(\s*--[^\n]*\n)*\s*(select|insert|update|delete|with)\b", re.IGNORECASE)
#: a step may read this many rows more on the large tables, and this many times as many, before it counts as growing
SLACK, FACTOR = 300, 1.3

T = datetime(2026, 6, 1, 9, tzinfo=UTC)

Plan = dict[str, Any]


@dataclass
class Watched:
    """What one step did: its statements that read a growing table whole, and how many rows of such tables it read."""

    scans: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    statements: int = 0


class Watcher:
    def __init__(self) -> None:
        self.steps: dict[str, Watched] = defaultdict(Watched)

    @contextmanager
    def during(self, step: str) -> Iterator[None]:
        seen, before = self.steps[step], rows_read()
        with connection.execute_wrapper(self._explaining(seen)):
            yield
        for table, number in rows_read().items():
            seen.rows[table] += number - before.get(table, 0)

    def _explaining(self, seen: Watched) -> Callable[..., Any]:
        def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
            if EXPLAINABLE.match(sql):
                with context["connection"].connection.cursor() as cursor:
                    cursor.execute(f"explain (format json) {sql}", params)
                    plan = cursor.fetchone()[0]
                seen.statements += 1
                seen.scans += [f"{scan}\n    in: {' '.join(sql.split())[:300]}" for scan in scans(plan[0]["Plan"])]
            return execute(sql, params, many, context)

        return explain


def scans(plan: Plan) -> Iterator[str]:
    """Nodes that read a growing table, or an index of one, from end to end."""
    table = whole(plan.get("Relation Name") or "")
    kind = plan["Node Type"]
    if table in GROWING and kind == "Seq Scan":
        yield f"Seq Scan of {table}"
    if kind in ("Index Scan", "Index Only Scan", "Bitmap Index Scan") and "Index Cond" not in plan:
        name = plan.get("Index Name", "")
        if (table in GROWING or kind == "Bitmap Index Scan") and name not in SHORT_INDEXES:
            yield f"{kind} of all of {name}"
    for child in plan.get("Plans", []):
        yield from scans(child)


#: partial indexes that hold only what is still to be done: read whole, and short however large their table
SHORT_INDEXES = {"stagemetric_dirty", "stagemetric_behind", "batch_unfinished", "syncrun_unended"}


def rows_read() -> dict[str, int]:
    """Rows of growing tables fetched so far, by scan or by index: by all connections (see ``summarize``)."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_stat_force_next_flush()")
        cursor.execute("select relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables")
        read: dict[str, int] = defaultdict(int)
        for table, number in cursor.fetchall():
            if whole(table) in GROWING:
                read[whole(table)] += number
        return read


#: what the names of partitions have behind that of their table
PARTITION = re.compile(r"_(first|default|\d{8})$")


def whole(table: str) -> str:
    """The table a partition is of."""
    return PARTITION.sub("", table)


@pytest.mark.django_db(transaction=True)
def test_no_step_reads_more_because_there_is_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "run", lambda batch_id, *, start: None)
    monkeypatch.setattr(flow, "send", lambda task, *args, **options: None)
    monkeypatch.setattr(partitions, "CHUNK", 500)  # looked at whatever there is; both sizes have more
    connector = file_connector(fresh_at=timezone.now())
    watched = {}
    loaded = 0
    for size in (SMALL, LARGE):
        load(connector, loaded, size)
        loaded = size
        watched[size] = Watcher()
        everything_the_road_does(connector, watched[size], size)

    small, large = watched[SMALL].steps, watched[LARGE].steps
    assert set(small) == set(large) >= {*flow.STEPS}
    assert all(seen.statements for seen in large.values())
    scanned = {
        f"{step} at {size:,}": sorted(set(seen.scans)) for size in watched for step, seen in watched[size].steps.items() if seen.scans
    }
    assert not scanned, "\n".join(f"{step}: {scan}" for step, found in scanned.items() for scan in found)
    grown = {
        (step, table): (small[step].rows.get(table, 0), number)
        for step, seen in large.items()
        for table, number in seen.rows.items()
        if number > small[step].rows.get(table, 0) * FACTOR + SLACK
    }
    assert not grown
    assert sum(sum(seen.rows.values()) for seen in large.values()) > 1_000, "the counters count"


def everything_the_road_does(connector: Connector, watcher: Watcher, size: int) -> None:
    """Events of people and jobs known and new, a clean-up, what became due, percentiles, the sweeps, a replay."""
    told = [
        *(event_row(f"{size}:m:{n}", T + timedelta(days=50), stage_to=f"s-{n % STAGES}", **person(n)) for n in range(0, 400, 4)),
        *(event_row(f"{size}:c:{n}", T + timedelta(days=51), event_type="comment_added", **person(n)) for n in range(0, 400, 8)),
        *(
            event_row(
                f"{size}:n:{n}", T, event_type="application_created", stage_to="s-0", **person(size + 10 * LARGE + n), candidate_name="New"
            )
            for n in range(50)
        ),
        *(event_row(f"{size}:r:{n}", T + timedelta(days=52), event_type="application_rejected", **person(n)) for n in range(1, 400, 8)),
        event_row(f"{size}:j", T + timedelta(days=52), event_type="job_status_changed", job_status="closed", **job_only("j-0")),
        event_row(f"{size}:k", T + timedelta(days=53), event_type="job_status_changed", job_status="open", **job_only("j-0")),
    ]
    bring_in(connector, told, walked=False)
    carry_watched(watcher)
    raw_ids = list(RawEvent.objects.order_by("-pk").values_list("pk", flat=True)[:20])
    replay(connector=connector, raw_event_ids=raw_ids, failed=True)  # a person's command may look through the inbox
    carry_watched(watcher)
    with connection.cursor() as cursor:
        cursor.execute(
            """update issues_watch set due_at = now() - interval '1 hour'
               where application_id in (select application_id from issues_watch order by application_id limit 200)"""
        )
    with watcher.during("sweeps"):
        issues.sweep()
        batches.offer_due()
        connectors.offer_due_runs()
        analytics.refresh_dirty(aged=False)
    carry_watched(watcher)
    everyone = [row[0] for row in rows("select id from ats_application where connector_id = %s order by id limit 100", connector.pk)]
    Connector.objects.filter(pk=connector.pk).update(fresh_at=timezone.now() - timedelta(days=1))
    batches.start(organization_id=connector.organization_id, connector_id=connector.pk, step=flow.DETECT, application_ids=everyone)
    carry_watched(watcher)
    Connector.objects.filter(pk=connector.pk).update(fresh_at=timezone.now())
    with watcher.during("prune"):
        realtime.prune(before=timezone.now() - timedelta(days=500))


def carry_watched(watcher: Watcher) -> None:
    while found := Batch.objects.filter(finished_at=None, failed_at=None).order_by("pk").first():
        with watcher.during(found.step):
            assert batches.carry(found.pk, found.step, WORK[found.step])


def person(number: int) -> dict[str, str]:
    return {"application_external_id": f"a-{number}", "candidate_external_id": f"c-{number}", "job_external_id": f"j-{number // PER_JOB}"}


def job_only(job: str) -> dict[str, Any]:
    return {"application_external_id": None, "candidate_external_id": None, "job_external_id": job}


def rows(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


#: People %(first)s to %(last)s: each has applied, moved on once, and every third is still there; the rest was rejected.
LOAD = """
insert into ats_job (organization_id, connector_id, external_id, title, department, location, status, hiring_lead)
select %(organization)s, %(connector)s, 'j-' || n, 'Job ' || n, 'Engineering', '', 'open', ''
from generate_series(%(first)s / %(per_job)s, (%(last)s - 1) / %(per_job)s) n on conflict do nothing;

insert into ats_candidate (organization_id, connector_id, external_id, name, email, source)
select %(organization)s, %(connector)s, 'c-' || n, 'Candidate ' || n, '', '' from generate_series(%(first)s, %(last)s - 1) n;

insert into ats_application (organization_id, connector_id, external_id, candidate_id, job_id, status, current_stage_id, applied_at,
                             last_event_at, last_activity_at)
select %(organization)s, %(connector)s, 'a-' || n,
       (select id from ats_candidate where connector_id = %(connector)s and external_id = 'c-' || n),
       (select id from ats_job where connector_id = %(connector)s and external_id = 'j-' || n / %(per_job)s),
       case when n %% 3 = 0 then 'active' else 'rejected' end, case when n %% 3 = 0 then s.id end, %(at)s, %(at)s, %(at)s
from generate_series(%(first)s, %(last)s - 1) n
join ats_stage s on s.connector_id = %(connector)s and s.external_id = 's-' || (n + 1) %% %(stages)s;

insert into ats_candidateevent (organization_id, connector_id, provider_event_id, application_id, job_id, event_type, stage_to_id,
                                occurred_at, recorded_at, precision, metadata, raw_event_id)
select %(organization)s, %(connector)s, 'load:' || a.external_id || ':' || k, a.id, a.job_id,
       (array['application_created', 'comment_added', 'stage_changed', 'application_rejected'])[k],
       case k when 1 then s0.id when 3 then s1.id end, %(at)s + k * interval '5 days', %(at)s, 'exact', '{}', 0
from (select *, substr(external_id, 3)::int as n from ats_application where connector_id = %(connector)s) a
join ats_stage s0 on s0.connector_id = %(connector)s and s0.external_id = 's-' || a.n %% %(stages)s
join ats_stage s1 on s1.connector_id = %(connector)s and s1.external_id = 's-' || (a.n + 1) %% %(stages)s
cross join generate_series(1, 4) k
where a.n >= %(first)s and a.n < %(last)s and (k < 4 or a.n %% 3 > 0);

insert into analytics_stagevisit (entry_event_id, organization_id, application_id, n, job_id, stage_id, entered_at, left_at, exit_kind,
                                  entry_precision, exit_precision, entry_gap)
select e.id, e.organization_id, e.application_id, e.n, e.job_id, e.stage_to_id, e.occurred_at, e.next_at,
       case when e.next_at is null then null when e.n = 1 then 'advanced' else 'rejected' end, 'exact',
       case when e.next_at is null then null else 'exact' end, 0
from (select e.*, row_number() over w as n, lead(occurred_at) over w as next_at
      from ats_candidateevent e
      where connector_id = %(connector)s and event_type <> 'comment_added' and job_id is not null
        and provider_event_id like 'load:%%' and substr(split_part(provider_event_id, ':', 2), 3)::int >= %(first)s
      window w as (partition by application_id order by occurred_at)) e
where e.stage_to_id is not null on conflict do nothing;

insert into analytics_stagemetric (organization_id, job_id, stage_id, open, entered, exited, completed, completed_seconds, dirty,
                                   computed_at, window_days, window_entered, window_exited, n, n_exits)
select %(organization)s, job_id, stage_id, count(*) filter (where left_at is null), count(*), count(left_at), count(left_at),
       coalesce(sum(extract(epoch from left_at - entered_at)), 0), false, now(), 90, 0, 0, 0, 0
from analytics_stagevisit where organization_id = %(organization)s and job_id is not null group by 2, 3
on conflict do nothing;

insert into issues_watch (application_id, organization_id, connector_id, due_at)
select id, organization_id, connector_id, now() + interval '20 days' from ats_application
where connector_id = %(connector)s and status = 'active' on conflict do nothing;

insert into issues_issue (organization_id, issue_type, fingerprint, application_id, visit_id, job_id, stage_id, status, severity, score,
                          sentence, evidence, detected_at, opened_at, last_seen_at, resolved_by, version)
select %(organization)s, 'stuck', 'load:' || v.entry_event_id, v.application_id, v.entry_event_id, v.job_id, v.stage_id,
       case when v.left_at is null then 'open' else 'resolved' end, 'high', 60, 'Long.', '{}', now(), now(), now(), '', 1
from analytics_stagevisit v where organization_id = %(organization)s and v.n = 2 on conflict do nothing;

insert into triggers_task (organization_id, issue_id, title, status, priority, note, created_at, version)
select %(organization)s, i.id, 'Ask', case i.status when 'open' then 'open' else 'obsolete' end, 'high', '', now(), 1
from issues_issue i where i.organization_id = %(organization)s
  and not exists (select 1 from triggers_task t where t.issue_id = i.id);

insert into connectors_batch (organization_id, connector_id, kind, step, application_ids, job_ids, raw_count, created_count,
                              skipped_count, failed_count, attempts, next_attempt_at, claimed_by, error, created_at, finished_at)
select %(organization)s, %(connector)s, 'events', 'done', '{}', '{}', 100, 100, 0, 0, 0, now(), '', '', now(), now()
from generate_series(%(first)s / 20, %(last)s / 20) n;

insert into connectors_rawevent (connector_id, batch_id, kind, payload, received_at, state, error)
select %(connector)s, (select min(id) from connectors_batch) + n / 100, 'import_row', '{}', now(), 'received', ''
from generate_series(%(first)s, %(last)s * 2) n;

insert into realtime_update (organization_id, number, kind, job_id, payload, created_at)
select %(organization)s, -n, 'job', (select min(id) from ats_job where organization_id = %(organization)s), '{}', now()
from generate_series(%(first)s + 1, %(last)s) n;
"""


def load(connector: Connector, first: int, last: int) -> None:
    """Fill every growing table up to ``last`` applications, as the owner, and let PostgreSQL look at what it has."""
    with database.as_owner(), connection.cursor() as cursor:
        cursor.execute(
            """insert into ats_stage (organization_id, connector_id, external_id, name, category, mapped_by_person, position)
               select %s, %s, 's-' || n, 'Stage ' || n, (array['review', 'screen', 'assessment', 'interview', 'decision', 'offer'])[n + 1],
                      false, 0 from generate_series(0, %s) n on conflict do nothing""",
            [connector.organization_id, connector.pk, STAGES - 1],
        )
        cursor.execute(
            LOAD,
            {
                "organization": connector.organization_id,
                "connector": connector.pk,
                "first": first,
                "last": last,
                "per_job": PER_JOB,
                "stages": STAGES,
                "at": T,
            },
        )
        cursor.execute("analyze")
        summarize(cursor)


def summarize(cursor: Any) -> None:
    """Do by hand, outside the counting, what autovacuum would do at some moment within it: what it reads is counted, too."""
    cursor.execute("select c.oid from pg_class c join pg_am m on m.oid = c.relam where m.amname = 'brin' and c.relkind = 'i'")
    for (index,) in cursor.fetchall():
        cursor.execute("select brin_summarize_new_values(%s)", [index])
