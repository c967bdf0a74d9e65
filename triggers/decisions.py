"""What people do with their tasks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import User
from config import flow, telemetry
from connectors import batches
from issues.models import Issue
from triggers import outbox, trail
from triggers.models import Task
from triggers.services import task_about

Status = Task.Status

#: status before → statuses a person may choose. ``obsolete`` is the machine's word: the issue went away.
LEGAL: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        Status.OPEN: frozenset({Status.OPEN, Status.IN_PROGRESS, Status.DONE, Status.DISMISSED}),
        Status.IN_PROGRESS: frozenset({Status.OPEN, Status.IN_PROGRESS, Status.DONE, Status.DISMISSED}),
        Status.DONE: frozenset({Status.DONE, Status.OPEN}),
        Status.DISMISSED: frozenset({Status.DISMISSED, Status.OPEN}),
        Status.OBSOLETE: frozenset({Status.OBSOLETE}),
    }
)

#: What a person may change.
EDITABLE = ("status", "assignee", "due_at", "note", "useful")
#: Who has ended a task can say whether it was any use; of an open one nobody knows yet.
RATED = frozenset({Status.DONE, Status.DISMISSED})

ONE_OPEN_TASK = "task_one_open_per_issue"


class IllegalChange(Exception):
    """The task's state does not allow it; the message is for a person."""


class StaleVersion(Exception):
    """The task changed since the person looked at it."""


def edit_task(
    *, task_id: int, changes: Mapping[str, Any], now: datetime, actor: User | None = None, expected_version: int | None = None
) -> Task:
    """Apply ``changes`` (keys of ``EDITABLE``) to a task; returns it as it then stands.

    Raises ``IllegalChange``, ``StaleVersion``, and ``ValueError`` for an assignee from outside the organization.
    A change to what it already is changes nothing.
    """
    unknown = set(changes) - set(EDITABLE)
    assert not unknown, f"a person cannot change {unknown}"
    try:
        with transaction.atomic():
            task = Task.objects.select_for_update(of=("self",)).select_related("issue", "assignee").get(pk=task_id)
            if expected_version is not None and expected_version != task.version:
                raise StaleVersion
            different = {name: value for name, value in changes.items() if getattr(task, name) != value}
            if different:
                check_changes(task, different)
                _write(task, different, now, actor)
                if "assignee" in different:
                    _tell(task, now, actor)
                _let_follow(task)
            return task
    except IntegrityError as error:
        if ONE_OPEN_TASK in str(error):
            raise IllegalChange("The issue has another open task meanwhile; work on that one.") from None
        raise


def check_changes(task: Task, changes: Mapping[str, Any]) -> None:
    """Raise ``IllegalChange`` or ``ValueError`` as ``edit_task`` would."""
    status = changes.get("status", task.status)
    if status not in LEGAL[task.status]:
        raise IllegalChange(f"A task that is {task.get_status_display().lower()} cannot become {Status(status).label.lower()}.")
    reopened = task.status in Task.ENDED and status not in Task.ENDED
    if reopened and task.issue.status == Issue.Status.RESOLVED:
        raise IllegalChange("Its issue is resolved; reopen the issue first.")
    if changes.get("useful") is not None and status not in RATED:
        raise IllegalChange("Whether a task was useful can be said once it is done or dismissed.")
    assignee = changes.get("assignee")
    if assignee is not None and not assignee.memberships.filter(organization_id=task.organization_id).exists():
        raise ValueError("Nobody with this id works in the task's organization.")


def assign_issue(*, issue_id: int, assignee: User, now: datetime, actor: User | None = None) -> Task:
    """Give the issue's open task to somebody; opens one for an issue without. Raises as ``edit_task`` does."""
    with transaction.atomic():
        issue = Issue.objects.select_for_update(of=("self",)).select_related("organization", "job", "stage").get(pk=issue_id)
        if issue.status == Issue.Status.RESOLVED:
            raise IllegalChange("It is resolved; reopen it first.")
        task = issue.tasks.exclude(status__in=Task.ENDED).first()
        if task is None:
            if not assignee.memberships.filter(organization_id=issue.organization_id).exists():
                raise ValueError("Nobody with this id works in the issue's organization.")
            task = task_about(issue, assignee=assignee, now=now)
            task.save()
            trail.opened([task], at=now, actor=actor)
            _tell(task, now, actor)
            _let_follow(task)
            return task
    return edit_task(task_id=task.pk, changes={"assignee": assignee}, now=now, actor=actor)


def _write(task: Task, changes: Mapping[str, Any], now: datetime, actor: User | None) -> None:
    if "status" in changes and task.status in Task.ENDED and changes["status"] not in Task.ENDED:
        changes = {"useful": None, **changes}  # what was said of the first time does not hold for the second
    before = {name: getattr(task, name) for name in changes}
    for name, value in changes.items():
        setattr(task, name, value)
    if "status" in changes:
        task.ended_at = now if task.status in Task.ENDED else None
    task.version += 1
    task.save(update_fields=[*changes, "ended_at", "version"])
    trail.edited(task, {name: value for name, value in before.items() if value != changes[name]}, at=now, actor=actor)
    if "status" in changes:
        telemetry.count_after_commit(telemetry.TASK_OUTCOMES, outcome=str(Status(task.status).value))


def _tell(task: Task, now: datetime, actor: User | None) -> None:
    """Who takes a task themselves knows of it."""
    if task.status not in Task.ENDED and task.assignee_id is not None and (actor is None or task.assignee_id != actor.pk):
        outbox.announce(task.organization, [(task, task.assignee_id)], now=now)


def _let_follow(task: Task) -> None:
    """Screens hear of it by the road they always hear by."""
    issue = task.issue
    batches.start(
        organization_id=task.organization_id,
        step=flow.PUSH,
        application_ids=[issue.application_id] if issue.application_id else [],
        job_ids=[issue.job_id] if issue.job_id else [],
    )
    flow.tell(organization_id=task.organization_id, task_ids=[task.pk])
