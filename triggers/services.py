"""The machine's writes of tasks: opened for issues, closed with them. What people do is in ``decisions``; what happens
to a task by the passing of time in ``reminders``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from accounts.models import Organization, User
from config import sql, telemetry
from connectors.models import Batch
from issues.detection import calendar_of
from issues.models import Issue
from triggers import outbox, trail
from triggers.models import Task, TriggerRule, subject_of
from triggers.playbook import DEFAULT, Play, Rung, Subject, TaskSpec, next_rung_at, task_for
from triggers.staffing import staff_of


def open_tasks(batch: Batch) -> None:
    """Step 5: one task for each open issue without one; tasks whose issue resolved are no longer needed.

    For the issues of the batch's applications, and those of its jobs that are about no single application.
    """
    now = timezone.now()
    touched = {"applications": batch.application_ids, "jobs": batch.job_ids, "organization": batch.organization_id, "now": now}
    with connection.cursor() as cursor:
        sql.pin_plans(cursor)
        obsolete = sql.run(cursor, "triggers", "close_obsolete", touched)
        telemetry.count_after_commit(telemetry.TASK_OUTCOMES, obsolete, outcome=Task.Status.OBSOLETE.value)
        sql.run(cursor, "triggers", "follow_severity", touched)
        subjects = _subjects(cursor, touched)
    if not subjects:
        return
    plays = plays_of(batch.organization_id)
    staff = staff_of(batch.organization, now)
    calendar = calendar_of(batch.organization, now)
    specs = [spec for subject in subjects if (spec := task_for(subject, plays, staff=staff, as_of=now, calendar=calendar))]
    _open(batch.organization, specs, now)


def _subjects(cursor: CursorWrapper, touched: dict[str, Any]) -> list[Subject]:
    cursor.execute(sql.text("triggers", "without_task"), touched)
    names = ("issue_id", "issue_type", "severity", "score", "sentence", "job_id", "job", "department", "lead", "stage", "stage_category")
    return [Subject(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def _open(organization: Organization, specs: Sequence[TaskSpec], now: datetime) -> None:
    # the partial unique index is the judge: of two who open a task for one issue, one does
    Task.objects.bulk_create([_task(organization.pk, spec, now) for spec in specs], batch_size=2000, ignore_conflicts=True)
    new = Task.objects.filter(issue__in=[spec.issue_id for spec in specs], created_at=now, version=1, changes=None)
    made = list(new.select_related("assignee").order_by("pk"))
    trail.opened(made, at=now)
    silent = {spec.issue_id for spec in specs if not spec.notify}
    outbox.announce(organization, [(task, task.assignee_id) for task in made if task.issue_id not in silent], now=now)


def plays_of(organization_id: int) -> list[Play]:
    """The organization's enabled rules in the order they are asked; ``DEFAULT`` where it has none at all."""
    rules = list(TriggerRule.objects.filter(organization_id=organization_id).prefetch_related("ladder"))
    if not rules:
        return [DEFAULT]
    enabled = sorted((rule for rule in rules if rule.enabled), key=lambda rule: (rule.order, rule.issue_type == "", rule.pk))
    return [play_of(rule) for rule in enabled]


def play_of(rule: TriggerRule) -> Play:
    rungs = sorted(rule.ladder.all(), key=lambda step: step.after_business_days)
    return Play(
        rule_id=rule.pk,
        issue_type=rule.issue_type,
        min_severity=rule.min_severity,
        min_score=rule.min_score,
        job_id=rule.job_id,
        department=rule.department,
        stage_category=rule.stage_category,
        title_template=rule.title_template,
        assignee_role=rule.assignee_role,
        due_in_business_days=rule.due_in_business_days,
        priority=rule.priority,
        notify=rule.notify,
        ladder=tuple(
            Rung(after_business_days=step.after_business_days, role=step.assignee_role, hand_over=step.hand_over) for step in rungs
        ),
    )


def rearm(rule: TriggerRule) -> int:
    """The rule's ladder was edited: its unfinished tasks climb by the new one from where they are. Returns how many that changes.

    Rungs already climbed stay climbed; a new one whose time has passed is due at once.
    """
    ladder = play_of(rule).ladder
    calendar = calendar_of(rule.organization, timezone.now())
    with transaction.atomic():
        tasks = list(rule.tasks.exclude(status__in=Task.ENDED).order_by("pk").select_for_update())
        moved = []
        for task in tasks:
            at = next_rung_at(ladder, level=task.level, opened_at=task.created_at, calendar=calendar)
            if at != task.escalate_at:
                task.escalate_at = at
                moved.append(task)
        Task.objects.bulk_update(moved, ["escalate_at"], batch_size=500)
    return len(moved)


def task_about(issue: Issue, *, assignee: User, now: datetime) -> Task:
    """An unsaved task for an issue no rule opened one for: a person asks for it. Due in a business day."""
    subject, calendar = subject_of(issue), calendar_of(issue.organization, now)
    role = assignee.memberships.filter(organization_id=issue.organization_id).values_list("role", flat=True).first()
    return Task(
        organization_id=issue.organization_id,
        issue=issue,
        title=f"{subject.job}: {subject.sentence}"[:300] if subject.job else subject.sentence[:300],
        priority=issue.severity,
        assignee=assignee,
        role=role or "",
        due_at=calendar.add_business_days(now, DEFAULT.due_in_business_days),
        created_at=now,
    )


def _task(organization_id: int, spec: TaskSpec, now: datetime) -> Task:
    return Task(
        organization_id=organization_id,
        issue_id=spec.issue_id,
        rule_id=spec.rule_id,
        title=spec.title,
        priority=spec.priority,
        follows_severity=spec.follows_severity,
        assignee_id=spec.assignee_id,
        role=spec.role,
        due_at=spec.due_at,
        escalate_at=spec.escalate_at,
        created_at=now,
    )
