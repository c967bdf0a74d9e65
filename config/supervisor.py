"""Runs the Procfile's processes: reads what they say, restarts the one that ends, stops them all together.

Each process has a process group of its own, so that Ctrl-C reaches only the supervisor and the children
of a killed worker can be found; each is told by the kernel when the supervisor is killed. Everything
happens in one thread: the kernel ties that notice to the thread that started the process.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, BinaryIO

from config import processes

#: seconds between "please stop" and SIGKILL; above CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT
STOP_PATIENCE = 20.0
#: seconds a step waits at most, when nothing is said and nobody dies
TICK = 0.5
#: bytes of an unfinished line kept before it is written as it stands
LINE_LIMIT = 65_536

PROCFILE_LINE = re.compile(r"^(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>.+)$")

#: called with (process name, line)
Listener = Callable[[str, str], None]


class Stopped(Exception):
    """Somebody asked for the end: Ctrl-C, SIGTERM, or the terminal was closed."""


class ProcfileError(Exception):
    """A line that is no ``name: command``."""


class PortTaken(Exception):
    """The web server's port belongs to another program."""


def parse_procfile(text: str) -> dict[str, str]:
    """Command by process name, in the file's order. Blank lines and ``#`` comments are skipped."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = PROCFILE_LINE.match(line)
        if match is None:
            raise ProcfileError(f"Procfile, line {number}: expected `name: command`.")
        if match["name"] in found:
            raise ProcfileError(f"Procfile, line {number}: {match['name']} is there twice.")
        found[match["name"]] = match["command"].strip()
    return found


def require_free_port(host: str, port: int) -> None:
    """Raises PortTaken while there is still a person reading, rather than a server failing in a log."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"Port {port} on {host} cannot be used ({error.strerror}); stop the program that holds it, or choose another with PORT=…."
            ) from None


