"""What an ATS knows, in our words, and the ledger of what happened in it.

Foreign keys of the ledger carry no database constraint: ``ats.normalizer`` is its only writer and inserts
ids it has just read in the same transaction; a trigger per key and row would halve the road's speed.
"""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from accounts.models import Organization
from connectors.events import APPOINTMENT_EVENTS, EventType, JobStatus, Precision, StageCategory
from connectors.models import Connector


def choices(enum: type[EventType | JobStatus | Precision | StageCategory]) -> list[tuple[str, str]]:
    return [(word.value, word.value.replace("_", " ").capitalize()) for word in enum]


#: Rank of a category in a pipeline; stages without a category have no order.
CATEGORY_RANK: dict[StageCategory, int] = {
    category: rank for rank, category in enumerate(StageCategory) if category is not StageCategory.UNMAPPED
}


#: Events that say who met, judged, offered or wrote; ``issues/sql/appointments.sql`` repeats the condition word by word.
APPOINTMENT = Q(event_type__in=[word.value for word in APPOINTMENT_EVENTS]) | Q(
    event_type=EventType.EMAIL_LOGGED.value, metadata__has_key="direction"
)


class Job(models.Model):
    """A vacancy."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="jobs")
    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, db_index=False, related_name="jobs")
    external_id = models.CharField(max_length=200, db_collation="C")
    title = models.CharField(max_length=300, blank=True)
    department = models.CharField(max_length=200, blank=True)
    location = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=10, choices=choices(JobStatus), default=JobStatus.OPEN)
    #: when ``status`` was learned to hold; an older word never replaces it
    status_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    hiring_lead = models.CharField(max_length=200, blank=True)
    #: no ATS read so far tells these two; a person may, in the admin
    openings = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="People to be hired in all. Empty: not known."
    )
    evergreen = models.BooleanField(
        default=False, db_default=False, help_text="Always open, never filled: has no time to fill, and no forecast of it."
    )
    #: when title, department and the like were last told
    facts_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["title", "id"]
        constraints = [models.UniqueConstraint(fields=["connector", "external_id"], name="job_once")]

    def __str__(self) -> str:
        return self.title or f"Job {self.external_id}"


def pipeline_order(category: str, position: int) -> int | None:
    """Place in the pipeline, comparable between stages; None while unmapped. SQL twin: ``analytics/sql/stage_places.sql``."""
    rank = CATEGORY_RANK.get(StageCategory(category))
    return None if rank is None else rank * 1000 + position


class Stage(models.Model):
    """An active step of a pipeline, keyed by the provider's id: a renamed stage is the same stage."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="stages")
    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, db_index=False, related_name="stages")
    external_id = models.CharField(max_length=200, db_collation="C")
    name = models.CharField(max_length=200, blank=True)
    category = models.CharField(max_length=12, choices=choices(StageCategory), default=StageCategory.UNMAPPED)
    #: a person chose the category in the admin: the provider's suggestion no longer counts
    mapped_by_person = models.BooleanField(default=False)
    #: order among stages of one category
    position = models.IntegerField(default=0)
    facts_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["connector", "external_id"], name="stage_once")]

    def __str__(self) -> str:
        return self.name or f"Stage {self.external_id}"

    @property
    def order(self) -> int | None:
        return pipeline_order(self.category, self.position)


class FormerPlace(models.Model):
    """Where a stage stood in its pipeline until a moment: the pipeline was changed then. A correction leaves none."""

    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, db_index=False, related_name="former_places")
    until = models.DateTimeField()
    category = models.CharField(max_length=12, choices=choices(StageCategory), db_collation="C")
    position = models.IntegerField()

    class Meta:
        ordering = ["stage", "until"]
        constraints = [models.UniqueConstraint(fields=["stage", "until"], name="former_place_once")]

    def __str__(self) -> str:
        return f"{self.get_category_display()} {self.position}, until {self.until:%Y-%m-%d %H:%M}"

    @property
    def order(self) -> int | None:
        """As ``Stage.order``."""
        return pipeline_order(self.category, self.position)


