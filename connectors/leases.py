"""A process at work on a sync run says so every few seconds; when it dies, the run is free again soon."""

from __future__ import annotations

import threading
from datetime import timedelta
from types import TracebackType

from django.db import connection
from django.utils import timezone

from connectors.models import SyncRun

LEASE = timedelta(seconds=45)
RENEWAL = timedelta(seconds=15)


class LeaseLost(Exception):
    """Another process has taken the run over; this one has to stop without writing."""


class Lease:
    """Holds a claimed run for the length of a ``with`` block, from a thread of its own: providers may be slow."""

    def __init__(self, run_id: int, holder: str) -> None:
        self._run_id = run_id
        self._holder = holder
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{run_id}", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()

    def check(self) -> None:
        """Inside a page's transaction: raise ``LeaseLost`` unless the run is still ours; holds its row to the commit."""
        run = SyncRun.objects.select_for_update().filter(pk=self._run_id, claimed_by=self._holder)
        if not run.exists():
            raise LeaseLost(f"Sync run {self._run_id} was taken over.")

    def _keep(self) -> None:
        try:
            while not self._done.wait(RENEWAL.total_seconds()):
                SyncRun.objects.filter(pk=self._run_id, claimed_by=self._holder).update(next_attempt_at=timezone.now() + LEASE)
        finally:
            connection.close()


def claim(run_id: int, holder: str) -> bool:
    """Take a run that is free, or that this holder had before it was killed. False: somebody is at work on it."""
    now = timezone.now()
    free = SyncRun.objects.filter(pk=run_id, state__in=[SyncRun.State.QUEUED, SyncRun.State.RUNNING])
    mine = free.filter(claimed_by=holder) | free.filter(claimed_by="") | free.filter(next_attempt_at__lte=now)
    return mine.update(claimed_by=holder, next_attempt_at=now + LEASE) == 1
