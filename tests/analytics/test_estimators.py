"""Estimators: the worked examples with their exact numbers, edges, laws, and two independent packages as judges."""

from __future__ import annotations

import math
import warnings
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import CensoredData, binomtest, ecdf

from analytics.estimators import (
    Confidence,
    Curve,
    Estimate,
    Stay,
    Unit,
    cumulative_incidence,
    delay,
    estimate_quantile,
    mean_completed,
    pace,
    pass_through,
    rate,
    sla_attainment,
    wilson_interval,
)
from analytics.littles_law import average_open, flow_check

#: Example A: exits and people still waiting.
WAITING = Curve.of(exits=[2, 3, 3, 5, 8, 10], still_open=[1, 4, 6, 9, 12])
NOBODY_WAITING = Curve.of(exits=[1, 2, 2, 3, 5, 9, 30])
#: Example F: exits that compete.
COMPETING = [Stay(1, "advanced"), Stay(2, "rejected"), Stay(2), Stay(3, "advanced"), Stay(4, "rejected"), Stay(5)]


def exact_survival(exits: list[float], censored: list[float], t: float) -> Fraction:
    """S(t) by its definition, in fractions."""
    survival = Fraction(1)
    for time in sorted({each for each in exits if each <= t}):
        at_risk = sum(each >= time for each in exits) + sum(each >= time for each in censored)
        survival *= 1 - Fraction(exits.count(time), at_risk)
    return survival


# --- worked examples ----------------------------------------------------------------------------------------------


def test_the_curve_counts_those_who_still_wait() -> None:
    expected = {2: Fraction(9, 10), 3: Fraction(7, 10), 5: Fraction(7, 12), 8: Fraction(7, 16), 10: Fraction(7, 32)}
    assert {step.time: pytest.approx(step.survival, abs=1e-12) for step in WAITING.steps} == expected
    assert (WAITING.n, WAITING.n_exits, WAITING.n_open, WAITING.longest) == (11, 6, 5, 12)


def test_the_median_of_example_a_is_eight_with_an_open_ended_interval() -> None:
    assert WAITING.quantile(0.25) == 3
    median = estimate_quantile(WAITING, 0.5, Unit.BUSINESS_DAYS)
    assert (median.value, median.low, median.high) == (8, 2, None)
    assert median.confidence is Confidence.LOW
    assert median.lower_bound is None


def test_a_percentile_out_of_reach_is_null_and_exceeds_the_longest_duration() -> None:
    p85 = estimate_quantile(WAITING, 0.85, Unit.BUSINESS_DAYS)
    assert p85.value is None
    assert p85.lower_bound == 12
    assert p85.confidence is Confidence.LOW
    assert p85.at_least == 12


def test_leaving_the_waiting_out_or_taking_them_as_done_is_biased() -> None:
    # The two wrong ways of example A, as a reminder of what the curve is for.
    assert Curve.of(exits=[2, 3, 3, 5, 8, 10]).quantile(0.5) == 3
    assert mean_completed([2, 3, 3, 5, 8, 10]) == pytest.approx(5.17, abs=0.005)
    assert Curve.of(exits=[2, 3, 3, 5, 8, 10, 1, 4, 6, 9, 12]).quantile(0.5) == 5


def test_sla_attainment_of_example_a() -> None:
    attainment = sla_attainment(WAITING, 5)
    assert attainment.value == pytest.approx(100 * 5 / 12)
    assert round(attainment.value, 1) == 41.7
    assert attainment.unit == "%"
    assert attainment.low < attainment.value < attainment.high


def test_pace_of_example_a() -> None:
    assert pace(WAITING, 9).value == pytest.approx(56.25)


def test_without_open_visits_percentiles_are_order_statistics() -> None:
    assert estimate_quantile(NOBODY_WAITING, 0.5, Unit.BUSINESS_DAYS).value == 3
    assert NOBODY_WAITING.quantile(0.85) == 9
    assert mean_completed([1, 2, 2, 3, 5, 9, 30]) == pytest.approx(7.43, abs=0.005)
    assert Curve.of(exits=[1, 2, 4, 10]).quantile(0.5) == 2


