"""The machine's writes of issues: found, still there, gone. What people decide is in ``decisions``.

A person's word outlasts every sweep: an issue somebody resolved or snoozed is not touched by rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from accounts.models import Organization
from analytics.clocks import earliest_possible
from ats.services import lock_applications
from config import flow, sql, telemetry
from connectors import batches
from connectors.models import Batch, Connector
from issues import severity
from issues.detection import Judgement, judge_picked
from issues.findings import Finding
from issues.models import Issue, IssueTransition, Watch
from issues.rules.idle_candidate import LIMIT as IDLE_LIMIT
from issues.rules.stuck import FACTOR, LIMITS, UNMAPPED_LIMIT

#: due applications judged in one transaction
DUE_AT_ONCE = 10_000
#: an application with an unresolved issue is looked at again after this, for its severity grows with time
LOOK_AGAIN = timedelta(days=1)


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
        _keep_watch(cursor)
        if is_fresh(batch.connector_id, now):
            changed = _judge_touched(cursor, batch.organization, now)
            batch.application_ids = sorted({*batch.application_ids, *changed})
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


def _keep_watch(cursor: CursorWrapper) -> None:
    """Put the touched applications on the due queue, or pull them earlier, or take them off. Never later: sweeps re-arm."""
    sql.run(
        cursor,
        "issues",
        "watch",
        {
            "idle_days": _calendar_days(IDLE_LIMIT),
            "categories": list(LIMITS),
            "stuck_days": [_calendar_days(FACTOR * limit) for limit in LIMITS.values()],
            "default_days": _calendar_days(FACTOR * UNMAPPED_LIMIT),
        },
    )
    sql.run(cursor, "issues", "unwatch")


def _calendar_days(business_days: float) -> int:
    """Whole calendar days that surely pass before so many business days are over, in any calendar."""
    origin = timezone.now()
    return max((earliest_possible(origin, business_days) - origin).days, 0)


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


def _judge_touched(cursor: CursorWrapper, organization: Organization, now: datetime) -> list[int]:
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
    """Judge what is due at a fresh connector, ``DUE_AT_ONCE`` a turn. True: there is more."""
    if not is_fresh(batch.connector_id, now):
        return False
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
    changed = _judge_picked(cursor, batch.organization, now)
    batch.application_ids = sorted({*batch.application_ids, *changed})
    return len(due) == DUE_AT_ONCE


def _pick(cursor: CursorWrapper, query: str, parameters: list[datetime]) -> None:
    sql.temporary_table(cursor, "picked_application", "application_id bigint primary key")
    cursor.execute(f"insert into picked_application {query}", parameters)


def _judge_picked(cursor: CursorWrapper, organization: Organization, now: datetime) -> list[int]:
    """Judge ``picked_application``, write what changed, re-arm their watches. Returns whose issues changed."""
    judgements = judge_picked(cursor, organization, now)
    if not judgements:
        return []
    known: dict[int, list[Issue]] = {application_id: [] for application_id in judgements}
    for issue in Issue.objects.filter(application_id__in=list(judgements)).order_by("pk").select_for_update():
        if issue.application_id is not None:
            known[issue.application_id].append(issue)
    changes = _Changes(organization.pk, now)
    for application_id, judgement in judgements.items():
        changes.compare(judgement, known[application_id])
    changes.write()
    _rearm(cursor, judgements, changes.unresolved, now)
    return sorted(changes.applications)


class _Changes:
    """Differences between what the rules say and what is on record, collected and written together."""

    def __init__(self, organization_id: int, now: datetime) -> None:
        self.organization_id = organization_id
        self.now = now
        self.new: list[Issue] = []
        self.moved: list[tuple[Issue, str, str]] = []
        self.graver: list[Issue] = []
        self.applications: set[int] = set()
        #: application → when it must be looked at again for the sake of an unresolved issue
        self.unresolved: dict[int, datetime] = {}

    def compare(self, judgement: Judgement, known: Iterable[Issue]) -> None:
        by_fingerprint = {issue.fingerprint: issue for issue in known}
        found = {finding.fingerprint: finding for finding in judgement.findings}
        for fingerprint, finding in found.items():
            self._found(judgement, finding, by_fingerprint.get(fingerprint))
        for fingerprint, issue in by_fingerprint.items():
            if fingerprint not in found and issue.status != Issue.Status.RESOLVED:
                self._resolve(issue)

    def _found(self, judgement: Judgement, finding: Finding, issue: Issue | None) -> None:
        facts = judgement.facts
        assert facts is not None, "a finding without facts"
        value = severity.score(pace=finding.pace, stage_category=facts.stage_category)
        if issue is None:
            self._open(judgement, finding, value)
            return
        if issue.status == Issue.Status.RESOLVED and issue.resolved_by == Issue.ResolvedBy.PERSON:
            return
        graver = severity.word(value) != issue.severity
        issue.score, issue.severity, issue.sentence, issue.evidence = value, severity.word(value), finding.sentence, finding.evidence
        issue.last_seen_at = self.now
        snooze_over = issue.status == Issue.Status.SNOOZED and issue.snoozed_until is not None and issue.snoozed_until <= self.now
        if issue.status == Issue.Status.RESOLVED or snooze_over:
            self._move(issue, Issue.Status.OPEN, "the snooze is over" if snooze_over else "the condition holds again")
        elif graver:
            self.graver.append(issue)
            self.applications.add(facts.application_id)
        self._look_again(issue)

    def _open(self, judgement: Judgement, finding: Finding, value: float) -> None:
        facts = judgement.facts
        assert facts is not None, "a finding without facts"
        issue = Issue(
            organization_id=self.organization_id,
            issue_type=finding.issue_type,
            fingerprint=finding.fingerprint,
            application_id=facts.application_id,
            visit_id=facts.visit_id,
            job_id=facts.job_id,
            stage_id=facts.stage_id,
            severity=severity.word(value),
            score=value,
            sentence=finding.sentence,
            evidence=finding.evidence,
            detected_at=self.now,
            opened_at=self.now,
            last_seen_at=self.now,
        )
        self.new.append(issue)
        self.applications.add(facts.application_id)
        self._look_again(issue)

    def _resolve(self, issue: Issue) -> None:
        issue.resolved_at, issue.resolved_by = self.now, Issue.ResolvedBy.RULE
        self._move(issue, Issue.Status.RESOLVED, "the condition cleared")

    def _move(self, issue: Issue, status: str, reason: str) -> None:
        self.moved.append((issue, issue.status, reason))
        issue.status = status
        issue.version += 1
        if status == Issue.Status.OPEN:
            issue.opened_at, issue.snoozed_until, issue.resolved_at, issue.resolved_by = self.now, None, None, ""
        assert issue.application_id is not None
        self.applications.add(issue.application_id)

    def _look_again(self, issue: Issue) -> None:
        assert issue.application_id is not None
        again = self.now + LOOK_AGAIN
        if issue.status == Issue.Status.SNOOZED and issue.snoozed_until:
            again = min(again, issue.snoozed_until)
        self.unresolved[issue.application_id] = min(again, self.unresolved.get(issue.application_id, again))

    def write(self) -> None:
        Issue.objects.bulk_create(self.new, batch_size=2000)
        changed = [issue for issue, _, _ in self.moved] + self.graver
        fields = ["status", "severity", "score", "sentence", "evidence", "last_seen_at", "opened_at", "snoozed_until"]
        Issue.objects.bulk_update(changed, [*fields, "resolved_at", "resolved_by", "version"], batch_size=500)
        IssueTransition.objects.bulk_create(
            [IssueTransition(issue=issue, status_to=issue.status, reason="found by its rule", at=self.now) for issue in self.new]
            + [
                IssueTransition(issue=issue, status_from=before, status_to=issue.status, reason=reason, at=self.now)
                for issue, before, reason in self.moved
            ],
            batch_size=2000,
        )
        self._count()

    def _count(self) -> None:
        churn = Counter((issue.issue_type, issue.status) for issue in (*self.new, *(issue for issue, _, _ in self.moved)))
        for (rule, status), count in churn.items():
            telemetry.count_after_commit(telemetry.ISSUE_TRANSITIONS, count, rule=rule, status=status, by="rule")


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


def sweep(*, now: datetime | None = None) -> int:
    """Put a batch of what became due on the road for each fresh connector that has any; returns how many."""
    now = now or timezone.now()
    started = 0
    for connector in Connector.objects.filter(fresh_at__gte=now - settings.STALE_AFTER).order_by("pk"):
        due = Watch.objects.filter(connector_id=connector.pk, due_at__lte=now).exists()
        waiting = Batch.objects.filter(connector=connector, kind=Batch.Kind.DUE, finished_at=None, failed_at=None).exists()
        if due and not waiting:
            batches.start(organization_id=connector.organization_id, connector_id=connector.pk, kind=Batch.Kind.DUE, step=flow.DETECT)
            started += 1
    return started
