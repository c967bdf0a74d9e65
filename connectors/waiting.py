"""Following a run to its end from the command line."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from django.db.models import Q, Sum
from django.utils import timezone
from kombu.exceptions import OperationalError

from config.celery import app
from connectors.models import Batch, SyncRun

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


def follow(run: SyncRun, *, say: Callable[[str], None] | None = None) -> SyncRun:
    """Wait until the run has ended. Returns it succeeded with nothing set aside; raises ``NotThrough`` otherwise."""
    pause, look = threading.Event(), LOOK_FIRST
    last_sign, last_seen = timezone.now(), None
    while True:
        run.refresh_from_db()
        progress = progress_of(run)
        if say:
            say(f"{run.get_state_display()}: {progress['fetched']:,} fetched, {progress['in_flow']:,} in flow")
        if run.state in SyncRun.ENDED:
            break
        seen = (run.state, *progress.values())
        if seen != last_seen:
            last_sign, last_seen = timezone.now(), seen
        elif (timezone.now() - last_sign).total_seconds() > 60:
            check_worker()
            last_sign = timezone.now()
        pause.wait(look)
        # a long run is not looked at so often that the looking slows it down; its last moments are
        look = LOOK_FIRST if run.state == SyncRun.State.SETTLING else min(look * 1.3, LOOK_AT_MOST)
    if run.state == SyncRun.State.FAILED:
        raise NotThrough(f"SyncRun {run.pk} failed: {run.error}")
    if progress["failed"]:
        raise NotThrough(
            f"SyncRun {run.pk} is through, but {progress['failed']} payloads were set aside as dead letters. "
            "Look at them in the admin, then: manage.py replay --connector "
            f"{run.connector.name} --failed."
        )
    return run


def progress_of(run: SyncRun) -> dict[str, int]:
    """fetched, created, skipped, failed, and raw payloads still in flow."""
    sums = Batch.objects.filter(sync_run=run).aggregate(
        created=Sum("created_count", default=0),
        skipped=Sum("skipped_count", default=0),
        failed=Sum("failed_count", default=0),
        in_flow=Sum("raw_count", filter=Q(finished_at=None, failed_at=None), default=0),
    )
    return {"fetched": run.fetched, **sums}


def on_terminal() -> Callable[[str], None] | None:
    """A one-line progress display on a terminal; None elsewhere, so that logs stay clean."""
    if not sys.stderr.isatty():
        return None

    def say(line: str) -> None:
        sys.stderr.write(f"\r\033[K{line}")
        sys.stderr.flush()

    return say
