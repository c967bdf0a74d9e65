"""Celery doors of step 4, of the ten-minute sweep and of forgetting."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from config import flow
from connectors.batches import carry
from issues import retention, services


@shared_task(name=flow.DETECT, bind=True, max_retries=3)
def detect(self: Any, batch_id: int) -> int:
    carry(batch_id, flow.DETECT, services.detect, worker=self.request.id or "")
    return batch_id


@shared_task(name="issues.sweep")
def sweep() -> None:
    services.sweep()


@shared_task(name="issues.prune")
def prune() -> int:
    """Every night: issues resolved longer ago than ISSUE_RETENTION_DAYS go, with their tasks and decisions."""
    return retention.prune(before=timezone.now() - settings.ISSUE_RETENTION) if settings.ISSUE_RETENTION else 0
