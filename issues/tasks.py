"""Celery doors of step 4 and of the ten-minute sweep."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from config import flow
from connectors.batches import carry
from issues import services


@shared_task(name=flow.DETECT, bind=True, max_retries=3)
def detect(self: Any, batch_id: int) -> int:
    carry(batch_id, flow.DETECT, services.detect, worker=self.request.id or "")
    return batch_id


@shared_task(name="issues.sweep")
def sweep() -> None:
    services.sweep()
