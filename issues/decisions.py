"""What people decide about issues. Each decision leaves one row in the audit trail, and outlasts every sweep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import QuerySet

from config import flow, telemetry
from connectors import batches
from issues.lifecycle import Action, IllegalAction, state_mark, status_after
from issues.models import Issue, IssueTransition

if TYPE_CHECKING:
    from accounts.models import User

#: Snoozing for longer is forgetting.
LONGEST_SNOOZE = timedelta(days=365)
#: Issues decided in one transaction: a morning's triage is one or two, and a sweep never waits for more.
AT_ONCE = 500


class StaleVersion(Exception):
    """The issue changed since the person looked at it."""


@dataclass(frozen=True)
class Decision:
    """What a person decided, and what of it each issue is told: a snooze ends at ``until``, at the next change, or at either."""

    action: Action
    actor: User
    now: datetime
    reason: str = ""
    until: datetime | None = None
    until_change: bool = False

    def __post_init__(self) -> None:
        if self.action is not Action.SNOOZE:
            return
        if not self.until_change and self.until is None:
            raise ValueError("A snooze must end in the future, and within a year, or when something changes.")
        if self.until is not None and not self.now < self.until <= self.now + LONGEST_SNOOZE:
            raise ValueError("A snooze must end in the future, and within a year.")

    def mark_of(self, issue: Issue) -> str:
        """What has to be different for the snooze to end; nothing where it ends by time alone."""
        if self.action is not Action.SNOOZE or not self.until_change:
            return ""
        return state_mark(issue.application.last_event_at if issue.application else None, issue.severity)


def decide(
    *,
    issue_id: int,
    action: Action,
    actor: User,
    now: datetime,
    reason: str = "",
    until: datetime | None = None,
    until_change: bool = False,
    expected_version: int | None = None,
) -> Issue:
    """Acknowledge, snooze (``until`` a time, ``until_change``, or until either), resolve or reopen an issue; returns it
    as it then stands. What is decided of a group is decided of its members.

    Deciding what is already so changes nothing and succeeds. Raises ``IllegalAction``, ``StaleVersion``, and
    ``ValueError`` for a snooze that does not end within a year from now.
    """
    decision = Decision(action, actor, now, reason, until, until_change)
    with transaction.atomic():
        issue = _locked().get(pk=issue_id)
        if expected_version is not None and expected_version != issue.version:
            raise StaleVersion
        _let_follow(_decide_on(issue, decision))
    return issue


def decide_all(
    *,
    issue_ids: Iterable[int],
    action: Action,
    actor: User,
    now: datetime,
    reason: str = "",
    until: datetime | None = None,
    until_change: bool = False,
) -> dict[int, str]:
    """The same decision on many issues: returns why each one that refused did, by its id; the others went through.

    What follows is one batch per connector for every ``AT_ONCE`` issues, not one per issue. Raises ``ValueError`` as
    ``decide`` does, before anything is decided.
    """
    decision = Decision(action, actor, now, reason, until, until_change)
    refusals: dict[int, str] = {}
    ids = sorted(set(issue_ids))
    for first in range(0, len(ids), AT_ONCE):
        with transaction.atomic():
            moved: dict[int, Issue] = {}
            for issue_id in ids[first : first + AT_ONCE]:
                try:  # read one by one: deciding on a group moves members that may be chosen, too
                    moved.update((one.pk, one) for one in _decide_on(_locked().get(pk=issue_id), decision))
                except IllegalAction as error:
                    refusals[issue_id] = str(error)
            _let_follow(list(moved.values()))
    return refusals


def _locked() -> QuerySet[Issue]:
    return Issue.objects.select_for_update(of=("self",)).select_related("visit", "application")


def _decide_on(issue: Issue, decision: Decision) -> list[Issue]:
    """Returns what moved: nothing where it is already so, else the issue and those of its members it was legal for."""
    after = status_after(issue.status, decision.action)
    same_snooze = issue.snoozed_until == decision.until and issue.snoozed_at_state == decision.mark_of(issue)
    if after == issue.status and (decision.action is not Action.SNOOZE or same_snooze):
        return []
    if issue.status == Issue.Status.RESOLVED and issue.visit is not None and issue.visit.left_at is not None:
        raise IllegalAction("The person has left that stage since; a new visit makes a new issue.")
    _move(issue, after, decision)
    return [issue, *_decide_on_members(issue, decision)]


def _decide_on_members(group: Issue, decision: Decision) -> list[Issue]:
    """The same for every member it is legal for; those already there stay as they are."""
    if not group.is_group:
        return []
    moved = []
    for member in _locked().filter(group=group).order_by("pk"):
        try:
            after = status_after(member.status, decision.action)
        except IllegalAction:
            continue
        if after != member.status or decision.action is Action.SNOOZE:
            _move(member, after, decision)
            moved.append(member)
    return moved


def _move(issue: Issue, status: str, decision: Decision) -> None:
    before, issue.status = issue.status, status
    issue.version += 1
    snoozed = status == Issue.Status.SNOOZED
    issue.snoozed_until, issue.snoozed_at_state = (decision.until, decision.mark_of(issue)) if snoozed else (None, "")
    resolved = status == Issue.Status.RESOLVED
    issue.resolved_at, issue.resolved_by = (decision.now, Issue.ResolvedBy.PERSON) if resolved else (None, "")
    issue.hidden_status, issue.calm_since = "", None
    if status == Issue.Status.OPEN:
        issue.opened_at = decision.now
    issue.save(update_fields=MOVED)
    IssueTransition.objects.create(
        issue=issue, status_from=before, status_to=status, actor=decision.actor, reason=decision.reason, at=decision.now
    )
    telemetry.count_after_commit(telemetry.ISSUE_TRANSITIONS, rule=issue.issue_type, status=status, by="person")


MOVED = (
    "status", "version", "snoozed_until", "snoozed_at_state", "hidden_status", "calm_since", "resolved_at", "resolved_by", "opened_at",
)  # fmt: skip


def _let_follow(moved: list[Issue]) -> None:
    """Tasks, the due queue and screens follow the decision, by the road they always come by.

    From ``detect`` on: it arms the end of a snooze, and judges a reopened issue by what holds now. What is about a stage or
    a connector is judged when that is looked at next.
    """
    applications: dict[tuple[int, int | None], set[int]] = defaultdict(set)
    jobs: dict[tuple[int, int | None], set[int]] = defaultdict(set)
    told: dict[int, list[int]] = defaultdict(list)
    for issue in moved:
        told[issue.organization_id].append(issue.pk)
        if issue.application is not None:
            applications[issue.organization_id, issue.application.connector_id].add(issue.application.pk)
        else:
            jobs[issue.organization_id, issue.connector_id] |= {issue.job_id} if issue.job_id else set()
    for (organization_id, connector_id), ids in applications.items():
        batches.start(organization_id=organization_id, connector_id=connector_id, step=flow.DETECT, application_ids=sorted(ids))
    for (organization_id, connector_id), ids in jobs.items():
        batches.start(organization_id=organization_id, connector_id=connector_id, step=flow.OPEN_TASKS, job_ids=sorted(ids))
    for organization_id, issue_ids in told.items():
        flow.tell(organization_id=organization_id, issue_ids=issue_ids)
