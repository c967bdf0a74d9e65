"""The machine's writes of issues: what became due is judged, and so is what changed. People decide in ``decisions``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from accounts.models import Organization
from ats.services import lock_applications
from config import flow, sql
from connectors import batches, registry
from connectors.models import Batch, Connector
from issues import cells, grouping, sources
from issues.cell_judging import judge_due_cells
from issues.changes import Changes, Said, Subject
from issues.detection import Judgement, judge_picked, rule_book
from issues.models import CellWatch, Issue, Watch
from issues.thresholds import RuleBook

#: due applications judged in one transaction
DUE_AT_ONCE = 10_000


def detect(batch: Batch) -> bool | None:
    """Step 4: what the rules say of the batch's applications; for a batch of what became due, of those.

    Without fresh data nothing opens and nothing resolves: what changed is put on the due queue and judged when the
    connector's next successful run closes.
    """
    now = timezone.now()
    with connection.cursor() as cursor:
        sql.pin_plans(cursor)
        if batch.kind == Batch.Kind.DUE:
            return _judge_due(cursor, batch, now)
        touched = batch.application_ids + _of_jobs(cursor, batch.job_ids)
        lock_applications(cursor, touched)
        cells.keep_cells(cursor, batch.organization, now)
        _keep_watch(cursor, now)
        if is_fresh(batch.connector_id, now):
            _note(batch, *_judge_touched(cursor, batch.organization, now))
        else:
            _postpone_judgement(cursor, now)
    return None


def is_fresh(connector_id: int | None, now: datetime) -> bool:
    """Whether the connector's last successful run is recent enough for rules to trust the ledger."""
    fresh = Connector.objects.filter(fresh_at__gte=now - settings.STALE_AFTER)
    return connector_id is not None and fresh.filter(pk=connector_id).exists()


def _of_jobs(cursor: CursorWrapper, job_ids: list[int]) -> list[int]:
    """Who waits in these jobs: a job put on hold, or opened again, changes what is wrong with them."""
    if not job_ids:
        return []
    cursor.execute("select distinct application_id from analytics_stagevisit where job_id = any(%s) and left_at is null", [job_ids])
    return [row[0] for row in cursor.fetchall()]


def _keep_watch(cursor: CursorWrapper, now: datetime) -> None:
    """Put the touched applications on the due queue, or pull them earlier, or take them off. Never later: sweeps re-arm."""
    sql.run(cursor, "issues", "watch", {"now": now, "default_idle": cells.DEFAULT_IDLE, "default_stuck": cells.DEFAULT_STUCK})
    sql.run(cursor, "issues", "unwatch")


def _postpone_judgement(cursor: CursorWrapper, now: datetime) -> None:
    """Stale data: whoever has an unresolved issue becomes due, to be judged when data is fresh again."""
    cursor.execute(
        """insert into issues_watch as w (application_id, organization_id, connector_id, due_at)
           select a.id, a.organization_id, a.connector_id, %s
           from touched t
           cross join lateral (select * from ats_application a where a.id = t.application_id offset 0) a
           where exists (select 1 from issues_issue i where i.application_id = a.id and i.status <> 'resolved' offset 0)
           order by a.id
           on conflict (application_id) do update set due_at = excluded.due_at where excluded.due_at < w.due_at""",
        [now],
    )


def _note(batch: Batch, *changes: Changes) -> None:
    """Whose issues changed, for the steps that follow."""
    batch.application_ids = sorted({*batch.application_ids, *(pk for each in changes for pk in each.applications)})
    batch.job_ids = sorted({*batch.job_ids, *(pk for each in changes for pk in each.jobs)})


def _judge_touched(cursor: CursorWrapper, organization: Organization, now: datetime) -> list[Changes]:
    """Judge those of ``touched`` that are due or have an unresolved issue; the others' time has not come."""
    _pick(
        cursor,
        """select t.application_id from touched t
           where exists (select 1 from issues_watch w where w.application_id = t.application_id and w.due_at <= %s offset 0)
              or exists (select 1 from issues_issue i where i.application_id = t.application_id and i.status <> 'resolved' offset 0)""",
        [now],
    )
    return _judge_picked(cursor, organization, now)


def _judge_due(cursor: CursorWrapper, batch: Batch, now: datetime) -> bool:
    """Judge what is due at a fresh connector: stages first, for their limits count, then ``DUE_AT_ONCE`` people a turn.

    True: there is more.
    """
    if not is_fresh(batch.connector_id, now):
        return False
    assert batch.connector is not None, "what became due belongs to a connector"
    book = rule_book(batch.organization_id)
    cells.notice_new_inputs(cursor, batch.organization_id, now)
    sources.judge_connector(batch.connector, book, now)
    about_cells, more_cells = judge_due_cells(cursor, batch.connector, book, now)
    cursor.execute(
        "select application_id from issues_watch where connector_id = %s and due_at <= %s order by due_at limit %s",
        [batch.connector_id, now, DUE_AT_ONCE],
    )
    due = [row[0] for row in cursor.fetchall()]
    # the applications first and the watches after them, as events do, or the two deadlock
    lock_applications(cursor, due)
    _pick(
        cursor,
        """select t.application_id from touched t
           where exists (select 1 from issues_watch w where w.application_id = t.application_id and w.due_at <= %s offset 0)""",
        [now],
    )
    _note(batch, about_cells, *_judge_picked(cursor, batch.organization, now))
    return len(due) == DUE_AT_ONCE or more_cells


