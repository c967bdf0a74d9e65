"""The processes a benchmark runs on: embedded servers, two worker processes and beat, watched for memory."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from config import embedded, leases

ROOT = Path(__file__).resolve().parent.parent
QUEUES = "raw-events,normalized-events,snapshots,metrics,issues,tasks,updates,sync"


class Memory:
    """Resident memory of processes in MB, sampled: the median of the first and of the last fifth of a span."""

    def __init__(self, processes: dict[str, subprocess.Popen[bytes]]) -> None:
        self._processes = processes
        self._samples: dict[str, list[float]] = {name: [] for name in processes}
        self._stop = threading.Event()

    def __enter__(self) -> Memory:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            for name, process in self._processes.items():
                try:
                    root = psutil.Process(process.pid)
                    family = [root, *root.children(recursive=True)]
                    self._samples[name].append(sum(each.memory_info().rss for each in family) / 1e6)
                except psutil.Error:
                    continue

    def report(self) -> list[tuple[str, float, float]]:
        """(process, MB early, MB late)."""
        rows = []
        for name, samples in self._samples.items():
            fifth = max(1, len(samples) // 5)
            if samples:
                early, late = sorted(samples[fifth : 2 * fifth] or samples), sorted(samples[-fifth:])
                rows.append((name, early[len(early) // 2], late[len(late) // 2]))
        return rows


@contextmanager
def servers(folder: Path) -> Iterator[None]:
    lease = leases.start(folder, embedded.needed())
    try:
        manage("migrate", "-v", "0")
        yield
    finally:
        lease.release()


@contextmanager
def processes(folder: Path, commands: dict[str, list[str]]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start named processes, end them in the end; their output goes to files beside the data."""
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            log = (folder / f"{name}.log").open("wb")
            started[name] = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        yield started
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


def worker(app: str, name: str, queues: str, concurrency: int = 1) -> list[str]:
    return ["celery", "-A", app, "worker", "-Q", queues, "-c", str(concurrency), "-n", f"{name}@%h", "-l", "WARNING"]


def manage(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"manage.py {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def wait_for_workers() -> None:
    from connectors.waiting import NotThrough, check_worker

    for attempt in range(10):
        try:
            check_worker()
            break
        except NotThrough:
            if attempt == 9:
                raise
