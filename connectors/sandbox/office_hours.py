"""When people at a Berlin company work: weekdays nine to six, without public holidays and the days after Christmas."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")
OPENS = time(9)
DAY_SECONDS = 9 * 3600


def easter(year: int) -> date:
    """Gregorian Easter Sunday (the anonymous algorithm, as printed in Meeus, Astronomical Algorithms, ch. 8)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    el = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * el) // 451
    month, day = divmod(h + el - 7 * m + 114, 31)
    return date(year, month, day + 1)


def free_days(year: int) -> frozenset[date]:
    """German nationwide holidays plus the company's own break from 24 to 31 December."""
    sunday = easter(year)
    movable = {sunday + timedelta(days=offset) for offset in (-2, 1, 39, 50)}
    fixed = {date(year, 1, 1), date(year, 5, 1), date(year, 10, 3)}
    break_ = {date(year, 12, day) for day in range(24, 32)}
    return frozenset(movable | fixed | break_)


def local_midnight(day: date) -> int:
    """Epoch seconds of the Berlin midnight that begins ``day``."""
    return int(datetime.combine(day, time(0), BERLIN).timestamp())


class OfficeHours:
    """Converts between instants (epoch seconds) and office time, counted from the first working day.

    One business day is the nine office hours of one working day. The calendar grows as later days are asked for.
    """

    def __init__(self, first_day: date) -> None:
        self._next_day = first_day
        self._opens: list[int] = []
        self._extend(400)

    def _extend(self, days: int) -> None:
        for _ in range(days):
            day = self._next_day
            self._next_day += timedelta(days=1)
            if day.weekday() < 5 and day not in free_days(day.year):
                self._opens.append(int(datetime.combine(day, OPENS, BERLIN).timestamp()))

    def elapsed(self, at: float) -> float:
        """Office seconds from the first working day's opening to ``at``."""
        while self._opens[-1] <= at:
            self._extend(400)
        index = bisect_right(self._opens, at) - 1
        if index < 0:
            return 0.0
        return index * DAY_SECONDS + min(at - self._opens[index], DAY_SECONDS)

    def instant(self, elapsed: float) -> float:
        """The instant at which ``elapsed`` office seconds have passed; always inside office hours."""
        index, rest = divmod(elapsed, DAY_SECONDS)
        while len(self._opens) <= index:
            self._extend(400)
        return self._opens[int(index)] + rest

    def after(self, at: float, business_days: float) -> float:
        """The instant ``business_days`` of office time after ``at``, inside office hours."""
        return self.instant(self.elapsed(at) + business_days * DAY_SECONDS)

    def between(self, start: float, end: float) -> float:
        """Business days of office time from ``start`` to ``end``."""
        return (self.elapsed(end) - self.elapsed(start)) / DAY_SECONDS

    def closing(self, at: float) -> float:
        """The end of the office day that ``at`` falls into or follows."""
        index = max(0, bisect_right(self._opens, at) - 1)
        return self._opens[index] + DAY_SECONDS


def iso(at: float) -> str:
    """BambooHR's way to write an instant: ISO 8601, whole seconds, ``+00:00``."""
    return datetime.fromtimestamp(int(at), UTC).isoformat()


def compact(at: float) -> str:
    """Basic format in UTC, as event keys carry it: ``20261014T133005Z``."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y%m%dT%H%M%SZ")
