"""The two clocks: calendar days (cd) and business days (bd).

cd is elapsed time, what the candidate feels. bd is what a team can be held to: every open local date counts
1.0, in proportion to its *own* open length, so a 23 h or 25 h day (clock change) and an eight hour office day
are each one business day.

    bd(a, b) = sum over local dates d of  open_seconds(d within [a, b], outside holds) / open_seconds(d)

``WorkingCalendar`` computes this exactly, date by date. ``CompiledCalendar`` is the same function as a
cumulative table, for bulk work in Python and (through ``segments``) in SQL.

**Rounding.** bd is rounded to four decimals, half up, where anything less than 1e-9 below a tie counts as a
tie: ``floor(x * 10000 + 0.50001) / 10000``. Ties are common (108 s are 0.00125 bd), and with the tolerance
exact fractions here, floats in the compiled table and double precision in SQL all round them the same way.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

SECONDS_PER_DAY = 86_400
MONDAY_TO_FRIDAY = frozenset(range(5))

#: A period in which the job was on hold: ``[start, end)``; end None means it still is.
Hold = tuple[datetime, datetime | None]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
ONE_DAY = timedelta(days=1)
#: Slack of every comparison of business days: far above float error, far below one millisecond of a day.
TOLERANCE = 1e-9
#: What ``earliest_possible`` gives away for clock changes; its docstring says why six hours are enough.
CLOCK_CHANGE_ALLOWANCE = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """Local opening hours of a working day. ``closes`` at 00:00 means the end of the day."""

    opens: time
    closes: time

    def __post_init__(self) -> None:
        if self.closes <= self.opens and self.closes != time.min:
            raise ValueError(
                f"Office hours {self.opens:%H:%M}-{self.closes:%H:%M} end before they begin; swap them, or close at 00:00 for midnight."
            )


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time with one rate of business days. A row of the table SQL computes with.

    ``bd_before`` counts business days from the start of the compiled range to ``starts_at``; within the
    segment it grows by ``bd_per_second`` (0 while closed).
    """

    starts_at: datetime
    ends_at: datetime
    bd_before: float
    bd_per_second: float


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """When a team works: an IANA zone, its working weekdays (Monday is 0), holidays, optional office hours.

    Raises ``ValueError`` for an unknown zone or a week without a working day.
    """

    zone: str
    working_days: frozenset[int] = MONDAY_TO_FRIDAY
    holidays: frozenset[date] = frozenset()
    office_hours: OfficeHours | None = None

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"Time zone {self.zone!r} is not known; use an IANA name like Europe/Berlin.") from error
        if not self.working_days or not self.working_days <= frozenset(range(7)):
            raise ValueError(f"Working days {sorted(self.working_days)} are not usable; give at least one of 0 (Monday) to 6 (Sunday).")

    def open_span(self, day: date) -> tuple[datetime, datetime] | None:
        """The open part of a local date as UTC instants, or None on weekends and holidays.

        Also None for a date that the zone skipped (Samoa had no 30 December 2011).
        """
        if day.weekday() not in self.working_days or day in self.holidays:
            return None
        zone = ZoneInfo(self.zone)
        hours = self.office_hours or OfficeHours(time.min, time.min)
        opens = _instant(day, hours.opens, zone)
        closes = _instant(day + ONE_DAY if hours.closes == time.min else day, hours.closes, zone)
        return (opens, closes) if closes > opens else None

    def bd(self, a: datetime, b: datetime, *, holds: Iterable[Hold] = ()) -> float:
        """Business days from a to b, outside the holds, rounded to 4 decimals; 0.0 when b is not after a."""
        return round_bd(sum((self._exact(start, end) for start, end in _free_between(a, b, holds)), Fraction(0)))

    def add_business_days(self, t: datetime, n: float | Decimal, *, holds: Iterable[Hold] = ()) -> datetime | None:
        """The earliest instant x >= t with n business days between, or None if an open-ended hold prevents it.

        Inverse of the unrounded clock, so that one bd after Monday noon is Tuesday noon. (The rounded ``bd``
        reaches n up to 4.32 s of a 24 h day earlier.) The result is in UTC, rounded up to the microsecond.
        """
        left = Fraction(str(n))
        if left <= 0:
            return _utc(t)
        free = list(free_spans(t, None, holds))
        day = self._local_date(t) - ONE_DAY
        while free and (free[-1][1] is None or free[-1][1] > _instant(day, time.min, ZoneInfo(self.zone))):
            span = self.open_span(day)
            day += ONE_DAY
            if span is None:
                continue
            opened = span[1] - span[0]
            for start, end in free:
                overlap = min(span[1], end or span[1]) - max(span[0], start)
                if overlap <= timedelta(0):
                    continue
                worth = Fraction(overlap // MICROSECOND, opened // MICROSECOND)
                if worth >= left:
                    return max(span[0], start) + math.ceil(left * (opened // MICROSECOND)) * MICROSECOND
                left -= worth
        return None

    def _local_date(self, t: datetime) -> date:
        return t.astimezone(ZoneInfo(self.zone)).date()

    def _exact(self, a: datetime, b: datetime) -> Fraction:
        """Unrounded business days of [a, b]."""
        total = Fraction(0)
        # One date more on both sides: a clock change at 00:01 puts instants on the "wrong" side of midnight.
        day, last = self._local_date(a) - ONE_DAY, self._local_date(b) + ONE_DAY
        while day <= last:
            span = self.open_span(day)
            if span is not None:
                overlap = min(b, span[1]) - max(a, span[0])
                if overlap > timedelta(0):
                    total += Fraction(overlap // MICROSECOND, (span[1] - span[0]) // MICROSECOND)
            day += ONE_DAY
        return total


class CompiledCalendar:
    """A calendar as a cumulative table over the local dates ``[since, until)``: a lookup instead of a walk.

    Gives the same numbers as ``WorkingCalendar`` and raises ``ValueError`` for instants outside its range.
    Build it through ``compile_calendar``, which keeps recent ones.
    """

    __slots__ = ("_before", "_rates", "_starts", "calendar", "since", "until")

    def __init__(self, calendar: WorkingCalendar, since: date, until: date) -> None:
        if until <= since:
            raise ValueError(f"A calendar cannot be compiled from {since} to {until}; its end must come later.")
        self.calendar = calendar
        self.since = since
        self.until = until
        #: segment i is [starts[i], starts[i + 1]) at rates[i]; the last start is the end of the range
        self._starts: list[int] = []
        self._before: list[float] = []
        self._rates: list[float] = []
        self._build()

    @property
    def earliest(self) -> datetime:
        """The start of the range."""
        return _from_epoch(self._starts[0])

    @property
    def latest(self) -> datetime:
        """The end of the range."""
        return _from_epoch(self._starts[-1])

    def position(self, t: datetime) -> float:
        """Unrounded business days from the start of the range to t."""
        return self._position(_epoch(t))

    def bd(self, a: datetime, b: datetime, *, holds: Iterable[Hold] = ()) -> float:
        """As ``WorkingCalendar.bd``."""
        return round_bd(sum(self.position(end) - self.position(start) for start, end in _free_between(a, b, holds)))

    def bd_of_pairs(self, pairs: Iterable[tuple[datetime, datetime]]) -> list[float]:
        """bd of many (a, b) pairs without holds, in their order."""
        position = self._position
        return [round_bd(max(0.0, position(_epoch(b)) - position(_epoch(a)))) for a, b in pairs]

    def add_business_days(self, t: datetime, n: float | Decimal, *, holds: Iterable[Hold] = ()) -> datetime | None:
        """As ``WorkingCalendar.add_business_days``, to the microsecond."""
        t = _utc(t)
        if n <= 0:
            return t
        target = self.position(t) + float(n)
        for start, end in merged_holds(holds):
            if end is not None and end <= t:
                continue
            held_from = max(start, t)
            if self.position(held_from) >= target - TOLERANCE:
                break
            if end is None:
                return None
            target += self.position(end) - self.position(held_from)
        return self._instant_of(target)

    def segments(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[Segment]:
        """The rows of the table that overlap [since, until), in time order; everything by default.

        In SQL, with ``p(t)`` = bd_before + (t - starts_at in seconds) * bd_per_second of the row holding t:
        ``bd(a, b) = floor((p(b) - p(a)) * 10000 + 0.50001) / 10000``, holds subtracted before the rounding.
        Rows of different compilations must not be mixed: each counts from the start of its own range.
        """
        for index, rate in enumerate(self._rates):
            starts_at, ends_at = _from_epoch(self._starts[index]), _from_epoch(self._starts[index + 1])
            if (until is None or starts_at < until) and (since is None or ends_at > since):
                yield Segment(starts_at, ends_at, self._before[index], rate)

    def _build(self) -> None:
        zone = ZoneInfo(self.calendar.zone)
        cursor, end = (int(_instant(day, time.min, zone).timestamp()) for day in (self.since, self.until))
        total, day = 0, self.since
        while day < self.until:
            span = self.calendar.open_span(day)
            day += ONE_DAY
            if span is None:
                continue
            opens, closes = (int(moment.timestamp()) for moment in span)
            if opens > cursor:
                self._append(cursor, total, 0.0)
            self._append(opens, total, 1.0 / (closes - opens))
            cursor, total = closes, total + 1
        if cursor < end:
            self._append(cursor, total, 0.0)
        self._starts.append(end)
        self._before.append(float(total))

    def _append(self, start: int, before: float, rate: float) -> None:
        # Ordinary days in a row have one rate: a week of round-the-clock days is two rows, not seven.
        if not self._rates or self._rates[-1] != rate:
            self._starts.append(start)
            self._before.append(float(before))
            self._rates.append(rate)

    def _position(self, epoch: float) -> float:
        index = bisect_right(self._starts, epoch) - 1
        if index < 0 or epoch > self._starts[-1]:
            raise ValueError(
                f"{_from_epoch(epoch):%Y-%m-%d %H:%M} UTC lies outside the compiled calendar "
                f"({self.since} to {self.until}); compile a wider range."
            )
        if index == len(self._rates):
            return self._before[-1]
        return self._before[index] + (epoch - self._starts[index]) * self._rates[index]

    def _instant_of(self, target: float) -> datetime:
        """The first instant at which the table has counted ``target`` business days."""
        index = bisect_left(self._before, target - TOLERANCE)
        if index == len(self._before):
            raise ValueError(f"That many business days reach beyond the compiled calendar (until {self.until}); compile a wider range.")
        if index == 0:
            return _from_epoch(self._starts[0])
        start, rate = self._starts[index - 1], self._rates[index - 1]
        return _from_epoch(min(start + (target - self._before[index - 1]) / rate, self._starts[index]))


@lru_cache(maxsize=256)
def compile_calendar(calendar: WorkingCalendar, since: date, until: date) -> CompiledCalendar:
    """The compiled form of a calendar over the local dates ``[since, until)``; recent ones are kept."""
    return CompiledCalendar(calendar, since, until)


def cd(a: datetime, b: datetime, *, holds: Iterable[Hold] = ()) -> float:
    """Calendar days from a to b outside the holds: elapsed UTC seconds / 86 400; 0.0 when b is not after a."""
    elapsed = sum((end - start for start, end in _free_between(a, b, holds)), timedelta(0))
    return elapsed.total_seconds() / SECONDS_PER_DAY


def round_bd(value: float | Fraction) -> float:
    """Four decimals, half up with a tolerance of 1e-9 (see the module docstring)."""
    half = Fraction(50_001, 100_000) if isinstance(value, Fraction) else 0.50001
    return math.floor(value * 10_000 + half) / 10_000


def earliest_possible(t: datetime, n: float | Decimal) -> datetime:
    """A moment before which n business days after t cannot be over, whatever the calendar and the holds.

    ``t + (ceil(n) - 1) * 24 h - 6 h``, never before t. Cheap enough to arm a due queue with no calendar at hand.

    Why it holds. One local date is worth at most 1 bd, so n bd need m >= ceil(n) open dates d1 < .. < dm. Let
    L1, Lm be the open lengths of the first and the last, c1, cm the shares used of them. From t to the close
    of d1 at least c1 * L1 pass, from the opening of dm to the end at least cm * Lm, and between these two
    open(dm) - open(d1) - L1. Dates open at one local time, so open(dm) - open(d1) >= (m - 1) * 24 h - z, where
    z is the net change of the zone's offset (a date the zone skipped has no open time and is none of the m).
    The dates between are worth at most m - 2, hence c1 + cm >= n - m + 2 > 1 and cm * Lm >= (1 - c1) * Lm. Sum:
    at least (m - 1) * 24 h - z - |L1 - Lm|. No zone moves its offset by more than 3 h (Antarctica/Casey, 2009)
    short of skipping a date, and L1, Lm differ only by such a change: z + |L1 - Lm| <= 6 h. Holds only add time.
    """
    return _utc(t) + max(timedelta(0), (math.ceil(n) - 1) * ONE_DAY - CLOCK_CHANGE_ALLOWANCE)


def merged_holds(holds: Iterable[Hold]) -> list[Hold]:
    """The same time on hold as disjoint periods in time order; empty and reversed ones are gone."""
    merged: list[Hold] = []
    in_utc = ((_utc(start), None if end is None else _utc(end)) for start, end in holds)
    for start, end in sorted(in_utc, key=lambda hold: hold[0]):
        if end is not None and end <= start:
            continue
        if merged and (merged[-1][1] is None or start <= merged[-1][1]):
            previous = merged[-1]
            merged[-1] = (previous[0], None if previous[1] is None or end is None else max(previous[1], end))
        else:
            merged.append((start, end))
    return merged


def free_spans(a: datetime, b: datetime | None, holds: Iterable[Hold]) -> Iterator[tuple[datetime, datetime | None]]:
    """What is left of [a, b] outside the holds, in time order. b None: without end (so may be the last span)."""
    cursor = _utc(a)
    b = None if b is None else _utc(b)
    for start, end in merged_holds(holds):
        if end is not None and end <= cursor:
            continue
        if b is not None and start >= b:
            break
        if start > cursor:
            yield cursor, start
        if end is None:
            return
        cursor = end
    if b is None or cursor < b:
        yield cursor, b


def _free_between(a: datetime, b: datetime, holds: Iterable[Hold]) -> list[tuple[datetime, datetime]]:
    return [(start, end) for start, end in free_spans(a, b, holds) if end is not None]


def _instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A local wall-clock time as UTC. Of a repeated hour the first; a skipped hour is read in the old offset."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def _from_epoch(seconds: float) -> datetime:
    return EPOCH + round(seconds * 1_000_000) * MICROSECOND


def _epoch(moment: datetime) -> float:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; pass an aware datetime.")
    return moment.timestamp()


def _utc(moment: datetime) -> datetime:
    # Two datetimes of one zone subtract and compare by the wall clock, which is an hour off over a clock change.
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; pass an aware datetime.")
    return moment.astimezone(UTC)
