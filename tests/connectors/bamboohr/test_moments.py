from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.bamboohr import moments
from connectors.bamboohr.moments import Moment

AT = datetime(2026, 10, 14, 13, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-14T13:30:05+00:00",
        "2026-10-14T15:30:05+02:00",
        "2026-10-14T08:00:05-05:30",
        "2026-10-14T13:30:05Z",
        "2026-10-14T13:30:05+0000",
        "2026-10-14 13:30:05",
        "2026-10-14T13:30:05",
        "2026-10-14T13:30:05.999+00:00",
    ],
)
def test_every_way_of_writing_an_instant_is_the_same_utc_second(text: str) -> None:
    assert moments.read(text) == Moment(AT)


def test_a_date_is_its_first_instant_and_says_so() -> None:
    assert moments.read("2026-10-14") == Moment(datetime(2026, 10, 14, tzinfo=UTC), date_only=True)


@pytest.mark.parametrize(
    "text",
    [None, "", "0000-00-00", "0000-00-00 00:00:00", "-0001-11-30T00:00:00+00:00", "0001-01-01T00:00:00+14:00", "soon", "2026-13-01"],
)
def test_what_is_no_moment_is_none(text: str | None) -> None:
    assert moments.read(text) is None


def test_of_a_date_and_a_moment_within_it_neither_is_later() -> None:
    day = Moment(datetime(2026, 10, 14, tzinfo=UTC), date_only=True)
    noon, eve = Moment(AT), Moment(datetime(2026, 10, 13, 12, tzinfo=UTC))

    assert not day.is_after(noon)
    assert not noon.is_after(day)
    assert day.is_after(eve)
    assert noon.is_after(eve)


def test_keys_hold_moments_in_basic_format() -> None:
    assert moments.compact(AT) == "20261014T133005Z"
