"""The engine of the forecast against what can be worked out by hand, and against the estimators."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.estimators import Curve, Stay, cumulative_incidence
from analytics.simulation import HIRED, OUT, Crowd, Leaving, days_to_hire, futures

A, B = 1, 2


def leaving(*stays: tuple[float, int | None]) -> Leaving:
    """From (days, where it led); None: not left yet."""
    days, whereto = (np.array(column) for column in zip(*((d, OUT if to is None else to) for d, to in stays), strict=True))
    is_exit = np.array([to is not None for _, to in stays])
    return Leaving.of(days.astype(float), is_exit, whereto.astype(np.int64))


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def hired(curves: dict[int, Leaving], stage: int, age: float = 0.0, *, horizon: float = 1000.0, runs: int = 40_000) -> np.ndarray:
    return days_to_hire(curves, np.full(runs, stage), np.full(runs, age), horizon, rng())


def test_the_curve_of_example_f_is_aalen_johansen() -> None:
    advance, reject = HIRED, OUT
    curve = leaving((1, advance), (2, reject), (2, None), (3, advance), (4, reject), (5, None))

    assert curve.chance(advance, 3) == pytest.approx(1 / 6 + 2 / 9)
    assert curve.chance(reject, 5) == pytest.approx(1 / 6 + 2 / 9)
    assert (curve.n, curve.n_exits, curve.n_open) == (6, 4, 2)


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from([HIRED, OUT, None])), min_size=1, max_size=40), st.integers(0, 13))
def test_the_chance_of_each_way_out_is_the_estimators(sample: list[tuple[int, int | None]], by: int) -> None:
    names = {HIRED: "hired", OUT: "rejected", None: None}
    stays = [Stay(float(days), names[to]) for days, to in sample]

    curve = leaving(*sample)

    for to in (HIRED, OUT):
        assert curve.chance(to, by) == pytest.approx(cumulative_incidence(stays, [names[to] or ""], by), abs=1e-12)
    still = Curve.of_stays(stays).survival(by)
    assert 1 - sum(curve.chance(to, by) for to in (HIRED, OUT)) == pytest.approx(still, abs=1e-9)


def test_walks_from_the_door_end_as_often_and_as_soon_as_the_curve_says() -> None:
    found = hired({A: leaving((2, HIRED), (4, OUT), (6, HIRED), (8, OUT))}, A)

    assert set(found[np.isfinite(found)]) == {2.0, 6.0}
    assert np.mean(found == 2.0) == pytest.approx(1 / 4, abs=0.01)
    assert np.mean(np.isinf(found)) == pytest.approx(1 / 2, abs=0.01)


def test_somebody_who_has_stayed_a_while_no_longer_takes_the_early_ways() -> None:
    # given that he has not left by day 5, one of the ways of day 6 and 8 remains
    found = hired({A: leaving((2, HIRED), (4, OUT), (6, HIRED), (8, OUT))}, A, age=5.0)

    assert set(found[np.isfinite(found)]) == {1.0}
    assert np.mean(found == 1.0) == pytest.approx(1 / 2, abs=0.01)


def test_who_has_stayed_longer_than_anybody_known_stays() -> None:
    assert np.isinf(hired({A: leaving((2, HIRED), (4, HIRED))}, A, age=4.0)).all()
    assert np.isinf(hired({A: leaving((2, HIRED), (4, None))}, A, age=3.0)).all()


def test_two_stages_in_a_row_are_the_convolution_of_their_curves() -> None:
    first, second = leaving((1, B), (3, B), (5, OUT)), leaving((2, HIRED), (4, HIRED), (9, OUT))
    found = hired({A: first, B: second}, A)

    exact: dict[float, float] = {}
    for (one, chance_one), (two, chance_two) in product([(1, 1 / 3), (3, 1 / 3)], [(2, 1 / 3), (4, 1 / 3)]):
        exact[one + two] = exact.get(one + two, 0) + chance_one * chance_two
    for days, chance in exact.items():
        assert np.mean(found == days) == pytest.approx(chance, abs=0.01)
    assert np.mean(np.isfinite(found)) == pytest.approx(4 / 9, abs=0.01)


def test_nobody_goes_round_in_circles_for_ever() -> None:
    circle = {A: leaving((0.0, B), (0.0, B)), B: leaving((0.0, A), (0.0, A))}

    assert np.isinf(hired(circle, A, runs=10)).all()


def test_hires_of_people_who_are_there_are_binomial() -> None:
    curves = {A: leaving((2, HIRED), (40, OUT), (41, OUT), (42, OUT))}
    crowd = Crowd(np.full(12, A), np.zeros(12), 0.0, np.array([], dtype=np.int64))

    found = futures(curves, crowd, span=28, horizon=365, runs=20_000, rng=rng())

    assert found.hires.mean() == pytest.approx(12 / 4, abs=0.05)
    assert found.hires.var() == pytest.approx(12 * 1 / 4 * 3 / 4, abs=0.1)
    assert np.mean(np.isinf(found.first)) == pytest.approx((3 / 4) ** 12, abs=0.005)
    assert set(found.first[np.isfinite(found.first)]) == {2.0}


def test_newcomers_who_get_hired_are_a_thinned_poisson_process() -> None:
    # half of them are hired, ten days after they came: 0.2 a day over the 18 days that are early enough
    curves = {A: leaving((10, HIRED), (10, OUT))}
    crowd = Crowd(np.array([], dtype=np.int64), np.array([]), 0.4, np.array([A]))

    found = futures(curves, crowd, span=28, horizon=365, runs=20_000, rng=rng())

    assert found.hires.mean() == pytest.approx(0.2 * 18, rel=0.06)
    assert found.hires.var() == pytest.approx(0.2 * 18, rel=0.08)
    # the first hire: ten days, and then as a first arrival of the thinned process comes
    assert np.median(found.first) == pytest.approx(10 + np.log(2) / 0.2, rel=0.06)