def test_p85_is_not_shown_for_seven_exits() -> None:
    p85 = estimate_quantile(NOBODY_WAITING, 0.85, Unit.BUSINESS_DAYS)
    assert (p85.value, p85.low, p85.high) == (None, None, None)
    # The curve does reach it, so no bound may stand in for it either: "> 30" would be false.
    assert p85.lower_bound is None


def test_a_float_product_does_not_push_the_median_one_exit_on() -> None:
    curve = Curve.of(exits=range(1, 25))
    assert curve.quantile(0.5) == 12
    assert math.prod(1 - 1 / n for n in range(24, 12, -1)) > 0.5  # the trap is real


def test_pass_through_of_example_e() -> None:
    shown = pass_through(entered=40, advanced=14, still_open=5)
    assert (shown.resolved.value, shown.resolved.k, shown.resolved.n) == (40, 14, 35)
    assert (round(shown.resolved.low, 1), round(shown.resolved.high, 1)) == (25.6, 56.4)
    assert (shown.low, shown.high) == (35, 47.5)


def test_rejections_compete_with_advancing() -> None:
    assert cumulative_incidence(COMPETING, ["advanced"], 3) == pytest.approx(float(Fraction(1, 6) + Fraction(2, 9)))
    assert round(100 * cumulative_incidence(COMPETING, ["advanced"], 3), 1) == 38.9
    # Taking rejections as censored claims more.
    naive = Curve.of(exits=[1, 3], cut_off=[2, 2, 4, 5])
    assert round(100 * (1 - naive.survival(3)), 1) == 44.4


# --- small samples ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_exits", "shown", "confidence"),
    [(0, (), "none"), (5, (), "none"), (6, (0.5,), "low"), (19, (0.5,), "low"), (20, (0.5, 0.85), "ok"),
     (59, (0.5, 0.85), "ok"), (60, (0.5, 0.85, 0.95), "ok")],
)  # fmt: skip
def test_percentiles_are_shown_from_their_number_of_exits_on(n_exits: int, shown: tuple[float, ...], confidence: str) -> None:
    curve = Curve.of(exits=range(1, n_exits + 1))
    estimates = {p: estimate_quantile(curve, p, Unit.BUSINESS_DAYS) for p in (0.5, 0.85, 0.95)}
    assert tuple(p for p, estimate in estimates.items() if estimate.value is not None) == shown
    assert {estimate.confidence for estimate in estimates.values()} == {confidence}
    assert {estimate.n_exits for estimate in estimates.values()} == {n_exits}


def test_open_visits_do_not_make_up_for_missing_exits() -> None:
    curve = Curve.of(exits=[1, 2, 3, 4, 5], still_open=[9] * 50)
    assert estimate_quantile(curve, 0.5, Unit.BUSINESS_DAYS) == Estimate(
        value=None, unit=Unit.BUSINESS_DAYS, n=55, n_exits=5, n_open=50, confidence=Confidence.NONE
    )


def test_an_empty_sample_knows_nothing() -> None:
    empty = Curve.of(exits=[])
    assert estimate_quantile(empty, 0.5, Unit.CALENDAR_DAYS).as_dict() == {
        "value": None, "unit": "cd", "n": 0, "n_exits": 0, "n_open": 0,
        "low": None, "high": None, "confidence": "none", "lower_bound": None,
    }  # fmt: skip
    assert empty.survival(100) == 1.0
    assert pace(empty, 10).value is None
    assert cumulative_incidence([], ["advanced"], 10) is None
    assert mean_completed([]) is None


def test_a_closing_day_full_of_clean_ups_has_no_median() -> None:
    curve = Curve.of_stays([Stay(days, "job_closed") for days in range(1, 31)])
    estimate = estimate_quantile(curve, 0.5, Unit.BUSINESS_DAYS)
    assert (estimate.value, estimate.n, estimate.n_exits, estimate.n_open) == (None, 30, 0, 0)


