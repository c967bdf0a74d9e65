"""How soon a change is heard, told apart from hearing of it by the look that comes every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from realtime.hub import LOOK_SECONDS


def seconds_of(hear: Callable[[], object]) -> float:
    """What it takes to hear, from now."""
    began = time.monotonic()
    hear()
    return time.monotonic() - began


def within_a_second(change_and_hear: Callable[[], float], *, tries: int = 5) -> bool:
    """Whether one of some changes, each made when the one before had been heard, is heard within a second.

    Without hints each of them would wait for the next look. A busy machine may well take longer for one, but for all?
    """
    assert LOOK_SECONDS > 2
    return any(change_and_hear() < 1 for _ in range(tries))
