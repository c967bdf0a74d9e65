"""Rules that turn issues into tasks, the tasks, who is away, and how people hear of it (``Channel``, ``Notification``)."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from accounts.models import Organization, Role
from ats.models import Job
from connectors import credentials
from connectors.events import StageCategory
from issues.models import Issue, Severity
from triggers.playbook import DEFAULT, Subject, retold

#: Longest wait a rule may ask for, in business days: half a year.
LONGEST_WAIT = 125.0

business_wait = [MinValueValidator(0.0), MaxValueValidator(LONGEST_WAIT)]


class TriggerRule(models.Model):
    """For issues of this type, at least this severity and these conditions: a task, for whom, and due when.

    Of the rules that fit an issue the first counts: lowest ``order``, then those of a type before those of every type.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="trigger_rules")
    name = models.CharField(max_length=100, blank=True, help_text="For lists; empty: made from type and role.")
    order = models.PositiveSmallIntegerField(default=100, help_text="Lower is asked first.")
    enabled = models.BooleanField(default=True)

    issue_type = models.CharField(max_length=32, blank=True, help_text="Empty: every type.")
    min_severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.LOW)
    min_score = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(100)], help_text="0 to 100. Empty: any."
    )
    job = models.ForeignKey(Job, on_delete=models.CASCADE, null=True, blank=True, related_name="+", help_text="Empty: every job.")
    department = models.CharField(max_length=200, blank=True, help_text="As the ATS writes it. Empty: every department.")
    stage_category = models.CharField(
        max_length=12, blank=True, choices=[(word.value, word.value.capitalize()) for word in StageCategory], help_text="Empty: every one."
    )

    title_template = models.CharField(
        max_length=200, default="{sentence}", help_text="May use {sentence}, {issue_type}, {job} and {stage}."
    )
    assignee_role = models.CharField(
        max_length=20,
        choices=Role.choices,
        default=Role.RECRUITER,
        help_text="A hiring manager is the job's own where the ATS names one of your people as its hiring lead.",
    )
    due_in_business_days = models.FloatField(default=1, validators=business_wait)
    priority = models.CharField(max_length=8, choices=Severity.choices, blank=True, help_text="Empty: follows the issue's severity.")
    notify = models.BooleanField(default=True, help_text="Tell the assignee at once, by the organization's channels.")

    class Meta:
        ordering = ["organization", "order", "issue_type", "id"]

    def __str__(self) -> str:
        return self.name or f"{self.issue_type or 'any issue'} → {self.get_assignee_role_display()}"

    def clean(self) -> None:
        if self.job is not None and self.job.organization_id != self.organization_id:
            raise ValidationError({"job": "The job belongs to another organization."})


class EscalationStep(models.Model):
    """A rung of a rule's ladder: after so many business days without an end, somebody else hears of the task."""

    rule = models.ForeignKey(TriggerRule, on_delete=models.CASCADE, related_name="ladder")
    after_business_days = models.FloatField(
        validators=[MinValueValidator(0.01), MaxValueValidator(LONGEST_WAIT)], help_text="Counted from the opening of the task."
    )
    assignee_role = models.CharField(max_length=20, choices=Role.choices, default=Role.HIRING_MANAGER)
    hand_over = models.BooleanField(default=True, help_text="The task becomes theirs unless somebody is at work on it; else they are told.")

    class Meta:
        ordering = ["rule", "after_business_days"]
        constraints = [models.UniqueConstraint(fields=["rule", "after_business_days"], name="escalation_once_a_day")]

    def __str__(self) -> str:
        return f"after {self.after_business_days:g} business days: {self.get_assignee_role_display()}"


