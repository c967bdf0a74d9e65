"""The moments at which a schedule is to run, as points in time that everybody computes alike. Pure.

A *slot* is such a moment. Two beats, or a beat and a cron job, that look at different times find the same latest slot,
so whoever claims it first runs it and the others know. A beat that was dead finds the latest slot unclaimed and runs it
once; those before it are gone, since every task looks at rows and not at the time it was called for.

Nights on which clocks change, for a crontab in local time:

- a time that does not exist (02:30 when 02:00 becomes 03:00) is run at the moment it would have been;
- a time that exists twice is run the first time only;
- a crontab of every hour runs by elapsed time, as if there were no clock change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: days looked through for a crontab's moments: 29 February comes after eight years at the most
FURTHEST = 366 * 8 + 2


@dataclass(frozen=True)
class Every:
    """Multiples of a period since the epoch, in UTC."""

    period: timedelta

    def latest(self, now: datetime) -> datetime | None:
        """The last slot at or before ``now``."""
        return now - (now - EPOCH) % self.period

    def after(self, moment: datetime) -> datetime | None:
        """The first slot after ``moment``."""
        return moment - (moment - EPOCH) % self.period + self.period


@dataclass(frozen=True)
class Crontab:
    """Minutes × hours on the days that fit all three of the other fields (as Celery has it), in ``zone``."""

    minutes: frozenset[int]
    hours: frozenset[int]
    #: 0 is Sunday
    weekdays: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    zone: ZoneInfo

    def latest(self, now: datetime) -> datetime | None:
        """The last slot at or before ``now``; None if there is none within eight years."""
        today = now.astimezone(self.zone).date() + timedelta(days=1)
        for offset in range(FURTHEST):
            found = [slot for slot in self._of_day(today - timedelta(days=offset)) if slot <= now]
            # a slot of the day before may lie behind those of this day only by less than the clock change itself
            if found:
                return max(found)
        return None

    def after(self, moment: datetime) -> datetime | None:
        """The first slot after ``moment``; None if there is none within eight years."""
        today = moment.astimezone(self.zone).date() - timedelta(days=1)
        for offset in range(FURTHEST):
            found = [slot for slot in self._of_day(today + timedelta(days=offset)) if slot > moment]
            if found:
                return min(found)
        return None

    def _of_day(self, day: date) -> Iterator[datetime]:
        if not (day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays):
            return
        hourly = len(self.hours) == 24
        for hour in self.hours:
            for minute in self.minutes:
                wall = datetime.combine(day, time(hour, minute), tzinfo=self.zone)
                slot = wall.astimezone(UTC)
                exists = slot.astimezone(self.zone).replace(tzinfo=None) == wall.replace(tzinfo=None)
                if exists or not hourly:
                    yield slot
                if hourly and exists:
                    yield wall.replace(fold=1).astimezone(UTC)


@dataclass(frozen=True)
class Once:
    """One moment and never again."""

    at: datetime

    def latest(self, now: datetime) -> datetime | None:
        return self.at if self.at <= now else None

    def after(self, moment: datetime) -> datetime | None:
        return self.at if self.at > moment else None


Schedule = Every | Crontab | Once
