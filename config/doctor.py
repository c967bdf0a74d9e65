"""Looks at everything an operator would look at, and says of each thing what to do about it.

A check yields findings. ``problem``: something does not work, or soon will not. ``warning``: it works, and you may want
to know. A check that cannot even be made (the database is away) is a problem by itself.
"""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import redis
from django.conf import settings
from django.core import checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from config import bloat, embedded, heartbeats, schedules, telemetry_folder
from config.models import Heartbeat
from connectors import registry
from connectors.models import Batch, Connector, RawEvent, SyncRun

logger = logging.getLogger(__name__)

OK, WARNING, PROBLEM = "ok", "warning", "problem"

#: A clock further away than this from the database's or the broker's makes ages and leases wrong.
CLOCK_WITHIN = timedelta(seconds=5)
LEAST_FREE_SHARE, LEAST_FREE_BYTES = 0.10, 2 * 2**30
#: A schedule may be late by its own interval and this.
SCHEDULE_PATIENCE = timedelta(minutes=2)
STANDING_STILL = timedelta(minutes=15)
PROCESS_PATIENCE = timedelta(seconds=90)
OLDEST_POSTGRES = 180000


@dataclass(frozen=True)
class Finding:
    level: str
    text: str
    #: what to do; empty where nothing is
    advice: str = ""


Check = Callable[[datetime], Iterator[Finding]]


def examine(now: datetime | None = None) -> Iterator[tuple[str, Finding]]:
    """Every check's name with each of its findings; a check without any is fine."""
    now = now or timezone.now()
    for name, check in CHECKS.items():
        found = []
        try:
            found = list(check(now))
        except Exception as error:
            logger.debug("check could not be made", exc_info=True)
            found = [
                Finding(
                    PROBLEM, f"could not be looked at ({type(error).__name__})", UNREACHABLE.get(name, "See the error with --traceback.")
                )
            ]
        for finding in found or [Finding(OK, "")]:
            yield name, finding


UNREACHABLE = {
    "broker": "Is the server of REDIS_URL running, and reachable from here?",
    **dict.fromkeys(
        ("database", "migrations", "bloat", "clock", "heartbeat", "processes", "schedules", "connectors", "dead letters", "road"),
        "Is the server of DATABASE_URL running, and reachable from here?",
    ),
}


def _settings(now: datetime) -> Iterator[Finding]:
    """What `check --deploy` says, where this is a deployment: with DEBUG, or without SECURE, it is somebody's machine."""
    if settings.DEBUG:
        yield Finding(PROBLEM, "DEBUG is on: error pages show code and settings to visitors", "Set DEBUG=false.")
    public = settings.SECURE
    for message in checks.run_checks(include_deployment_checks=public):
        if message.level >= checks.WARNING and not message.is_silenced():
            yield Finding(PROBLEM if message.level >= checks.ERROR else WARNING, f"{message.id}: {message.msg}", str(message.hint or ""))
    if not public and settings.ALLOWED_HOSTS != ["localhost", "127.0.0.1", "[::1]"]:
        yield Finding(WARNING, "others can reach this installation without TLS", "Put TLS in front and set SECURE=true, TRUST_PROXY=true.")
    if telemetry_folder.folder() is None and not (settings.VAR_DIR / "metrics").exists():  # where make run has it
        yield Finding(
            WARNING, "PROMETHEUS_MULTIPROC_DIR is not set here",
            "Set it to the same folder for web, worker, syncer and beat, or what workers count is lost (make run does).",
        )  # fmt: skip


def _versions(now: datetime) -> Iterator[Finding]:
    told = ", ".join(f"{name} {version(name)}" for name in ("django", "celery", "kombu", "redis", "psycopg"))
    yield Finding(OK, f"Python {sys.version.split()[0]}, {told}")


