"""Visits and the numbers that follow from them. All rows here can be rebuilt from the ledger."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from accounts.models import Organization
from ats.models import Application, CandidateEvent, Job, Stage
from connectors.events import Precision


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
    #: width of the interval a bounded entry lies in, seconds
    entry_gap = models.FloatField(default=0)

    class Meta:
        ordering = ["application", "n"]
        indexes = [
            # a cell in a window: who left in it, and (null) who is still there; whoever entered in it is among these
            models.Index(fields=["job", "stage", "left_at"], name="visit_cell"),
        ]

    def __str__(self) -> str:
        return f"Visit {self.pk}"


class StageMetric(models.Model):
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

    #: moment for which everything below holds
    computed_at = models.DateTimeField(null=True)
    window_days = models.PositiveIntegerField(default=90)
    window_entered = models.BigIntegerField(default=0)
    window_exited = models.BigIntegerField(default=0)
    #: mean calendar hours of completed visits that began in the window
    avg_duration_hours = models.FloatField(null=True)
    #: sample of the product-limit curve, calendar days
    n = models.PositiveIntegerField(default=0)
    n_exits = models.PositiveIntegerField(default=0)
    p50 = models.FloatField(null=True)
    p50_low = models.FloatField(null=True)
    p50_high = models.FloatField(null=True)
    p85 = models.FloatField(null=True)
    #: longest duration in the sample: what a percentile that is not reached exceeds
    longest = models.FloatField(null=True)
    #: when the longest-waiting open visit began
    oldest_entered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "stage"], name="stagemetric_cell")]
        indexes = [models.Index(fields=["organization", "job"], name="stagemetric_dirty", condition=Q(dirty=True))]

    def __str__(self) -> str:
        return f"Cell of job {self.job_id}, stage {self.stage_id}"
