"""An operator's afternoon: a copy of the checkout, servers of its own, the processes as the systemd units have them, the settings
of a public installation; an account connected; a worker killed and the right alert; everything restarted under load; a
backup restored; and doctor's word that all is well."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import requests
from cryptography.fernet import Fernet

from connectors.sandbox.process import RunningSandbox, running_sandbox
from tests.bamboo import SETTINGS
from tests.live import ROOT, Running, wait_until
from tests.live import start as start_process
from tests.prometheus import Prometheus
from tests.test_backup import HOLD
from tests.test_rolling_restart import Visitors

pytestmark = [pytest.mark.stack, pytest.mark.afternoon, pytest.mark.timeout(900)]

HOST = "stagewatch.example.com"
PANELS = json.loads((ROOT / "deploy" / "grafana" / "stagewatch.json").read_text(encoding="utf-8"))["panels"]
UNITS = {"web-1": "stagewatch-web@.service", "web-2": "stagewatch-web@.service", "worker-1": "stagewatch-worker@.service",
         "syncer": "stagewatch-syncer.service", "beat": "stagewatch-beat.service"}  # fmt: skip


class Box:
    """One machine: a checkout, its environment file, and what systemd would start."""

    def __init__(self, home: Path, servers: dict[str, str], listener: socket.socket) -> None:
        self.home, self.listener = home, listener
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.token = secrets.token_urlsafe(16)
        text = (home / "deploy" / "production.env.example").read_text(encoding="utf-8")
        shipped = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            **shipped,
            **servers,
            "SECRET_KEY": secrets.token_urlsafe(50),
            "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
            "METRICS_TOKEN": self.token,
            "ALLOWED_HOSTS": f"{HOST},127.0.0.1",
            "DRAIN_SECONDS": "1",
            "STAGEWATCH_VAR": str(home / "var"),
            "PROMETHEUS_MULTIPROC_DIR": str(home / "var" / "metrics"),
            "PYTHONUNBUFFERED": "1",
        }
        self.running: dict[str, Running] = {}

    def manage(self, *arguments: str, ok: bool = True, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=self.home, env={**self.environment, **more}, capture_output=True, text=True,
            timeout=180, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) is ok, f"{arguments}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout + done.stderr

    def start(self, name: str) -> Running:
        """As the unit says: its environment, its command, and the socket for web."""
        unit = (self.home / "deploy" / "systemd" / UNITS[name]).read_text(encoding="utf-8").replace("%i", name.rpartition("-")[2])
        told = dict(pair.split("=", 1) for line in re.findall(r"^Environment=(.+)$", unit, re.M) for pair in shlex.split(line))
        found = re.search(r"^ExecStart=/opt/stagewatch/\.venv/bin/(.+)$", unit, re.M)
        assert found is not None
        # what the file says outranks what the unit says, and is what the command line is filled in with
        environment = {**told, **self.environment}
        written = re.sub(r"\$\{(\w+)\}", lambda name: environment[name[1]], found[1].replace("%%", "%"))
        program, *arguments = shlex.split(written)
        command = [sys.executable, *arguments] if program == "python" else [sys.executable, "-m", program, *arguments]
        if "Sockets=" in unit:
            number = self.listener.fileno()
            handed = [sys.executable, "-c", HANDED, str(number), *command[1:]]
            running = start_process(name, *handed, cwd=self.home, environment={**environment, "LISTEN_FDS": "1"}, pass_fds=(number,))
        else:
            running = start_process(name, *command, cwd=self.home, environment=environment)
        self.running[name] = running
        running.wait_for_line({"beat": "beat: Starting"}.get(name, "listening on http" if "web" in name else " ready."))
        return running

    def stop(self) -> None:
        for running in self.running.values():
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGTERM)
        for running in self.running.values():
            running.finish()


#: sd_listen_fds(3): the socket is number 3, and the process whose id stands in LISTEN_PID takes it
HANDED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    home = tmp_path / "clone"
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in tracked.stdout.splitlines():
        if (ROOT / name).is_file():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, home / name)
    (home / ".venv").symlink_to((ROOT / ".venv").resolve())
    servers = tmp_path / "s"
    servers.mkdir(mode=0o755)
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "STAGEWATCH_VAR": str(servers), "STAGEWATCH_SHARED_BUFFERS_MB": "64"},
    )  # fmt: skip
    assert held.stdin is not None
    assert held.stdout is not None
    from config import embedded

    try:
        assert held.stdout.readline() == "up\n"
        urls = {
            "DATABASE_URL": embedded.database_url(servers),
            "MIGRATION_DATABASE_URL": embedded.migration_database_url(servers),
            "REDIS_URL": embedded.redis_url(servers),
        }
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            made = Box(home, urls, listener)
            try:
                yield made
            finally:
                made.stop()
    finally:
        held.stdin.close()
        held.wait(30)
        held.stdout.close()


@pytest.fixture
def prometheus(box: Box, tmp_path: Path) -> Iterator[Prometheus]:
    """Scrapes the box, and judges all of its rules."""
    running = Prometheus(tmp_path / "prometheus", target=box.address, token=box.token, rules=box.home / "deploy/prometheus/alerts.yaml")
    yield running
    running.stop()


def test_an_operators_afternoon(box: Box, prometheus: Prometheus, tmp_path: Path) -> None:
    box.manage("check", "--deploy", "--fail-level", "WARNING")
    box.manage("release")
    for name in UNITS:
        box.start(name)
    with running_sandbox(seed=3, jobs=4, applications=60, months=3, page_size=20) as sandbox:
        connect(box, sandbox)
        wait_until(lambda: ready(box), timeout=150, what="a deployment that says it is ready")
        box.manage("sync", "acme/bamboo", "--full", "--wait")
        prometheus.wait_for_judgement()
        assert prometheus.firing() == set(), "all is well, and nothing alerts"
        assert set(prometheus.rules().values()) == {"ok"}, "every shipped rule is judged"
        for asked in (target["expr"] for panel in PANELS for target in panel.get("targets", ())):
            prometheus.query(re.sub(r"\$__\w+", "5m", asked))  # fails on what Prometheus does not understand

        os.killpg(box.running["worker-1"].process.pid, signal.SIGKILL)
        fired: set[str] = set()
        wait_until(lambda: fired.update(prometheus.firing()) or "StagewatchWorkerGone" in fired, timeout=200, what="the alert")
        assert fired == {"StagewatchWorkerGone"}
        box.running["worker-1"].finish()
        box.start("worker-1")
        wait_until(lambda: not prometheus.firing(), timeout=60, what="quiet again")

        with Visitors(box.address, api_token(box), **{"X-Forwarded-Proto": "https", "Host": HOST}) as visitors:
            for name in UNITS:
                box.running[name].end()
                box.running[name].finish()
                before = visitors.answers.total()
                box.start(name)
                wait_until(lambda before=before: visitors.answers.total() > before, what="visitors")
            box.manage("sync", "acme/bamboo", "--full")  # goes on while the dump is taken
            back_up_and_restore(box, tmp_path / "stagewatch.dump")
        assert visitors.failures == []
        assert set(visitors.answers) == {200}
        box.manage("sync", "acme/bamboo", "--delta", "--wait")
    wait_until(lambda: ready(box), timeout=60, what="readiness")
    prometheus.wait_for_judgement()
    wait_until(lambda: not prometheus.firing(), timeout=60, what="no alert")
    said = box.manage("doctor")
    assert "all is well" in said, said


def connect(box: Box, sandbox: RunningSandbox) -> None:
    settings = [f"--set={name}={'true' if value is True else value}" for name, value in SETTINGS.items()]
    box.manage(
        "connect", "bamboohr", "--organization", "acme", "--name", "bamboo", "--base-url", sandbox.base_url, "--secret-env", "BAMBOO_KEY",
        *settings, BAMBOO_KEY=sandbox.api_key,
    )  # fmt: skip


def ready(box: Box) -> bool:
    return requests.get(f"{box.address}/readyz", timeout=10).status_code == 200


def api_token(box: Box) -> str:
    box.manage("shell", "-c", "from accounts.models import *; o = Organization.objects.get(slug='acme');"
               "u = User.objects.create_user('alice'); Membership.objects.create(user=u, organization=o, role=Role.RECRUITER)")  # fmt: skip
    return box.manage("api_token", "alice").strip().splitlines()[-1].split()[-1]


def back_up_and_restore(box: Box, dump: Path) -> None:
    """docs/operate.md, Backup and Restore: into another, empty database of the server."""
    owner = box.environment["MIGRATION_DATABASE_URL"]
    with psycopg.connect(owner, autocommit=True) as database:
        database.execute("create database restored")
    tool = [str(box.home / "scripts" / "pg")]
    other = {
        name: urlunsplit(urlsplit(box.environment[name])._replace(path="/restored")) for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL")
    }
    for command in (
        [*tool, "pg_dump", "--format=custom", f"--file={dump}", f"--dbname={owner}"],
        [*tool, "pg_restore", "--exit-on-error", "--no-owner", f"--dbname={other['MIGRATION_DATABASE_URL']}", str(dump)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    box.manage("release", **other)
    assert "no drift" in box.manage("rebuild", "--organization", "acme", "--check", **other)