def _database(now: datetime) -> Iterator[Finding]:
    connection.ensure_connection()
    server = connection.connection.info.server_version
    if server < OLDEST_POSTGRES:
        yield Finding(PROBLEM, f"PostgreSQL {server // 10_000} is too old", "Upgrade the server to PostgreSQL 18 or newer.")
    else:
        yield Finding(OK, f"PostgreSQL {server // 10_000}.{server % 10_000}")
    with connection.cursor() as cursor:
        cursor.execute("select rolsuper or rolbypassrls from pg_roles where rolname = current_user")
        if cursor.fetchone()[0]:
            yield Finding(WARNING, "the application's role is a superuser", "Make a plain role, see Servers in docs/operate.md.")
        cursor.execute("select pg_has_role(current_user, 'pg_read_all_stats', 'usage')")
        if not cursor.fetchone()[0]:
            yield Finding(
                WARNING, "other roles' sessions are not seen", "As a superuser: grant pg_read_all_stats to the application's role."
            )
        cursor.execute("select count(*)::float / current_setting('max_connections')::int from pg_stat_activity")
        used = cursor.fetchone()[0]
        if used > 0.8:
            yield Finding(
                WARNING, f"{used:.0%} of the server's connections are taken", "Raise max_connections or lower DATABASE_POOL_SIZE."
            )
        cursor.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%%'"
            " and state_change < now() - interval '2 minutes'", [],
        )  # fmt: skip
        if stuck := cursor.fetchone()[0]:
            yield Finding(WARNING, f"{stuck} sessions have sat in a transaction for minutes", "They hold up vacuum; see pg_stat_activity.")


def _broker(now: datetime) -> Iterator[Finding]:
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
        client.ping()
        info = client.info()
        yield Finding(OK, f"{info.get('server_name', 'redis')} {info.get('valkey_version') or info.get('redis_version')}")
        policy = info.get("maxmemory_policy", "noeviction")
        if policy != "noeviction" and info.get("maxmemory"):
            yield Finding(WARNING, f"maxmemory-policy is {policy}: messages may be thrown away", "Set it to noeviction.")
        seconds, micros = client.time()
        apart = abs(datetime.fromtimestamp(seconds + micros / 1e6, UTC) - datetime.now(UTC))
        if apart > CLOCK_WITHIN:
            yield Finding(PROBLEM, f"the broker's clock is {apart.total_seconds():.0f} s away from this machine's", "Run NTP on both.")


def _clock(now: datetime) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        began = time.monotonic()
        cursor.execute("select clock_timestamp()")
        theirs = cursor.fetchone()[0]
        took = timedelta(seconds=time.monotonic() - began)
    apart = abs(theirs - datetime.now(UTC)) - took
    if apart > CLOCK_WITHIN:
        yield Finding(PROBLEM, f"the database's clock is {apart.total_seconds():.0f} s away from this machine's", "Run NTP on both.")


def _disk(now: datetime) -> Iterator[Finding]:
    place = next(path for path in (settings.VAR_DIR, *settings.VAR_DIR.parents) if path.exists())
    usage = shutil.disk_usage(place)
    free = f"{usage.free / 2**30:.1f} GiB free of {usage.total / 2**30:.1f} at {place}"
    # with servers elsewhere hardly anything is written here, and the folder may be a small one in memory
    served_here = bool(embedded.needed())
    least = max(LEAST_FREE_SHARE * usage.total, LEAST_FREE_BYTES if served_here else 0)
    if usage.free < least:
        advice = "Free some, or shorten retention. The embedded database and all logs are there." if served_here else "Free some."
        worst = LEAST_FREE_BYTES if served_here else least
        yield Finding(PROBLEM if usage.free < worst / 4 else WARNING, free, advice)
    else:
        yield Finding(OK, free)


def _bloat(now: datetime) -> Iterator[Finding]:
    """Tables whose dead rows outrun autovacuum, indexes much larger than what they index, partitions nobody made."""
    for one in bloat.relations():
        if one.dead > max(bloat.MANY_ROWS, one.live * 0.5):
            yield Finding(
                WARNING, f"{one.name} has {one.dead:,} dead rows beside {one.live:,}",
                "Is a transaction open for hours (pg_stat_activity)? Else let autovacuum work more: autovacuum_vacuum_scale_factor.",
            )  # fmt: skip
        if one.indexes > max(bloat.LARGE_INDEXES, one.size * 3):
            advice = f"In a quiet hour, as its owner: reindex table concurrently {one.name};"
            sizes = f"{one.indexes / 2**30:.1f} GiB, the table itself {one.size / 2**30:.1f}"
            yield Finding(WARNING, f"the indexes of {one.name} take {sizes}", advice)
        if one.name.endswith("_default") and one.live > bloat.MANY_ROWS:
            advice = "Dead letters may be that many; else nobody made room in time: do the schedules of pruning run?"
            yield Finding(WARNING, f"{one.name} holds {one.live:,} rows", advice)


def _migrations(now: datetime) -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        yield Finding(PROBLEM, f"{len(waiting)} migrations wait", "Run python manage.py release.")


