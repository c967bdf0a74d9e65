"""The look-up of public holidays: right dates, clear refusal of unknown places."""

from __future__ import annotations

from datetime import date

import pytest

from analytics.public_holidays import public_holidays


def test_labour_day_is_a_holiday_in_germany() -> None:
    found = public_holidays("DE", [2026])
    assert date(2026, 5, 1) in found
    assert date(2026, 5, 4) not in found


def test_a_subdivision_adds_its_own_holidays() -> None:
    # Epiphany is kept in Bavaria, not in Germany as a whole.
    assert date(2026, 1, 6) in public_holidays("DE", [2026], subdivision="BY")
    assert date(2026, 1, 6) not in public_holidays("DE", [2026])


def test_every_year_asked_for_is_covered() -> None:
    years = {day.year for day in public_holidays("US", range(2025, 2028))}
    assert years >= {2025, 2026, 2027}


@pytest.mark.parametrize(("country", "subdivision"), [("XX", None), ("DE", "ZZ")])
def test_an_unknown_place_is_refused_with_its_name(country: str, subdivision: str | None) -> None:
    with pytest.raises(ValueError, match=f"{country}.*ISO 3166"):
        public_holidays(country, [2026], subdivision=subdivision)
