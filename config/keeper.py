"""The process that keeps one embedded server running as long as somebody holds a lease on it.

Started by `config.leases` as ``python -m config.keeper NAME VAR FD``; reports "ready", or one sentence of
what went wrong, as a line on the file descriptor.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from config import processes
from config.embedded import EmbeddedError, keeper_lock, log_path, users_lock
from config.servers import NO_CHANGE, START_PATIENCE, STOP_PATIENCE, Account, Server, server

#: seconds between looks at the lock and at the server
TICK = 0.2


class Keeper:
    def __init__(self, kept: Server) -> None:
        self.server = kept
        self.stopping = threading.Event()
        self.child: subprocess.Popen[bytes] | None = None
        self.users = processes.FileLock(users_lock(kept.var, kept.name))

    def bring_up(self) -> None:
        """Start the server and wait until it answers. Raises EmbeddedError."""
        launch = self.server.prepare()
        account = launch.account
        self.child = subprocess.Popen(
            [*_prefix(account, self.server.stop_signal), *launch.command],
            cwd=launch.cwd,
            stdin=subprocess.DEVNULL,
            # killed or not, a keeper never leaves its server behind; this process has one thread
            preexec_fn=processes.child_setup(self.server.stop_signal),  # noqa: PLW1509
            **(account.popen_arguments() if account else NO_CHANGE),
        )
        deadline = time.monotonic() + START_PATIENCE
        while not self.server.is_ready():
            if self.child.poll() is not None:
                raise EmbeddedError(
                    f"{self.server.name} ended with code {self.child.returncode} while starting; "
                    f"see the end of {log_path(self.server.var, self.server.name)}."
                )
            if time.monotonic() > deadline or self.stopping.is_set():
                raise EmbeddedError(f"{self.server.name} did not answer; see {log_path(self.server.var, self.server.name)}.")
            time.sleep(0.02)
        self.server.finish()

    def watch(self) -> None:
        """Until told to stop, or nobody uses the server: restart it whenever it dies."""
        restarts, born = processes.Restarts(), time.monotonic()
        while not self.stopping.wait(TICK):
            # from here on newcomers wait, until this process and its server are gone
            if self.users.acquire(blocking=False):
                return
            if self.child is None or self.child.poll() is not None:
                _say(f"{self.server.name} ended, starting it again")
                self.stopping.wait(restarts.delay(lived=time.monotonic() - born))
                born = time.monotonic()
                try:
                    self.bring_up()
                except EmbeddedError as error:
                    _say(str(error))

    def take_down(self) -> None:
        if self.child is not None:
            processes.stop(self.child, first=self.server.stop_signal, patience=STOP_PATIENCE)


def _prefix(account: Account | None, stop_signal: signal.Signals) -> list[str]:
    """A change of user clears the parent-death signal, so where setpriv makes it, setpriv sets the signal after."""
    if account is None or not account.prefix:
        return []
    return [account.prefix[0], "--pdeathsig", stop_signal.name.removeprefix("SIG"), *account.prefix[1:]]


def _say(sentence: str) -> None:
    print(f"keeper: {sentence}", file=sys.stderr, flush=True)


def main() -> int:
    name, var, descriptor = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if os.fork():  # nobody's child: whoever asked neither waits for it nor leaves a zombie
        return 0
    os.set_inheritable(descriptor, False)
    report = os.fdopen(descriptor, "w", encoding="utf-8")
    alive = processes.FileLock(keeper_lock(var, name))
    if not alive.acquire(blocking=False):
        print(f"another keeper already looks after {name} under {var}.", file=report, flush=True)
        return 1
    keeper = Keeper(server(name, var))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: keeper.stopping.set())
    try:
        keeper.bring_up()
        # the reader may have been interrupted while it waited
        try:
            print("ready", file=report, flush=True)
            report.close()
        except BrokenPipeError:
            _say("whoever asked has gone")
        keeper.watch()
    except (EmbeddedError, OSError) as error:
        sentence = str(error) if isinstance(error, EmbeddedError) else f"{name} cannot be started: {error}."
        _say(sentence)
        if not report.closed:
            print(sentence, file=report, flush=True)
        return 1
    finally:
        keeper.take_down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
