"""How fast facts get through the whole road, beside the bare upsert and the obvious design, and whether size matters."""

from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import django
import msgspec

from benchmarks import bare, stack
from benchmarks.report import print_table, say
from connectors.sandbox.bench import Shape, write_file

BATCH_FILES = 7
BATCH_EVENTS = 10_000
#: of one measurement of the limit
LIMIT_EVENTS = 200_000


class Files:
    """Import files of one shape that share no application."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next_application = 1

    def make(self, events: int) -> Path:
        path = self._folder / f"events-{self._next_application}.jsonl"
        write_file(Shape(events=events, start_id=self._next_application), path)
        self._next_application += events  # there are fewer applications than events
        return path


@dataclass(frozen=True)
class Found:
    """What one run measured; times in seconds."""

    events: int
    seconds: float
    #: bare upserts of ``LIMIT_EVENTS`` each: the SQL alone, and with the file
    limit: list[tuple[float, float]]
    obvious: int
    peer: float
    memory: list[tuple[str, float, float]]
    small: int
    small_batch: float
    large: int
    large_batch: float | None


def run(folder: Path, *, events: int, small: int, large: int, obvious: int) -> None:
    if events < LIMIT_EVENTS:
        raise SystemExit(f"--events must be at least {LIMIT_EVENTS:,}: so many are upserted for the limit.")
    with stack.servers(folder):
        django.setup()
        from django.conf import settings

        owner, address = settings.MIGRATION_DATABASE_URL, settings.DATABASE_URL
        bare.prepare(owner)
        stack.manage("connect", "files", "--organization", "bench", "--name", "bench")
        files = Files(folder)
        workers = {name: stack.worker("config", name, stack.QUEUES) for name in ("worker1", "worker2")}
        beat = {"beat": ["celery", "-A", "config", "beat", "-l", "WARNING", "--pidfile="]}
        with stack.processes(folder, workers | beat) as running:
            stack.wait_for_workers()
            ledger = 0
            say(f"loading {small:,} events first")
            ledger += _import(files.make(small))[1]
            small_batch = _batches(files)
            ledger += BATCH_FILES * BATCH_EVENTS
            large_file = files.make(events)
            limit = [bare.upsert(address, large_file, LIMIT_EVENTS)]
            with stack.Memory(running) as memory:
                seconds, _ = _import(large_file)
            ledger += events
            limit.append(_bare_again(address, files))
            large_batch = None
            if large:
                while ledger < large:
                    say(f"ledger of {ledger:,} events, growing to {large:,}")
                    size = min(1_000_000, large - ledger)
                    path = files.make(size)
                    ledger += _import(path)[1]
                    path.unlink()
                large_batch = _batches(files)
                limit.append(_bare_again(address, files))
        with stack.processes(folder, {"obvious": stack.worker("benchmarks.obvious", "obvious", "obvious", 2)}):
            stack.wait_for_workers()
            peer = _obvious(large_file, obvious)
        _print(Found(events, seconds, limit, obvious, peer, memory.report(), small, small_batch, large, large_batch))


def _import(path: Path) -> tuple[float, int]:
    """Seconds of ``manage.py import_events --wait``, process start included, and the number of rows."""
    started = time.perf_counter()
    stack.manage("import_events", str(path), "--organization", "bench", "--connector", "bench", "--wait")
    seconds = time.perf_counter() - started
    with path.open("rb") as file:
        return seconds, sum(1 for _ in file)


def _batches(files: Files) -> float:
    """Median seconds that one batch of ``BATCH_EVENTS`` new events spends on the road, queue hops included."""
    from connectors.models import Batch

    spent = []
    for _ in range(BATCH_FILES):
        path = files.make(BATCH_EVENTS)
        _import(path)
        path.unlink()
        batch = Batch.objects.filter(kind=Batch.Kind.EVENTS).latest("pk")
        assert batch.finished_at is not None, "an import that was waited for has finished batches"
        spent.append((batch.finished_at - batch.created_at).total_seconds())
    return statistics.median(spent)


def _bare_again(address: str, files: Files) -> tuple[float, float]:
    path = files.make(LIMIT_EVENTS)
    try:
        return bare.upsert(address, path, LIMIT_EVENTS)
    finally:
        path.unlink()


def _obvious(path: Path, events: int) -> float:
    """Seconds from the first task sent until the last event is in the ledger."""
    from accounts.models import Organization
    from ats.models import CandidateEvent
    from benchmarks.obvious import handle_event
    from connectors.services import connect

    organization = Organization.objects.create(slug="obvious", name="Obvious")
    connector = connect(organization=organization, provider="files", name="obvious")
    with path.open("rb") as file:
        rows = [msgspec.json.decode(file.readline()) for _ in range(events)]
    pause = threading.Event()
    started = time.perf_counter()
    for row in rows:
        handle_event.delay(organization.pk, connector.pk, row)
    while CandidateEvent.objects.filter(connector=connector).count() < events:
        if time.perf_counter() - started > 600:
            raise SystemExit("The obvious design did not finish within ten minutes.")
        pause.wait(0.2)
    return time.perf_counter() - started


def _print(found: Found) -> None:
    ours = found.events / found.seconds
    sql_alone, with_file = ([LIMIT_EVENTS / each[n] for each in found.limit] for n in (0, 1))
    limit, plain = statistics.mean(sql_alone), statistics.mean(with_file)
    peer = found.obvious / found.peer
    rows = [
        (f"import_events --wait, {found.events:,} events, two worker processes", f"{ours:,.0f} events/s", ""),
        ("limit: bare staged upsert, its SQL alone", f"{limit:,.0f} events/s", f"ours is 1/{limit / ours:.1f} of it (wanted: 1/4)"),
        ("  before, after and at the end", " ".join(f"{each:,.0f}" for each in sql_alone), ""),
        ("limit: bare staged upsert of the file", f"{plain:,.0f} events/s", f"ours is 1/{plain / ours:.1f} of it"),
        ("  before, after and at the end", " ".join(f"{each:,.0f}" for each in with_file), ""),
        ("peer: a task per event, get_or_create", f"{peer:,.0f} events/s", f"ours is {ours / peer:.0f} times it (wanted: at least 30)"),
        (f"a batch of {BATCH_EVENTS:,} on {found.small:,} events", f"{found.small_batch:.2f} s", ""),
    ]
    if found.large_batch is not None:
        ratio = found.large_batch / found.small_batch
        rows.append(
            (
                f"a batch of {BATCH_EVENTS:,} on {found.large:,} events",
                f"{found.large_batch:.2f} s",
                f"{ratio:.2f} times (wanted: at most 1.6)",
            )
        )
    rows += [
        (f"memory of {name}, early and late in the import", f"{early:,.0f} and {late:,.0f} MB", "") for name, early, late in found.memory
    ]
    print_table("Ingest", rows)
