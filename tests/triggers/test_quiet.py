"""When people may be told something."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.clocks import WorkingCalendar
from triggers.quiet import LONGEST, QuietHours, speak_at

BERLIN = WorkingCalendar(zone="Europe/Berlin", holidays=frozenset({date(2026, 6, 8)}))
NIGHT = QuietHours(time(20), time(7, 30))


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-06-03T07:29:59", "2026-06-03T07:30"),
        ("2026-06-03T07:30", "2026-06-03T07:30"),
        ("2026-06-03T19:59:59", "2026-06-03T19:59:59"),
        ("2026-06-03T20:00", "2026-06-04T07:30"),
        ("2026-06-03T23:59", "2026-06-04T07:30"),
        ("2026-06-05T21:00", "2026-06-09T07:30"),
        ("2026-06-06T12:00", "2026-06-09T07:30"),
    ],
    ids=["just before", "at the end", "last second", "at the beginning", "midnight", "Friday night, Monday is a holiday", "Saturday"],
)
def test_quiet_hours_and_days_off_hold_back(moment: str, told: str) -> None:
    assert speak_at(local(moment), NIGHT, BERLIN) == local(told)


def test_hours_within_one_day_and_none_at_all() -> None:
    noon = QuietHours(time(12), time(13), days_off=False)

    assert speak_at(local("2026-06-06T12:30"), noon, BERLIN) == local("2026-06-06T13:00")
    assert speak_at(local("2026-06-06T03:00"), QuietHours(days_off=False), BERLIN) == local("2026-06-06T03:00")
    assert speak_at(local("2026-06-06T03:00"), QuietHours(time(3), time(3), days_off=False), BERLIN) == local("2026-06-06T03:00")


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_the_night_of_a_clock_change_ends_on_the_clock(day: str) -> None:
    quiet = QuietHours(time(1), time(2, 30), days_off=False)

    told = speak_at(local(f"{day}T01:15"), quiet, BERLIN)

    assert told > local(f"{day}T01:15").astimezone(UTC)
    assert told - local(f"{day}T01:15").astimezone(UTC) <= timedelta(hours=2, minutes=15)


moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda one: one.replace(tzinfo=UTC))


@given(moment=moments, begin=st.times(), end=st.times(), days_off=st.booleans())
def test_what_is_told_then_may_be_told_then_and_nothing_is_earlier(moment: datetime, begin: time, end: time, days_off: bool) -> None:
    quiet = QuietHours(begin.replace(tzinfo=None), end.replace(tzinfo=None), days_off)

    told = speak_at(moment, quiet, BERLIN)

    assert moment <= told <= moment + LONGEST
    assert speak_at(told, quiet, BERLIN) == told
