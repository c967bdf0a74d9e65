"""How soon a commit is on thousands of screens while an import runs, and what a broadcast costs beside a bare one."""

from __future__ import annotations

import json
import math
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django
import psutil

from benchmarks import stack
from benchmarks.report import print_table, say

WEBSOCKETS, EVENT_STREAMS = 2_000, 500
#: the first of every so many streams follows the whole organization (a board), the others one job each (its page)
WIDE_SHARE = 2
#: jobs whose pages are open, of 200 the import touches
JOBS = 40
PER_PERSON = 40
BROADCAST_SOCKETS, ROUNDS = 1_000, 25

Heard = list[list[tuple[float, int]]]


@dataclass(frozen=True)
class Found:
    """What one run measured; times in seconds."""

    events: int
    import_seconds: float
    websocket: list[float]
    sse: list[float]
    updates: int
    messages: int
    lost: int
    memory: tuple[float, float, float]
    ours: list[float]
    bare: list[float]
    message_bytes: int


def run(folder: Path, *, events: int) -> None:
    with stack.servers(folder):
        port = _free_port()
        os.environ |= {"PORT": str(port), "HOST": "127.0.0.1", "DATABASE_POOL_SIZE": "10"}
        django.setup()
        stack.manage("connect", "files", "--organization", "bench", "--name", "bench")
        workers = {name: stack.worker("config", name, stack.QUEUES) for name in ("worker1", "worker2")}
        beat = {"beat": ["celery", "-A", "config", "beat", "-l", "WARNING", "--pidfile="]}
        with stack.processes(folder, {"web": ["config.web"], **workers, **beat}) as running:
            _await(port)
            stack.wait_for_workers()
            _print(_measure(folder, port, events, psutil.Process(running["web"].pid)))


def _measure(folder: Path, port: int, events: int, web: psutil.Process) -> Found:
    from benchmarks.ingest import Files
    from realtime.models import Update

    files = Files(folder)
    say("a first import, so that there are jobs to look at")
    _import(files.make(50_000))
    empty = web.memory_info().rss / 1e6
    say(f"opening {WEBSOCKETS:,} WebSockets and {EVENT_STREAMS:,} event streams")
    with listening(folder, port, _streams(WEBSOCKETS + EVENT_STREAMS)) as listeners:
        idle = web.memory_info().rss / 1e6
        say(f"importing {events:,} events beside them")
        path = files.make(events)
        last = Update.objects.latest("number").number
        seconds = _import(path)
        threading.Event().wait(5)  # the last words of the import are still on their way
        heard = listeners.stop()
    updates = list(Update.objects.filter(number__gt=last).order_by("number").values_list("number", "job_id", "created_at"))
    busy = web.memory_info().rss / 1e6
    delays, lost = _delays(listeners.streams, heard, updates)
    say(f"a broadcast to {BROADCAST_SOCKETS:,} sockets, ours and a bare one")
    ours, size = _broadcasts(folder, port)
    bare = _bare_broadcasts(folder, size)
    return Found(
        events=events, import_seconds=seconds, websocket=delays[False], sse=delays[True], updates=len(updates),
        messages=sum(map(len, heard)), lost=lost, memory=(empty, idle, busy), ours=ours, bare=bare, message_bytes=size,
    )  # fmt: skip


# --- clients -----------------------------------------------------------------------------------------
def _people(number: int) -> list[str]:
    """Tokens of so many members."""
    from knox.models import AuthToken

    from accounts.models import Membership, Organization, User

    organization, tokens = Organization.objects.get(slug="bench"), []
    for _ in range(number):
        user = User.objects.create_user(f"person-{User.objects.count()}")
        Membership.objects.create(organization=organization, user=user, role="recruiter")
        tokens.append(str(AuthToken.objects.create(user)[1]))
    return tokens


