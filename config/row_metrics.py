"""Gauges read from the rows when Prometheus asks: what waits, for how long, and what has gone wrong.

The rows are the record, so these are right whichever process answers, and after any restart. Each query is served
by a partial index over what is unfinished or dead, whatever the size of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db import DatabaseError
from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from config import flow
from connectors.models import Batch, Connector, RawEvent, SyncRun


class RowMetrics(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("stagewatch_database_up", "1 if the rows behind these gauges could be read")
        try:
            families = [*_batches(timezone.now()), *_connectors(timezone.now()), _dead_letters()]
        except DatabaseError:
            families = []
        up.add_metric([], 1 if families else 0)
        yield from (up, *families)

    def describe(self) -> list[GaugeMetricFamily]:
        return []  # so that registering reads no row


def _batches(now: datetime) -> Iterator[GaugeMetricFamily]:
    waiting = GaugeMetricFamily("stagewatch_batches_waiting", "Batches on the road, by the step they wait for", labels=["step"])
    oldest = GaugeMetricFamily("stagewatch_oldest_batch_seconds", "Age of the oldest of them", labels=["step"])
    unfinished = Batch.objects.filter(finished_at=None, failed_at=None).order_by().values("step")
    found = {row["step"]: row for row in unfinished.annotate(count=Count("pk"), oldest=Min("created_at"))}
    for step in flow.STEPS:
        row = found.get(step)
        waiting.add_metric([step], row["count"] if row else 0)
        oldest.add_metric([step], (now - row["oldest"]).total_seconds() if row else 0)
    yield waiting
    yield oldest


def _connectors(now: datetime) -> Iterator[GaugeMetricFamily]:
    stalest = GaugeMetricFamily(
        "stagewatch_stalest_connector_seconds", "Time since the last facts of the active connector that is most behind"
    )
    broken = GaugeMetricFamily("stagewatch_connectors", "Connectors by status", labels=["status"])
    runs = GaugeMetricFamily("stagewatch_sync_runs_unended", "Sync runs that have not ended, by state", labels=["state"])
    counted = Connector.objects.order_by().values("status").annotate(count=Count("pk"), oldest=Min("fresh_at"))
    by_status = {row["status"]: (row["count"], row["oldest"]) for row in counted}
    for status in Connector.Status.values:
        broken.add_metric([status], by_status.get(status, (0, None))[0])
    _, fresh_at = by_status.get(Connector.Status.ACTIVE, (0, None))
    if fresh_at is not None:
        stalest.add_metric([], (now - fresh_at).total_seconds())
    unended = SyncRun.objects.exclude(state__in=SyncRun.ENDED).order_by().values("state").annotate(count=Count("pk"))
    states = {row["state"]: row["count"] for row in unended}
    for state in SyncRun.State.values:
        if state not in SyncRun.ENDED:
            runs.add_metric([state], states.get(state, 0))
    yield from (stalest, broken, runs)


def _dead_letters() -> GaugeMetricFamily:
    dead = GaugeMetricFamily("stagewatch_dead_letters", "Raw events set aside, waiting for a person")
    dead.add_metric([], RawEvent.objects.filter(state=RawEvent.State.DEAD).count())
    return dead


_registry = CollectorRegistry(auto_describe=False)
_registry.register(RowMetrics())


def latest() -> bytes:
    """The gauges in Prometheus text format."""
    return generate_latest(_registry)
