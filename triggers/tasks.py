"""Celery door of step 5."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from config import flow
from connectors.batches import carry
from triggers import services


@shared_task(name=flow.OPEN_TASKS, bind=True, max_retries=3)
def open_tasks(self: Any, batch_id: int) -> int:
    carry(batch_id, flow.OPEN_TASKS, services.open_tasks, worker=self.request.id or "")
    return batch_id
