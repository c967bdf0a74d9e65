"""Rules that turn issues into tasks, and the tasks."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import Organization, Role
from issues.models import Issue, Severity


class TriggerRule(models.Model):
    """For issues of this type and at least this severity: a task, for whom, and due when."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="trigger_rules")
    issue_type = models.CharField(max_length=32, blank=True, help_text="Empty: every type.")
    min_severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.LOW)
    title_template = models.CharField(
        max_length=200, default="{sentence}", help_text="May use {sentence}, {issue_type}, {job} and {stage}."
    )
    assignee_role = models.CharField(max_length=20, choices=Role.choices, default=Role.RECRUITER)
    due_in_business_days = models.FloatField(default=1)
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["organization", "issue_type", "id"]

    def __str__(self) -> str:
        return f"{self.issue_type or 'any issue'} → {self.get_assignee_role_display()}"


class Task(models.Model):
    """What one person should do about one issue."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        IN_PROGRESS = "in_progress", "In progress"
        DONE = "done", "Done"
        DISMISSED = "dismissed", "Dismissed"
        #: the issue went away first
        OBSOLETE = "obsolete", "No longer needed"

    ENDED = (Status.DONE, Status.DISMISSED, Status.OBSOLETE)

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="tasks")
    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="tasks")
    title = models.CharField(max_length=300)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.OPEN)
    priority = models.CharField(max_length=8, choices=Severity.choices)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="stagewatch_tasks"
    )
    due_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    #: raised with every change; the ETag of optimistic concurrency
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["due_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["issue"], name="task_one_open_per_issue", condition=Q(status__in=["open", "in_progress"]))
        ]
        indexes = [models.Index(fields=["organization", "status", "due_at"], name="task_inbox")]

    def __str__(self) -> str:
        return self.title
