"""Celery doors of steps 1 and 2."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from ats import services
from config import flow
from connectors.batches import carry


@shared_task(name=flow.NORMALIZE, bind=True, max_retries=3)
def normalize(self: Any, batch_id: int) -> int:
    carry(batch_id, flow.NORMALIZE, services.normalize, worker=self.request.id or "")
    return batch_id


@shared_task(name=flow.SNAPSHOT, bind=True, max_retries=3)
def refresh_snapshots(self: Any, batch_id: int) -> int:
    carry(batch_id, flow.SNAPSHOT, services.refresh_snapshots, worker=self.request.id or "")
    return batch_id
