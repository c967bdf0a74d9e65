"""Children that never outlive their parent, and the locks that say who is alive.

Locks are ``flock``: the kernel gives them back when a process ends in whatever way, so nothing here
trusts a pid file. Works on Linux and macOS; the parent-death signal exists on Linux only.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

import psutil

PR_SET_PDEATHSIG = 1  # linux/prctl.h

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(signal_number: int) -> None:
    """Ask the kernel to send ``signal_number`` to this process when its parent (thread) ends. Linux; elsewhere nothing."""
    if _libc is not None and _libc.prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


def child_setup(signal_number: int) -> Callable[[], None]:
    """A ``preexec_fn`` for ``subprocess.Popen``: the child dies with the thread that starts it.

    It runs after Popen has changed the user (which would clear the setting). A parent that died in
    between would never signal, so the child looks once whether it is still there.
    """
    parent = os.getpid()

    def setup() -> None:
        die_with_parent(signal_number)
        if os.getppid() != parent:
            os._exit(1)

    return setup


class Restarts:
    """How long to wait before a process that died is started again: at once, then longer each time."""

    DELAYS = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds
    WELL_AFTER = 60.0  # seconds of life after which earlier deaths are forgiven

    def __init__(self) -> None:
        self.deaths = 0

    def delay(self, *, lived: float) -> float:
        """Seconds to wait after a life of ``lived`` seconds. Counts the death."""
        self.deaths = 0 if lived > self.WELL_AFTER else self.deaths
        delay = self.DELAYS[min(self.deaths, len(self.DELAYS) - 1)]
        self.deaths += 1
        return delay


LOG_LIMIT = 10_000_000  # bytes


def open_log(path: Path) -> BinaryIO:
    """The log to append to. One grown too long is put aside first, as ``NAME.log.1``."""
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_name(f"{path.name}.1"))
    return cast(BinaryIO, path.open("ab", buffering=0))


class FileLock:
    """An advisory lock on a file, shared or exclusive, held until ``release`` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, *, shared: bool = False, blocking: bool = True) -> bool:
        """True once held; False if it would have to wait and ``blocking`` is off."""
        if self._descriptor is None:
            # 0600: the content is empty, but the lock of a root installation is not for everyone to take
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        mode = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if blocking else fcntl.LOCK_NB)
        try:
            fcntl.flock(self._descriptor, mode)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock now, in either mode."""
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        return not lock.acquire(blocking=False)
    finally:
        lock.release()


def in_directory(directory: Path, names: Iterable[str]) -> list[psutil.Process]:
    """Live processes with one of the ``names`` whose working directory is ``directory``: a server and its children."""
    wanted, found = set(names), []
    for process in psutil.process_iter(["name", "status"]):
        try:
            if process.info["name"] in wanted and process.info["status"] != psutil.STATUS_ZOMBIE:
                if Path(process.cwd()) == directory:
                    found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def end(processes: Iterable[psutil.Process], *, first: signal.Signals, patience: float) -> None:
    """Signal the processes, wait up to ``patience`` seconds for all, kill those that remain."""
    alive = list(processes)
    for process in alive:
        _send(process, first)
    _, alive = psutil.wait_procs(alive, timeout=patience)
    for process in alive:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=patience)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        pass  # it ended by itself, which is what was wanted


def stop(process: subprocess.Popen[bytes], *, first: signal.Signals, patience: float) -> int:
    """End one child of ours: ``first``, then after ``patience`` seconds SIGKILL. Returns its exit code."""
    if process.poll() is None:
        process.send_signal(first)
        try:
            return process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()
