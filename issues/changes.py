"""Differences between what the rules say and what is on record, collected and written together.

A person's word outlasts every sweep: an issue somebody resolved is not touched by rules, one that is snoozed stays silent
until its time or until something changes, one that is hidden or cleared comes back as the person had left it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from config import bulk, telemetry
from issues import severity
from issues.findings import Finding
from issues.lifecycle import state_mark
from issues.models import Issue, IssueTransition

Status, By = Issue.Status, Issue.ResolvedBy

#: an application with an unresolved issue is looked at again after this, for its severity grows with time
LOOK_AGAIN = timedelta(days=1)

FOUND = "found by its rule"
AGAIN = "the condition holds again"
SNOOZE_OVER = "the snooze is over"
CHANGED = "something changed"
SHOWN = "no longer hidden"
CLEARED = "the condition cleared"
ON_HOLD = "hidden: the job is on hold"
SAID_BY_ANOTHER = "hidden: another issue says more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an issue is about: columns of ``Issue``, and what its severity and its snooze go by."""

    application_id: int | None = None
    visit_id: int | None = None
    job_id: int | None = None
    stage_id: int | None = None
    connector_id: int | None = None
    stage_category: str = ""
    priority: str = "normal"
    last_event_at: datetime | None = None
    #: of a group: the score of its worst member, to which only their number is added
    worst_member: float | None = None

    def score(self, finding: Finding) -> float:
        if self.worst_member is not None:
            return round(min(self.worst_member + severity.people_points(finding.people), 100.0), 1)
        return severity.score(
            pace=finding.pace,
            stage_category=self.stage_category,
            priority=self.priority,
            people=finding.people,
            wait_days=finding.wait_days,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the rules say of one subject: findings, and what to do with known issues that are not among them."""

    subject: Subject
    findings: Mapping[str, Finding] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    on_hold: bool = False
    #: fingerprint → since when it would be over: neither holds nor has cleared
    undecided: Mapping[str, datetime | None] = field(default_factory=dict)

    @classmethod
    def of(cls, subject: Subject, findings: Iterable[Finding], **given: object) -> Said:
        return cls(subject=subject, findings={finding.fingerprint: finding for finding in findings}, **given)  # type: ignore[arg-type]


class Changes:
    """``compare`` subject after subject, then ``write``."""

    def __init__(self, organization_id: int, now: datetime) -> None:
        self.organization_id = organization_id
        self.now = now
        self.new: list[Issue] = []
        self.moved: list[tuple[Issue, str, str]] = []
        #: without a change of status
        self.edited: dict[int, Issue] = {}
        self.applications: set[int] = set()
        self.jobs: set[int] = set()
        #: something about no person changed: a stage, a connector
        self.others = False
        #: (type, job, stage) of issues about people that came, went or grew
        self.cells: set[tuple[str, int, int]] = set()
        #: application → when it must be looked at again for the sake of an unresolved issue
        self.unresolved: dict[int, datetime] = {}

    def compare(self, said: Said, known: Iterable[Issue]) -> None:
        by_fingerprint = {issue.fingerprint: issue for issue in known}
        for fingerprint, finding in said.findings.items():
            issue = by_fingerprint.pop(fingerprint, None)
            if issue is None:
                self._open(said.subject, finding)
            else:
                self._found(said.subject, finding, issue)
        for issue in by_fingerprint.values():
            self._absent(said, issue)

    # -- found ---------------------------------------------------------------------------------
    def _open(self, subject: Subject, finding: Finding) -> None:
        value = subject.score(finding)
        issue = Issue(
            organization_id=self.organization_id,
            issue_type=finding.issue_type,
            fingerprint=finding.fingerprint,
            application_id=subject.application_id,
            visit_id=subject.visit_id,
            job_id=subject.job_id,
            stage_id=subject.stage_id,
            connector_id=subject.connector_id,
            is_group=subject.worst_member is not None,
            severity=severity.word(value),
            score=value,
            sentence=finding.sentence,
            evidence=finding.evidence,
            detected_at=self.now,
            opened_at=self.now,
            last_seen_at=self.now,
        )
        self.new.append(issue)
        self._touch(issue)
        self._look_again(issue)

    def _found(self, subject: Subject, finding: Finding, issue: Issue) -> None:
        if self._persons_word(issue):
            return
        value = subject.score(finding)
        before, said_before = issue.severity, (issue.sentence, issue.calm_since)
        issue.score, issue.severity, issue.sentence, issue.evidence = value, severity.word(value), finding.sentence, finding.evidence
        issue.last_seen_at, issue.calm_since = self.now, None
        # somebody may be in another place since: feedback is asked for wherever they are
        issue.visit_id, issue.job_id, issue.stage_id = subject.visit_id, subject.job_id, subject.stage_id
        if reason := self._reason_to_speak(issue, subject):
            self._speak(issue, reason)
        elif issue.severity != before:
            self.edited[issue.pk] = issue
            self._touch(issue)
        elif (issue.sentence, issue.calm_since) != said_before:
            self.edited[issue.pk] = issue
        self._look_again(issue)

    def _persons_word(self, issue: Issue) -> bool:
        """Resolved by a person: final for a visit; for a stage or a connector until the condition has once been absent."""
        if issue.status != Status.RESOLVED or issue.resolved_by != By.PERSON:
            return False
        return issue.application_id is not None or issue.calm_since is None

    def _reason_to_speak(self, issue: Issue, subject: Subject) -> str:
        if issue.status == Status.RESOLVED:
            return SHOWN if issue.resolved_by == By.HIDDEN else AGAIN
        if issue.status != Status.SNOOZED:
            return ""
        if issue.snoozed_until is not None and issue.snoozed_until <= self.now:
            return SNOOZE_OVER
        if issue.snoozed_at_state and issue.snoozed_at_state != state_mark(subject.last_event_at, issue.severity):
            return CHANGED
        return ""

    def _speak(self, issue: Issue, reason: str) -> None:
        """Back to what it was: open, unless a person had said something that still counts."""
        status = Status.OPEN
        if issue.status == Status.RESOLVED:
            still_snoozed = issue.snoozed_until is not None and issue.snoozed_until > self.now
            if still_snoozed or (issue.hidden_status == Status.SNOOZED and issue.snoozed_until is None):
                status = Status.SNOOZED
            elif issue.hidden_status == Status.ACKNOWLEDGED and reason == SHOWN:
                status = Status.ACKNOWLEDGED
        self._move(issue, status, reason)
        issue.resolved_at, issue.resolved_by, issue.hidden_status = None, "", ""
        if status == Status.OPEN:
            issue.opened_at, issue.snoozed_until, issue.snoozed_at_state = self.now, None, ""

    # -- absent --------------------------------------------------------------------------------
    def _absent(self, said: Said, issue: Issue) -> None:
        if issue.fingerprint in said.undecided:
            calm_since = said.undecided[issue.fingerprint]
            if issue.status != Status.RESOLVED and issue.calm_since != calm_since:
                issue.calm_since = calm_since
                self.edited[issue.pk] = issue
            return
        hidden = said.on_hold or issue.fingerprint in said.hidden
        if issue.status == Status.RESOLVED:
            self._already_resolved(issue, hidden)
            return
        issue.hidden_status = issue.status if issue.status in (Status.ACKNOWLEDGED, Status.SNOOZED) else ""
        issue.resolved_at, issue.resolved_by = self.now, By.HIDDEN if hidden else By.RULE
        self._move(issue, Status.RESOLVED, (ON_HOLD if said.on_hold else SAID_BY_ANOTHER) if hidden else CLEARED)

    def _already_resolved(self, issue: Issue, hidden: bool) -> None:
        """Not a transition, but what comes next depends on it."""
        if issue.resolved_by == By.HIDDEN and not hidden:
            issue.resolved_by = By.RULE
            self.edited[issue.pk] = issue
        elif issue.resolved_by == By.PERSON and issue.application_id is None and issue.calm_since is None:
            issue.calm_since = self.now
            self.edited[issue.pk] = issue

    # -- both ----------------------------------------------------------------------------------
    def _move(self, issue: Issue, status: str, reason: str) -> None:
        self.moved.append((issue, issue.status, reason))
        issue.status = status
        issue.version += 1
        issue.calm_since = None
        self._touch(issue)

    def _touch(self, issue: Issue) -> None:
        if issue.application_id is not None:
            self.applications.add(issue.application_id)
            if issue.job_id is not None and issue.stage_id is not None:
                self.cells.add((issue.issue_type, issue.job_id, issue.stage_id))
        else:
            self.others = True
            if issue.job_id is not None:
                self.jobs.add(issue.job_id)

    def _look_again(self, issue: Issue) -> None:
        if issue.application_id is None:
            return
        again = self.now + LOOK_AGAIN
        if issue.status == Status.SNOOZED and issue.snoozed_until:
            again = min(again, issue.snoozed_until)
        self.unresolved[issue.application_id] = min(again, self.unresolved.get(issue.application_id, again))

    def write(self) -> None:
        Issue.objects.bulk_create(self.new, batch_size=2000)
        changed = {issue.pk: issue for issue, _, _ in self.moved} | self.edited
        bulk.update(list(changed.values()), WRITTEN)
        IssueTransition.objects.bulk_create(
            [IssueTransition(issue=issue, status_to=issue.status, reason=FOUND, at=self.now) for issue in self.new]
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


WRITTEN = (
    "status", "severity", "score", "sentence", "evidence", "last_seen_at", "opened_at", "snoozed_until", "snoozed_at_state",
    "hidden_status", "calm_since", "resolved_at", "resolved_by", "visit", "job", "stage", "version",
)  # fmt: skip
