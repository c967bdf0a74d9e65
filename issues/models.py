"""Issues: what a rule found, how bad it is, and every decision about it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Organization
from analytics.models import StageVisit
from ats.models import Application, Job, Stage


class Severity(models.TextChoices):
    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"
    CRITICAL = "critical", "Critical"


class Issue(models.Model):
    """One thing that is wrong. There is one row per identity for ever: what comes back is reopened, not doubled."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        SNOOZED = "snoozed", "Snoozed"
        RESOLVED = "resolved", "Resolved"

    class ResolvedBy(models.TextChoices):
        RULE = "rule", "The condition cleared"
        PERSON = "person", "A person decided"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="issues")
    issue_type = models.CharField(max_length=32, help_text="Name of the rule that found it.")
    #: identity: rule, subject and visit; unique in the organization
    fingerprint = models.CharField(max_length=200, db_collation="C")
    application = models.ForeignKey(Application, on_delete=models.CASCADE, null=True, blank=True, related_name="issues")
    visit = models.ForeignKey(
        StageVisit, on_delete=models.SET_NULL, db_constraint=False, null=True, blank=True, db_index=False, related_name="+"
    )
    job = models.ForeignKey(Job, on_delete=models.CASCADE, null=True, blank=True, related_name="issues")
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, null=True, blank=True, db_index=False, related_name="issues")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.OPEN)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    score = models.FloatField(help_text="0 to 100")
    #: one sentence in plain words, without personal data
    sentence = models.TextField()
    evidence = models.JSONField(default=dict)
    #: first detection; never moves
    detected_at = models.DateTimeField()
    #: last time it opened or reopened; a task ended before that no longer counts
    opened_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField()
    snoozed_until = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=8, choices=ResolvedBy.choices, blank=True)
    #: raised with every transition; the ETag of optimistic concurrency
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["-score", "id"]
        constraints = [models.UniqueConstraint(fields=["organization", "fingerprint"], name="issue_identity")]
        indexes = [
            models.Index(fields=["organization", "status", "-score"], name="issue_inbox"),
            models.Index(fields=["job", "stage"], name="issue_cell_unresolved", condition=~Q(status="resolved")),
        ]

    def __str__(self) -> str:
        return self.sentence


class IssueTransition(models.Model):
    """The audit trail: one row per change of an issue's status, whoever made it."""

    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="transitions")
    status_from = models.CharField(max_length=12, blank=True)
    status_to = models.CharField(max_length=12, choices=Issue.Status.choices)
    #: None: the rule itself
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    reason = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.status_from or 'new'} → {self.status_to}"


class Watch(models.Model):
    """The due queue of time-based rules: the earliest moment at which one could fire for an application.

    A sweep takes what is due and nothing else, so its cost follows time, not the number of applications.
    """

    application = models.OneToOneField(Application, on_delete=models.CASCADE, db_constraint=False, primary_key=True, related_name="watch")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    connector_id = models.BigIntegerField()
    due_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "watches"
        indexes = [models.Index(fields=["connector_id", "due_at"], name="watch_due")]

    def __str__(self) -> str:
        return f"Watch of application {self.application_id}"
