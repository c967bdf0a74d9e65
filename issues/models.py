"""Issues: what a rule found, how bad it is, and every decision about it."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Organization
from analytics.models import StageVisit
from ats.models import Application, Job, Stage
from connectors.models import Connector
from issues.thresholds import ADJUSTABLE, DEFAULTS, Priority, Setting


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
        #: another issue says more, or the job is on hold; what a person had said of it comes back with it
        HIDDEN = "hidden", "Hidden for the time being"

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
    #: of an issue about a connector
    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, null=True, blank=True, db_index=False, related_name="issues")
    #: many with one trouble in one stage: the group issue they are members of
    group = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="members")
    is_group = models.BooleanField(default=False, db_default=False)
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
    #: snoozed until something changes: what was known then
    snoozed_at_state = models.CharField(max_length=80, blank=True, db_default="")
    #: what it goes back to when it is no longer hidden
    hidden_status = models.CharField(max_length=12, blank=True, db_default="")
    #: the condition has not held since; a delay is over only when it stays so
    calm_since = models.DateTimeField(null=True, blank=True)
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
            # issues about connectors and statuses: few, found without reading those about people and jobs
            models.Index(fields=["organization"], name="issue_of_no_job", condition=Q(application=None, job=None)),
            models.Index(fields=["group"], name="issue_members", condition=Q(group__isnull=False)),
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


#: rules in words
RULE_LABELS = {name: name.replace("_", " ").capitalize() for name in DEFAULTS}
PRIORITY_CHOICES = [(word.value, word.value.capitalize()) for word in Priority]


class RuleSetting(models.Model):
    """What an organization, a job or a stage asks of a rule instead of its defaults; see ``issues.thresholds``.

    An empty field says nothing: the next wider setting counts. Of several the nearest wins: stage in a job, stage, job,
    organization.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="rule_settings")
    rule = models.CharField(max_length=32, blank=True, choices=RULE_LABELS, help_text="Empty: every rule.")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, null=True, blank=True, related_name="+", help_text="Empty: every job.")
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, null=True, blank=True, related_name="+", help_text="Empty: every stage.")
    enabled = models.BooleanField(null=True, blank=True)
    business_days = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0.01)],
        help_text="The limit. For stuck and no_exits it replaces the stage's own (target, else learnt from history, else default).",
    )  # fmt: skip
    factor = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0.01)],
        help_text="Times the limit (stuck 2, no_exits 1) or times the usual (stage_delay 1.5).",
    )  # fmt: skip
    clear_factor = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0.01)], help_text="stage_delay is over below so many times the usual (1.25)."
    )
    people = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)],
        help_text="Least number: exits (stage_delay 6), people waiting (no_exits 3, unmapped_status 1), moves (bulk_change 50).",
    )  # fmt: skip
    proxy = models.BooleanField(null=True, blank=True, help_text="Where the ATS lacks the rule's input: infer it, and say so.")
    group_from = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(2)], help_text="So many people late in one stage make one group issue (15)."
    )
    waits_for_candidate = models.BooleanField(
        null=True, blank=True, help_text="The next move here is the candidate's: idle_candidate and waiting_on_us keep silent."
    )
    priority = models.CharField(max_length=8, blank=True, choices=PRIORITY_CHOICES, help_text="How much the job matters.")

    class Meta:
        ordering = ["organization", "rule", "job", "stage"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "rule", "job", "stage"], name="rule_setting_once", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        where = ", ".join(str(place) for place in (self.job, self.stage) if place) or "everywhere"
        return f"{self.get_rule_display() or 'Every rule'}: {where}"

    def clean(self) -> None:
        for name in ("job", "stage"):
            row = getattr(self, name)
            if row is not None and row.organization_id != self.organization_id:
                raise ValidationError({name: f"The {name} belongs to another organization."})

    def as_setting(self) -> Setting:
        values = {name: getattr(self, name) for name in ADJUSTABLE if getattr(self, name) not in (None, "")}
        return Setting(rule=self.rule, job_id=self.job_id, stage_id=self.stage_id, values=values)


class CellWatch(models.Model):
    """A stage of a job as the rules know it: the limit they hold its people to, and when they look at it again.

    ``idle_days`` and ``stuck_days`` are calendar days that surely pass before these rules can fire for somebody there:
    the due queue of applications is kept with them.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, db_constraint=False, related_name="+")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_constraint=False, related_name="+")
    connector_id = models.BigIntegerField()
    due_at = models.DateTimeField()
    idle_days = models.PositiveIntegerField()
    stuck_days = models.PositiveIntegerField()
    #: the limit: business days, where it comes from, and the exits behind it
    limit_days = models.FloatField()
    limit_source = models.CharField(max_length=12)
    limit_n = models.PositiveIntegerField(null=True)
    #: digest of the limit and of all thresholds: another one, and everybody there is judged anew
    mark = models.CharField(max_length=32)

    class Meta:
        verbose_name_plural = "cell watches"
        constraints = [models.UniqueConstraint(fields=["job", "stage"], name="cellwatch_cell")]
        indexes = [models.Index(fields=["connector_id", "due_at"], name="cellwatch_due")]

    def __str__(self) -> str:
        return f"Watch of job {self.job_id}, stage {self.stage_id}"


class RuleInputs(models.Model):
    """Digest of the targets and settings of an organization when the rules last looked: another one, and they look at every stage."""

    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, primary_key=True, related_name="+")
    mark = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = "rule inputs"

    def __str__(self) -> str:
        return self.mark[:12]


class Backtest(models.Model):
    """What if: a question about a rule's past, asked by a person and answered by a worker. Settings are not touched by it.

    Holds ids of applications, never people's names; the page looks these up for whoever may see them.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for a worker"
        RUNNING = "running", "Replaying the past"
        DONE = "done", "Answered"
        FAILED = "failed", "Failed"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="backtests")
    rule = models.CharField(max_length=32, choices=RULE_LABELS)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, null=True, blank=True, related_name="+", help_text="Empty: every job.")
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, null=True, blank=True, related_name="+", help_text="Empty: every stage.")
    days = models.PositiveIntegerField(default=90, help_text="Calendar days up to now.")
    business_days = models.FloatField(null=True, blank=True, verbose_name="another limit", help_text="In business days.")
    factor = models.FloatField(null=True, blank=True, verbose_name="another factor", help_text="Times the limit, or times the usual.")
    people = models.PositiveIntegerField(null=True, blank=True, verbose_name="another number of people")
    proxy = models.BooleanField(
        null=True, blank=True, verbose_name="with the proxy", help_text="Where the ATS lacks the rule's input: infer it."
    )
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+")
    asked_at = models.DateTimeField(editable=False)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING, editable=False)
    #: raised before the work begins
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    #: the message that is being worked on
    worker = models.CharField(max_length=64, blank=True, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    #: a sentence for the person who asked
    error = models.TextField(blank=True, editable=False)
    #: ``issues.whatif.Comparison.told``
    answer = models.JSONField(null=True, editable=False)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_rule_display()}: what if"

    @property
    def is_over(self) -> bool:
        return self.state in (self.State.DONE, self.State.FAILED)
