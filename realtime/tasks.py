"""Celery doors: step 6, the progress of runs, and the pruning of the log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery import shared_task
from django.utils import timezone

from config import flow
from connectors.batches import carry
from realtime import services

#: A client away for longer is told to reload.
REMEMBERED = timedelta(hours=24)


@shared_task(name=flow.PUSH, bind=True, max_retries=3)
def push(self: Any, batch_id: int) -> int:
    carry(batch_id, flow.PUSH, services.push_batch, worker=self.request.id or "")
    return batch_id


@shared_task(name="realtime.push_sync_run")
def push_sync_run(sync_run_id: int) -> None:
    """Sent after a commit by whoever moves a run on: ``flow.send_after_commit("realtime.push_sync_run", run.pk)``."""
    services.push_sync_run(sync_run_id)


@shared_task(name="realtime.prune")
def prune() -> int:
    return services.prune(before=timezone.now() - REMEMBERED)
