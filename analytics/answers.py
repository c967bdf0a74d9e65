"""Finished answers, kept while nothing they tell of has changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

#: Bytes of finished answers kept in one process.
BYTES_KEPT = 96 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    etag: str
    #: what it was made of: versions of what is remembered, and the moment it is about
    versions: tuple[int, ...]
    as_of: datetime


@dataclass(slots=True)
class Answers:
    """The most recently used answers, up to a number of bytes."""

    limit: int = BYTES_KEPT
    _kept: OrderedDict[Hashable, Answer] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: Lock = field(default_factory=Lock)

    def find(self, key: Hashable, versions: tuple[int, ...], as_of: datetime) -> Answer | None:
        """The kept answer, if it is the one that would be given now."""
        with self._lock:
            found = self._kept.get(key)
            if found is None or (found.versions, found.as_of) != (versions, as_of):
                return None
            self._kept.move_to_end(key)
            return found

    def keep(self, key: Hashable, answer: Answer) -> None:
        with self._lock:
            if (before := self._kept.pop(key, None)) is not None:
                self._bytes -= len(before.body)
            if len(answer.body) > self.limit:
                return
            self._kept[key] = answer
            self._bytes += len(answer.body)
            while self._bytes > self.limit:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= len(oldest.body)
