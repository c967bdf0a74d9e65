"""Gauges read from the rows when Prometheus asks: what waits, for how long, and what has gone wrong.

The rows are the record, so these are right whichever web process answers, and after any restart. Each query is served
by a partial index over what is unfinished or dead, whatever the size of the ledger. With several web processes every
one of them exports the same: take ``max``, never ``sum``.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from datetime import datetime

import psycopg
import redis
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Count, Min
from django.db.models.functions import Coalesce
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from config import bloat, database, flow, heartbeats, schedules
from connectors import registry
from connectors.models import Batch, Connector, RawEvent, SyncRun

#: A broker that takes longer to say how long its queues are, and a database to begin a session, is as good as down.
PATIENCE_SECONDS = 2
SYNC = "connectors.sync"


class RowMetrics(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("stagewatch_database_up", "1 if the rows behind these gauges could be read")
        now = timezone.now()
        families: list[GaugeMetricFamily] = []
        if _answers():
            with contextlib.suppress(DatabaseError), database.beside_the_pool(within=PATIENCE_SECONDS):
                families = [
                    *_batches(now), *_runs(now), *_connectors(now), *_set_aside(), *_processes(now), *_schedules(now),
                    _database_connections(), *_bloat(),
                ]  # fmt: skip
        up.add_metric([], 1 if families else 0)
        yield from (up, *families, *_broker())

    def describe(self) -> list[GaugeMetricFamily]:
        return []  # so that registering reads no row


def _answers() -> bool:
    """Whether the database begins a session soon. The pool would wait ten seconds for one, and a server that hangs keeps a
    statement waiting for ever: longer than a scrape may take, so that nobody would hear which of the two is down."""
    parameters = connection.get_connection_params() | {"connect_timeout": PATIENCE_SECONDS}
    try:
        psycopg.connect(**parameters).close()
    except psycopg.OperationalError:
        return False
    return True


def _batches(now: datetime) -> Iterator[GaugeMetricFamily]:
    labels = ["step", "queue"]
    waiting = GaugeMetricFamily("stagewatch_batches_waiting", "Batches on the road, by the step and queue they wait for", labels=labels)
    oldest = GaugeMetricFamily("stagewatch_oldest_batch_seconds", "Age of the oldest of them", labels=labels)
    unfinished = Batch.objects.filter(finished_at=None, failed_at=None).order_by().values("step")
    found = {row["step"]: row for row in unfinished.annotate(count=Count("pk"), oldest=Min("created_at"))}
    for step in flow.STEPS:
        row = found.get(step)
        waiting.add_metric([step, flow.QUEUES[step]], row["count"] if row else 0)
        oldest.add_metric([step, flow.QUEUES[step]], _age(now, row["oldest"]) if row else 0)
    yield waiting
    yield oldest


def _runs(now: datetime) -> Iterator[GaugeMetricFamily]:
    unended = SyncRun.objects.exclude(state__in=SyncRun.ENDED).order_by().values("state").annotate(count=Count("pk"))
    states = {row["state"]: row["count"] for row in unended}
    runs = GaugeMetricFamily("stagewatch_sync_runs_unended", "Sync runs that have not ended, by state", labels=["state"])
    for state in SyncRun.State.values:
        if state not in SyncRun.ENDED:
            runs.add_metric([state], states.get(state, 0))
    yield runs
    oldest = GaugeMetricFamily(
        "stagewatch_oldest_queued_run_seconds", "Time the first sync run in the queue has waited for a syncer", labels=["queue"]
    )
    # one that backs off after a fault waits for the time it was given, not for a syncer
    queued = SyncRun.objects.filter(state=SyncRun.State.QUEUED, attempts=0).aggregate(oldest=Min("requested_at"))["oldest"]
    oldest.add_metric([flow.QUEUES[SYNC]], _age(now, queued) if queued else 0)
    yield oldest


def _connectors(now: datetime) -> Iterator[GaugeMetricFamily]:
    stalest = GaugeMetricFamily(
        "stagewatch_stalest_connector_seconds", "Time since the last facts of the active, polled connector that is most behind"
    )
    stale = GaugeMetricFamily("stagewatch_stale_connectors", "Active, polled connectors too far behind for rules to judge by")
    by_status = GaugeMetricFamily("stagewatch_connectors", "Connectors by status", labels=["status"])
    counts = dict(Connector.objects.order_by().values_list("status").annotate(Count("pk")))
    for status in Connector.Status.values:
        by_status.add_metric([status], counts.get(status, 0))
    polled = [name for name, provider in registry.PROVIDERS.items() if provider.capabilities.polls]
    expected = Connector.objects.filter(status=Connector.Status.ACTIVE, provider__in=polled).annotate(
        heard_at=Coalesce("fresh_at", "created_at")  # one that has never succeeded is behind since it was made
    )
    oldest = expected.aggregate(oldest=Min("heard_at"))["oldest"]
    stalest.add_metric([], _age(now, oldest) if oldest else 0)
    stale.add_metric([], expected.filter(heard_at__lt=now - settings.STALE_AFTER).count())
    yield from (stalest, stale, by_status)


def _set_aside() -> Iterator[GaugeMetricFamily]:
    dead = GaugeMetricFamily("stagewatch_dead_letters", "Raw events set aside, waiting for a person")
    dead.add_metric([], RawEvent.objects.filter(state=RawEvent.State.DEAD).count())
    given_up = GaugeMetricFamily("stagewatch_batches_stopped", "Batches that were given up and wait for a person")
    given_up.add_metric([], Batch.objects.exclude(failed_at=None).count())
    yield from (dead, given_up)


def _processes(now: datetime) -> Iterator[GaugeMetricFamily]:
    heard = GaugeMetricFamily(
        "stagewatch_process_heartbeat_seconds", "Time since any process of a kind was heard of; infinite if never", labels=["process"]
    )
    for kind, at in heartbeats.last_heard().items():
        heard.add_metric([kind], _age(now, at) if at else math.inf)
    yield heard
    flowed = GaugeMetricFamily(
        "stagewatch_queue_heartbeat_seconds",
        "Time since a heartbeat went from beat through a queue and a worker into a row; infinite if never",
        labels=["queue"],
    )
    for queue, at in heartbeats.queues_heard().items():
        flowed.add_metric([queue], _age(now, at) if at else math.inf)
    yield flowed


def _schedules(now: datetime) -> Iterator[GaugeMetricFamily]:
    late = GaugeMetricFamily(
        "stagewatch_schedule_late_seconds", "Time by which a schedule's latest slot has not been run; 0 if it was", labels=["schedule"]
    )
    failed = GaugeMetricFamily("stagewatch_schedule_failed", "1 if a schedule's last run ended with an error", labels=["schedule"])
    for standing in schedules.standings(now):
        late.add_metric([standing.task], standing.late_seconds)
        failed.add_metric([standing.task], 1 if standing.failed else 0)
    yield from (late, failed)


def _database_connections() -> GaugeMetricFamily:
    """What sits in a transaction holds up this database; what is open counts against the limit of the whole server."""
    family = GaugeMetricFamily("stagewatch_database_connections", "Connections to the database, by state, and the limit", labels=["state"])
    with connection.cursor() as cursor:
        cursor.execute(
            """select count(*) filter (where state = 'active' and datname = current_database()),
                      count(*) filter (where state like 'idle in transaction%%' and datname = current_database()),
                      count(*) filter (where datid is not null),
                      current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                          - current_setting('reserved_connections')::int
               from pg_stat_activity""",
            [],
        )
        for state, count in zip(("active", "idle_in_transaction", "all", "limit"), cursor.fetchone(), strict=True):
            family.add_metric([state], count)
    return family


def _bloat() -> Iterator[GaugeMetricFamily]:
    """Of the tables the code knows, each with its partitions: a list that does not grow with time."""
    ours = sorted({model._meta.db_table for model in apps.get_models(include_auto_created=True)})
    found = {table: [0, 0, 0, 0] for table in ours}
    for one in bloat.relations():
        if one.table in found:
            found[one.table] = [a + b for a, b in zip(found[one.table], (one.live, one.dead, one.size, one.indexes), strict=True)]
    for place, (name, told) in enumerate(
        (
            ("stagewatch_table_rows", "Rows, as autovacuum estimates them"),
            ("stagewatch_table_dead_rows", "Dead rows vacuum has yet to clean up behind"),
            ("stagewatch_table_bytes", "Size of the table as of its last vacuum or analyze"),
            ("stagewatch_table_index_bytes", "Size of its indexes, as of the same"),
        )
    ):
        family = GaugeMetricFamily(name, told, labels=["table"])
        for table, numbers in found.items():
            family.add_metric([table], numbers[place])
        yield family


def _broker() -> Iterator[GaugeMetricFamily]:
    up = GaugeMetricFamily("stagewatch_broker_up", "1 if the broker answered")
    messages = GaugeMetricFamily(
        "stagewatch_queue_messages", "Messages in a queue, beside those workers hold; hints, not the work itself", labels=["queue"]
    )
    held = GaugeMetricFamily("stagewatch_unacknowledged_messages", "Messages that workers hold")
    queues = sorted(set(flow.QUEUES.values()))
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS)
    try:
        with client, client.pipeline(transaction=False) as asked:
            for queue in queues:
                asked.llen(queue)
            asked.hlen("unacked")
            *lengths, unacknowledged = asked.execute()
    except (redis.RedisError, OSError):
        up.add_metric([], 0)
        yield up
        return
    up.add_metric([], 1)
    for queue, length in zip(queues, lengths, strict=True):
        messages.add_metric([queue], length)
    held.add_metric([], unacknowledged)
    yield from (up, messages, held)


def _age(now: datetime, then: datetime) -> float:
    return max((now - then).total_seconds(), 0)


_registry = CollectorRegistry(auto_describe=False)
_registry.register(RowMetrics())


def latest() -> bytes:
    """The gauges in Prometheus text format."""
    return generate_latest(_registry)
