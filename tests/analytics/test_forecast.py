"""A job's forecast: what it says, where it learns it, when it says nothing, and how often it was right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from analytics.forecast import (
    HORIZON_DAYS,
    Ground,
    Span,
    Stays,
    _fill_hit,
    forecast,
    hit_rate,
    in_days,
    moment_of,
    past_forecasts,
    seed_of,
)
from analytics.heatmap import StageRef
from analytics.models import Baseline
from analytics.simulation import HIRED, OUT

NOW = datetime(2026, 6, 1, tzinfo=UTC)
AT = in_days(NOW)
SCREEN, OFFER = 1, 2


def stay(
    stage: int, entered: float, days: float | None, whereto: int = OUT, *, own: bool = True, near: bool = True, **more: Any
) -> dict[str, Any]:
    """Began so many days ago; ``days`` None: still there."""
    left = np.inf if days is None else AT - entered + days
    told = {
        "application": 0, "stage": stage, "category": stage, "entered": AT - entered, "left": left, "is_exit": days is not None,
        "whereto": whereto, "well_dated": True, "own": own, "near": near, "first": False,
    }  # fmt: skip
    return told | more


def ground(*stays: dict[str, Any], **more: Any) -> Ground:
    kinds = {"entered": float, "left": float, "is_exit": bool, "well_dated": bool, "own": bool, "near": bool, "first": bool}
    names = list(stay(SCREEN, 1, 1))
    columns = {name: np.array([one[name] for one in stays], dtype=kinds.get(name, np.int64)) for name in names}
    facts: dict[str, Any] = {
        "job_id": 1, "as_of": NOW, "stays": Stays(**columns), "categories": {SCREEN: SCREEN, OFFER: OFFER},
        "statuses": [(-np.inf, "open")], "opened": None,
        "names": {n: StageRef(id=n, name=str(n), category="screen", order=n) for n in (SCREEN, OFFER)},
    }  # fmt: skip
    return Ground(**(facts | more))


def learnt(whereto: int = HIRED, *, number: int = 20, days: float = 10.0, **more: Any) -> list[dict[str, Any]]:
    """Stays of the past in the screen, the i-th of them begun 100 + i days ago."""
    return [stay(SCREEN, 100 + i, days, whereto, **more) for i in range(number)]


class TestRange:
    def test_a_sure_thing_is_told_to_the_day(self) -> None:
        found = forecast(ground(*learnt(), stay(SCREEN, 4, None)), AT)

        assert found.reason is None
        assert found.fill == Span(6.0, 6.0, 6.0)
        assert found.hires == Span(1.0, 1.0, 1.0)
        assert found.chance == 1.0

    def test_half_and_half_ranges_over_both(self) -> None:
        found = forecast(ground(*learnt(number=10), *learnt(OUT, number=10), *(stay(SCREEN, 4, None) for _ in range(2))), AT)

        assert found.hires == Span(0.0, 1.0, 2.0)
        assert found.mean_hires == pytest.approx(1.0, abs=0.1)
        assert found.fill.low == found.fill.value == 6.0
        assert found.fill.high is None  # one time in four nobody is hired

    def test_it_is_the_same_whenever_it_is_asked_for_on_a_day(self) -> None:
        people = [stay(SCREEN, 4, None) for _ in range(7)]
        told = ground(*learnt(number=12), *learnt(OUT, number=12, days=3), *people)

        once, again = forecast(told, AT), forecast(told, AT)
        assert (once.fill, once.hires, once.mean_hires) == (again.fill, again.hires, again.mean_hires)
        assert seed_of(1, AT + 0.1) == seed_of(1, AT + 0.9) != seed_of(1, AT + 1.1)

    def test_no_more_are_hired_than_are_wanted(self) -> None:
        people = [stay(SCREEN, 4, None) for _ in range(3)]

        assert forecast(ground(*learnt(number=20, own=False), *people, openings=2), AT).hires == Span(2.0, 2.0, 2.0)

    def test_newcomers_are_expected_as_they_came_lately(self) -> None:
        came = [stay(SCREEN, 1 + 3 * i, 2.0, HIRED, first=True) for i in range(30)]
        found = forecast(ground(*came, opened=AT - 90), AT)

        assert (found.arrivals, found.arrivals_per_day) == (30, pytest.approx(30 / 90))
        assert found.mean_hires == pytest.approx(1 + 26 / 3, abs=0.3)  # one is here, the others come


class TestWhereItLearns:
    @pytest.mark.parametrize(
        ("own", "near", "level"),
        [(20, 0, Baseline.Level.JOB), (19, 1, Baseline.Level.DEPARTMENT), (5, 5, Baseline.Level.ORGANIZATION)],
    )
    def test_from_the_nearest_with_twenty_exits(self, own: int, near: int, level: Baseline.Level) -> None:
        far = learnt(number=15, own=False, near=False)
        found = forecast(ground(*learnt(number=own), *learnt(number=near, own=False), *far, stay(SCREEN, 4, None)), AT)

        assert found.learnt[SCREEN].level == level

    def test_under_twenty_from_the_widest_with_low_confidence(self) -> None:
        found = forecast(ground(*learnt(number=6), *learnt(number=3, own=False), stay(SCREEN, 4, None)), AT)

        assert (found.learnt[SCREEN].level, found.confidence) == (Baseline.Level.ORGANIZATION, "low")

    def test_not_from_stays_that_no_statistic_counts(self) -> None:
        odd = [
            *learnt(number=20, well_dated=False),
            *(stay(SCREEN, 190 + i, 5, HIRED) for i in range(20)),
            *(stay(SCREEN, 50 + i, 59 / 86_400, HIRED) for i in range(20)),
        ]

        assert forecast(ground(*odd, stay(SCREEN, 4, None)), AT).reason == "too_few_exits"


@pytest.mark.parametrize(
    ("reason", "stays", "facts"),
    [
        ("job_not_open", [stay(SCREEN, 4, None)], {"statuses": [(-np.inf, "open"), (AT - 5, "closed")]}),
        ("job_on_hold", [stay(SCREEN, 4, None)], {"statuses": [(-np.inf, "open"), (AT - 5, "on_hold")]}),
        ("job_not_open", [stay(SCREEN, 4, None)], {"opened": AT + 1}),
        ("all_openings_filled", [*learnt(number=2), stay(SCREEN, 4, None)], {"openings": 2}),
        ("nobody_in_the_pipeline", learnt(), {}),
        ("too_few_exits", [*learnt(number=5), stay(SCREEN, 4, None)], {}),
        ("no_hire_to_learn_from", [*learnt(OUT), stay(SCREEN, 4, None)], {}),
    ],
)
def test_where_nothing_can_be_said_it_says_why(reason: str, stays: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    found = forecast(ground(*stays, **facts), AT)

    assert (found.reason, found.fill.value, found.hires.value) == (reason, None, None)


class TestPast:
    def hiring(self, *, until: float = 0) -> Ground:
        """One person comes every fourth day, since a year; half are hired after 20 days, half rejected."""
        stays = []
        for number, began in enumerate(np.arange(360.0, until, -4)):
            over = began >= 20
            stays.append(stay(SCREEN, began, 20.0 if over else None, HIRED if number % 2 and over else OUT, first=True))
        return ground(*stays, opened=AT - 360)

    def test_each_is_held_against_what_came(self) -> None:
        past = past_forecasts(self.hiring())

        assert [one.forecast.at for one in past] == [AT - 28 * n for n in range(1, 12 + 1)][: len(past)]
        assert len(past) >= 8
        assert {one.hires for one in past} <= {3, 4}  # 28 days / 8
        assert all(one.hires_hit for one in past)

    def test_a_past_forecast_knows_nothing_of_what_came_later(self) -> None:
        whole, at = self.hiring(), AT - 56
        stays = whole.stays
        seen = stays.entered <= at
        columns = {name: getattr(stays, name)[seen] for name in stay(SCREEN, 1, 1)}
        later = columns["left"] > at
        columns["left"] = np.where(later, np.inf, columns["left"])
        columns["is_exit"] = columns["is_exit"] & ~later
        columns["whereto"] = np.where(later, OUT, columns["whereto"])
        then = ground(as_of=moment_of(at), opened=whole.opened)
        then = Ground(**{name: getattr(then, name) for name in then.__slots__} | {"stays": Stays(**columns)})

        assert forecast(whole, at).fill == forecast(then, at).fill
        assert forecast(whole, at).hires == forecast(then, at).hires

    def test_there_is_none_before_the_job_had_any_history(self) -> None:
        assert past_forecasts(ground(*(stay(SCREEN, 50, 3, HIRED) for _ in range(30)))) == []

    @pytest.mark.parametrize(
        ("fill", "first", "waited", "hit"),
        [
            (Span(5, 10, 20), 5, 90, True),
            (Span(5, 10, 20), 21, 90, False),
            (Span(5, 10, None), 300, 330, True),
            (Span(None, None, None), 30, 90, False),  # it said: not within a year
            (Span(5, 10, 20), None, 28, False),
            (Span(5, 10, 40), None, 28, None),
            (Span(5, None, None), None, 28, None),
        ],
    )
    def test_a_day_is_hit_missed_or_still_open(self, fill: Span, first: float | None, waited: float, hit: bool | None) -> None:
        assert _fill_hit(fill, first, waited) is hit

    def test_a_rate_needs_three_decided_ones(self) -> None:
        none, reason = hit_rate([True, None, False])
        assert (none.value, none.n, reason) == (None, 2, "too_few_past_forecasts")
        some, reason = hit_rate([True, True, False, None])
        assert (some.k, some.n, reason) == (2, 3, None)


def test_the_horizon_is_a_year() -> None:
    late = learnt(number=20, days=200)
    moved = [stay(SCREEN, 4, None)]

    found = forecast(ground(*late, *moved), AT)

    # the stays of 200 days have not ended yet at 100 days of age: nothing has
    assert found.reason == "too_few_exits"
    assert timedelta(days=HORIZON_DAYS) == timedelta(days=365)
