"""The supervisor over small real programs, and the signals that end it."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from config.processes import Restarts
from config.supervisor import PortTaken, ProcfileError, Stopped, Supervisor, parse_procfile, require_free_port
from tests.live import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent

#: says its number, then waits to be stopped, which takes it a line
PATIENT = f"{sys.executable} -uc " + shlex.quote(
    "import os, signal, sys; signal.signal(15, lambda *_: (print('bye'), sys.exit(0))); print('pid', os.getpid()); signal.pause()"
)
#: starts a child in the same process group, and both ignore the polite signal
STUBBORN = "sh -c 'trap \"\" TERM; sleep 300 & echo child $!; wait; sleep 300'"


@pytest.fixture
def heard() -> list[tuple[str, str]]:
    return []


def make(tmp_path: Path, heard: list[tuple[str, str]]) -> Supervisor:
    return Supervisor(root=ROOT, logs=tmp_path / "log", listener=lambda name, line: heard.append((name, line)))


def number(heard: list[tuple[str, str]], word: str, occurrence: int = 0) -> int:
    return int([line.split()[1] for _, line in heard if line.startswith(f"{word} ")][occurrence])


def count(heard: list[tuple[str, str]], word: str) -> int:
    return sum(line.startswith(word) for _, line in heard)


# --- Procfile ------------------------------------------------------------------------------------
def test_a_procfile_names_commands_in_order() -> None:
    text = "# comment\n\nweb: daphne -p ${PORT:-8000} a:b\nworker-2:  celery -A config worker\n"
    assert list(parse_procfile(text).items()) == [("web", "daphne -p ${PORT:-8000} a:b"), ("worker-2", "celery -A config worker")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("web daphne", "Procfile, line 1: expected `name: command`."),
        ("web: a\nweb: b", "Procfile, line 2: web is there twice."),
        ("\nweb:", "Procfile, line 2: expected `name: command`."),
    ],
)
def test_a_bad_procfile_names_its_line(text: str, sentence: str) -> None:
    with pytest.raises(ProcfileError) as caught:
        parse_procfile(text)
    assert str(caught.value) == sentence


def test_the_procfile_of_the_project_starts_every_kind_of_process() -> None:
    assert list(parse_procfile((ROOT / "Procfile").read_text())) == ["release", "web", "worker", "syncer", "beat"]


def test_every_queue_of_the_flow_is_consumed_by_some_process() -> None:
    from config.flow import QUEUES

    commands = parse_procfile((ROOT / "Procfile").read_text()).values()
    consumed = {queue for command in commands for queue in command.partition(" -Q ")[2].split(" ")[0].split(",") if queue}
    assert set(QUEUES.values()) <= consumed


# --- ports ---------------------------------------------------------------------------------------
def test_a_busy_port_is_one_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            require_free_port("127.0.0.1", port)
    assert str(caught.value) == (
        f"Port {port} on 127.0.0.1 cannot be used (Address already in use); stop the program that holds it, or choose another with PORT=…."
    )
    require_free_port("127.0.0.1", port)  # free again


# --- restarts ------------------------------------------------------------------------------------
def test_a_process_dying_again_and_again_waits_longer_and_is_forgiven_after_a_good_minute() -> None:
    restarts = Restarts()
    assert [restarts.delay(lived=1) for _ in range(8)] == [0, 1, 2, 5, 10, 30, 30, 30]
    assert restarts.delay(lived=61) == 0


def test_a_killed_process_is_started_again(tmp_path: Path, heard: list[tuple[str, str]]) -> None:
    with make(tmp_path, heard) as supervisor:
        supervisor.add("patient", PATIENT)
        assert supervisor.wait_for(lambda: count(heard, "pid") == 1, timeout=10)

        os.kill(number(heard, "pid"), signal.SIGKILL)

        assert supervisor.wait_for(lambda: count(heard, "pid") == 2, timeout=10)
        assert number(heard, "pid", 0) != number(heard, "pid", 1)
    assert ("patient", "supervisor: ended with code -9, starting again now") in heard
    assert "ended with code -9" in (tmp_path / "log" / "patient.log").read_text()


def test_what_a_killed_process_leaves_in_its_group_ends_before_it_starts_again(
    tmp_path: Path, heard: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the children of a killed Celery worker, which would go on beside those of its successor."""
    monkeypatch.setattr("config.supervisor.STOP_PATIENCE", 0.5)
    with make(tmp_path, heard) as supervisor:
        child = supervisor.add("stubborn", STUBBORN)
        assert supervisor.wait_for(lambda: count(heard, "child") == 1, timeout=10)
        orphan = psutil.Process(number(heard, "child"))

        assert child.process is not None
        child.process.kill()

        assert supervisor.wait_for(lambda: count(heard, "child") == 2, timeout=10)
        wait_until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE, what="the orphan's end")


