"""The whole product on one machine: embedded servers, schema, and the Procfile's processes under one supervisor."""

from __future__ import annotations

import os
import shutil
import time
import urllib.error
import urllib.request
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import redis
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from kombu.exceptions import OperationalError

from config import embedded, env, exposition, leases, redis_url, telemetry_folder
from config.celery import app
from config.supervisor import Listener, Supervisor, parse_procfile, require_free_port

#: seconds between looks at the embedded servers' keepers
LEASE_CHECK = 2.0
#: seconds a fresh web process or worker may take; imports on a busy small machine
READY_PATIENCE = 90.0
#: bytes without which the embedded database does not come up, or not for long
LEAST_ROOM = 256 * 2**20
#: seconds a broker may take to answer
BROKER_PATIENCE = 5.0
#: deaths while starting after which a process is not going to stay up
GIVE_UP_AFTER = 3


class StackError(Exception):
    """The stack did not come up. One sentence, then the last words of the process at fault."""


class Stack:
    """Use as a context manager: on leaving, every process started here is gone."""

    def __init__(self, *, listener: Listener | None = None) -> None:
        self.var = embedded.var_dir()
        self.host = env.text("HOST", "127.0.0.1")
        self.port = env.integer("PORT", 8000, minimum=1, maximum=65_535)
        self.values = self.var / "metrics"
        self.supervisor = Supervisor(
            root=embedded.BASE_DIR,
            logs=self.var / "log",
            environment={telemetry_folder.VARIABLE: str(self.values), **env.for_children(), **quiet_about_root()},
            listener=self._heard,
            chore=self._renew,
        )
        self._listener = listener
        self._last_words: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=15))
        self._lease: leases.Lease | None = None
        self._checked = 0.0

    @property
    def url(self) -> str:
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 (compared, not bound)
        return f"http://{shown}:{self.port}"

    def __enter__(self) -> Stack:
        require_free_port(self.host, self.port)
        require_room(self.var)
        self._lease = leases.start(self.var, embedded.needed())
        exposition.empty(self.values)
        self.supervisor.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.supervisor.__exit__(kind, error, trace)
        finally:
            if self._lease is not None:
                self._lease.release()

    def bring_up(self) -> None:
        """Migrate, start what the Procfile names, wait until it answers. Raises StackError."""
        require_broker()
        commands = parse_procfile((embedded.BASE_DIR / "Procfile").read_text(encoding="utf-8"))
        # in this process, which has Django loaded already; nothing runs yet that would have to be looked after
        commands.pop("release")
        call_command("release", verbosity=0)
        connections.close_all()
        for name, command in commands.items():
            self.supervisor.add(name, command)
        workers = {name for name in commands if " worker " in f" {commands[name]} "}
        self.wait("worker", lambda: workers <= answering_workers())
        self.wait("web", lambda: answers(f"{self.url}/healthz"))
        # a first message from beat has come through a worker
        self.wait("beat", lambda: answers(f"{self.url}/readyz"))

    def run(self, name: str, command: str) -> None:
        """One command to its end, beside what runs. Raises StackError if it fails."""
        code = self.supervisor.run_once(name, command)
        if code != 0:
            raise StackError(f"{name} failed with code {code}:{self._quote(name)}")

    def wait(self, name: str, condition: Callable[[], bool]) -> None:
        """Until the condition holds. Raises StackError when it takes too long, or when a process cannot stay up."""

        def settled() -> bool:
            for child in self.supervisor.children.values():
                if child.restarts.deaths >= GIVE_UP_AFTER:
                    raise StackError(f"{child.name} ended {GIVE_UP_AFTER} times while starting:{self._quote(child.name)}")
            return condition()

        if not self.supervisor.wait_for(settled, timeout=READY_PATIENCE):
            raise StackError(f"{name} was not ready within {READY_PATIENCE:.0f} s:{self._quote(name)}")

    def step(self) -> None:
        """A moment of looking after everything. Raises Stopped once asked for the end."""
        self.supervisor.step()

    def _renew(self) -> None:
        if self._lease is not None and time.monotonic() - self._checked > LEASE_CHECK:
            self._checked = time.monotonic()
            self._lease.renew()

    def _heard(self, name: str, line: str) -> None:
        self._last_words[name].append(line)
        if self._listener is not None:
            self._listener(name, line)

    def _quote(self, name: str) -> str:
        words = "".join(f"\n  {line}" for line in self._last_words[name]) or " it said nothing"
        return f"{words}\n(the whole log: {self.supervisor.logs / name}.log)"


def quiet_about_root() -> dict[str, str]:
    """Celery tells whoever runs it as root to use its --uid. Here one would look for that in vain: the Procfile is the
    command line, and an installation that others can reach has users of its own (deploy/)."""
    before = os.environ.get("PYTHONWARNINGS", "")
    return {"PYTHONWARNINGS": ",".join(filter(None, [before, "ignore:You're running the worker with superuser privileges"]))}


def require_room(var: Path) -> None:
    """Raises StackError where the embedded database would stop in the middle of its first transaction."""
    place = next(path for path in (var, *var.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if embedded.POSTGRES in embedded.needed() and free < LEAST_ROOM:
        raise StackError(
            f"Only {free // 2**20} MB are free at {place}, and the database needs {LEAST_ROOM // 2**20} to start; "
            "free some, or set STAGEWATCH_VAR to a folder with more room."
        )


def require_broker() -> None:
    """Raises StackError while there is still a person reading, rather than every worker failing in a log."""
    last = redis_url.database(settings.REDIS_URL, redis_url.CACHE)  # a server with fewer databases will not do
    try:
        with redis.Redis.from_url(last, socket_timeout=BROKER_PATIENCE, socket_connect_timeout=BROKER_PATIENCE) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise StackError(f"the broker refused: {str(error).rstrip('.')}; check REDIS_URL.") from None


def answers(url: str) -> bool:
    """Whether a GET is answered with 200 within a second."""
    try:
        with urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 (http, our own address)
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def answering_workers() -> set[str]:
    """Names, without the host, of the workers that answer on the broker within half a second."""
    try:
        replies = app.control.ping(timeout=0.5)
    except (OSError, OperationalError):
        return set()
    return {name.partition("@")[0] for reply in replies or [] for name in reply}
