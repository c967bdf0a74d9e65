"""Moments of schedules: pure, so every minute of a strange night can be looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from config.slots import Crontab, Every, Once

BERLIN = ZoneInfo("Europe/Berlin")
ALL = {"minutes": range(60), "hours": range(24), "weekdays": range(7), "days": range(1, 32), "months": range(1, 13)}


def crontab(zone: ZoneInfo | str = "UTC", **fields: object) -> Crontab:
    told = {name: frozenset(fields.get(name, default)) for name, default in ALL.items()}  # type: ignore[call-overload]
    return Crontab(**told, zone=ZoneInfo(zone) if isinstance(zone, str) else zone)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def runs(schedule: Crontab | Every, begin: datetime, end: datetime, step: timedelta = timedelta(minutes=1)) -> list[datetime]:
    """The slots a beat that looks every ``step`` would claim, in the order it finds them."""
    found, claimed, now = [], schedule.latest(begin), begin
    while now < end:
        slot = schedule.latest(now)
        if slot is not None and (claimed is None or slot > claimed):
            claimed = slot
            found.append(slot)
        now += step
    return found


def test_intervals_are_aligned_so_that_all_beats_find_the_same_slot() -> None:
    five = Every(timedelta(minutes=5))

    assert five.latest(utc("2026-11-23T12:04:59.9")) == utc("2026-11-23T12:00")
    assert five.latest(utc("2026-11-23T12:05")) == utc("2026-11-23T12:05")
    assert five.after(utc("2026-11-23T12:05")) == utc("2026-11-23T12:10")


def test_a_local_time_that_does_not_exist_is_run_once_when_it_would_have_been() -> None:
    """29 March 2026 in Berlin: 02:00 becomes 03:00."""
    nightly = crontab(BERLIN, hours=[2], minutes=[30])

    night = runs(nightly, utc("2026-03-28T22:00"), utc("2026-03-29T10:00"))

    assert night == [utc("2026-03-29T01:30")]  # 03:30 on the clock


def test_a_local_time_that_exists_twice_is_run_the_first_time_only() -> None:
    """25 October 2026 in Berlin: 03:00 becomes 02:00."""
    nightly = crontab(BERLIN, hours=[2], minutes=[30])

    night = runs(nightly, utc("2026-10-24T22:00"), utc("2026-10-25T10:00"))

    assert night == [utc("2026-10-25T00:30")]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-23", 24)])
def test_an_hourly_crontab_runs_by_elapsed_time(day: str, hours: int) -> None:
    hourly = crontab(BERLIN, minutes=[15])
    begin = datetime.fromisoformat(day).replace(tzinfo=BERLIN).astimezone(UTC)
    end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=BERLIN).astimezone(UTC)

    slots = runs(hourly, begin, end)

    assert len(slots) == hours
    assert {(later - earlier) for earlier, later in pairwise(slots)} == {timedelta(hours=1)}


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Pacific/Apia", "UTC"])
@pytest.mark.parametrize("hour", [0, 1, 2, 3])
def test_every_night_of_three_years_has_one_run(zone: str, hour: int) -> None:
    """Lord Howe moves by half an hour, Santiago at midnight."""
    nightly = crontab(zone, hours=[hour], minutes=[0])
    slots, now = [], utc("2025-01-01T12:00")
    while now < utc("2028-01-01T12:00"):
        following = nightly.after(now)
        assert following is not None
        assert nightly.latest(following) == following
        assert nightly.latest(following - timedelta(seconds=1)) != following
        slots.append(following)
        now = following

    nights = [slot.astimezone(ZoneInfo(zone)).date() for slot in slots]
    assert nights == [nights[0] + timedelta(days=n) for n in range(len(nights))]
    assert len(nights) > 1090


def test_days_months_and_weekdays_must_all_fit_as_celery_has_it() -> None:
    friday_13th = crontab(days=[13], weekdays=[5], hours=[0], minutes=[0])
    leap = crontab(days=[29], months=[2], hours=[0], minutes=[0])

    assert friday_13th.after(utc("2026-01-01")) == utc("2026-02-13")
    assert leap.after(utc("2026-01-01")) == utc("2028-02-29")
    assert crontab(days=[31], months=[2]).after(utc("2026-01-01")) is None


def test_a_single_moment_stays_the_latest_for_ever() -> None:
    once = Once(utc("2026-11-23T12:00"))

    assert once.latest(utc("2026-11-23T11:59")) is None
    assert once.latest(utc("2027-01-01")) == once.at
    assert once.after(once.at) is None
