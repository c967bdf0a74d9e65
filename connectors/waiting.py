"""Following a run to its end from the command line."""

from __future__ import annotations

import threading
from typing import TextIO

from django.db.models import Q, Sum
from django.utils import timezone
from kombu.exceptions import OperationalError

from config.celery import app
from connectors.models import Batch, SyncRun
from connectors.services import MAX_ATTEMPTS

#: without a live worker within this many seconds, waiting makes no sense
WORKER_PATIENCE = 4.0
#: seconds between two looks at a run, growing from the first to the second
LOOK_FIRST, LOOK_AT_MOST = 0.1, 1.0


class NotThrough(Exception):
    """The run did not get every event through; the message says what happened and what to do."""


def check_worker() -> None:
    """Raise ``NotThrough`` unless a worker answers on the broker within ``WORKER_PATIENCE`` seconds."""
    try:
        alive = app.control.ping(timeout=WORKER_PATIENCE, limit=1)
    except (OSError, OperationalError):  # no broker either
        alive = None
    if not alive:
        raise NotThrough("No worker answers, so nothing would move. Start the stack (make run) and try again; the work is kept.")


class Telling:
    """What whoever waits at the command line hears: a line for each new state, and on a terminal how far it is."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last = ""
        self._in_place = out.isatty()

    def state(self, line: str) -> None:
        """Said once, until there is something else to say."""
        if line != self._last:
            self._last = line
            self._write(f"{timezone.now():%H:%M} UTC  {line}\n")

    def progress(self, line: str) -> None:
        if self._in_place:
            self._write(line)

    def end(self) -> None:
        """The last line is a state, not a bar that stopped."""
        if self._in_place:
            self._write("")

    def _write(self, text: str) -> None:
        self._out.write(f"\r\033[K{text}" if self._in_place else text)
        self._out.flush()


def follow(run: SyncRun, *, telling: Telling | None = None) -> SyncRun:
    """Wait until the run has ended. Returns it succeeded with nothing set aside; raises ``NotThrough`` otherwise."""
    try:
        progress = _wait_for_end(run, telling)
    finally:
        if telling:
            telling.end()
    if run.state == SyncRun.State.FAILED:
        raise NotThrough(f"SyncRun {run.pk} failed: {run.error}")
    if progress["failed"]:
        raise NotThrough(
            f"SyncRun {run.pk} is through, but {progress['failed']} payloads were set aside as dead letters. "
            "Look at them in the admin, then: manage.py replay --connector "
            f"{run.connector.name} --failed."
        )
    return run


def _wait_for_end(run: SyncRun, telling: Telling | None) -> dict[str, int]:
    pause, look = threading.Event(), LOOK_FIRST
    last_sign, last_seen = timezone.now(), None
    while True:
        run.refresh_from_db()
        progress = progress_of(run)
        if telling:
            telling.state(standing_of(run))
            telling.progress(f"{run.get_state_display()}: {progress['fetched']:,} fetched, {progress['in_flow']:,} in flow")
        if run.state in SyncRun.ENDED:
            return progress
        seen = (run.state, *progress.values())
        if seen != last_seen:
            last_sign, last_seen = timezone.now(), seen
        elif (timezone.now() - last_sign).total_seconds() > 60:
            check_worker()
            last_sign = timezone.now()
        pause.wait(look)
        # a long run is not looked at so often that the looking slows it down; its last moments are
        look = LOOK_FIRST if run.state == SyncRun.State.SETTLING else min(look * 1.3, LOOK_AT_MOST)


def standing_of(run: SyncRun) -> str:
    """One line: what is being done about the run, and when and why again."""
    if run.state == SyncRun.State.QUEUED and run.error and run.next_attempt_at:
        return f"Try {run.attempts + 1} of {MAX_ATTEMPTS} at {run.next_attempt_at:%H:%M} UTC, because: {run.error}"
    if run.state == SyncRun.State.RUNNING and run.attempts > 1:
        return f"{run.get_state_display()} (try {run.attempts} of {MAX_ATTEMPTS})"
    return run.get_state_display()


def progress_of(run: SyncRun) -> dict[str, int]:
    """fetched, created, skipped, failed, and raw payloads still in flow."""
    sums = Batch.objects.filter(sync_run=run).aggregate(
        created=Sum("created_count", default=0),
        skipped=Sum("skipped_count", default=0),
        failed=Sum("failed_count", default=0),
        in_flow=Sum("raw_count", filter=Q(finished_at=None, failed_at=None), default=0),
    )
    return {"fetched": run.fetched, **sums}
