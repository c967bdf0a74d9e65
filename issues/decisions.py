"""What people decide about issues. Each decision leaves one row in the audit trail, and outlasts every sweep."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from config import flow, telemetry
from connectors import batches
from issues.lifecycle import Action, IllegalAction, status_after
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
    expected_version: int | None = None,
) -> Issue:
    """Acknowledge, snooze (``until``), resolve or reopen an issue; returns it as it then stands.

    Deciding what is already so changes nothing and succeeds. Raises ``IllegalAction``, ``StaleVersion``, and
    ``ValueError`` for a snooze that does not end within a year from now.
    """
    if action is Action.SNOOZE and (until is None or not now < until <= now + LONGEST_SNOOZE):
        raise ValueError("A snooze must end in the future, and within a year.")
    with transaction.atomic():
        issue = Issue.objects.select_for_update(of=("self",)).select_related("visit", "application").get(pk=issue_id)
        if expected_version is not None and expected_version != issue.version:
            raise StaleVersion
        after = status_after(issue.status, action)
        if after == issue.status and (action is not Action.SNOOZE or issue.snoozed_until == until):
            return issue
        if issue.status == Issue.Status.RESOLVED and issue.visit is not None and issue.visit.left_at is not None:
            raise IllegalAction("The person has left that stage since; a new visit makes a new issue.")
        _move(issue, after, actor=actor, reason=reason, until=until, now=now)
        _let_follow(issue)
    return issue


def _move(issue: Issue, status: str, *, actor: User, reason: str, until: datetime | None, now: datetime) -> None:
    before, issue.status = issue.status, status
    issue.version += 1
    issue.snoozed_until = until if status == Issue.Status.SNOOZED else None
    resolved = status == Issue.Status.RESOLVED
    issue.resolved_at, issue.resolved_by = (now, Issue.ResolvedBy.PERSON) if resolved else (None, "")
    if status == Issue.Status.OPEN:
        issue.opened_at = now
    issue.save(update_fields=["status", "version", "snoozed_until", "resolved_at", "resolved_by", "opened_at"])
    IssueTransition.objects.create(issue=issue, status_from=before, status_to=status, actor=actor, reason=reason, at=now)
    telemetry.count_after_commit(telemetry.ISSUE_TRANSITIONS, rule=issue.issue_type, status=status, by="person")


def _let_follow(issue: Issue) -> None:
    """Tasks, the due queue and screens follow the decision, by the road they always come by.

    From ``detect`` on: it arms the end of a snooze, and judges a reopened issue by what holds now.
    """
    batches.start(
        organization_id=issue.organization_id,
        connector_id=issue.application.connector_id if issue.application else None,
        step=flow.DETECT,
        application_ids=[issue.application_id] if issue.application_id else [],
        job_ids=[issue.job_id] if issue.job_id and not issue.application_id else [],
    )
    flow.tell(organization_id=issue.organization_id, issue_ids=[issue.pk])
