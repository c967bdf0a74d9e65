"""Where facts come from: the connection, the run that asked, the inbox it filled, the batch that carries it on."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import Organization
from config import correlation, flow
from connectors import credentials


class Connector(models.Model):
    """One account at one provider, or one kind of file, feeding one organization."""

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        #: credentials rejected: polling stops until a person mends it
        BROKEN = "broken", "Needs attention"
        PAUSED = "paused", "Paused by a person"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="connectors")
    provider = models.CharField(max_length=32, help_text="Registry name, e.g. bamboohr or files.")
    name = models.SlugField(max_length=100, help_text="Name used on the command line; unique in the organization.")
    base_url = models.CharField(max_length=500, blank=True, help_text="API base; empty for file import.")
    #: Fernet token; write with ``set_secret``, read with ``open_secret``; never shown anywhere
    sealed_secret = models.TextField(blank=True, editable=False)
    #: the same of the secrets its webhooks are signed with, newest first, two while they are being changed
    sealed_webhook_secrets = models.TextField(blank=True, editable=False, db_default="")
    settings = models.JSONField(default=dict, blank=True, help_text="Provider settings, e.g. requests_per_second.")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    status_reason = models.TextField(blank=True)
    #: the moment up to which the provider's truth is known to be in the ledger; rules trust nothing older
    fresh_at = models.DateTimeField(null=True, blank=True)
    #: start of the first run that brought anything: what had been going on before is told as it was then, not how it came about
    watched_since = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="connector_name_once")]

    def __str__(self) -> str:
        return f"{self.name} ({self.provider})"

    def set_secret(self, secret: str) -> None:
        """Seal ``secret`` for this saved connector; the caller saves the row."""
        self.sealed_secret = credentials.seal(self.pk, secret) if secret else ""

    def open_secret(self) -> str:
        return credentials.unseal(self.pk, self.sealed_secret) if self.sealed_secret else ""

    @property
    def webhook_owner(self) -> str:
        """Sealed in with webhook secrets, so that they and the credential cannot be taken for each other."""
        return f"webhooks of connector {self.pk}"

    def webhook_secrets(self) -> list[str]:
        sealed = self.sealed_webhook_secrets
        return list(json.loads(credentials.unseal(self.webhook_owner, sealed))) if sealed else []

    def add_webhook_secret(self, secret: str) -> None:
        """``secret`` signs from now on; the one before it is still believed. The caller saves the row."""
        kept = [secret, *(known for known in self.webhook_secrets() if known != secret)][:2]
        self.sealed_webhook_secrets = credentials.seal(self.webhook_owner, json.dumps(kept))


class SyncRun(models.Model):
    """One full sync, delta sync or import: who asked, how far it got, and how it ended."""

    class Mode(models.TextChoices):
        FULL = "full", "Full"
        DELTA = "delta", "Delta"
        IMPORT = "import", "Import"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Fetching"
        #: everything is in the inbox; batches are on the road
        FLOWING = "flowing", "In flow"
        #: every batch is through; rules look once at what became due meanwhile
        SETTLING = "settling", "Settling"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"

    ENDED = (State.SUCCEEDED, State.FAILED)

    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, related_name="sync_runs")
    mode = models.CharField(max_length=10, choices=Mode.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    requested_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    #: end of fetching: the ledger will be as fresh as this
    fetched_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    #: lease of the process at work, backoff and lost-message timer in one: the sweep offers the run again after this
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    claimed_by = models.CharField(max_length=64, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    #: provider objects or file rows looked at so far
    fetched = models.PositiveBigIntegerField(default=0)
    #: where a killed run goes on; opaque to everyone but the provider
    checkpoint = models.JSONField(null=True, blank=True)
    notes = models.JSONField(default=list, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)
    #: carried by everything that comes of the run, to the message on the screen (config/correlation.py)
    correlation_id = models.CharField(max_length=64, blank=True, editable=False, default=correlation.new, db_default="")

    class Meta:
        ordering = ["-id"]
        indexes = [
            # the sweep: runs that have not ended
            models.Index(fields=["next_attempt_at"], name="syncrun_unended", condition=~Q(state__in=["succeeded", "failed"])),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["connector"],
                name="syncrun_one_poll_at_a_time",
                condition=Q(mode__in=["full", "delta"]) & ~Q(state__in=["succeeded", "failed"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_mode_display()} #{self.pk} of {self.connector.name}"


class Batch(models.Model):
    """The baton of the main road (see config/flow.py): the record of what is left to do.

    ``application_ids`` and ``job_ids`` are what the batch has touched; each step rebuilds its own rows for
    them from the ledger, so a step may run twice, late, or from the middle.
    """

    class Kind(models.TextChoices):
        EVENTS = "events", "Raw events"
        #: time has passed: percentiles of dirty cells, rules that became due
        DUE = "due", "What became due"
        #: starts in the middle: something upstream of a step was edited
        RECHECK = "recheck", "Recheck"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, null=True, blank=True, related_name="batches")
    sync_run = models.ForeignKey(SyncRun, on_delete=models.SET_NULL, null=True, blank=True, related_name="batches")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.EVENTS)
    step = models.CharField(max_length=40, default=flow.NORMALIZE, help_text="The next step; 'done' at the end.")
    application_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)
    job_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)
    raw_count = models.PositiveIntegerField(default=0)
    created_count = models.PositiveIntegerField(default=0, help_text="Events new to the ledger.")
    skipped_count = models.PositiveIntegerField(default=0, help_text="Events the ledger already had.")
    failed_count = models.PositiveIntegerField(default=0, help_text="Raw events set aside as dead letters.")
    attempts = models.PositiveIntegerField(default=0, help_text="Starts of the current step.")
    #: lease, backoff and lost-message timer in one: the sweep offers the batch again after this
    next_attempt_at = models.DateTimeField()
    claimed_by = models.CharField(max_length=64, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    correlation_id = models.CharField(max_length=64, blank=True, editable=False, default=correlation.or_new, db_default="")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "batches"
        ordering = ["-id"]
        indexes = [
            # the sweep: batches that stand still
            models.Index(fields=["next_attempt_at"], name="batch_unfinished", condition=Q(finished_at=None, failed_at=None)),
        ]

    def __str__(self) -> str:
        return f"Batch {self.pk} at {self.step}"


class JsonAsTold(models.JSONField):
    """JSON kept as the text it came as (``json``, not ``jsonb``): the inbox is written and read whole, never searched
    by content, and neither unpacking nor repacking it saves a tenth of the road."""

    def db_type(self, connection: Any) -> str:
        return "json"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value  # Django stops psycopg from decoding jsonb, not json: it is decoded already


class RawEvent(models.Model):
    """The inbox: a provider's payload as it came (allowed fields only), committed before anything else happens.

    Rows are written once. Whether one is still waiting is its batch's business; only a dead letter changes.
    The table is partitioned by ``received_at``, a week each: its primary key is (id, received_at), ids come from one sequence.
    """

    class State(models.TextChoices):
        RECEIVED = "received", "Received"
        #: cannot be understood or stored; waits for a person, its neighbours went through
        DEAD = "dead", "Dead letter"

    # No database constraints on these two: the single writer has just created or locked both rows, and a
    # foreign-key trigger per row would cost a fifth of the inbox's rate.
    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    batch = models.ForeignKey(Batch, on_delete=models.DO_NOTHING, db_constraint=False, related_name="raw_events")
    kind = models.CharField(max_length=32, help_text="What the payload tells of.")
    payload = JsonAsTold()
    received_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.RECEIVED, db_default=State.RECEIVED)
    error = models.TextField(blank=True, db_default="")
    failed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["connector", "failed_at"], name="rawevent_dead", condition=Q(state="dead"))]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"


class ProviderRecord(models.Model):
    """What the last poll saw of one provider object, so that the next poll becomes changes."""

    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, db_index=False, related_name="+")
    kind = models.CharField(max_length=32)
    external_id = models.CharField(max_length=200, db_collation="C")
    state: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    listed_at = models.DateTimeField(null=True, blank=True)
    detailed_at = models.DateTimeField(null=True, blank=True)
    missing_runs = models.PositiveIntegerField(default=0)
    watched = models.BooleanField(default=False)
    #: the person behind it was erased; polls never change this back
    erased = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connector", "kind", "external_id"], name="record_once")]
        indexes = [
            # the refresh slice: what was read longest ago
            models.Index(fields=["connector", "kind", "detailed_at"], name="record_stalest", condition=Q(watched=True)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.external_id}"
