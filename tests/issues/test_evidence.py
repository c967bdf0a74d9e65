"""Evidence in words."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from issues.evidence import Line, lines, text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"value": 22.0, "unit": "bd"}, "22 business days"),
        ({"value": 1.0, "unit": "bd"}, "1 business day"),
        ({"value": 6.54, "unit": "cd", "source": "baseline", "n": 12}, "6.5 calendar days (baseline, n = 12)"),
        ({"value": 3, "unit": "people"}, "3 people"),
        ({"value": None, "unit": ""}, "not known"),
        ("2026-06-05T15:00:00+02:00", "Fri 05 Jun 2026, 13:00 UTC"),
        ("2026-06-05", "2026-06-05"),
        ("20000", "20000"),
        (True, "yes"),
        (0, "0"),
        (1234567.0, "1,234,567"),
        ("", "not known"),
        (None, "not known"),
        (["a", 2.5], "a, 2.5"),
        ([], "none"),
        (list(range(25)), ", ".join(map(str, range(20))) + " and 5 more"),
        ({"kind": "email", "at": None}, "kind email, at not known"),
    ],
)
def test_a_value_is_said_in_words(value: Any, words: str) -> None:
    assert text(value) == words


def test_moments_are_told_in_the_zone_of_the_page_they_stand_on() -> None:
    seen = {
        "entered_at": "2026-06-05T22:30:00+00:00",
        "steps": [{"at": "2026-12-05T22:30:00+00:00"}],
        "within": {"from": "2026-06-05T15:00:00Z"},
    }

    told = lines(seen, zone=ZoneInfo("Europe/Berlin"))

    assert [line.text for line in told if line.text[:1].isdigit() or "at" in line.text] == [
        "6 Jun 2026, 00:30", "1", "at 5 Dec 2026, 23:30", "5 Jun 2026, 17:00",
    ]  # fmt: skip


def test_one_fact_a_line_nested_ones_below_their_heading() -> None:
    told = {"entered_at": "never", "window": {"from": "a", "days": 3}, "members": [{"id": 1}, {"id": 2}]}

    assert lines(told) == [
        Line("In the stage since", "never"),
        Line("Window", ""),
        Line("From", "a", 1),
        Line("Days", "3", 1),
        Line("Members", "2"),
        Line("·", "id 1", 1),
        Line("·", "id 2", 1),
    ]


def test_nothing_makes_no_line() -> None:
    assert lines({}) == []