class Candidate(models.Model):
    """A person, with the three fields the product shows and nothing else."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="candidates")
    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, db_index=False, related_name="candidates")
    external_id = models.CharField(max_length=200, db_collation="C")
    name = models.CharField(max_length=300, blank=True)
    email = models.CharField(max_length=300, blank=True)
    source = models.CharField(max_length=200, blank=True)
    #: of the newest active application
    current_stage = models.ForeignKey(
        Stage, on_delete=models.SET_NULL, null=True, blank=True, db_constraint=False, db_index=False, related_name="+"
    )
    last_event_at = models.DateTimeField(null=True, blank=True)
    facts_at = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["connector", "external_id"], name="candidate_once")]
        indexes = [
            # whom the first step leaves out: asked for with every batch
            models.Index(fields=["connector"], name="candidate_erased", condition=~Q(erased_at=None)),
        ]

    def __str__(self) -> str:
        return candidate_name(self.name, self.external_id)


def candidate_name(name: str, external_id: str) -> str:
    """What a person is called on every page, the nameless included."""
    return name or f"Candidate {external_id}"


class Application(models.Model):
    """One candidate on one job: the unit of every metric. The status columns are a snapshot of the ledger."""

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        ON_HOLD = "on_hold", "On hold"
        HIRED = "hired", "Hired"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"
        CLOSED = "closed", "Closed"
        REMOVED = "removed", "Removed"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_index=False, related_name="applications")
    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, db_index=False, related_name="applications")
    external_id = models.CharField(max_length=200, db_collation="C")
    candidate = models.ForeignKey(Candidate, on_delete=models.CASCADE, db_constraint=False, related_name="applications")
    #: None until some event names a job
    job = models.ForeignKey(Job, on_delete=models.CASCADE, db_constraint=False, null=True, blank=True, related_name="applications")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    current_stage = models.ForeignKey(
        Stage, on_delete=models.SET_NULL, null=True, blank=True, db_constraint=False, db_index=False, related_name="+"
    )
    applied_at = models.DateTimeField(null=True, blank=True)
    last_event_at = models.DateTimeField(null=True, blank=True)
    #: newest human activity: a move, comment, mail, rating, interview, feedback or offer
    last_activity_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["connector", "external_id"], name="application_once")]

    def __str__(self) -> str:
        return f"Application {self.external_id}"


class CandidateEvent(models.Model):
    """The append-only ledger: one row per distinct fact, whatever road it came by, however often.

    A trigger refuses UPDATE and DELETE outside of an erasure. Events of one application are ordered by
    ``FOLD_ORDER``: never by id, which follows arrival.
    """

    FOLD_ORDER = ("occurred_at", models.F("source_recorded_at").asc(nulls_first=True), "provider_event_id")

    organization = models.ForeignKey(Organization, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    connector = models.ForeignKey(Connector, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    provider_event_id = models.CharField(max_length=500, db_collation="C")
    #: None for events about a job
    application = models.ForeignKey(
        Application, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="events"
    )
    job = models.ForeignKey(Job, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+")
    event_type = models.CharField(max_length=32, choices=choices(EventType), db_collation="C")
    stage_from = models.ForeignKey(Stage, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+")
    stage_to = models.ForeignKey(Stage, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+")
    actor_external_id = models.CharField(max_length=200, null=True)
    actor_name = models.CharField(max_length=200, null=True)
    #: when it happened in the ATS
    occurred_at = models.DateTimeField()
    #: when we (or the exporting system) learned of it: what "as known on day D" goes by
    recorded_at = models.DateTimeField()
    #: ``recorded_at`` where the source itself told it; part of the fold order, since arrival must not be
    source_recorded_at = models.DateTimeField(null=True)
    precision = models.CharField(max_length=8, choices=choices(Precision), default=Precision.EXACT, db_collation="C")
    metadata = models.JSONField(default=dict)
    raw_event_id = models.BigIntegerField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["connector", "provider_event_id"], name="event_once")]
        indexes = [
            # the fold: all events of the touched applications; sorted in memory, so the key stays narrow
            models.Index(fields=["application"], name="event_fold"),
            # when a job left the open state (clean-ups), and holds
            models.Index(fields=["job", "occurred_at"], name="event_job_status", condition=Q(event_type="job_status_changed")),
            # interviews, feedback, offers and mails that say who wrote them: few, and asked for person by person
            models.Index(fields=["application"], name="event_appointment", condition=APPOINTMENT),
            # what was recorded since a moment (answers about the past): rows come in that order, and a range of blocks costs no insert
            BrinIndex(fields=["recorded_at"], name="event_recorded", pages_per_range=32, autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.provider_event_id}"


class ErasureReceipt(models.Model):
    """That a person was erased: when, why, by whom and from how many rows. Holds nothing of the person."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="erasures")
    candidate = models.ForeignKey(Candidate, on_delete=models.CASCADE, related_name="erasures")
    reason = models.TextField(help_text="Without the person's name or address, e.g. the number of the request.")
    erased_at = models.DateTimeField()
    #: account on the server of whoever ran the command
    erased_by = models.CharField(max_length=200, blank=True)
    #: rows changed, by table
    counts: models.JSONField[dict[str, int], dict[str, int]] = models.JSONField(default=dict)
    #: raw payloads that were on the road at the time and were emptied as they passed
    waiting = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Erasure {self.pk} of candidate {self.candidate_id}"