def _pick(cursor: CursorWrapper, query: str, parameters: Sequence[datetime | int]) -> None:
    sql.temporary_table(cursor, "picked_application", "application_id bigint primary key")
    cursor.execute(f"insert into picked_application {query}", parameters)


def _judge_picked(cursor: CursorWrapper, organization: Organization, now: datetime) -> list[Changes]:
    """Judge ``picked_application``, write what changed, re-arm their watches. Returns the changes, those of groups among them."""
    judgements = judge_picked(cursor, organization, now)
    if not judgements:
        return []
    known: dict[int, list[Issue]] = defaultdict(list)
    for issue in Issue.objects.filter(application_id__in=list(judgements)).order_by("pk").select_for_update():
        if issue.application_id is not None:
            known[issue.application_id].append(issue)
    changes = Changes(organization.pk, now)
    for application_id, judgement in judgements.items():
        changes.compare(_said(judgement), known[application_id])
    changes.write()
    _rearm(cursor, judgements, changes.unresolved, now)
    if not changes.cells:
        return [changes]
    return [changes, grouping.regroup(organization, changes.cells, rule_book(organization.pk), now)]


def _said(judgement: Judgement) -> Said:
    facts = judgement.facts
    if facts is None:
        return Said(subject=Subject())
    subject = Subject(
        application_id=facts.application_id,
        visit_id=facts.visit_id,
        job_id=facts.job_id,
        stage_id=facts.stage_id,
        stage_category=facts.stage_category,
        priority=facts.thresholds("").priority,
        last_event_at=facts.last_event_at,
    )
    return Said.of(subject, judgement.findings, hidden=frozenset(judgement.hidden), on_hold=judgement.on_hold)


def _rearm(cursor: CursorWrapper, judgements: dict[int, Judgement], unresolved: dict[int, datetime], now: datetime) -> None:
    """Set the watches of the judged applications to their next moment; who has none leaves the queue."""
    armed: list[tuple[int, datetime]] = []
    off: list[int] = []
    for application_id, judgement in judgements.items():
        moments = [moment for moment in (judgement.ask_again_at, unresolved.get(application_id)) if moment]
        if moments:
            armed.append((application_id, max(min(moments), now + timedelta(seconds=1))))
        else:
            off.append(application_id)
    cursor.execute("delete from issues_watch where application_id = any(%s)", [off])
    cursor.execute(
        """insert into issues_watch as w (application_id, organization_id, connector_id, due_at)
           select a.id, a.organization_id, a.connector_id, n.due_at
           from unnest(%s::bigint[], %s::timestamptz[]) as n(application_id, due_at)
           cross join lateral (select * from ats_application a where a.id = n.application_id offset 0) a
           order by a.id
           on conflict (application_id) do update set due_at = excluded.due_at where excluded.due_at <> w.due_at""",
        [[row[0] for row in armed], [row[1] for row in armed]],
    )


def watch_from(application_id: int, at: datetime) -> None:
    """Have the sweep look at an application no later than ``at`` (a snooze that ends, a decision taken back)."""
    Watch.objects.filter(application_id=application_id, due_at__gt=at).update(due_at=at)


def apply_settings(organization_id: int, *, now: datetime | None = None) -> None:
    """Targets or thresholds were edited: they count for everybody already waiting, from the next sweep on."""
    with transaction.atomic(), connection.cursor() as cursor:
        cells.notice_new_inputs(cursor, organization_id, now or timezone.now())


def sweep(*, now: datetime | None = None) -> int:
    """Put a batch of what became due on the road for each fresh connector that has any; returns how many.

    A connector that is not fresh is itself what is wrong.
    """
    now = now or timezone.now()
    started = 0
    books: dict[int, RuleBook] = {}
    for connector in Connector.objects.select_related("organization").order_by("pk"):
        if connector.organization_id not in books:
            apply_settings(connector.organization_id, now=now)
            books[connector.organization_id] = rule_book(connector.organization_id)
        if not sources.is_fresh(connector.fresh_at, now):
            _tell_stale(connector, books[connector.organization_id], now)
            continue
        due = Watch.objects.filter(connector_id=connector.pk, due_at__lte=now).exists()
        due = due or CellWatch.objects.filter(connector_id=connector.pk, due_at__lte=now).exists()
        waiting = Batch.objects.filter(connector=connector, kind=Batch.Kind.DUE, finished_at=None, failed_at=None).exists()
        if due and not waiting:
            batches.start(organization_id=connector.organization_id, connector_id=connector.pk, kind=Batch.Kind.DUE, step=flow.DETECT)
            started += 1
    return started


@transaction.atomic
def _tell_stale(connector: Connector, book: RuleBook, now: datetime) -> None:
    provider = registry.PROVIDERS.get(connector.provider)
    if provider is None or not provider.capabilities.polls:
        return
    changes = sources.judge_connector(connector, book, now)
    if changes.others:
        batches.start(organization_id=connector.organization_id, connector_id=connector.pk, step=flow.OPEN_TASKS)
