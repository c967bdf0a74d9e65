"""The truth on disk: the past once, live changes appended as they happen.

A restart reads it back, so nothing told to a client is ever forgotten or told differently. While the sandbox is down the
organization rests: time passes, nothing happens.
"""

from __future__ import annotations

import fcntl
import gzip
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from connectors.sandbox.changes import Change, read_lines, write_lines

FORMAT = 1


class StateDirectoryError(Exception):
    """The state directory cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Charter:
    """What determines the past: the same charter always gives the same one. Times in epoch seconds."""

    seed: int
    start: int
    until: int
    jobs: int
    applications: int
    format: int = FORMAT


class Journal:
    """The files of one organization. Holds a lock on the directory as long as it is open."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._charter_file = directory / "organization.json"
        self._history_file = directory / "history.jsonl.gz"
        self._live_file = directory / "live.jsonl"
        self._lock = (directory / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise StateDirectoryError(f"{directory} is in use by another sandbox; stop that one or choose another --state-dir.") from None
        self._live = self._live_file.open("ab")

    def charter(self) -> Charter | None:
        """What was begun here, or None in a new directory."""
        if not self._charter_file.exists():
            return None
        charter = Charter(**msgspec.json.decode(self._charter_file.read_bytes()))
        if charter.format != FORMAT:
            raise StateDirectoryError(f"{self._charter_file} was written by another version of the sandbox; remove its directory.")
        return charter

    def begin(self, charter: Charter, history: list[Change]) -> None:
        """Write the past. The charter comes last: without it the directory counts as new."""
        partial = self._history_file.with_suffix(".partial")
        with gzip.open(partial, "wb", compresslevel=3) as stream:
            write_lines(stream, history)
        partial.replace(self._history_file)
        self._live.truncate(0)
        partial = self._charter_file.with_suffix(".partial")
        partial.write_bytes(msgspec.json.encode(asdict(charter)))
        partial.replace(self._charter_file)

    def read(self) -> list[Change]:
        with gzip.open(self._history_file, "rb") as stream:
            changes = list(read_lines(stream))
        return changes + self._read_live(last_seq=changes[-1].seq if changes else 0)

    def _read_live(self, last_seq: int) -> list[Change]:
        """The live changes; a last line cut by a crash was never told to anybody and is cut off."""
        content = self._live_file.read_bytes()
        complete = content[: content.rfind(b"\n") + 1]
        if len(complete) < len(content):
            os.truncate(self._live_file, len(complete))
        live = list(read_lines(complete.splitlines()))
        if live and [change.seq for change in live] != list(range(last_seq + 1, last_seq + 1 + len(live))):
            raise StateDirectoryError(f"{self._live_file} does not continue {self._history_file}; remove their directory.")
        return live

    def append(self, changes: list[Change]) -> None:
        """Hand the changes to the operating system: they survive the end of this process, however it ends."""
        write_lines(self._live, changes)
        self._live.flush()

    def close(self) -> None:
        self._live.close()
        self._lock.close()