# --- edges of the curve ---------------------------------------------------------------------------------------------


def test_one_cut_off_at_an_exit_time_is_still_at_risk_at_it() -> None:
    curve = Curve.of(exits=[5], still_open=[5])
    assert curve.survival(5) == 0.5
    assert curve.survival(4.9999) == 1.0


def test_parked_visits_count_in_n_but_neither_as_exits_nor_as_open() -> None:
    stays = [Stay(1, "advanced"), Stay(2, "on_hold"), Stay(3, "removed"), Stay(4, "unknown"), Stay(5, "gap"), Stay(6)]
    curve = Curve.of_stays(stays)
    assert (curve.n, curve.n_exits, curve.n_open) == (6, 1, 1)


def test_the_band_is_zero_where_nobody_is_left() -> None:
    curve = Curve.of(exits=[1, 2])
    assert (curve.steps[-1].survival, curve.steps[-1].low, curve.steps[-1].high) == (0, 0, 0)
    assert curve.quantile_interval(0.5) == (1, 2)


def test_pace_beyond_the_longest_observation_is_only_a_lower_bound() -> None:
    beyond = pace(WAITING, 40)
    assert beyond.value == pytest.approx(100 * 25 / 32)
    assert beyond.lower_bound == beyond.value
    assert pace(WAITING, 12).lower_bound is None
    # With everybody gone there is nothing left to be unknown.
    assert pace(NOBODY_WAITING, 40).lower_bound is None
    assert pace(NOBODY_WAITING, 40).value == 100


def test_pace_before_the_first_exit_is_zero() -> None:
    assert pace(WAITING, 1).value == 0.0


# --- rates ----------------------------------------------------------------------------------------------------------


def test_no_rate_is_shown_for_nobody() -> None:
    assert rate(0, 0).value is None
    assert rate(0, 0).low is None
    empty = pass_through(entered=0, advanced=0, still_open=0)
    assert (empty.resolved.value, empty.low, empty.high) == (None, None, None)
    assert pass_through(entered=3, advanced=0, still_open=3).resolved.value is None


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5)])
def test_impossible_counts_are_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="between 0 and n"):
        wilson_interval(k, n)
    with pytest.raises(ValueError, match="cannot be"):
        pass_through(entered=5, advanced=3, still_open=3)


# --- comparison and flow ----------------------------------------------------------------------------------------------


def estimate(value: float | None, *, low: float | None = None, n_exits: int = 20, lower_bound: float | None = None) -> Estimate:
    return Estimate(value=value, unit=Unit.BUSINESS_DAYS, n=n_exits, n_exits=n_exits, n_open=0, low=low, lower_bound=lower_bound)


@pytest.mark.parametrize(
    ("current", "is_delayed"),
    [
        (estimate(6, low=5), True),
        (estimate(6, low=4), False),  # the interval still holds the usual
        (estimate(6, low=None), False),
        (estimate(5.9, low=5), False),  # less than 1.5 times
        (estimate(6, low=5, n_exits=5), False),
    ],
)
def test_a_stage_is_delayed_when_it_is_clearly_slower_than_usual(current: Estimate, is_delayed: bool) -> None:
    assert delay(current, estimate(4)).is_delayed is is_delayed


def test_a_ratio_of_hours_is_no_delay() -> None:
    found = delay(estimate(1.4, low=1.2), estimate(0.5))
    assert (found.ratio, found.is_delayed) == (pytest.approx(2.8), False)


def test_a_median_not_reached_stands_in_with_its_lower_bound() -> None:
    found = delay(estimate(None, low=7, lower_bound=12), estimate(4))
    assert (found.ratio, found.at_least, found.is_delayed) == (3.0, True, True)


