"""Business days by walking through time a quarter of an hour at a time. Slow, plain, and nothing of the product is imported.

Each quarter belongs to the local date its beginning shows on the wall. A date is worth 1 in all, however many open quarters it has.
For moments, office hours and clock changes on full quarters (all zones of today), and office hours outside the hour a clock skips or
repeats, where "from 02:30" has no plain meaning.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

QUARTER = timedelta(minutes=15)


def walked_business_days(
    a: datetime,
    b: datetime,
    *,
    zone: str,
    working_days: Collection[int],
    holidays: Collection[date] = (),
    hours: tuple[time, time] | None = None,
    holds: Sequence[tuple[datetime, datetime | None]] = (),
) -> Fraction:
    """Unrounded. ``hours``: opening and closing on the wall, 00:00 for midnight at the end; ``holds``: [start, end), None without end."""
    here = ZoneInfo(zone)
    open_quarters: dict[date, list[datetime]] = {}
    quarter = a - timedelta(days=3)
    while quarter < b + timedelta(days=3):
        wall = quarter.astimezone(here)
        day, at = wall.date(), wall.time()
        within_hours = hours is None or (at >= hours[0] and (at < hours[1] or hours[1] == time.min))
        if day.weekday() in working_days and day not in holidays and within_hours:
            open_quarters.setdefault(day, []).append(quarter)
        quarter += QUARTER

    def counts(moment: datetime) -> bool:
        return a <= moment < b and not any(start <= moment and (end is None or moment < end) for start, end in holds)

    return sum((Fraction(sum(map(counts, own)), len(own)) for own in open_quarters.values()), Fraction(0))
