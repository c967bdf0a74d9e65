"""What people decide about issues. Each decision leaves one row in the audit trail, and outlasts every sweep."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from config import flow, telemetry
from connectors import batches
from issues.lifecycle import Action, IllegalAction, state_mark, status_after
from issues.models import Issue, IssueTransition

if TYPE_CHECKING:
    from accounts.models import User

#: Snoozing for longer is forgetting.
LONGEST_SNOOZE = timedelta(days=365)


class StaleVersion(Exception):
    """The issue changed since the person looked at it."""


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
    if action is Action.SNOOZE and not until_change and until is None:
        raise ValueError("A snooze must end in the future, and within a year, or when something changes.")
    if action is Action.SNOOZE and until is not None and not now < until <= now + LONGEST_SNOOZE:
        raise ValueError("A snooze must end in the future, and within a year.")
    with transaction.atomic():
        issue = Issue.objects.select_for_update(of=("self",)).select_related("visit", "application").get(pk=issue_id)
        if expected_version is not None and expected_version != issue.version:
            raise StaleVersion
        after = status_after(issue.status, action)
        mark = _mark(issue) if action is Action.SNOOZE and until_change else ""
        same_snooze = issue.snoozed_until == until and issue.snoozed_at_state == mark
        if after == issue.status and (action is not Action.SNOOZE or same_snooze):
            return issue
        if issue.status == Issue.Status.RESOLVED and issue.visit is not None and issue.visit.left_at is not None:
            raise IllegalAction("The person has left that stage since; a new visit makes a new issue.")
        _move(issue, after, actor=actor, reason=reason, until=until, mark=mark, now=now)
        members = _decide_on_members(issue, action, actor=actor, reason=reason, until=until, until_change=until_change, now=now)
        _let_follow(issue, members)
    return issue


def _decide_on_members(
    group: Issue, action: Action, *, actor: User, reason: str, until: datetime | None, until_change: bool, now: datetime
) -> list[Issue]:
    """The same for every member it is legal for; those already there stay as they are."""
    if not group.is_group:
        return []
    moved = []
    members = Issue.objects.select_for_update(of=("self",)).select_related("application").filter(group=group).order_by("pk")
    for member in members:
        try:
            after = status_after(member.status, action)
        except IllegalAction:
            continue
        if after != member.status or action is Action.SNOOZE:
            mark = _mark(member) if action is Action.SNOOZE and until_change else ""
            _move(member, after, actor=actor, reason=reason, until=until, mark=mark, now=now)
            moved.append(member)
    return moved


def _mark(issue: Issue) -> str:
    return state_mark(issue.application.last_event_at if issue.application else None, issue.severity)


def _move(issue: Issue, status: str, *, actor: User, reason: str, until: datetime | None, mark: str, now: datetime) -> None:
    before, issue.status = issue.status, status
    issue.version += 1
    snoozed = status == Issue.Status.SNOOZED
    issue.snoozed_until, issue.snoozed_at_state = (until, mark) if snoozed else (None, "")
    resolved = status == Issue.Status.RESOLVED
    issue.resolved_at, issue.resolved_by = (now, Issue.ResolvedBy.PERSON) if resolved else (None, "")
    issue.hidden_status, issue.calm_since = "", None
    if status == Issue.Status.OPEN:
        issue.opened_at = now
    issue.save(update_fields=MOVED)
    IssueTransition.objects.create(issue=issue, status_from=before, status_to=status, actor=actor, reason=reason, at=now)
    telemetry.count_after_commit(telemetry.ISSUE_TRANSITIONS, rule=issue.issue_type, status=status, by="person")


MOVED = (
    "status", "version", "snoozed_until", "snoozed_at_state", "hidden_status", "calm_since", "resolved_at", "resolved_by", "opened_at",
)  # fmt: skip


def _let_follow(issue: Issue, members: list[Issue]) -> None:
    """Tasks, the due queue and screens follow the decision, by the road they always come by.

    From ``detect`` on: it arms the end of a snooze, and judges a reopened issue by what holds now. What is about a stage or
    a connector is judged when that is looked at next.
    """
    concerned = [one for one in (issue, *members) if one.application is not None]
    connectors: list[int | None] = [*sorted({one.application.connector_id for one in concerned if one.application})]
    for connector_id in connectors or [issue.connector_id]:
        batches.start(
            organization_id=issue.organization_id,
            connector_id=connector_id,
            step=flow.DETECT if concerned else flow.OPEN_TASKS,
            application_ids=sorted({one.application_id for one in concerned if one.application_id}),
            job_ids=[issue.job_id] if issue.job_id and not concerned else [],
        )
    flow.tell(organization_id=issue.organization_id, issue_ids=[one.pk for one in (issue, *members)])