@pytest.mark.parametrize(
    ("current", "baseline"), [(estimate(None), estimate(4)), (estimate(4), estimate(None)), (estimate(4), estimate(0))]
)
def test_without_both_medians_there_is_no_ratio(current: Estimate, baseline: Estimate) -> None:
    found = delay(current, baseline)
    assert (found.ratio, found.is_delayed, found.at_least) == (None, False, False)


def test_the_average_number_open_is_weighted_by_time() -> None:
    day = datetime(2026, 6, 1, tzinfo=UTC)
    stays = [
        (day - timedelta(days=5), day + timedelta(days=2)),  # 2 of the 10 days
        (day + timedelta(days=4), None),  # 6, still open
        (day + timedelta(days=20), None),  # not yet there
    ]
    until = day + timedelta(days=10)
    assert average_open(stays, since=day, until=until, as_of=day + timedelta(days=30)) == pytest.approx(0.8)
    # Replayed after five days, the future does not count: 2 + 1 of 5.
    assert average_open(stays, since=day, until=until, as_of=day + timedelta(days=5)) == pytest.approx(0.6)
    assert average_open(stays, since=day, until=until, as_of=day) is None


def test_littles_law_is_only_applied_in_a_steady_state() -> None:
    steady = {
        "average_open": 10.0,
        "arrivals": 30,
        "exits": 28,
        "window_days": 28.0,
        "age_at_start": 9.0,
        "age_at_end": 10.0,
    }
    assert flow_check(**steady).days == 10.0
    assert "arrivals" in (flow_check(**steady | {"arrivals": 35}).reason or "")  # exactly 20 % apart
    assert "age" in (flow_check(**steady | {"age_at_end": 12.0}).reason or "")
    assert "no exits" in (flow_check(**steady | {"exits": 0}).reason or "")


# --- laws -------------------------------------------------------------------------------------------------------------

days = st.integers(0, 400).map(lambda tenths: tenths / 10)
samples = st.lists(days, min_size=1, max_size=40)
quantiles = st.integers(1, 99).map(lambda percent: percent / 100)


