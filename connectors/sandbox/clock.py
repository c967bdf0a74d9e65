"""The time that changes are stamped with: the real one, or a scripted one for tests."""

from __future__ import annotations

import time


class Clock:
    """Whole seconds since the epoch. Real until scripted; a scripted clock stands still until told."""

    def __init__(self) -> None:
        self._scripted: int | None = None

    def now(self) -> int:
        return int(time.time()) if self._scripted is None else self._scripted

    def script(self, now: int | None) -> None:
        """Stop at ``now``, or follow the real clock again (None)."""
        self._scripted = now

    def advance(self, seconds: int) -> None:
        """Move a scripted clock; a real one is stopped first."""
        self._scripted = self.now() + seconds
