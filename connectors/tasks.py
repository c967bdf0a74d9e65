"""Celery doors of connectors: polls on their own queue, sweeps beside the road."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from connectors import batches, retention, services
from connectors.models import SyncRun


@shared_task(name="connectors.sync", bind=True, max_retries=3, soft_time_limit=6 * 3600, time_limit=6 * 3600 + 60)
def sync(self: Any, run_id: int) -> None:
    services.carry_out(run_id, worker=self.request.id or "")


@shared_task(name="connectors.sync_all")
def sync_all() -> None:
    """Every five minutes: a delta sync of each connector."""
    services.request_syncs()


@shared_task(name="connectors.reconcile")
def reconcile() -> None:
    """Weekly: a full sync of each connector, for what the deltas missed."""
    services.request_syncs(SyncRun.Mode.FULL)


@shared_task(name="connectors.sweep")
def sweep() -> None:
    """Every few seconds: offer again what a lost message or a dead process left standing."""
    batches.offer_due()
    services.offer_due_runs()


@shared_task(name="connectors.prune")
def prune() -> int:
    """Every hour: room for new payloads, and what is older than its setting says goes."""
    now = timezone.now()
    kept = settings.RAW_EVENT_RETENTION
    gone = retention.prune_inbox(before=now - kept if kept else None, now=now)
    if settings.SYNC_RUN_RETENTION:
        gone += retention.prune_runs(before=now - settings.SYNC_RUN_RETENTION)
    return gone