def _heartbeat(now: datetime) -> Iterator[Finding]:
    for queue, at in heartbeats.queues_heard().items():
        if at is None or now - at > heartbeats.READY_WITHIN:
            since = f"for {_words(now - at)}" if at else "ever"
            yield Finding(
                PROBLEM, f"nothing has come from beat through the queue {queue} {since}",
                "Is beat running, and a worker with that queue (-Q)? Behind a long backlog it may only be late.",
            )  # fmt: skip


def _processes(now: datetime) -> Iterator[Finding]:
    for kind, at in heartbeats.last_heard().items():
        if at is None or now - at > PROCESS_PATIENCE:
            since = f"was last heard of {_words(now - at)} ago" if at else "has never been heard of"
            yield Finding(PROBLEM, f"{kind} {since}", f"Start {kind}, see Processes in docs/operate.md; its log says why it ended.")
    beats = Heartbeat.objects.filter(kind=Heartbeat.Kind.BEAT, at__gte=now - PROCESS_PATIENCE).count()
    if beats > 1:
        yield Finding(WARNING, f"{beats} beats are running", "One is enough; nothing runs twice because of it.")


def _schedules(now: datetime) -> Iterator[Finding]:
    for name in PeriodicTask.objects.filter(enabled=False).values_list("name", flat=True):
        yield Finding(WARNING, f"{name} is switched off", "If that is not meant, enable it in the admin under Periodic tasks.")
    for standing in schedules.standings(now):
        if standing.late_seconds > SCHEDULE_PATIENCE.total_seconds():
            yield Finding(PROBLEM, f"{standing.name} is late by {_words(timedelta(seconds=standing.late_seconds))}", "Is beat running?")
        if standing.failed:
            yield Finding(PROBLEM, f"{standing.name} failed when it last ran", f"The log of the worker says why; look for {standing.task}.")


def _connectors(now: datetime) -> Iterator[Finding]:
    for connector in Connector.objects.select_related("organization").order_by("pk"):
        name = f"connector {connector.pk} ({connector.provider})"
        if connector.status == Connector.Status.BROKEN:
            yield Finding(PROBLEM, f"{name} needs attention: its key or settings do not work", "Mend it in the admin: it is active then.")
        elif connector.status == Connector.Status.PAUSED:
            yield Finding(WARNING, f"{name} is paused", "Nothing is polled. Set it to active in the admin when it should be.")
        elif registry.get(connector.provider).capabilities.polls:
            heard = connector.fresh_at or connector.created_at
            if now - heard > settings.STALE_AFTER:
                yield Finding(
                    PROBLEM, f"{name} has had no successful sync for {_words(now - heard)}: no issue opens or resolves",
                    f"python manage.py sync {connector.pk} --wait says what is wrong.",
                )  # fmt: skip


def _dead_letters(now: datetime) -> Iterator[Finding]:
    if dead := RawEvent.objects.filter(state=RawEvent.State.DEAD).count():
        yield Finding(
            PROBLEM, f"{dead} raw events were set aside",
            "Read the reasons in the admin under Raw events; after mending, python manage.py replay --connector NAME --failed.",
        )  # fmt: skip
    if given_up := Batch.objects.exclude(failed_at=None).count():
        yield Finding(
            PROBLEM, f"{given_up} batches gave up",
            "Their errors are in the admin under Batches; after mending, python manage.py replay --connector NAME --failed.",
        )  # fmt: skip


def _road(now: datetime) -> Iterator[Finding]:
    still = Batch.objects.filter(finished_at=None, failed_at=None, created_at__lt=now - STANDING_STILL)
    if count := still.count():
        yield Finding(
            PROBLEM, f"{count} batches have been on the road for over {_words(STANDING_STILL)}", "Is a worker running? See its log."
        )
    queued = SyncRun.objects.filter(state=SyncRun.State.QUEUED, attempts=0, requested_at__lt=now - STANDING_STILL)
    if count := queued.count():
        yield Finding(PROBLEM, f"{count} sync runs have waited for over {_words(STANDING_STILL)}", "Is a syncer running? See its log.")


CHECKS: dict[str, Check] = {
    "settings": _settings,
    "versions": _versions,
    "disk": _disk,
    "database": _database,
    "broker": _broker,
    "clock": _clock,
    "migrations": _migrations,
    "bloat": _bloat,
    "processes": _processes,
    "heartbeat": _heartbeat,
    "schedules": _schedules,
    "connectors": _connectors,
    "road": _road,
    "dead letters": _dead_letters,
}


def _words(span: timedelta) -> str:
    seconds = span.total_seconds()
    for length, word in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {word}"
    return f"{seconds:.0f} seconds"