class Absence(models.Model):
    """A person is away, both days included, in the organization's time zone. Why is nobody's business here."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="absences")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="absences")
    first_day = models.DateField()
    last_day = models.DateField()
    substitute = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: somebody else of the task's role.",
    )

    class Meta:
        ordering = ["-last_day", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(last_day__gte=F("first_day")), name="absence_ends_after_it_begins"),
            models.CheckConstraint(condition=~Q(substitute=F("user")), name="absence_substitute_is_somebody_else"),
        ]
        indexes = [models.Index(fields=["organization", "last_day"], name="absence_now")]

    def __str__(self) -> str:
        return f"{self.user} away {self.first_day:%d %b} to {self.last_day:%d %b %Y}"

    def clean(self) -> None:
        if self.first_day and self.last_day and self.last_day < self.first_day:
            raise ValidationError({"last_day": "The last day comes before the first."})
        for field in ("user", "substitute"):
            person = getattr(self, field, None)
            if person is not None and not person.memberships.filter(organization_id=self.organization_id).exists():
                raise ValidationError({field: "Not a member of the organization."})


def subject_of(issue: Issue) -> Subject:
    """What a title may say of an issue, as it stands. Reads its job and stage."""
    return Subject(
        issue_id=issue.pk,
        issue_type=issue.issue_type,
        severity=issue.severity,
        sentence=issue.sentence,
        job_id=issue.job_id,
        job=issue.job.title if issue.job else "",
        stage=issue.stage.name if issue.stage else "",
    )


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
    #: what opened it; None: the default, or a person
    rule = models.ForeignKey(TriggerRule, on_delete=models.SET_NULL, null=True, blank=True, related_name="tasks")
    title = models.CharField(max_length=300)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.OPEN)
    priority = models.CharField(max_length=8, choices=Severity.choices)
    #: False: the rule, or a person, has set the priority; else it follows the issue's severity
    follows_severity = models.BooleanField(default=True, db_default=True)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="stagewatch_tasks"
    )
    #: whom it was meant for; where the assignee is away, somebody else of this role takes it
    role = models.CharField(max_length=20, choices=Role.choices, blank=True, db_default="")
    due_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)
    #: "was it useful?", answered by whoever ended it
    useful = models.BooleanField(null=True, blank=True)
    #: rungs of the ladder climbed so far, and when the next is due; None: there is none
    level = models.PositiveSmallIntegerField(default=0, db_default=0)
    escalate_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    #: raised with every change; the ETag of optimistic concurrency
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["due_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["issue"], name="task_one_open_per_issue", condition=Q(status__in=["open", "in_progress"]))
        ]
        indexes = [
            models.Index(fields=["organization", "status", "due_at"], name="task_inbox"),
            # the sweep: whose next rung is due
            models.Index(fields=["escalate_at"], name="task_escalates", condition=Q(status__in=["open", "in_progress"])),
            # hand-overs and digests: what lies on somebody's desk
            models.Index(fields=["assignee", "due_at"], name="task_desk", condition=Q(status__in=["open", "in_progress"])),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def title_now(self) -> str:
        """The title with what its issue says by now; an ended task keeps the words it was opened with. ``title`` always does."""
        if self.status in self.ENDED:
            return self.title
        return retold(self.title, self.rule.title_template if self.rule else DEFAULT.title_template, subject_of(self.issue))


class TaskChange(models.Model):
    """The trail of a task: who did what to it, and what happened to it by itself."""

    class What(models.TextChoices):
        OPENED = "opened", "Opened"
        STATUS = "status", "Status"
        ASSIGNEE = "assignee", "Assigned"
        DUE = "due_at", "Due date"
        NOTE = "note", "Note"
        USEFUL = "useful", "Was it useful?"
        ESCALATED = "escalated", "Escalated"
        HANDED_OVER = "handed_over", "Handed over: the assignee is away"

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="changes")
    at = models.DateTimeField()
    #: None: the machine
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    what = models.CharField(max_length=12, choices=What.choices)
    #: statuses, usernames, moments; never the text of a note
    before = models.CharField(max_length=150, blank=True)
    after = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.get_what_display()}: {self.before or 'nothing'} → {self.after or 'nothing'}"


class SavedFilter(models.Model):
    """A question to the triage inbox that somebody asks every morning."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=500, blank=True, help_text="The list's own parameters, such as severity__exact=critical.")

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="saved_filter_once")]

    def __str__(self) -> str:
        return self.name


