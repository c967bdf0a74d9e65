"""Visits and the numbers that follow from them. All rows here can be rebuilt from the ledger."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from accounts.models import Organization, validate_time_zone
from ats.models import Application, CandidateEvent, Job, Stage
from connectors.events import Precision, StageCategory


class ExitKind(models.TextChoices):
    """How a visit ended; the second group ends an observation without being a decision (censored)."""

    ADVANCED = "advanced", "Advanced"
    MOVED_BACK = "moved_back", "Moved back"
    LATERAL = "lateral", "Lateral"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"
    HIRED = "hired", "Hired"
    TRANSFERRED = "transferred", "Transferred"

    JOB_CLOSED = "job_closed", "Job closed"
    ON_HOLD = "on_hold", "On hold"
    CLOSED = "closed", "Closed, outcome not known"
    REMOVED = "removed", "Removed"
    GAP = "gap", "Left and came back unseen"
    UNKNOWN = "unknown", "Left for an unknown place"


#: Ends that count as exits in duration statistics; all others are cut-offs.
EXITS = (
    ExitKind.ADVANCED,
    ExitKind.MOVED_BACK,
    ExitKind.LATERAL,
    ExitKind.REJECTED,
    ExitKind.WITHDRAWN,
    ExitKind.HIRED,
    ExitKind.TRANSFERRED,
)


def monday_to_friday() -> list[int]:
    return [0, 1, 2, 3, 4]


class WorkingCalendar(models.Model):
    """When a team works: an organization's, or that of one job where it differs. Business days are counted by it.

    Holidays are dates, not a rule: looked up when the calendar is saved (and again as years are added), so that
    what has been counted does not change when somebody else's list does.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_index=False, related_name="calendars")
    job = models.OneToOneField(
        Job, on_delete=models.CASCADE, null=True, blank=True, related_name="calendar", help_text="Empty: of the whole organization."
    )
    zone = models.CharField(
        max_length=64, blank=True, validators=[validate_time_zone], help_text="IANA zone. Empty: the organization's time zone."
    )
    working_days = ArrayField(
        models.PositiveSmallIntegerField(validators=[MaxValueValidator(6)]),
        default=monday_to_friday,
        help_text="0 is Monday, 6 is Sunday, separated by commas.",
    )
    opens_at = models.TimeField(null=True, blank=True, help_text="Office hours. Empty: the whole day counts.")
    closes_at = models.TimeField(null=True, blank=True, help_text="00:00 is midnight at the end of the day.")
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166 code whose public holidays are free, such as DE.")
    subdivision = models.CharField(max_length=6, blank=True, help_text="Its part, such as BE or CA.")
    closing_days = ArrayField(models.DateField(), default=list, blank=True, help_text="More days off (YYYY-MM-DD), separated by commas.")
    holidays = ArrayField(models.DateField(), default=list, blank=True, editable=False)
    #: what the segments were compiled from; anything else means they are out of date
    compiled_from = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        ordering = ["organization", "job"]
        constraints = [
            models.UniqueConstraint(fields=["organization"], condition=Q(job=None), name="calendar_of_organization"),
        ]

    def __str__(self) -> str:
        return f"Calendar of {self.job or self.organization}"

    def clean(self) -> None:
        if self.job is not None and self.job.organization_id != self.organization_id:
            raise ValidationError({"job": "The job belongs to another organization."})
        if (self.opens_at is None) != (self.closes_at is None):
            raise ValidationError({"closes_at": "Give both opening and closing time, or neither."})
        if not self.working_days:
            raise ValidationError({"working_days": "Give at least one working day."})


