"""Celery doors of step 3 and of the work that keeps its numbers true."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

from celery import shared_task

from accounts.models import Organization
from analytics import baselines, calendars, changes, rebuilding, services
from config import flow
from connectors.batches import carry

logger = logging.getLogger(__name__)


@shared_task(name=flow.MEASURE, bind=True, max_retries=3)
def measure(self: Any, batch_id: int) -> int:
    carry(batch_id, flow.MEASURE, services.measure, worker=self.request.id or "")
    return batch_id


class Restraint:
    """Lets a repeated task take at most one part in ``share`` of its process's time."""

    def __init__(self, share: int) -> None:
        self._share = share
        self._rests_until = 0.0

    def run(self, work: Callable[[], None]) -> None:
        """Do ``work``, or leave it to a later call while resting from the last one."""
        started = monotonic()
        if started >= self._rests_until:
            work()
            self._rests_until = monotonic() + (monotonic() - started) * self._share


#: so that a large import is not held up by its own numbers; the run's last batch brings them all up to date anyway
refreshing = Restraint(share=10)


@shared_task(name="analytics.refresh")
def refresh() -> None:
    """Every few seconds: percentiles of the cells that batches have touched meanwhile."""
    refreshing.run(_refresh)


def _refresh() -> None:
    services.refresh_dirty(aged=False)
    # also where the batches refreshed their cells themselves: a first sync would wait a quarter of an hour for its baselines
    baselines.refresh_all_due()


@shared_task(name="analytics.refresh_aged")
def refresh_aged() -> None:
    """Percentiles of cells that only time has changed: people wait on. Calendars whose zone or year has changed. Old notes."""
    calendars.recompile_all()
    changes.prune()
    services.refresh_dirty(aged=True)
    baselines.refresh_all_due()


@shared_task(name="analytics.check_drift", soft_time_limit=3 * 3600, time_limit=3 * 3600 + 60)
def check_drift() -> None:
    """Nightly: recompute everything from the ledger, mend what differs, and say so."""
    for organization_id in Organization.objects.values_list("pk", flat=True):
        drift = rebuilding.rebuild(organization_id=organization_id)
        if drift:
            logger.error("derived rows had drifted and were mended", extra={"action": "drift_mended", "drift": str(drift)})
