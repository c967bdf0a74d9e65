"""Who has waited too long, by the definitions of the rules and a plain loop over days. Monday to Friday, UTC.

Nothing of the product is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

#: business days a stage should take; a stage nobody has mapped gets the most generous
LIMITS = {"review": 5, "screen": 7, "assessment": 7, "interview": 10, "decision": 4, "offer": 5, "unmapped": 10}
IDLE = 5.0
#: so near to a limit that the seconds between two looks may decide
BORDER = 0.02


@dataclass(frozen=True)
class Waiting:
    """An application in a stage. Times are aware UTC."""

    application: str
    status: str
    job_status: str
    category: str
    entered_at: datetime
    last_activity_at: datetime | None
    #: business days asked for or learnt there; None: the default of the category
    limit: float | None = None


def business_days(since: datetime, until: datetime) -> float:
    """Elapsed working time in days: each whole or part of a Monday to Friday counts with its length."""
    total, day = timedelta(0), since.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < until:
        if day.weekday() < 5:
            total += min(until, day + timedelta(days=1)) - max(since, day)
        day += timedelta(days=1)
    return total / timedelta(days=1)


def complaint(waiting: Waiting, now: datetime) -> str | None:
    """The issue there must be: ``stuck`` hides ``idle_candidate``. ``border`` if it hangs on a moment."""
    if waiting.status != "active" or waiting.job_status != "open":
        return None
    age = business_days(waiting.entered_at, now) / (2 * (waiting.limit or LIMITS[waiting.category]))
    idle = business_days(max(waiting.last_activity_at or waiting.entered_at, waiting.entered_at), now) / IDLE
    if abs(age - 1) < BORDER or abs(idle - 1) < BORDER:
        return "border"
    return "stuck" if age > 1 else "idle_candidate" if idle >= 1 else None