class StageTarget(models.Model):
    """How long a stay may last, as the organization wants it: for a category or a stage, everywhere or in one job.

    The most specific one counts: stage of the job, category of the job, stage, category.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, null=True, blank=True, related_name="+", help_text="Empty: every job.")
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, null=True, blank=True, related_name="+", help_text="Either a stage ...")
    category = models.CharField(
        max_length=12,
        blank=True,
        choices=[(word.value, word.value.capitalize()) for word in StageCategory],
        help_text="... or a category.",
        db_collation="C",
    )
    business_days = models.FloatField(validators=[MinValueValidator(0.01)])

    class Meta:
        ordering = ["organization", "job", "stage", "category"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "job", "stage", "category"], name="target_once", nulls_distinct=False),
            models.CheckConstraint(
                condition=Q(stage=None) & ~Q(category="") | Q(stage__isnull=False, category=""), name="target_of_stage_or_category"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stage or self.category}: {self.business_days:g} business days"

    def clean(self) -> None:
        for field in ("job", "stage"):
            row = getattr(self, field)
            if row is not None and row.organization_id != self.organization_id:
                raise ValidationError({field: f"The {field} belongs to another organization."})


class CalendarSegment(models.Model):
    """A stretch of time in which a calendar counts business days at one rate: ``clocks.Segment`` as a row.

    At t within it, ``bd_before + (t - starts_at in seconds) * bd_per_second`` business days have passed since the
    calendar's first row began; SQL computes with these rows what ``CompiledCalendar`` computes in Python.
    """

    calendar = models.ForeignKey(WorkingCalendar, on_delete=models.CASCADE, db_index=False, related_name="segments")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    bd_before = models.FloatField()
    bd_per_second = models.FloatField()

    class Meta:
        ordering = ["calendar", "starts_at"]
        constraints = [models.UniqueConstraint(fields=["calendar", "starts_at"], name="segment_once")]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d %H:%M}"


class StageVisit(models.Model):
    """One unbroken stay of an application in one stage, ``[entered_at, left_at)``; open while ``left_at`` is null.

    A visit is identified by the ledger event that began it, so that a late event elsewhere in the history
    does not turn it into another visit.
    """

    entry_event = models.OneToOneField(
        CandidateEvent, on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="visit"
    )
    organization = models.ForeignKey(Organization, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    application = models.ForeignKey(Application, on_delete=models.DO_NOTHING, db_constraint=False, related_name="visits")
    #: ordinal within the application
    n = models.PositiveSmallIntegerField()
    job = models.ForeignKey(Job, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+")
    stage = models.ForeignKey(Stage, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    entered_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True)
    exit_kind = models.CharField(max_length=12, choices=ExitKind.choices, null=True, db_collation="C")
    entry_precision = models.CharField(max_length=8, default=Precision.EXACT, db_collation="C")
    exit_precision = models.CharField(max_length=8, null=True, db_collation="C")
    #: how far a bounded entry may be off, seconds of working time (a business day of the job's calendar has 86,400);
    #: infinity where its bounds were not told
    entry_gap = models.FloatField(default=0)
    #: it was going on already when its account was first looked at: others that began with it had ended unseen,
    #: and no earlier stay of this application is told
    survivor = models.BooleanField(default=False, db_default=False)
    #: business days of a closed visit outside its job's holds, by the calendar of job or organization
    bd = models.FloatField(null=True)

    class Meta:
        ordering = ["application", "n"]
        indexes = [
            # a cell in a window: who left in it, and (null) who is still there; whoever entered in it is among these
            models.Index(fields=["job", "stage", "left_at"], name="visit_cell"),
        ]

    def __str__(self) -> str:
        return f"Visit {self.pk}"


#: visits whose length may be counted: begun while we watched, at a time that is known (``analytics.observed.why_ill_dated``)
WELL_DATED = (Q(entry_precision=Precision.EXACT) | Q(entry_precision=Precision.BOUNDED, entry_gap__lte=86_400)) & Q(survivor=False)


class CellStatistics(models.Model):
    """What the visits of a cell say of it, recomputed soon after they change."""

    #: moment for which everything below holds
    computed_at = models.DateTimeField(null=True)
    window_days = models.PositiveIntegerField(default=90, db_default=90)
    window_entered = models.BigIntegerField(default=0, db_default=0)
    window_exited = models.BigIntegerField(default=0, db_default=0)
    #: mean calendar hours of completed visits that began in the window
    avg_duration_hours = models.FloatField(null=True)
    #: sample of the product-limit curve; ``p50`` to ``longest`` in calendar days, ``bd_`` in business days
    n = models.PositiveIntegerField(default=0, db_default=0)
    n_exits = models.PositiveIntegerField(default=0, db_default=0)
    p50 = models.FloatField(null=True)
    p50_low = models.FloatField(null=True)
    p50_high = models.FloatField(null=True)
    p85 = models.FloatField(null=True)
    #: longest duration in the sample: what a percentile that is not reached exceeds
    longest = models.FloatField(null=True)
    n_open = models.PositiveIntegerField(default=0, db_default=0)
    bd_p50 = models.FloatField(null=True)
    bd_p50_low = models.FloatField(null=True)
    bd_p50_high = models.FloatField(null=True)
    bd_p85 = models.FloatField(null=True)
    bd_longest = models.FloatField(null=True)
    #: applications whose first entry here lies in the window, and what has become of them (M07, M08)
    first_entries = models.PositiveIntegerField(default=0, db_default=0)
    advanced = models.PositiveIntegerField(default=0, db_default=0)
    undecided = models.PositiveIntegerField(default=0, db_default=0)
    rejected = models.PositiveIntegerField(default=0, db_default=0)
    withdrawn = models.PositiveIntegerField(default=0, db_default=0)
    #: bd of the last 30 days: what is compared with a baseline (M19)
    recent_n = models.PositiveIntegerField(default=0, db_default=0)
    recent_n_exits = models.PositiveIntegerField(default=0, db_default=0)
    recent_p50 = models.FloatField(null=True)
    recent_p50_low = models.FloatField(null=True)
    recent_longest = models.FloatField(null=True)
    #: bd of the last 180 days in this cell: the first choice of a limit
    own_at = models.DateTimeField(null=True)
    own_n = models.PositiveIntegerField(default=0, db_default=0)
    own_n_exits = models.PositiveIntegerField(default=0, db_default=0)
    own_p50 = models.FloatField(null=True)
    own_p85 = models.FloatField(null=True)
    own_longest = models.FloatField(null=True)
    #: bd of the last 180 days in the same category of other jobs: what ``recent_p50`` is compared with
    others_at = models.DateTimeField(null=True)
    others_level = models.CharField(max_length=12, null=True, db_collation="C")
    others_n = models.PositiveIntegerField(default=0, db_default=0)
    others_n_exits = models.PositiveIntegerField(default=0, db_default=0)
    others_p50 = models.FloatField(null=True)
    #: when the longest-waiting open visit began
    oldest_entered_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class StageMetric(CellStatistics):
    """One heatmap cell: counters moved by the batch's own transaction, percentiles refreshed soon after."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, db_index=False, related_name="stage_metrics")
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, db_index=False, related_name="+")
    #: all-time counters
    open = models.BigIntegerField(default=0)
    entered = models.BigIntegerField(default=0)
    exited = models.BigIntegerField(default=0)
    #: closed visits that ended in an exit and lasted at least a minute, and the sum of their seconds
    completed = models.BigIntegerField(default=0)
    completed_seconds = models.DecimalField(max_digits=24, decimal_places=6, default=0)  # exact: sums must cancel
    #: counters moved since the percentiles were computed
    dirty = models.BooleanField(default=True)
    #: when time alone will next change what is counted (``sql/cell_moves.sql``), no event needed
    moves_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "stage"], name="stagemetric_cell")]
        indexes = [
            models.Index(fields=["organization", "job"], name="stagemetric_dirty", condition=Q(dirty=True)),
            # cells whose moment has come: a range at the beginning, whatever the number of cells
            models.Index(fields=["moves_at"], name="stagemetric_moves"),
            # own numbers left for later, see analytics.services
            models.Index(fields=["organization", "job"], name="stagemetric_behind", condition=Q(own_at__lt=models.F("computed_at"))),
        ]

    def __str__(self) -> str:
        return f"Cell of job {self.job_id}, stage {self.stage_id}"

    @property
    def was_entered(self) -> bool:
        """A late event may have emptied a cell for good: then nobody was ever there, and it is no cell."""
        return bool(self.entered or self.window_entered or self.n or self.open)