class Channel(models.Model):
    """A way to tell people of their tasks: e-mail, a Slack room, or a webhook.

    E-mail without an address goes to each assignee's own; everything else has one address that all share.
    """

    class Kind(models.TextChoices):
        EMAIL = "email", "E-mail"
        SLACK = "slack", "Slack"
        WEBHOOK = "webhook", "Webhook"

    #: kinds whose receiver can tell a repetition by its key
    REPEATABLE = (Kind.WEBHOOK,)

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="channels")
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    enabled = models.BooleanField(default=True)
    #: Fernet token; write with ``set_address``, read with ``open_address``; never shown anywhere
    sealed_address = models.TextField(blank=True, editable=False)
    at_once = models.BooleanField(default=True, help_text="Tell of tasks as they are opened, escalated and handed over.")
    min_priority = models.CharField(max_length=8, choices=Severity.choices, default=Severity.LOW, help_text="Of what is told at once.")
    digest_at = models.TimeField(
        null=True, blank=True, help_text="Local time of the day's list, on working days, where there is something on it. Empty: none."
    )
    quiet_from = models.TimeField(null=True, blank=True, help_text="Local time. Empty: no quiet hours.")
    quiet_until = models.TimeField(null=True, blank=True, help_text="Local time; before the beginning means the next day.")
    rest_on_days_off = models.BooleanField(default=True, help_text="Nothing on days the organization's calendar is closed.")
    urgent_anyway = models.BooleanField(default=False, help_text="Critical tasks are told in quiet hours and on days off, too.")
    digested_on = models.DateField(null=True, blank=True, editable=False)
    #: after a failure the whole channel rests, so that a dead receiver costs one attempt at a time
    held_until = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="In a row.")
    last_error = models.TextField(blank=True, editable=False)
    last_sent_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["organization", "name"]
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="channel_name_once")]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_kind_display()})"

    @property
    def is_personal(self) -> bool:
        return self.kind == self.Kind.EMAIL and not self.sealed_address

    def set_address(self, address: str) -> None:
        """Seal the address for this saved channel; the caller saves the row."""
        self.sealed_address = credentials.seal(f"channel {self.pk}", address) if address else ""

    def open_address(self) -> str:
        return credentials.unseal(f"channel {self.pk}", self.sealed_address) if self.sealed_address else ""


class Notification(models.Model):
    """The outbox: written in the transaction that gives somebody a reason to be told, sent by whoever claims it.

    waiting ─► sending ─► sent            nothing left to say: dropped
       ▲          │  └──► waiting (later), dead after the last attempt or a refusal
       └──────────┴─────► unclear: it may have arrived, and the receiver could not tell a repetition
    """

    class Kind(models.TextChoices):
        TASKS = "tasks", "Tasks"
        DIGEST = "digest", "The day's list"
        TEST = "test", "Test"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        DROPPED = "dropped", "Nothing left to say"
        UNCLEAR = "unclear", "May have arrived"
        DEAD = "dead", "Gave up"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="notifications")
    #: None: everybody who reads the channel
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    #: what is told once has one key; receivers that can are given it
    key = models.CharField(max_length=100, unique=True)
    task_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    #: as it was said, from the first attempt on
    subject = models.CharField(max_length=300, blank=True)
    body = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0)
    #: quiet hours, backoff and lost-message timer in one; while being sent the lease of whoever sends
    next_attempt_at = models.DateTimeField()
    claimed_by = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            # the sweep, and what a new task may be added to
            models.Index(fields=["next_attempt_at"], name="notification_due", condition=Q(state__in=["waiting", "sending"])),
            models.Index(fields=["channel", "recipient"], name="notification_unsent", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk} by {self.channel_id}"
