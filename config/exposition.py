"""One answer to Prometheus from many processes.

Each process writes its counts into files of its own under PROMETHEUS_MULTIPROC_DIR (`prometheus_client` does, if the
variable is set before it is imported); whoever is scraped adds up all of them. Worker children come and go by the
thousand, so the files of the dead are folded into one, and what only the living know (open streams) goes with them.

One folder belongs to the processes of one machine or container: process ids must mean the same to all of them.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from django.db import connection
from prometheus_client import REGISTRY as OWN
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from config.processes import FileLock
from config.telemetry_folder import folder

logger = logging.getLogger(__name__)

VALUE_FILE = re.compile(r"^(?P<kind>counter|histogram|summary|gauge_[a-z]+)_(?P<pid>\d+)\.db$")
#: no process has this id, so the file of the dead looks like anybody else's to those who add up
GRAVE = 0


def latest() -> bytes:
    """Everything the processes of this machine have counted, in Prometheus text format."""
    where = folder()
    registry = OWN
    if where is None:
        return generate_latest(registry) + generate_latest(_own_extras())
    registry = CollectorRegistry(auto_describe=False)
    MultiProcessCollector(registry, path=str(where))
    fold_the_dead(where)
    lock = FileLock(where / "lock")
    lock.acquire(shared=True)  # nobody folds while we add up, or the dead would count twice
    try:
        told = generate_latest(registry)
    finally:
        lock.release()
    return told + _uncounted(told) + generate_latest(_own_extras(process=True))


def _uncounted(told: bytes) -> bytes:
    """Name and kind of our families in which nobody has counted yet. They are in no file, and whoever builds a dashboard or
    looks what there is must find them all the same."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Declared())
    lines = generate_latest(registry).splitlines(keepends=True)
    return b"".join(explained + kind for explained, kind in zip(lines[::2], lines[1::2], strict=True) if kind not in told)


def _own_extras(*, process: bool = False) -> CollectorRegistry:
    extras = CollectorRegistry(auto_describe=False)
    extras.register(PoolCollector())
    if process:
        ProcessCollector(registry=extras)
    return extras


class Declared(Collector):
    """Our families without a sample."""

    def collect(self) -> Iterator[Metric]:
        for family in OWN.collect():
            if family.name.startswith("stagewatch_"):
                yield Metric(family.name, family.documentation, family.type)

    def describe(self) -> list[Metric]:
        return []


class PoolCollector(Collector):
    """The database connections of the process that answers, where it pools them (web)."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("stagewatch_database_pool", "Connections of this web process's pool", labels=["state"])
        waits = GaugeMetricFamily("stagewatch_database_pool_wait_seconds", "Time requests of this process have waited for a connection")
        if connection.settings_dict["OPTIONS"].get("pool"):
            stats = connection.pool.get_stats()  # type: ignore[attr-defined]  # PostgreSQL's own
            family.add_metric(["limit"], stats["pool_max"])
            family.add_metric(["open"], stats["pool_size"])
            family.add_metric(["idle"], stats["pool_available"])
            family.add_metric(["waited_for"], stats["requests_waiting"])
            waits.add_metric([], stats.get("requests_wait_ms", 0) / 1000)
        yield from (family, waits)

    def describe(self) -> list[GaugeMetricFamily]:
        return []


def fold_the_dead(where: Path, *, wait: bool = True) -> int:
    """Add the counts of ended processes to one file and remove theirs; returns how many files went.

    Without ``wait``, does nothing while somebody else is reading or folding.
    """
    if not _of_the_dead(where):
        return 0
    lock = FileLock(where / "lock")
    if not lock.acquire(blocking=wait):
        return 0
    try:
        return sum(_fold(where, path, kind, pid) for path, kind, pid in _of_the_dead(where))
    finally:
        lock.release()


def _of_the_dead(where: Path) -> list[tuple[Path, str, int]]:
    found = []
    for path in sorted(where.glob("*.db")):
        match = VALUE_FILE.match(path.name)
        if match and (pid := int(match["pid"])) != GRAVE and not _is_alive(pid):
            found.append((path, match["kind"], pid))
    return found


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, and alive
    return True


def _fold(where: Path, path: Path, kind: str, pid: int) -> bool:
    if kind.startswith("gauge_live"):
        mark_process_dead(pid, path=str(where))
    elif not kind.startswith("gauge"):
        grave = MmapedDict(str(where / f"{kind}_{GRAVE}.db"))
        try:
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):
                grave.write_value(key, grave.read_value(key)[0] + value, 0.0)
        finally:
            grave.close()
        path.unlink(missing_ok=True)
    else:
        return False
    return True


def empty(where: Path) -> None:
    """Start from nothing: whoever wrote here before is gone."""
    where.mkdir(parents=True, exist_ok=True)
    for path in where.glob("*.db"):
        path.unlink(missing_ok=True)
