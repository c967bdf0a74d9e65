"""Run the sandbox as a process of its own and talk to it: what tests, the demo and benchmarks use.

with running_sandbox(seed=7, applications=200, page_size=3) as sandbox:
    sandbox.fault("throttled", retry_after=1)
    sandbox.tick(20)
    assert sandbox.truth()
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

from connectors.sandbox.api import API_KEY, POWERLESS_KEY

PROJECT = Path(__file__).resolve().parents[2]
#: the first line the server prints, when it answers
READY = "sandbox ready: "


class SandboxFailed(Exception):
    """The sandbox did not start, or refused a control request; the message says why."""


class RunningSandbox:
    """A sandbox that answers at ``url``. ``api_key`` has all rights, ``powerless_key`` none."""

    api_key = API_KEY
    powerless_key = POWERLESS_KEY

    def __init__(self, url: str, process: subprocess.Popen[bytes] | None = None) -> None:
        self.url = url
        self.process = process

    @property
    def base_url(self) -> str:
        """Base of the current API, as a connector is configured with."""
        return f"{self.url}/api/v1"

    @property
    def gateway_url(self) -> str:
        """Base of the older API, still in wide use."""
        return f"{self.url}/api/gateway.php/acme/v1"

    def about(self) -> dict[str, Any]:
        about: dict[str, Any] = self._call("GET", "")
        return about

    def truth(self, since: int = 0) -> list[dict[str, Any]]:
        """Every change after sequence number ``since``."""
        changes: list[dict[str, Any]] = self._call("GET", "truth", {"since": since})["changes"]
        return changes

    def applications(self) -> dict[int, dict[str, Any]]:
        """How every application stands, by id."""
        return {row["id"]: row for row in self._call("GET", "applications")}

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """API calls received after number ``since``: at (epoch seconds), method, path, query, status."""
        calls: list[dict[str, Any]] = self._call("GET", "requests", {"since": since})
        return calls

    def tick(self, number: int = 1) -> list[dict[str, Any]]:
        """Make at least ``number`` changes happen now; returns them."""
        changes: list[dict[str, Any]] = self._call("POST", "tick", body={"number": number})["changes"]
        return changes

    def change(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Make one change by hand, e.g. ``change("status", application_id=1001, status=6, at="2026-10-01T10:00:00Z")``."""
        change: dict[str, Any] = self._call("POST", "changes", body={"kind": kind, **fields})
        return change

    def fault(self, kind: str, **settings: Any) -> None:
        """Switch a fault on (``faults.KINDS``); it hits the next fitting request unless ``times`` says otherwise."""
        self._call("POST", "faults", body={"kind": kind, **settings})

    def faults(self) -> list[dict[str, Any]]:
        """The faults still in force."""
        faults: list[dict[str, Any]] = self._call("GET", "faults")
        return faults

    def clear_faults(self) -> None:
        self._call("DELETE", "faults")

    def clock(self, **settings: Any) -> str:
        """``now=ISO`` stops the clock, ``advance=seconds`` moves it, ``now=None`` lets it run again; returns its time."""
        return str(self._call("POST", "clock", body=settings)["now"])

    def habits(self, **settings: Any) -> dict[str, Any]:
        """Change how the account answers (``account.Habits``), or its ``rate``."""
        habits: dict[str, Any] = self._call("POST", "habits", body=settings)
        return habits

    def history(self) -> list[dict[str, Any]]:
        """The whole past as import rows."""
        return [json.loads(line) for line in self._fetch("GET", "history").splitlines()]

    def export(self, path: Path) -> Path:
        """Write the whole past as an import file (plain JSONL)."""
        path.write_bytes(self._fetch("GET", "history"))
        return path

    def _call(self, method: str, name: str, query: dict[str, Any] | None = None, *, body: Any = None) -> Any:
        return json.loads(self._fetch(method, name, query, body=body))

    def _fetch(self, method: str, name: str, query: dict[str, Any] | None = None, *, body: Any = None) -> bytes:
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=60)
        try:
            path = f"/_sandbox/{name}" + (f"?{urlencode(query)}" if query else "")
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise SandboxFailed(f"{method} {path}: {content.decode(errors='replace')}")
        return content


@contextmanager
def running_sandbox(**options: Any) -> Iterator[RunningSandbox]:
    """Start ``python -m connectors.sandbox serve`` on a free port, stop it at the end.

    Options are those of the command line (``seed``, ``jobs``, ``applications``, ``months``, ``until``, ``state_dir``,
    ``page_size``, ``rate``, ``export`` ...). Nothing happens by itself unless ``rate`` is given.
    """
    with tempfile.TemporaryFile() as errors:
        process = _start({"port": 0, "rate": 0, **options}, errors)
        try:
            yield RunningSandbox(_ready_url(process, errors), process)
        finally:
            _stop(process)


def _start(options: dict[str, Any], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value is not None]
    return subprocess.Popen(
        [sys.executable, "-m", "connectors.sandbox", "serve", "--die-with-parent", *arguments],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def _ready_url(process: subprocess.Popen[bytes], errors: IO[bytes], patience: float = 60.0) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline().decode() if selector.select(patience) else ""
    if not line.startswith(READY):
        errors.seek(0)
        raise SandboxFailed(f"The sandbox did not start within {patience:.0f} s: {errors.read().decode(errors='replace')[-2000:]}")
    return line.removeprefix(READY).split()[0]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
