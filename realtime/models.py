"""The log of what browsers were told."""

from __future__ import annotations

from django.db import models

from accounts.models import Organization, User
from ats.models import Job


class UpdateCounter(models.Model):
    """Last number given out in an organization. Taken under a row lock, so that number order is commit order:
    a client that has seen number n has seen everything below it."""

    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, primary_key=True, related_name="+")
    last_number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"Update {self.last_number}"


class Update(models.Model):
    """One message, written in the transaction of the change it tells of. Partitioned by ``created_at``, a day each.

    That a number is given out once is the counter's lock's doing; an index of partitions cannot promise it over time.
    """

    # no database constraint: the only writer has just locked the organization's counter, and a batch may write thousands
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="updates")
    number = models.BigIntegerField()
    kind = models.CharField(max_length=32)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, db_constraint=False, db_index=False, null=True, related_name="+")
    payload = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["organization", "number"]
        constraints = [models.UniqueConstraint(fields=["organization", "number", "created_at"], name="update_number_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


class Ticket(models.Model):
    """Opens one stream, once; see ``realtime.tickets``. What it stands for is looked at as long as the stream lasts."""

    digest = models.CharField(max_length=64, primary_key=True, db_collation="C")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    session_key = models.CharField(max_length=40, blank=True)
    session_hash = models.CharField(max_length=128, blank=True)
    token_digest = models.CharField(max_length=128, blank=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"Ticket of user {self.user_id} until {self.expires_at:%H:%M:%S}"
