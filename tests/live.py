"""Real processes beside a test: Celery workers, beat and the web server, as the Procfile would run them."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import redis
from django.conf import settings
from django.db import connection

from config import processes

ROOT = Path(__file__).resolve().parent.parent

FLOW_QUEUES = "raw-events,normalized-events,snapshots,metrics,issues,tasks,updates"


@dataclass
class Running:
    """One process, its output read as it comes."""

    name: str
    process: subprocess.Popen[bytes]
    lines: list[str] = field(default_factory=list)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._arrived:
                self.lines.append(line.decode(errors="replace").rstrip())
                self._arrived.notify_all()
        with self._arrived:
            self._arrived.notify_all()

    def wait_for_line(self, part: str, *, timeout: float = 60) -> str:
        """The first line holding ``part``. Fails with the process's last words if it ends or is silent too long."""

        def found() -> str | None:
            return next((line for line in self.lines if part in line), None)

        with self._arrived:
            self._arrived.wait_for(lambda: found() or self.process.poll() is not None, timeout=timeout)
        line = found()
        assert line is not None, f"{self.name} never said {part!r}:\n" + "\n".join(self.lines[-30:])
        return line

    def kill(self) -> None:
        """kill -9 of the process and its children: nobody gets to say good-bye."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self, *, timeout: float = 40) -> int:
        """Ask it to end, as systemd and Kubernetes would, and wait; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def finish(self) -> None:
        """Wait for an end that has been asked for, then kill what is left of the group."""
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # children that outlived theirs
        except ProcessLookupError:
            pass
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def start(name: str, *command: str, cwd: Path, environment: dict[str, str], pass_fds: tuple[int, ...] = ()) -> Running:
    """A process in a group of its own, which dies with this one."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=pass_fds,
        preexec_fn=processes.child_setup(signal.SIGKILL),  # noqa: PLW1509 (touches no lock)
    )
    running = Running(name, process)
    threading.Thread(target=running.read, name=f"read-{name}", daemon=True).start()
    return running


class LiveStack:
    def __init__(self) -> None:
        self.running: list[Running] = []
        self.environment = {
            **os.environ,
            "DATABASE_URL": _with_database(settings.DATABASE_URL),
            "MIGRATION_DATABASE_URL": _with_database(settings.MIGRATION_DATABASE_URL),
            "REDIS_URL": settings.REDIS_URL,
            "PYTHONUNBUFFERED": "1",
        }
        # what an earlier test left on the broker would be run against this test's rows
        self.broker().flushall()

    def broker(self) -> redis.Redis:
        return redis.Redis.from_url(settings.REDIS_URL)

    def spawn(self, name: str, *command: str, pass_fds: tuple[int, ...] = (), **environment: str) -> Running:
        """Any command of this checkout in a process group of its own."""
        running = start(
            name, *command, cwd=ROOT, environment={**self.environment, "STAGEWATCH_PROCESS": name, **environment}, pass_fds=pass_fds
        )
        self.running.append(running)
        return running

    def worker(self, name: str = "worker", *, queues: str = f"{FLOW_QUEUES},sync", concurrency: int = 1, **environment: str) -> Running:
        """A prefork worker, ready to take work."""
        running = self.spawn(
            name, sys.executable, "-m", "celery", "-A", "config", "worker", "-Q", queues, "-c", str(concurrency),
            "-n", f"{name}@%h", "--loglevel", "INFO", **environment,
        )  # fmt: skip
        running.wait_for_line(" ready.")
        return running

    def beat(self) -> Running:
        running = self.spawn("beat", sys.executable, "-m", "celery", "-A", "config", "beat", "--loglevel", "INFO", "--pidfile=")
        running.wait_for_line("beat: Starting")
        return running

    def web(self, *, port: int | None = None, **environment: str) -> str:
        """The web server on a free loopback port, or that one; returns its address, without a slash at the end."""
        port = port or free_port()
        running = self.spawn("web", sys.executable, "-m", "config.web", HOST="127.0.0.1", PORT=str(port), **environment)
        running.wait_for_line("listening on http")
        return f"http://127.0.0.1:{port}"

    def manage(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """``manage.py`` against the same database, to its end."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False)

    def stop(self) -> None:
        for running in reversed(self.running):
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGTERM)
        for running in self.running:
            running.finish()
        self.running.clear()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


def wait_until(condition: Callable[[], object], *, timeout: float = 30, what: str = "the condition") -> None:
    """Ask until the condition holds. For what other processes do and nobody here is told of."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about within {timeout:.0f} s"
        select.select([], [], [], 0.05)


def _with_database(url: str) -> str:
    """The same server and role, the database of this test run."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{connection.settings_dict['NAME']}"))
