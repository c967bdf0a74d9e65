"""How fast the numbers are served, asked for anew and recomputed, over a large company's past."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import django

from benchmarks import duck, history, plain, stack
from benchmarks.client import Client, Timed, interleaved
from benchmarks.report import Line, print_table, say
from connectors.sandbox.bench import Shape, write_file

ROUNDS = 200
ORGANIZATION = "large"


def run(folder: Path, *, visits: int, jobs: int, port: int, ingest: int) -> None:
    with stack.servers(folder):
        django.setup()
        from django.conf import settings

        lines = _past(settings.MIGRATION_DATABASE_URL, history.Past(visits=visits, jobs=jobs))
        lines += _window(folder, settings.MIGRATION_DATABASE_URL, port)
        lines += _served(folder, port)
        if ingest:
            lines += _fresh(folder, ingest)
    print_table(f"Analytics over {visits:,} visits of {jobs:,} jobs", lines)


def _past(owner: str, past: history.Past) -> list[Line]:
    """Make it (unless the folder already holds one), and recompute it."""
    from analytics.models import StageVisit
    from ats.models import CandidateEvent
    from connectors.models import Connector

    if not StageVisit.objects.exists():
        stack.manage("connect", "files", "--organization", ORGANIZATION, "--name", "past")
        connector = Connector.objects.get(name="past")
        say(f"writing the ledger of {past.applications:,} applications")
        history.load(owner, past, organization=connector.organization_id, connector=connector.pk)
        say("first rebuild: snapshots, visits and numbers from nothing")
        first = _rebuild()
        say("and once more: cells that came into being are computed by the next sweep, or the next rebuild")
        first += _rebuild()
    else:
        first = None
    events = CandidateEvent.objects.count()
    say(f"{events:,} events; plain recompute and rebuild")
    bare, again = plain.recompute(owner), _rebuild()
    lines = [
        Line(f"plain SQL recompute of {events:,} events", f"{bare:.1f} s"),
        Line("rebuild, everything there already", f"{again:.1f} s", f"{again / bare:.1f} times the plain one (wanted: at most 1.5)"),
    ]
    if first:
        lines.append(Line("rebuild from nothing, numbers of new cells included", f"{first:.1f} s", f"{first / bare:.1f} times"))
    return lines


def _rebuild() -> float:
    started = time.perf_counter()
    stack.manage("rebuild", "--organization", ORGANIZATION)
    return time.perf_counter() - started


def _token() -> str:
    from accounts.models import Membership, Organization, User

    user, _ = User.objects.get_or_create(username="bench")
    for organization in Organization.objects.all():
        Membership.objects.get_or_create(user=user, organization=organization, defaults={"role": "viewer"})
    return stack.manage("api_token", "bench").split()[-1]


@contextmanager
def _served_at(folder: Path, port: int) -> Iterator[Client]:
    """The web process of the Procfile, with the constant views beside its own."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATABASE_POOL_SIZE": "10",
        "ASGI_THREADS": "10",
    }
    command = [sys.executable, "-m", "config.web"]
    with (folder / "web.log").open("wb") as log:
        web = subprocess.Popen(command, cwd=stack.ROOT, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            client = Client(port, _token())
            client.wait(web)
            yield client
        finally:
            web.terminate()
            web.wait(timeout=30)


def _served(folder: Path, port: int) -> list[Line]:
    from ats.models import Job

    say("serving")
    jobs = list(Job.objects.order_by("pk").values_list("pk", flat=True))
    with _served_at(folder, port) as client:
        started = time.perf_counter()
        size = len(client.body("/ats/heatmap"))
        cold = time.perf_counter() - started
        screens = client.pages("/ats/heatmap?page_size=50")
        small = interleaved(
            client,
            {
                "constant": lambda _: "/constant",
                "screen": lambda _: screens[0],
                "screens": lambda turn: screens[turn % len(screens)],
                "job": lambda _: f"/ats/jobs/{jobs[0]}/heatmap",
                "people": lambda _: f"/ats/jobs/{jobs[0]}/stage/interview/candidates",
            },
            rounds=ROUNDS,
        )
        large = interleaved(client, {"constant": lambda _: f"/constant/{size}", "all": lambda _: "/ats/heatmap"}, rounds=ROUNDS // 5)
    names = {
        "screen": ("one screen of the org heatmap, 50 jobs", 2.5),
        "screens": ("screen after screen, leafing", 2.5),
        "job": ("one job's heatmap", 3.0),
        "people": ("a page of people", 3.0),
    }
    lines = [Line("an authenticated view that returns a constant, p95", _ms(small["constant"]))]
    lines += [Line(f"{what}, p95", _ms(small[name]), _ratio(small[name], small["constant"], most)) for name, (what, most) in names.items()]
    return [
        *lines,
        Line(f"a constant of {size / 1e6:.1f} MB, p95", _ms(large["constant"])),
        Line(f"all {len(jobs):,} jobs in one answer, warm, p95", _ms(large["all"]), _ratio(large["all"], large["constant"], 1.5)),
        Line("  the first time after a start", f"{cold:.2f} s"),
    ]


def _ms(timed: Timed) -> str:
    return f"{timed.p95:.1f} ms"


def _ratio(timed: Timed, constant: Timed, most: float) -> str:
    return f"{timed.p95 / constant.p95:.2f} times the constant (wanted: at most {most}); medians {timed.p50 / constant.p50:.2f}"


def _window(folder: Path, owner: str, port: int) -> list[Line]:
    from django.utils import timezone

    say("a window of 90 days")
    until = timezone.now() - timedelta(days=100)
    since = until - timedelta(days=90)
    visits = duck.export(owner, folder)
    curves, whole = duck.window(visits, since, until)
    with _served_at(folder, port) as client:
        address = f"/ats/heatmap?from={_iso(since)}&to={_iso(until)}"
        client.body(address)
        started = time.perf_counter()
        client.body(address)
        ours = time.perf_counter() - started
    return [
        Line("DuckDB on Parquet: product-limit curves of a 90-day window", f"{curves:.2f} s"),
        Line("DuckDB on Parquet: curves, rates and counts of it", f"{whole:.2f} s"),
        Line(
            "GET /ats/heatmap with that window, all jobs",
            f"{ours:.2f} s",
            f"{ours / whole:.1f} times the same numbers (wanted: at most 10), {ours / curves:.1f} times the curves alone",
        ),
    ]


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _fresh(folder: Path, events: int) -> list[Line]:
    """Import at full rate beside the past, and see how long after its last batch the last percentile is computed."""
    from analytics.models import StageMetric
    from connectors.models import Batch

    say(f"percentiles after an import of {events:,} events")
    path = folder / "fresh.jsonl"
    write_file(Shape(events=events), path)
    stack.manage("connect", "files", "--organization", "fresh", "--name", "fresh")
    workers = {name: stack.worker("config", name, stack.QUEUES) for name in ("worker1", "worker2")}
    beat = {"beat": ["celery", "-A", "config", "beat", "-l", "WARNING", "--pidfile="]}
    pause = threading.Event()
    with stack.processes(folder, workers | beat):
        stack.wait_for_workers()
        started = time.perf_counter()
        stack.manage("import_events", str(path), "--organization", "fresh", "--connector", "fresh", "--wait")
        seconds = time.perf_counter() - started
        while StageMetric.objects.filter(organization__slug="fresh", dirty=True).exists():
            pause.wait(0.2)
    last = Batch.objects.filter(kind=Batch.Kind.EVENTS, organization__slug="fresh").latest("finished_at").finished_at
    computed = StageMetric.objects.filter(organization__slug="fresh").latest("computed_at").computed_at
    assert last is not None
    assert computed is not None
    late = (computed - last).total_seconds()
    return [
        Line(f"percentiles fresh after the last of {events:,} events ({events / seconds:,.0f}/s)", f"{late:.1f} s", "(wanted: at most 5 s)")
    ]