@given(samples, quantiles)
def test_quantiles_without_cut_offs_are_percentile_disc(exits: list[float], p: float) -> None:
    percent = round(100 * p)
    rank = -(-percent * len(exits) // 100)  # ceil(p n), in integers
    assert Curve.of(exits=exits).quantile(p) == sorted(exits)[rank - 1]


@given(samples, st.lists(days, max_size=40), quantiles)
def test_the_curve_equals_its_definition_in_fractions(exits: list[float], censored: list[float], p: float) -> None:
    curve = Curve.of(exits=exits, still_open=censored)
    for step in curve.steps:
        assert step.survival == pytest.approx(float(exact_survival(exits, censored, step.time)), abs=1e-12)
    level = 1 - Fraction(round(100 * p), 100)
    expected = next((t for t in sorted(set(exits)) if exact_survival(exits, censored, t) <= level), None)
    assert curve.quantile(p) == expected


@given(samples, st.lists(days, max_size=40))
def test_the_curve_falls_and_lies_within_its_band(exits: list[float], censored: list[float]) -> None:
    curve = Curve.of(exits=exits, still_open=censored)
    assert [step.survival for step in curve.steps] == sorted((step.survival for step in curve.steps), reverse=True)
    assert all(0 <= step.low <= step.survival <= step.high <= 1 for step in curve.steps)
    assert curve.n == len(exits) + len(censored)


@given(samples, st.lists(days, max_size=40))
def test_quantiles_grow_with_p_and_with_waiting(exits: list[float], waiting: list[float]) -> None:
    curve = Curve.of(exits=exits, still_open=waiting)
    found = [math.inf if (q := curve.quantile(p / 100)) is None else q for p in range(5, 100, 5)]
    assert found == sorted(found)
    # Somebody who waits longer than everyone can only make the estimate longer.
    longer = Curve.of(exits=exits, still_open=[*waiting, 1_000.0]).quantile(0.5)
    assert longer is None or longer >= curve.quantile(0.5)


@given(samples, st.lists(days, max_size=40), st.randoms())
def test_the_order_of_the_sample_does_not_matter(exits: list[float], waiting: list[float], random) -> None:
    shuffled_exits, shuffled_waiting = random.sample(exits, len(exits)), random.sample(waiting, len(waiting))
    assert Curve.of(exits=shuffled_exits, still_open=shuffled_waiting) == Curve.of(exits=exits, still_open=waiting)


stays = st.builds(Stay, days, st.sampled_from(["advanced", "rejected", "withdrawn", "on_hold", "job_closed", None]))


@given(st.lists(stays, min_size=1, max_size=40), days)
def test_the_chances_of_all_exits_and_of_staying_add_up_to_one(sample: list[Stay], by: float) -> None:
    chances = [cumulative_incidence(sample, [kind], by) for kind in ("advanced", "rejected", "withdrawn")]
    assert sum(chances) + Curve.of_stays(sample).survival(by) == pytest.approx(1)
    assert all(chance >= 0 for chance in chances)


@given(st.integers(0, 3_000), st.integers(0, 3_000))
def test_wilson_bounds_hold_the_share_and_stay_within_zero_and_one(k: int, more: int) -> None:
    n = k + more
    interval = wilson_interval(k, n)
    if n == 0:
        assert interval is None
        return
    assert 0 <= interval[0] <= k / n <= interval[1] <= 1
    assert interval[0] < interval[1]


# --- judged by other packages ---------------------------------------------------------------------------------------------


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_agrees_with_scipy(k: int, more: int) -> None:
    judge = binomtest(k, k + more).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson_interval(k, k + more) == pytest.approx((judge.low, judge.high), abs=1e-12)


@given(samples, st.lists(days, max_size=40))
def test_the_curve_agrees_with_scipy(exits: list[float], censored: list[float]) -> None:
    judge = ecdf(CensoredData(uncensored=exits, right=censored)).sf
    curve = Curve.of(exits=exits, still_open=censored)
    for t in {*exits, *censored, 0.05, 50.0}:
        assert curve.survival(t) == pytest.approx(float(judge.evaluate(t)), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(days.map(lambda t: t + 0.1), min_size=2, max_size=40), st.lists(days.map(lambda t: t + 0.1), max_size=40))
def test_median_and_its_interval_agree_with_lifelines(exits: list[float], censored: list[float]) -> None:
    from lifelines import KaplanMeierFitter
    from lifelines.utils import median_survival_times

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lifelines warns of samples that leave nobody
        judge = KaplanMeierFitter().fit([*exits, *censored], [1] * len(exits) + [0] * len(censored))
        interval = median_survival_times(judge.confidence_interval_).to_numpy()[0]
    curve = Curve.of(exits=exits, still_open=censored)
    # Where S is 0.5 but for float error the judge, which has no tolerance, may be one exit late.
    if all(abs(step.survival - 0.5) > 1e-9 for step in curve.steps):
        assert (curve.quantile(0.5) or math.inf) == judge.median_survival_time_
    low, high = curve.quantile_interval(0.5)
    assert (low or math.inf, high or math.inf) == tuple(interval)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 2_000), st.sampled_from([0, 1, 2])),
        min_size=3,
        max_size=40,
        unique_by=lambda pair: pair[0],
    )
)
def test_incidence_agrees_with_lifelines(sample: list[tuple[int, int]]) -> None:
    from lifelines import AalenJohansenFitter

    kinds = {0: None, 1: "advanced", 2: "rejected"}
    if not any(kind == 1 for _, kind in sample):
        return
    # Without ties, which that package breaks at random.
    judge = AalenJohansenFitter(calculate_variance=False).fit(
        [time for time, _ in sample], [kind for _, kind in sample], event_of_interest=1
    )
    found = [Stay(time, kinds[kind]) for time, kind in sample]
    for time, chance in judge.cumulative_density_.iloc[:, 0].items():
        assert cumulative_incidence(found, ["advanced"], time) == pytest.approx(chance, abs=1e-9)