class CategoryMetric(CellStatistics):
    """The stages of one category of a job as one cell, where there are several: their samples pooled."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, db_index=False, related_name="category_metrics")
    category = models.CharField(max_length=12, db_collation="C")

    class Meta:
        ordering = ["job", "category"]
        constraints = [models.UniqueConstraint(fields=["job", "category"], name="categorymetric_cell")]

    def __str__(self) -> str:
        return f"Cell of job {self.job_id}, category {self.category}"


class Baseline(models.Model):
    """How long a category's visits have taken lately: in a department, or in the whole organization. Business days."""

    class Level(models.TextChoices):
        JOB = "job", "Same job and stage"
        DEPARTMENT = "department", "Department and category"
        ORGANIZATION = "organization", "Organization and category"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_index=False, related_name="+")
    level = models.CharField(max_length=12, choices=Level.choices[1:], db_collation="C")
    #: empty at the level of the organization
    department = models.CharField(max_length=200, blank=True)
    category = models.CharField(max_length=12, db_collation="C")
    computed_at = models.DateTimeField(null=True)
    n = models.PositiveIntegerField(default=0)
    n_exits = models.PositiveIntegerField(default=0)
    n_open = models.PositiveIntegerField(default=0, db_default=0)
    p50 = models.FloatField(null=True)
    p85 = models.FloatField(null=True)
    longest = models.FloatField(null=True)
    #: the whole curve, see ``analytics.courses``; read only where somebody is compared with it
    course = models.BinaryField(default=b"", db_default=b"")

    class Meta:
        ordering = ["organization", "level", "department", "category"]
        constraints = [models.UniqueConstraint(fields=["organization", "level", "department", "category"], name="baseline_once")]

    def __str__(self) -> str:
        return f"{self.department or 'Organization'}, {self.category}"


class BaselineRun(models.Model):
    """When an organization's baselines were last computed and how long it took: the next run waits in proportion."""

    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, primary_key=True, related_name="+")
    computed_at = models.DateTimeField()
    seconds = models.FloatField()

    def __str__(self) -> str:
        return f"{self.computed_at:%Y-%m-%d %H:%M}"


class Change(models.Model):
    """That a transaction may have changed rows of a heatmap; written by triggers, read by ``analytics.changes``."""

    organization = models.ForeignKey(Organization, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    #: None: all jobs; empty: none of them, but what stands around them (how fresh the facts are)
    job_ids = ArrayField(models.BigIntegerField(), null=True)
    #: the writing transaction. Ids of rows do not follow the order of commits; a snapshot knows what it could see
    xid = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["organization", "xid"], name="change_since")]

    def __str__(self) -> str:
        return f"Change {self.pk}"