def _streams(number: int) -> list[dict[str, Any]]:
    """WebSockets and event streams mixed as in ``WEBSOCKETS`` and ``EVENT_STREAMS``; most follow one job."""
    from ats.models import Job

    jobs = list(Job.objects.order_by("pk").values_list("pk", flat=True)[:JOBS])
    tokens = _people(number // PER_PERSON + 1)
    every = (WEBSOCKETS + EVENT_STREAMS) // EVENT_STREAMS
    return [
        {
            "sse": n % every == 0,
            "query": "?organization=bench" if n % WIDE_SHARE else f"?jobId={jobs[n // WIDE_SHARE % len(jobs)]}",
            "job": None if n % WIDE_SHARE else jobs[n // WIDE_SHARE % len(jobs)],
            "token": tokens[n // PER_PERSON],
        }
        for n in range(number)
    ]


class Listeners:
    def __init__(self, process: subprocess.Popen[str], found: Path, streams: list[dict[str, Any]]) -> None:
        self._process, self._found, self.streams = process, found, streams

    def stop(self) -> Heard:
        """What each stream has heard."""
        self._process.communicate("stop\n", timeout=120)
        return [[(moment, number) for moment, number in one] for one in json.loads(self._found.read_text())]


@contextmanager
def listening(folder: Path, port: int, streams: list[dict[str, Any]]) -> Iterator[Listeners]:
    spec, found = folder / f"streams-{port}.json", folder / f"heard-{port}.json"
    spec.write_text(json.dumps({"host": "127.0.0.1", "port": port, "streams": streams}))
    with _spoken_to("benchmarks.listeners", str(spec), str(found)) as process:
        yield Listeners(process, found, streams)


@contextmanager
def _spoken_to(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A helper process that has said ``ready``."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, cwd=stack.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{module} did not get ready.")
        yield process
    finally:
        process.kill()
        process.wait()


# --- commit → client ---------------------------------------------------------------------------------
def _delays(
    streams: list[dict[str, Any]], heard: Heard, updates: Iterable[tuple[int, int | None, Any]]
) -> tuple[dict[bool, list[float]], int]:
    """Seconds from each Update's writing (shortly before its commit) until a stream it concerns had heard of it, by
    whether it was an event stream; and how many were never heard of."""
    by_job: dict[int | None, list[tuple[int, float]]] = {}
    everything = [(number, at.timestamp()) for number, _, at in updates]
    for number, job, at in updates:
        by_job.setdefault(job, []).append((number, at.timestamp()))
    found: dict[bool, list[float]] = {False: [], True: []}
    lost = 0
    for stream, messages in zip(streams, heard, strict=True):
        concerned = everything if stream["job"] is None else sorted([*by_job.get(stream["job"], ()), *by_job.get(None, ())])
        numbers = [number for _, number in messages]
        for number, at in concerned:
            place = bisect_left(numbers, number)
            if place == len(messages):
                lost += 1
            else:
                found[stream["sse"]].append(messages[place][0] - at)
    return found, lost


# --- broadcast ---------------------------------------------------------------------------------------
def _broadcasts(folder: Path, port: int) -> tuple[list[float], int]:
    """Seconds from a commit until the last of the sockets had the message, by round; and its size in bytes."""
    from accounts.models import Organization
    from ats.models import Job
    from realtime import log, services

    organization = Organization.objects.get(slug="bench").pk
    job = Job.objects.earliest("pk").pk
    tokens = _people(BROADCAST_SOCKETS // PER_PERSON + 1)
    # only the cells, so that one commit is one message here as it is in the bare server
    streams = [{"sse": False, "query": "?organization=bench&types=job", "token": tokens[n // PER_PERSON]} for n in range(BROADCAST_SOCKETS)]
    committed: dict[int, float] = {}
    with listening(folder, port, streams) as listeners:
        for _ in range(ROUNDS):
            number = services.push(organization_id=organization, job_ids=[job])
            assert number is not None, "a push of a job has a number"
            committed[number] = time.time()
            threading.Event().wait(0.8)
        heard = listeners.stop()
    spent = [max(_heard_at(one, number) for one in heard) - began for number, began in committed.items()]
    text = log.read(organization, after=max(committed) - 1).told[-1].text
    return spent, len(text)


def _heard_at(messages: list[tuple[float, int]], number: int) -> float:
    """When a stream had heard of everything up to ``number``; infinite if never."""
    place = bisect_left([heard for _, heard in messages], number)
    return messages[place][0] if place < len(messages) else math.inf


def _bare_broadcasts(folder: Path, size: int) -> list[float]:
    """The same from the library's ``broadcast``, for as many sockets and bytes."""
    port = _free_port()
    filler = "x" * (size - 40)
    began: list[float] = []
    with _spoken_to("benchmarks.fanout", str(port)) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        streams = [{"sse": False, "query": "", "token": "none"}] * BROADCAST_SOCKETS
        with listening(folder, port, streams) as listeners:
            for number in range(1, ROUNDS + 1):
                server.stdin.write(f'{{"type":"job","v":1,"number":{number},"text":"{filler}"}}\n')
                server.stdin.flush()
                began.append(float(server.stdout.readline()))
                threading.Event().wait(0.8)
            heard = listeners.stop()
    return [max(one[n][0] for one in heard) - began[n] for n in range(ROUNDS)]


# --- plumbing ----------------------------------------------------------------------------------------
def _await(port: int) -> None:
    """Until the web process takes connections."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            threading.Event().wait(0.2)
    raise SystemExit("The web process did not come up within a minute.")


def _import(path: Path) -> float:
    started = time.perf_counter()
    stack.manage("import_events", str(path), "--organization", "bench", "--connector", "bench", "--wait")
    path.unlink()
    return time.perf_counter() - started


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _print(found: Found) -> None:
    empty, idle, busy = found.memory
    ours, bare = statistics.median(found.ours), statistics.median(found.bare)
    every = WEBSOCKETS + EVENT_STREAMS
    rows = [
        (
            f"{found.events:,} events imported meanwhile",
            f"{found.import_seconds:.0f} s",
            f"{found.updates:,} updates, {found.messages:,} messages",
        )
    ]
    for name, delays in (("WebSockets", found.websocket), ("event streams", found.sse)):
        p50, p95, p99 = (_quantile(delays, share) for share in (0.5, 0.95, 0.99))
        many = WEBSOCKETS if name == "WebSockets" else EVENT_STREAMS
        rows.append((f"commit → client, {many:,} {name}: p95", f"{p95:.2f} s", f"p50 {p50:.2f}, p99 {p99:.2f} (wanted: p95 at most 1 s)"))
    rows += [
        ("updates a stream never heard of", f"{found.lost:,}", "(wanted: 0)"),
        ("memory of the web process: nobody there", f"{empty:.0f} MB", ""),
        (
            f"  with {every:,} streams, before and after the import",
            f"{idle:.0f} and {busy:.0f} MB",
            f"{(idle - empty) * 1000 / every:.0f} kB a stream",
        ),
        (
            f"a commit to the last of {BROADCAST_SOCKETS:,} sockets, {found.message_bytes:,} bytes",
            f"{ours * 1000:.0f} ms",
            f"{ours / bare:.1f} times the bare one (wanted: at most 3)",
        ),
        ("limit: bare fan-out of the same, websockets.broadcast", f"{bare * 1000:.0f} ms", ""),
    ]
    print_table("Streams, one web process", rows)
