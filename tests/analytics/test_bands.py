"""Age bands, heat and limits: worked example G, borders, sources of a limit, and laws by property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.bands import (
    DEFAULT_LIMITS,
    Band,
    LimitSource,
    Thresholds,
    heat,
    heat_rank,
    measure_ages,
    on_time,
    overdue_days,
    yardstick,
)
from analytics.estimators import Curve, Estimate, Unit, estimate_quantile

AGES = [1, 2, 2, 4, 5, 7, 9, 10, 17, 30]


def estimate(value: float | None, *, n_exits: int = 40, lower_bound: float | None = None) -> Estimate:
    return Estimate(value=value, unit=Unit.BUSINESS_DAYS, n=n_exits, n_exits=n_exits, n_open=0, lower_bound=lower_bound)


PAST = yardstick(baseline_p50=estimate(3), baseline_p85=estimate(8))


# --- worked example G -------------------------------------------------------------------------------------------------


def test_ten_people_measured_with_a_baseline() -> None:
    cell = measure_ages(AGES, PAST)
    assert cell.bands == {"fresh": 3, "watch": 3, "late": 2, "critical": 2}
    assert cell.open == 10
    # k = 2: the second oldest has waited 17.
    assert heat_rank(10) == 2
    assert cell.heat is Band.CRITICAL
    assert cell.overdue_days == 34
    assert cell.oldest_age == 30
    assert (cell.on_time.k, cell.on_time.n) == (6, 10)


def test_heat_follows_the_second_oldest_not_the_oldest() -> None:
    cell = measure_ages([11 if age == 17 else age for age in AGES], PAST)
    assert cell.bands[Band.CRITICAL] == 1
    assert cell.heat is Band.LATE


def test_one_of_three_is_enough_to_heat_a_small_cell() -> None:
    assert heat([1, 2, 20], PAST.thresholds) is Band.CRITICAL


def test_people_who_are_all_stuck_are_critical_without_any_exit() -> None:
    # No exit, so no percentile and no baseline: the default of the category measures them.
    history = Curve.of(exits=[], still_open=[25, 30, 40])
    p50, p85 = (estimate_quantile(history, p, Unit.BUSINESS_DAYS) for p in (0.5, 0.85))
    cell = measure_ages([25, 30, 40], yardstick(baseline_p50=p50, baseline_p85=p85, category="screen"))
    assert p50.value is None
    assert cell.heat is Band.CRITICAL


# --- borders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "band"),
    [(0, "fresh"), (2.5, "fresh"), (2.5001, "watch"), (5, "watch"), (5.0001, "late"), (10, "late"), (10.0001, "critical")],
)
def test_a_target_sets_the_bands_at_half_once_and_twice(age: float, band: str) -> None:
    assert Thresholds.of_target(5).band(age) == band


@pytest.mark.parametrize(
    ("age", "band"), [(3, "fresh"), (3.0001, "watch"), (8, "watch"), (8.0001, "late"), (16, "late"), (16.0001, "critical")]
)
def test_a_baseline_sets_the_bands_at_p50_p85_and_twice_p85(age: float, band: str) -> None:
    assert PAST.thresholds.band(age) == band


@pytest.mark.parametrize(("n_open", "k"), [(0, 1), (1, 1), (5, 1), (6, 2), (10, 2), (11, 3), (100, 20), (101, 21)])
def test_the_heat_rank_is_a_fifth_rounded_up(n_open: int, k: int) -> None:
    assert heat_rank(n_open) == k


def test_an_empty_cell_has_no_heat() -> None:
    cell = measure_ages([], PAST)
    assert (cell.open, cell.heat, cell.oldest_age, cell.overdue_days) == (0, None, None, 0)
    assert cell.on_time.value is None
    assert set(cell.bands.values()) == {0}


def test_an_age_equal_to_the_limit_is_on_time() -> None:
    assert on_time([5, 5.0001], 5).k == 1
    assert overdue_days([5, 5.0001], 5) == 0.0001


# --- where a limit comes from -------------------------------------------------------------------------------------------


def test_a_target_wins_over_everything() -> None:
    measure = yardstick(target=6, baseline_p50=estimate(3), baseline_p85=estimate(8), category="review")
    assert (measure.limit.value, measure.limit.source, measure.limit.n) == (6, LimitSource.TARGET, None)
    assert measure.thresholds == Thresholds(3, 6, 12)


def test_a_baseline_wins_over_the_default_and_tells_its_size() -> None:
    measure = yardstick(baseline_p50=estimate(3), baseline_p85=estimate(8, n_exits=41), category="review")
    assert measure.limit.as_dict() == {"value": 8, "source": "baseline", "n": 41, "is_lower_bound": False, "unit": "bd"}


@pytest.mark.parametrize(
    ("category", "default"),
    [("review", 5), ("screen", 7), ("assessment", 7), ("interview", 10), ("decision", 4), ("offer", 5), ("unmapped", 10), (None, 10)],
)
def test_without_target_or_history_the_category_has_a_default(category: str | None, default: float) -> None:
    measure = yardstick(category=category)
    assert (measure.limit.value, measure.limit.source) == (default, LimitSource.DEFAULT)
    assert measure.thresholds == Thresholds.of_target(default)


def test_a_baseline_too_small_for_a_p85_is_no_baseline() -> None:
    measure = yardstick(baseline_p50=estimate(3, n_exits=19), baseline_p85=estimate(None, n_exits=19), category="offer")
    assert measure.limit.source is LimitSource.DEFAULT


def test_a_heavily_censored_baseline_lends_its_lower_bound_and_says_so() -> None:
    measure = yardstick(baseline_p50=estimate(4), baseline_p85=estimate(None, lower_bound=21))
    assert (measure.limit.value, measure.limit.source, measure.limit.is_lower_bound) == (21, LimitSource.BASELINE, True)
    assert measure.thresholds == Thresholds(4, 21, 42)


@pytest.mark.parametrize("target", [0, -1, float("nan")])
def test_a_target_that_nobody_can_keep_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        yardstick(target=target)


# --- laws ---------------------------------------------------------------------------------------------------------------

ages = st.lists(st.integers(0, 2_000_000).map(lambda n: n / 10_000), max_size=60)
targets = st.integers(1, 1_000_000).map(lambda n: n / 10_000)
ORDER = list(Band)


@given(ages, targets)
def test_bands_add_up_to_the_open_visits(sample: list[float], target: float) -> None:
    cell = measure_ages(sample, yardstick(target=target))
    assert sum(cell.bands.values()) == cell.open == len(sample)
    # What is late or critical is exactly what is not on time.
    assert cell.bands[Band.LATE] + cell.bands[Band.CRITICAL] == len(sample) - cell.on_time.k
    assert (cell.overdue_days > 0) == (cell.on_time.k < len(sample))


@given(ages.filter(bool), targets)
def test_a_fifth_has_waited_at_least_as_long_as_the_heat_says(sample: list[float], target: float) -> None:
    thresholds = Thresholds.of_target(target)
    shown = ORDER.index(heat(sample, thresholds))
    at_least_as_hot = sum(ORDER.index(thresholds.band(age)) >= shown for age in sample)
    hotter = sum(ORDER.index(thresholds.band(age)) > shown for age in sample)
    assert 5 * at_least_as_hot >= len(sample)
    assert hotter < heat_rank(len(sample))


@given(ages.filter(bool), targets, st.integers(1, 100_000).map(lambda n: n / 10_000))
def test_waiting_longer_never_cools_a_cell(sample: list[float], target: float, more: float) -> None:
    now, later = (measure_ages(each, yardstick(target=target)) for each in (sample, [age + more for age in sample]))
    assert ORDER.index(later.heat) >= ORDER.index(now.heat)
    assert later.overdue_days >= now.overdue_days


@given(targets)
def test_every_default_and_target_gives_bands_in_order(target: float) -> None:
    for limit in (target, *DEFAULT_LIMITS.values()):
        thresholds = Thresholds.of_target(limit)
        assert 0 < thresholds.fresh < thresholds.watch < thresholds.late
