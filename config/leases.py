"""Asking for the embedded servers, from any number of processes at once.

Whoever uses a server holds a *lease*, a shared lock on a file. One keeper process (`config.keeper`) per
server stops it once nobody holds the lock, restarts it if it dies, and takes it along if it is killed
itself. So a management command finds the running stack or starts one that ends with it; commands may
come and go in any order; and after ``kill -9`` of anything the kernel has already let go of the locks.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from config.embedded import BASE_DIR, EmbeddedError, keeper_lock, log_path, make_var, users_lock
from config.processes import FileLock, is_locked, open_log
from config.servers import START_PATIENCE, STOP_PATIENCE, Server, server


class Lease:
    """The right to count on the servers until ``release`` or the end of this process."""

    def __init__(self, var: Path) -> None:
        self._var = var
        self._locks: dict[str, FileLock] = {}

    def take(self, name: str) -> None:
        lock = FileLock(users_lock(self._var, name))
        deadline = time.monotonic() + STOP_PATIENCE
        # a keeper on its way out holds the lock until its server is down
        while not lock.acquire(shared=True, blocking=False):
            if time.monotonic() > deadline:
                raise EmbeddedError(f"{name} under {self._var} does not finish stopping; see {log_path(self._var, name)}.")
            time.sleep(0.05)
        self._locks[name] = lock

    def renew(self) -> None:
        """Bring back a server whose keeper was killed; a look at a lock where all is well. Raises EmbeddedError."""
        for name in self._locks:
            if not is_locked(keeper_lock(self._var, name)):
                _start_one(self._var, name)

    def release(self, *, wait: bool = True) -> None:
        """Let go. With ``wait``, return when the servers nobody else uses are down."""
        names = list(self._locks)
        for name in names:
            self._locks.pop(name).release()
        deadline = time.monotonic() + STOP_PATIENCE
        while wait and time.monotonic() < deadline:
            names = [name for name in names if is_locked(keeper_lock(self._var, name)) and not self._used(name)]
            if not names:
                return
            time.sleep(0.05)

    def _used(self, name: str) -> bool:
        """Whether others hold a lease; the leaving keeper's exclusive lock does not count."""
        probe = FileLock(users_lock(self._var, name))
        try:
            return probe.acquire(shared=True, blocking=False) and not probe.acquire(blocking=False)
        finally:
            probe.release()


def start(var: Path, names: Sequence[str]) -> Lease:
    """Hold the named servers, starting those that do not run. Returns when each answers.

    Raises EmbeddedError.
    """
    make_var(var)
    lease = Lease(var)
    try:
        for name in names:
            lease.take(name)
            _start_one(var, name)
    except BaseException:
        lease.release(wait=False)
        raise
    return lease


def _start_one(var: Path, name: str) -> None:
    # held across the wait: of two commands starting at once, the second finds the first one's server
    with FileLock(var / "run" / f"{name}.start"):
        _ensure_running(server(name, var))


def _ensure_running(wanted: Server) -> None:
    """Wait for the server a living keeper looks after, or launch a keeper."""
    deadline = time.monotonic() + START_PATIENCE
    while is_locked(keeper_lock(wanted.var, wanted.name)):
        if wanted.is_ready():
            return
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{wanted.name} under {wanted.var} does not answer; see {log_path(wanted.var, wanted.name)}.")
        time.sleep(0.1)
    _launch_keeper(wanted.var, wanted.name)


def _launch_keeper(var: Path, name: str) -> None:
    """Start a keeper in a session of its own (Ctrl-C is not for it) and wait for its one line of report."""
    reader, writer = os.pipe()
    log = log_path(var, name)
    with open_log(log) as output:
        subprocess.run(
            [sys.executable, "-m", "config.keeper", name, str(var), str(writer)],
            cwd=BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(writer,),
            start_new_session=True,
            check=True,
        )
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as report:
        line = report.readline().strip()
    if line != "ready":
        raise EmbeddedError(line or f"{name} did not start; see {log}.")
