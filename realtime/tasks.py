"""Celery doors: step 6, and the pruning of the log."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from config import flow
from connectors.batches import carry
from realtime import services, tickets


@shared_task(name=flow.PUSH, bind=True, max_retries=3)
def push(self: Any, batch_id: int) -> int:
    carry(batch_id, flow.PUSH, services.push_batch, worker=self.request.id or "")
    return batch_id


@shared_task(name="realtime.prune")
def prune() -> int:
    now = timezone.now()
    tickets.forget_expired(now=now)
    return services.prune(before=now - settings.UPDATE_RETENTION)
