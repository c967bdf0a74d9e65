"""Celery doors of step 5 and of what happens to tasks by the passing of time."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from config import flow
from connectors.batches import carry
from triggers import outbox, reminders, services


@shared_task(name=flow.OPEN_TASKS, bind=True, max_retries=3)
def open_tasks(self: Any, batch_id: int) -> int:
    carry(batch_id, flow.OPEN_TASKS, services.open_tasks, worker=self.request.id or "")
    return batch_id


@shared_task(name="triggers.deliver", bind=True, max_retries=3)
def deliver(self: Any, notification_id: int) -> None:
    outbox.deliver(notification_id, sender=self.request.id or "")


@shared_task(name="triggers.notify")
def notify() -> None:
    """Every half minute: the day's lists whose time has come, and what waits in the outbox."""
    now = timezone.now()
    for organization in outbox.organizations_with_digests():
        outbox.digest(organization, now)
    outbox.sweep(now)


@shared_task(name="triggers.prune")
def prune() -> None:
    outbox.prune(timezone.now())


@shared_task(name="triggers.remind")
def remind() -> None:
    """Every minute: hand over what absent people have on their desks, climb the ladders that are due."""
    now = timezone.now()
    for organization in reminders.organizations_with_work(now):
        reminders.hand_over(organization, now)
        reminders.escalate(organization, now)
