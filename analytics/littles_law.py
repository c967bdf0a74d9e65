"""How long a stay takes by Little's law, where it may be applied (M22). Pure.

Source: Little 1961.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

#: A steady state is needed: arrivals and exits, and the average age, may differ by less than this.
STEADY = 0.20


def average_open(stays: Iterable[tuple[datetime, datetime | None]], *, since: datetime, until: datetime, as_of: datetime) -> float | None:
    """Time average of the number of open visits over [since, min(until, as_of)); None for an empty window.

    ``stays`` are (entered_at, left_at) with left_at None while open.
    """
    end = min(until, as_of)
    if end <= since:
        return None
    present = (min(left or end, end) - max(entered, since) for entered, left in stays)
    return sum((stay for stay in present if stay > timedelta(0)), timedelta(0)) / (end - since)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowCheck:
    """M22: the time in stage that Little's law implies, or why it implies none (``days`` None)."""

    days: float | None
    reason: str | None = None


def flow_check(*, average_open: float, arrivals: int, exits: int, window_days: float, age_at_start: float, age_at_end: float) -> FlowCheck:
    """Little's law: average open / exits per day, in cd; only in a steady state, else it misleads.

    Steady: arrivals and exits differ by less than 20 % (of the larger), and so does the average age of the
    open visits at the start and at the end of the window.
    """
    if not exits or window_days <= 0:
        return FlowCheck(days=None, reason="no exits in the window")
    if _differ(arrivals, exits):
        return FlowCheck(days=None, reason="arrivals and exits differ by 20 % or more")
    if _differ(age_at_start, age_at_end):
        return FlowCheck(days=None, reason="the average age changed by 20 % or more")
    return FlowCheck(days=average_open / (exits / window_days))


def _differ(a: float, b: float) -> bool:
    return abs(a - b) >= STEADY * max(a, b) and a != b
