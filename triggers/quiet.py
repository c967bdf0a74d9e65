"""When people may be told something: quiet hours and days off. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from analytics.clocks import WorkingCalendar

#: a quiet time that never ends (every day is a day off) does not hold anything back for longer
LONGEST = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Local times ``[begin, end)``; over midnight where ``end`` is not after ``begin``. None: there are none."""

    begin: time | None = None
    end: time | None = None
    #: nothing on days the calendar is closed
    days_off: bool = True


def speak_at(moment: datetime, quiet: QuietHours, calendar: WorkingCalendar) -> datetime:
    """The first time from ``moment`` on at which people may be told, in UTC; ``moment`` itself if that is now."""
    zone = ZoneInfo(calendar.zone)
    at = moment
    while at < moment + LONGEST:
        later = _after_day_off(at, zone, quiet, calendar) or _after_quiet(at, zone, quiet)
        if later is None:
            return at.astimezone(UTC)
        at = later
    return at.astimezone(UTC)


def _after_day_off(at: datetime, zone: ZoneInfo, quiet: QuietHours, calendar: WorkingCalendar) -> datetime | None:
    day = at.astimezone(zone).date()
    if not quiet.days_off or calendar.open_span(day) is not None:
        return None
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone)


def _after_quiet(at: datetime, zone: ZoneInfo, quiet: QuietHours) -> datetime | None:
    if quiet.begin is None or quiet.end is None or quiet.begin == quiet.end:
        return None
    local = at.astimezone(zone)
    now, over_midnight = local.time(), quiet.end < quiet.begin
    if over_midnight:
        is_quiet = now >= quiet.begin or now < quiet.end
        day = local.date() + timedelta(days=1) if now >= quiet.begin else local.date()
    else:
        is_quiet, day = quiet.begin <= now < quiet.end, local.date()
    if not is_quiet:
        return None
    end = datetime.combine(day, quiet.end, tzinfo=zone)
    # of an hour that comes twice (clock change) the end is the second, or one would stay here for ever
    return end if end.astimezone(UTC) > at.astimezone(UTC) else end.replace(fold=1)
