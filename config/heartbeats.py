"""Signs of life, as rows: of each process, and of each queue that a message from beat has gone through.

A process that writes its own row only proves that it runs. A worker can be connected and deaf; so beat also sends a
message through every queue of the road, and the worker that takes it writes the row: beat → queue → worker → row.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, connections
from django.utils import timezone

from config import flow
from config.models import Heartbeat

logger = logging.getLogger(__name__)

PULSE = timedelta(seconds=15)
#: Without a heartbeat through any queue for so long, the flow is not running.
READY_WITHIN = timedelta(seconds=150)
#: Rows of processes that ended without a word.
FORGOTTEN_AFTER = timedelta(days=1)
PROCESSES = (Heartbeat.Kind.WEB, Heartbeat.Kind.WORKER, Heartbeat.Kind.SYNCER, Heartbeat.Kind.BEAT)
#: The queue of polls is left out: a syncer may be busy with one for hours, and says that it lives by itself.
QUEUES = tuple(sorted(set(flow.QUEUES.values()) - {flow.QUEUES["connectors.sync"]}))

TASK = "config.heartbeat"


def record(kind: str, name: str, *, started_at: datetime | None = None) -> None:
    """Write the row, one statement, the same however often."""
    with connection.cursor() as cursor:
        cursor.execute(
            """insert into config_heartbeat (kind, name, started_at, at) values (%s, %s, %s, statement_timestamp())
               on conflict (kind, name) do update set at = greatest(config_heartbeat.at, excluded.at), started_at = excluded.started_at""",
            [kind, name, started_at],
        )


def last_heard() -> dict[str, datetime | None]:
    """When any process of each kind was last heard of; None if never."""
    heard: dict[str, datetime | None] = {kind.value: None for kind in PROCESSES}
    for row in Heartbeat.objects.exclude(kind=Heartbeat.Kind.QUEUE).order_by("at"):
        heard[row.kind] = row.at
    return heard


def queues_heard() -> dict[str, datetime | None]:
    """When a message from beat was last taken from each queue of the road; None if never."""
    rows = dict(Heartbeat.objects.filter(kind=Heartbeat.Kind.QUEUE).values_list("name", "at"))
    return {queue: rows.get(queue) for queue in QUEUES}


def last_through() -> datetime | None:
    """When one was last taken from any of them: behind a long backlog a single queue may be late without being dead."""
    return max((at for at in queues_heard().values() if at is not None), default=None)


def forget_the_gone(*, now: datetime) -> int:
    """Drop rows of processes not heard of for a day; returns how many."""
    gone = Heartbeat.objects.exclude(kind=Heartbeat.Kind.QUEUE).filter(at__lt=now - FORGOTTEN_AFTER)
    return gone.delete()[0]


class Pulse:
    """Says from a thread of its own that this process runs. Never in the way: a dead database is waited out."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.started_at = timezone.now()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pulse-{kind}", daemon=True)

    def start(self) -> Pulse:
        self._thread.start()
        return self

    def stop(self) -> None:
        """A process that ends as it should leaves no row behind that would look like a death."""
        self._end.set()
        self._thread.join(timeout=5)

    def beat(self) -> None:
        try:
            record(self.kind, self.name, started_at=self.started_at)
        except DatabaseError as error:
            logger.warning("heartbeat not written", extra={"action": "heartbeat_failed", "error": type(error).__name__})
        finally:
            connections.close_all()

    def _run(self) -> None:
        while True:
            self.beat()
            if self._end.wait(PULSE.total_seconds()):
                break
        try:
            Heartbeat.objects.filter(kind=self.kind, name=self.name).delete()
        except DatabaseError:
            pass  # it will be forgotten in a day
        finally:
            connections.close_all()
