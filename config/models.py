"""What the processes say of themselves, and how far each schedule has got. Product data is in the apps."""

from __future__ import annotations

from django.db import models
from django_celery_beat.models import PeriodicTask


class Heartbeat(models.Model):
    """The last sign of life of one process, or of one queue that a message from beat went through."""

    class Kind(models.TextChoices):
        WEB = "web", "Web"
        WORKER = "worker", "Worker"
        SYNCER = "syncer", "Syncer"
        BEAT = "beat", "Beat"
        #: beat → queue → worker → this row; ``name`` is the queue
        QUEUE = "queue", "Queue"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=200, help_text="Host and process id, or the queue.")
    started_at = models.DateTimeField(null=True, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["kind", "name"]
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="heartbeat_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}"


class ScheduleState(models.Model):
    """How far a schedule has got. Whoever moves ``slot`` on sends the task: one effective run per slot, however many
    beats and cron jobs there are."""

    class Outcome(models.TextChoices):
        SENT = "sent", "Sent"
        SUCCESS = "success", "Succeeded"
        FAILURE = "failure", "Failed"

    periodic_task = models.OneToOneField(PeriodicTask, on_delete=models.CASCADE, primary_key=True, related_name="state")
    #: the latest moment of the schedule that was claimed
    slot = models.DateTimeField()
    sent_at = models.DateTimeField()
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.SENT)
    finished_at = models.DateTimeField(null=True, blank=True)
    seconds = models.FloatField(null=True, blank=True, help_text="How long the last run took.")
    #: the kind of error, never its words
    error = models.CharField(max_length=100, blank=True)

    def __str__(self) -> str:
        return f"{self.periodic_task.name}: {self.get_outcome_display()}"