# --- the end -------------------------------------------------------------------------------------
def test_leaving_stops_politely_and_keeps_the_last_words(tmp_path: Path, heard: list[tuple[str, str]]) -> None:
    with make(tmp_path, heard) as supervisor:
        supervisor.add("patient", PATIENT)
        assert supervisor.wait_for(lambda: count(heard, "pid") == 1, timeout=10)
        process = psutil.Process(number(heard, "pid"))

    assert not process.is_running()
    assert heard[-1] == ("patient", "bye")
    assert (tmp_path / "log" / "patient.log").read_text().endswith("bye\n")


def test_a_process_that_does_not_stop_is_killed_with_its_children(
    tmp_path: Path, heard: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.supervisor.STOP_PATIENCE", 0.5)
    with make(tmp_path, heard) as supervisor:
        child = supervisor.add("stubborn", STUBBORN)
        assert supervisor.wait_for(lambda: count(heard, "child") == 1, timeout=10)
        assert child.process is not None
        group = child.process.pid

    wait_until(lambda: not living_members(group), what="the end of the group")


def living_members(group: int) -> list[int]:
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except ProcessLookupError:
            continue
    return found


def test_a_signal_ends_the_wait_at_once_and_gives_the_handlers_back(tmp_path: Path, heard: list[tuple[str, str]]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with make(tmp_path, heard) as supervisor:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Stopped):
            supervisor.step(timeout=60)
    assert signal.getsignal(signal.SIGINT) is before


# --- one-offs ------------------------------------------------------------------------------------
def test_a_one_off_gives_its_exit_code_while_the_others_go_on(tmp_path: Path, heard: list[tuple[str, str]]) -> None:
    with make(tmp_path, heard) as supervisor:
        supervisor.add("patient", PATIENT)

        assert supervisor.run_once("good", "true && echo first && echo second") == 0
        assert supervisor.run_once("bad", "echo oops; exit 7") == 7

        assert supervisor.wait_for(lambda: count(heard, "pid") == 1, timeout=10)
    assert [line for name, line in heard if name == "good"] == ["first", "second"]
    assert ("bad", "oops") in heard


def test_an_endless_line_does_not_grow_without_bound(tmp_path: Path, heard: list[tuple[str, str]]) -> None:
    with make(tmp_path, heard) as supervisor:
        supervisor.run_once("chatty", f"{sys.executable} -c \"import sys; sys.stdout.write('x' * 300_000)\"")
    longest = max(len(line) for name, line in heard if name == "chatty")
    assert 65_536 <= longest < 2 * 65_536 + 1
    assert (tmp_path / "log" / "chatty.log").stat().st_size == 300_000


# --- a supervisor of its own -----------------------------------------------------------------------
STANDALONE = """
import sys
from pathlib import Path
from config.supervisor import Stopped, Supervisor
try:
    with Supervisor(root=Path.cwd(), logs=Path(sys.argv[1]), listener=lambda name, line: print(name, line, flush=True)) as supervisor:
        for number, command in enumerate(sys.argv[2:]):
            supervisor.add(f"p{number}", command)
        while True:
            supervisor.step()
except Stopped:
    print("stopped", flush=True)
"""


Standalone = Callable[..., tuple[subprocess.Popen[str], list[psutil.Process]]]


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[Standalone]:
    """A supervisor in a process of its own, and the processes it says it started. All are gone afterwards."""
    everybody: list[psutil.Process] = []
    supervisors: list[subprocess.Popen[str]] = []

    def start(*commands: str) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
        command = [sys.executable, "-c", STANDALONE, str(tmp_path / "log"), *commands]
        supervisor = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
        supervisors.append(supervisor)
        assert supervisor.stdout is not None
        started = [psutil.Process(int(supervisor.stdout.readline().split()[2])) for _ in commands]
        everybody.extend(started)
        return supervisor, started

    yield start
    for supervisor in supervisors:
        supervisor.kill()
        supervisor.wait()
        assert supervisor.stdout is not None
        supervisor.stdout.close()
    for process in everybody:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            pass


def gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_every_process(standalone: Standalone, number: signal.Signals) -> None:
    supervisor, started = standalone(PATIENT, PATIENT)

    supervisor.send_signal(number)

    output, _ = supervisor.communicate(timeout=30)
    assert supervisor.returncode == 0
    assert output.endswith("stopped\n")
    assert output.count("bye") == 2
    assert all(gone(process) for process in started)


def test_a_second_signal_does_not_wait(standalone: Standalone) -> None:
    supervisor, (child,) = standalone(STUBBORN)

    supervisor.send_signal(signal.SIGINT)
    supervisor.send_signal(signal.SIGTERM)  # not SIGINT again, which the kernel would merge with the first

    supervisor.communicate(timeout=10)  # far below STOP_PATIENCE
    wait_until(lambda: gone(child), what="the stubborn child's end")


def test_a_killed_supervisor_takes_its_processes_along(standalone: Standalone) -> None:
    supervisor, started = standalone(PATIENT, PATIENT)

    supervisor.kill()

    supervisor.communicate()
    wait_until(lambda: all(gone(process) for process in started), what="the children's end")