class Child:
    """One command, run again whenever it ends unless it was to run once."""

    def __init__(self, name: str, command: str, log: Path, *, once: bool) -> None:
        self.name, self.command, self.log_path, self.once = name, command, log, once
        self.restarts = processes.Restarts()
        self.process: subprocess.Popen[bytes] | None = None
        self.log: BinaryIO | None = None
        self.unfinished = b""
        self.born = 0.0
        self.due: float | None = 0.0  # monotonic time of the next start; None while it runs or is done

    def start(self, environment: Mapping[str, str], root: Path) -> None:
        """Start it; its output does not block."""
        self.log = processes.open_log(self.log_path)
        # a list of commands needs the shell to stay; a single one takes its place, so that signals arrive
        command = self.command if self.once else f"exec {self.command}"
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=root,
            env={**environment, "STAGEWATCH_PROCESS": self.name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
            preexec_fn=processes.child_setup(signal.SIGTERM),  # noqa: PLW1509 (one thread)
        )
        self.born, self.due, self.unfinished = time.monotonic(), None, b""
        os.set_blocking(self.output.fileno(), False)

    @property
    def output(self) -> IO[bytes]:
        """What the running process says."""
        assert self.process is not None
        assert self.process.stdout is not None
        return self.process.stdout

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def lines(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes; all of it is in the log already."""
        *whole, self.unfinished = (self.unfinished + data).split(b"\n")
        if len(self.unfinished) > LINE_LIMIT:
            whole, self.unfinished = [*whole, self.unfinished], b""
        return [line.decode(errors="replace").rstrip("\r") for line in whole]

    def write(self, data: bytes) -> None:
        assert self.log is not None
        self.log.write(data)
        if self.log.tell() > processes.LOG_LIMIT:
            self.log.close()
            self.log = processes.open_log(self.log_path)

    def kill_group(self) -> None:
        """SIGKILL to whatever is left of the group, the process itself included."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # empty; macOS says EPERM of a group of zombies


class Supervisor:
    """Use as a context manager: within, signals ask for the end; on leaving, every process is gone."""

    def __init__(
        self,
        *,
        root: Path,
        logs: Path,
        environment: Mapping[str, str] | None = None,
        listener: Listener | None = None,
        chore: Callable[[], None] | None = None,
    ) -> None:
        """``chore`` is done at every step, so it looks at the clock and mostly does nothing."""
        self.chore = chore
        self.logs = logs
        self.listener = listener
        base = dict(os.environ if environment is None else environment)
        self.environment = {
            **base,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{base.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
        }
        self.root = root
        self.children: dict[str, Child] = {}
        self.requests = 0  # how often somebody asked for the end
        self._selector = selectors.DefaultSelector()
        self._former: dict[signal.Signals, object] = {}
        self._waker: tuple[socket.socket, socket.socket] | None = None

    # --- signals -----------------------------------------------------------------------------------
    def __enter__(self) -> Supervisor:
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
        self._waker = (reader, writer)
        # so that a signal ends the wait for output at once
        self._former_wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ, None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._former[number] = signal.signal(number, self._asked)
        return self

    def _asked(self, *_: object) -> None:
        self.requests += 1

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            signal.set_wakeup_fd(self._former_wakeup)
            for number, handler in self._former.items():
                signal.signal(number, handler)  # type: ignore[arg-type]
            self._selector.close()
            for end in self._waker or ():
                end.close()

    # --- life --------------------------------------------------------------------------------------
    def add(self, name: str, command: str, *, once: bool = False) -> Child:
        """Run ``command`` (a shell's simple command; with ``once``, any) from the next step on."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self.children[name] = Child(name, command, self.logs / f"{name}.log", once=once)
        return self.children[name]

    def step(self, timeout: float = TICK) -> None:
        """Start what is due, pass on what is said, notice who died. Raises Stopped once asked for the end."""
        if self.requests:
            raise Stopped
        if self.chore is not None:
            self.chore()
        for child in list(self.children.values()):
            if child.due is not None and child.due <= time.monotonic():
                self._start(child)
        self._pump(timeout)
        for child in list(self.children.values()):
            if child.process is not None and child.due is None and not child.alive:
                self._ended(child)
        if self.requests:
            raise Stopped

    def run_once(self, name: str, command: str) -> int:
        """Run ``command`` to its end while the others go on; returns its exit code."""
        child = self.add(name, command, once=True)
        while child.name in self.children:
            self.step()
        assert child.process is not None
        return int(child.process.wait())

    def wait_for(self, condition: Callable[[], bool], *, timeout: float) -> bool:
        """Step until the condition holds; False if it does not within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.step(0.1)
        return True

    def stop(self) -> None:
        """SIGTERM to each, then SIGKILL after STOP_PATIENCE, or at once when asked a second time."""
        deadline = time.monotonic() + STOP_PATIENCE
        for child in self.children.values():
            if child.alive and child.process is not None:
                child.process.terminate()
        while any(child.alive for child in self.children.values()):
            if time.monotonic() > deadline or self.requests > 1:
                break
            self._pump(0.1)
        for child in self.children.values():
            child.kill_group()
            if child.process is not None:
                child.process.wait()
                self._drain(child)
                self._close(child)
        self.children.clear()

    def _start(self, child: Child) -> None:
        child.start(self.environment, self.root)
        self._selector.register(child.output, selectors.EVENT_READ, child)

    def _ended(self, child: Child) -> None:
        assert child.process is not None
        self._drain(child)
        # a killed worker's children would go on beside its successor
        child.kill_group()
        if child.once:
            del self.children[child.name]
        else:
            delay = child.restarts.delay(lived=time.monotonic() - child.born)
            child.due = time.monotonic() + delay
            obituary = f"supervisor: ended with code {child.process.returncode}, starting again {f'in {delay:.0f} s' if delay else 'now'}"
            child.write(f"{obituary}\n".encode())
            self._tell(child.name, obituary)
        self._close(child)

    # --- output ------------------------------------------------------------------------------------
    def _pump(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            if isinstance(key.data, Child):
                self._read(key.data)
            elif self._waker is not None:
                self._waker[0].recv(512)

    def _read(self, child: Child) -> bool:
        """Pass on what is there; False when there is nothing more to come, now or ever."""
        data = child.output.read(65_536)
        if not data:
            if data == b"" and child.output in self._selector.get_map():
                self._selector.unregister(child.output)  # closed
            return False
        child.write(data)
        for line in child.lines(data):
            self._tell(child.name, line)
        return True

    def _drain(self, child: Child) -> None:
        while not child.output.closed and self._read(child):
            pass

    def _close(self, child: Child) -> None:
        if not child.output.closed:
            if child.output in self._selector.get_map():
                self._selector.unregister(child.output)
            child.output.close()
        if child.log is not None:
            child.log.close()
            child.log = None

    def _tell(self, name: str, line: str) -> None:
        if self.listener is not None:
            self.listener(name, line)
