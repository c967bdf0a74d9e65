"""Nothing of people and no secret leaves by a side door, and one id leads from the provider to the screen.

Real processes on a simulated account whose people are the canaries; every step fails, quoting one of them. Then all logs,
metrics, everything that ever went to Redis, and every envelope for Sentry are searched for them.
"""

from __future__ import annotations

import gzip
import json
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from django.conf import settings
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from accounts.models import Membership, User
from accounts.services import issue_token
from ats.models import Candidate
from config import correlation, flow, telemetry_folder
from connectors.models import Batch
from connectors.sandbox.process import running_sandbox
from tests.bamboo import BambooAccount
from tests.live import FLOW_QUEUES, LiveStack, wait_until

pytestmark = pytest.mark.stack

SECRET = "canary-5ecret-k3y-of-the-account"


@contextmanager
def sentry() -> Iterator[tuple[str, list[str]]]:
    """A DSN on this machine, and the envelopes that came to it."""
    envelopes: list[str] = []

    class Sink(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            envelopes.append((gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://key@127.0.0.1:{server.server_port}/1", envelopes
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def overheard() -> Iterator[list[str]]:
    """Every command any process sends to Redis."""
    commands: list[str] = []
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=None)
    monitor = client.monitor()
    monitor.__enter__()

    def listen() -> None:
        try:
            for command in monitor.listen():
                commands.append(str(command["command"]))
        except (redis.RedisError, OSError, ValueError, AttributeError):
            pass  # closed

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield commands
    finally:
        monitor.connection.disconnect()
        thread.join(timeout=5)
        client.close()


@contextmanager
def screen(address: str, token: str) -> Iterator[list[dict[str, Any]]]:
    """What a browser is told."""
    told: list[dict[str, Any]] = []
    request = urllib.request.Request(f"{address}/realtime/updates", headers={"Authorization": f"Token {token}"})
    stream = urllib.request.urlopen(request, timeout=120)

    def listen() -> None:
        try:
            for line in stream:
                if line.startswith(b"data: "):
                    told.append(json.loads(line[6:]))
        except (OSError, ValueError, AttributeError):
            pass  # closed

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield told
    finally:
        stream.fp.raw._sock.shutdown(2)


def get(address: str, path: str, token: str) -> str:
    request = urllib.request.Request(f"{address}{path}", headers={"Authorization": f"Token {token}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read().decode()


def test_people_and_secrets_stay_inside_and_one_id_leads_through(live_stack: LiveStack, tmp_path: Path) -> None:
    with sentry() as (dsn, envelopes), overheard() as commands, running_sandbox(
        seed=5, jobs=3, applications=25, months=2, api_key=SECRET
    ) as sandbox:  # fmt: skip
        live_stack.environment |= {
            "LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG", "SENTRY_DSN": dsn, "LEAKS": str(tmp_path),
            telemetry_folder.VARIABLE: str(tmp_path / "values"), "METRICS_TOKEN": "",
        }  # fmt: skip
        sandbox.api_key = SECRET
        account = BambooAccount(live_stack, sandbox, organization="acme")
        user = User.objects.create_user("looker", password="canary-pa55word")
        Membership.objects.create(user=user, organization=account.organization, role="recruiter")
        token = issue_token(user=user)
        live_stack.spawn(
            "worker", sys.executable, "-m", "celery", "-A", "tests.leaky", "worker", "-Q", f"{FLOW_QUEUES},sync", "-c", "2",
            "--loglevel", "INFO",
        ).wait_for_line(" ready.")  # fmt: skip
        PeriodicTask.objects.all().delete()
        often = IntervalSchedule.objects.create(every=1, period="seconds")
        PeriodicTask.objects.create(name="sweep", task="connectors.sweep", interval=often)
        live_stack.beat()
        web = live_stack.web()
        with screen(web, token) as told:
            run = account.poll()
            again = account.poll()
            people = list(Candidate.objects.exclude(name="").values_list("name", "email"))
            get(web, f"/ats/jobs?search={people[0][0].split()[0]}", token)
            for typed in (f"/ats/candidates/{quote(people[1][0])}", f"/{quote(people[2][0])}", f"/admin/{quote(people[3][0])}"):
                with suppress(urllib.error.HTTPError):
                    get(web, typed, token)
            metrics = get(web, "/metrics", token)
            wait_until(lambda: any(one.get("correlation_id") == run.correlation_id for one in told), what="the run's update")
            wait_until(lambda: len(envelopes) >= 2 * len(flow.RECOMPUTABLE), what="reports of the errors")
        live_stack.stop()
        said = {running.name: "\n".join(running.lines) for running in _ran}

    canaries = {SECRET, token, "canary-pa55word", *(name for name, _ in people), *(email for _, email in people if email)}
    assert len(canaries) > 20
    for where, text in {**said, "metrics": metrics, "redis": "\n".join(commands), "sentry": "\n".join(envelopes)}.items():
        assert len(text) > 200, f"nothing was collected from {where}"
        assert [canary for canary in canaries if canary in text] == [], where
    assert {path.name for path in tmp_path.glob("*:*")} >= {f"{kind}:{step}" for kind in ("value", "row") for step in flow.RECOMPUTABLE}

    # one id: provider fetch, steps, messages, rows, screen
    identity = run.correlation_id
    lines = [json.loads(line) for line in said["worker"].splitlines() if line.startswith("{")]
    mine = [line for line in lines if line.get("correlation_id") == identity]
    assert any(line["logger"] == "connectors.http" for line in mine)
    assert any(line.get("action") == "step_failed" for line in mine)
    assert any(identity in command and correlation.HEADER in command for command in commands)
    assert set(Batch.objects.filter(sync_run=run).values_list("correlation_id", flat=True)) == {identity}
    assert again.correlation_id != identity


_ran: list[Any] = []


@pytest.fixture(autouse=True)
def _remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """`LiveStack.stop` forgets its processes; their words are wanted after it."""
    _ran.clear()
    original = LiveStack.spawn

    def spawn(self: LiveStack, *arguments: Any, **options: Any) -> Any:
        running = original(self, *arguments, **options)
        _ran.append(running)
        return running

    monkeypatch.setattr(LiveStack, "spawn", spawn)
