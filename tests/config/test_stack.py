"""The whole stack as a person starts it: one command, one Ctrl-C, and nothing left."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import pytest
from django.db import OperationalError

from config import stack
from config.demo import Logins
from config.management.commands import demo as demo_command
from config.stack import answers
from config.supervisor import Stopped
from tests.live import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = [pytest.mark.stack, pytest.mark.slow]


class Command:
    """A management command in a terminal of its own, with its own var/ and port."""

    def __init__(self, var: Path, port: int) -> None:
        self.var, self.port = var, port
        self.process: subprocess.Popen[str] | None = None
        self.said = ""

    def start(self, *arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        environment |= {"STAGEWATCH_VAR": str(self.var), "PORT": str(self.port), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # a shell has what it starts behind itself ignore Ctrl-C, and so would all that these tests start
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (no other thread holds a lock here)
        )

    def read_until(self, part: str) -> None:
        """Read on until a line holds ``part``; fails with everything said if the command ends first."""
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if part in line:
                return
        pytest.fail(f"the command ended without saying {part!r}:\n{self.said}")

    def interrupt(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> int:
        assert self.process is not None
        output, _ = self.process.communicate(timeout=60)
        self.said += output
        return self.process.returncode

    def living(self) -> list[psutil.Process]:
        """Every process that was told of this var/, whoever its parent is now."""
        found = []
        for process in psutil.process_iter(["status"]):
            try:
                if process.info["status"] == psutil.STATUS_ZOMBIE:
                    continue
                told = process.environ().get("STAGEWATCH_VAR") == str(self.var) or str(self.var) in " ".join(process.cmdline())
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            if told and process.pid != os.getpid():
                found.append(process)
        return found

    def value(self, name: str) -> str:
        return next(line.partition(": ")[2] for line in self.said.splitlines() if line.startswith(f"{name}: "))


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Command(tmp_path / "var", port)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
    if made.process is not None:
        made.process.communicate()  # closes its output too
    for process in made.living():
        process.kill()


def get(url: str, token: str) -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Token {token}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def test_a_killed_worker_comes_back_and_ctrl_c_leaves_no_process(command: Command) -> None:
    command.start("stack")
    command.read_until("url: ")
    assert command.value("url") == f"http://127.0.0.1:{command.port}"
    command.read_until("Ctrl-C stops everything")
    assert "Nobody can log in yet. In a second terminal, in this folder: .venv/bin/python manage.py createsuperuser" in command.said
    assert "superuser privileges" not in command.said
    assert answers(f"{command.value('url')}/healthz")
    (worker,) = [process for process in command.living() if "worker@%h" in process.cmdline() and process.ppid() == command_pid(command)]

    worker.kill()

    command.read_until("supervisor: ended with code -9, starting again now")
    command.read_until(" ready.")
    assert command.interrupt() == 0
    assert command.said.rstrip().endswith("stopped")
    assert command.living() == []
    log = (command.var / "log" / "worker.log").read_text()
    assert " INFO celery.worker.strategy Task config.heartbeat" in log
    assert "config.heartbeat" not in command.said, "what comes every few seconds would carry everything else off the screen"


def command_pid(command: Command) -> int:
    assert command.process is not None
    return command.process.pid


def test_a_killed_stack_leaves_no_process_and_nothing_in_the_way(command: Command) -> None:
    command.start("stack")
    command.read_until("url: ")
    assert command.process is not None

    command.process.kill()

    command.process.communicate()
    wait_until(lambda: command.living() == [], timeout=60, what="the end of every process")
    command.start("stack")
    command.read_until("url: ")
    assert command.interrupt() == 0


def test_a_full_disk_is_one_sentence_where_the_database_is_ours(tmp_path: Path) -> None:
    with mock.patch.object(stack.shutil, "disk_usage", autospec=True, return_value=mock.Mock(free=64 * 2**20)):
        with (
            mock.patch.object(stack.embedded, "needed", autospec=True, return_value=["postgres"]),
            pytest.raises(stack.StackError, match=r"^Only 64 MB are free at .*, and the database needs 256 to start; free some, or set"),
        ):
            stack.require_room(tmp_path / "var")
        with mock.patch.object(stack.embedded, "needed", autospec=True, return_value=["valkey"]):
            stack.require_room(tmp_path / "var")


def test_ctrl_c_while_the_servers_start_is_no_traceback_and_leaves_none(command: Command) -> None:
    command.start("stack")
    wait_until((command.var / "run").exists, what="the beginning of a server")

    assert command.interrupt() == 130
    assert command.said.splitlines() == ["starting; the first time, the database is made", "stopped"]
    wait_until(lambda: command.living() == [], what="the end of what had begun")


def test_a_busy_port_is_one_sentence(command: Command) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", command.port))
        other.listen()
        command.start("stack")
        code = command.end()

    assert code == 1
    assert command.said.rstrip().splitlines()[-1] == (
        f"CommandError: Port {command.port} on 127.0.0.1 cannot be used (Address already in use); "
        "stop the program that holds it, or choose another with PORT=…."
    )
    assert "Traceback" not in command.said
    assert command.living() == []


def test_a_database_that_is_away_for_a_while_does_not_end_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its keeper starts it again; how long that takes is not ours to say."""
    monkeypatch.setattr(demo_command, "LOOK_EVERY", 0)
    monkeypatch.setattr(demo_command, "POLL_EVERY", 0)
    told = StringIO()
    following = mock.Mock(step=mock.Mock(side_effect=[None] * 4 + [Stopped]))
    with (
        mock.patch.object(demo_command, "close_old_connections", autospec=True),
        mock.patch.object(demo_command.demo, "ended_runs", autospec=True, return_value=[]),
        mock.patch.object(
            demo_command.demo, "ask_for_changes", autospec=True, side_effect=[None, OperationalError, OperationalError, None]
        ) as asked,
        pytest.raises(Stopped),
    ):
        demo_command.Command(stdout=told)._follow(following, mock.Mock())

    assert asked.call_count == 4
    assert told.getvalue().count("the database is away, waiting for it") == 1


def test_the_demo_shows_a_company_and_goes_on_where_it_stopped(command: Command) -> None:
    command.var.mkdir()
    Logins(sandbox_key="-begins-with-a-dash").save(command.var / "demo.json")  # as one random key in 64 does
    command.start("demo", "--applications", "150")
    command.read_until("Ctrl-C stops everything")
    token, jobs = command.value("token"), get(f"{command.value('url')}/ats/jobs", command.value("token"))

    heatmap = get(f"{command.value('url')}/ats/jobs/{jobs['results'][0]['id']}/heatmap", token)
    assert sum(stage["entered"] for stage in heatmap["stages"]) > 0
    assert command.said.count("login: ") == 2
    command.read_until("delta sync")  # the company goes on and is followed
    assert command.interrupt() == 0
    assert command.living() == []

    again = Command(command.var, command.port)
    again.start("demo")
    again.read_until("Ctrl-C stops everything")
    assert again.value("token") == token
    assert "history" not in again.said
    assert again.interrupt() == 0
    assert again.living() == []
    assert oct((command.var / "demo.json").stat().st_mode & 0o777) == "0o600"
