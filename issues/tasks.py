"""Celery doors of step 4, of the ten-minute sweep and of forgetting."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from config import flow
from connectors.batches import carry
from issues import backtests, retention, services

LONGEST = int(backtests.LONGEST.total_seconds())
#: answers about the past age fast, and are asked for again in a minute
BACKTESTS_KEPT = timedelta(days=90)


@shared_task(name=flow.DETECT, bind=True, max_retries=3)
def detect(self: Any, batch_id: int) -> int:
    carry(batch_id, flow.DETECT, services.detect, worker=self.request.id or "")
    return batch_id


@shared_task(name="issues.sweep")
def sweep() -> None:
    services.sweep()
    backtests.offer_again(now=timezone.now())


@shared_task(name=flow.BACKTEST, bind=True, max_retries=3, soft_time_limit=LONGEST, time_limit=LONGEST + 60)
def backtest(self: Any, backtest_id: int) -> bool:
    return backtests.run(backtest_id, worker=self.request.id or "")


@shared_task(name="issues.prune")
def prune() -> int:
    """Every night: issues resolved longer ago than ISSUE_RETENTION_DAYS go, with their tasks and decisions; so do old backtests."""
    now = timezone.now()
    gone = backtests.prune(before=now - BACKTESTS_KEPT)
    return gone + (retention.prune(before=now - settings.ISSUE_RETENTION) if settings.ISSUE_RETENTION else 0)
