"""The geometry of the pictures: what is drawn is what the numbers say."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from analytics.estimators import Curve, Unit, estimate_quantile
from analytics.heatmap import StageRef
from analytics.pictures import Aged, StageAges, StageCurve, Week
from realtime import charts

SCREEN = StageRef(id=1, name="Screen", category="screen", order=1000)
START = datetime(2026, 9, 1, tzinfo=UTC)


def curve_of(exits: list[float], still_open: list[float]) -> StageCurve:
    curve = Curve.of(exits=exits, still_open=still_open)
    return StageCurve(SCREEN, curve, estimate_quantile(curve, 0.5, Unit.BUSINESS_DAYS), still_open)


def height_at(path: str, across: float) -> float:
    """Where a stair path of H and V commands stands at a place."""
    here, down = 0.0, 0.0
    for command, value in re.findall(r"([MHV])(\d+(?:\.\d+)?)", path):
        if command == "M":
            continue
        if command == "H":
            if float(value) > across:
                return down
            here = float(value)
        else:
            down = float(value)
    assert across <= here + 0.01
    return down


def test_the_curve_falls_where_the_product_limit_estimate_does() -> None:
    """The worked example with people still waiting: S(2) = 9/10, S(5) = 7/12, S(10) = 7/32."""
    chart = charts.curve_chart(curve_of([2, 3, 3, 5, 8, 10], [1, 4, 6, 9, 12]), longest=12)
    end = 15.0  # 0, 5, 10, 15

    assert [tick.label for tick in chart.ticks] == ["0", "5", "10", "15"]
    for day, share in ((1, 1), (2.5, 9 / 10), (6, 7 / 12), (11, 7 / 32)):
        assert height_at(chart.path, 100 * day / end) == pytest.approx(100 * (1 - share), abs=0.01)


def test_the_median_stands_where_half_have_left_and_is_told() -> None:
    chart = charts.curve_chart(curve_of([2, 3, 3, 5, 8, 10], [1, 4, 6, 9, 12]), longest=12)

    assert chart.median is not None
    assert (chart.median.at, chart.median.label) == (pytest.approx(100 * 8 / 15, abs=0.01), "~8.0 d")
    assert chart.sentence == "Screen: 6 of 11 have left, 5 still waiting; half have left after ~8.0 days."


def test_people_still_waiting_are_marked_on_the_curve() -> None:
    one = curve_of([2, 3, 3, 5, 8, 10], [1, 4, 6, 9, 12])
    chart = charts.curve_chart(one, longest=12)

    assert [across for across, _ in chart.marks] == [pytest.approx(100 * age / 15, abs=0.01) for age in one.waiting]
    assert chart.marks[1][1] == pytest.approx(30, abs=0.01)  # 4 days: seven tenths are still there


def test_a_curve_beyond_the_axis_is_cut_at_it() -> None:
    chart = charts.curve_chart(curve_of([1.0, 2.0, 3.0, 400.0, 500.0, 600.0], []), longest=10)

    assert max(float(value) for value in re.findall(r"H(\d+(?:\.\d+)?)", chart.path)) == 100
    assert charts.curve_chart(curve_of([1.0, 2.0, 3.0], [4.0, 400.0]), longest=10).marks == [(40.0, 60.0)]


def test_a_curve_without_exits_says_so() -> None:
    chart = charts.curve_chart(curve_of([], [3, 9]), longest=9)

    assert chart.median is None
    assert "too few have left" in chart.sentence
    assert chart.rows == []


def test_every_person_is_a_dot_within_their_column_and_older_ones_stand_higher() -> None:
    ages = [40.0, 12.0, 3.0, 3.0, 3.0, 0.0]
    stages = [StageAges(SCREEN, 7.0, [Aged(n, age, "late") for n, age in enumerate(ages)]), StageAges(SCREEN, 5.0, [])]

    chart = charts.aging_chart(stages)

    assert chart is not None
    column = chart.columns[0]
    assert [dot.age for dot in column.dots] == ages
    assert all(column.left <= dot.across <= column.right for dot in column.dots)
    assert [dot.down for dot in column.dots] == sorted(dot.down for dot in column.dots)
    assert len({dot.across for dot in column.dots if dot.age == 3.0}) == 3
    assert column.left == charts.MARGIN, "the limit's line begins beside the axis's words"
    assert (column.late, column.count) == (2, 6)
    assert chart.sentence == "6 waiting in 1 stage, 2 of them over the limit of their stage."


def test_an_empty_job_draws_no_aging_chart() -> None:
    assert charts.aging_chart([StageAges(SCREEN, 7.0, [])]) is None
    assert charts.aging_chart([]) is None
    assert charts.flow_chart([]) is None


def test_bars_are_as_high_as_their_numbers() -> None:
    weeks = [
        Week(START + timedelta(weeks=n), START + timedelta(weeks=n + 1), came, went) for n, (came, went) in enumerate([(10, 0), (5, 7)])
    ]

    chart = charts.flow_chart(weeks)

    assert chart is not None
    first, second = chart.bars
    assert first.came == pytest.approx(2 * second.came, abs=0.02)
    assert first.went == 0
    assert chart.sentence == "15 came and 7 left in 2 weeks: 8 more waiting."


@pytest.mark.parametrize("highest", [0, 0.3, 1, 4, 7, 12.5, 99, 100, 1234])
def test_axes_end_at_or_above_the_highest_value_in_round_steps(highest: float) -> None:
    ticks = charts.nice_ticks(highest)

    assert ticks[0] == 0
    assert ticks[-1] >= highest
    assert 2 <= len(ticks) <= 7
    assert len({round(b - a, 6) for a, b in pairwise(ticks)}) == 1


def test_the_funnel_draws_the_share_that_advances_between_its_bounds() -> None:
    passed = {"k": 14, "value": 40.0, "bound_low": 35.0, "bound_high": 47.5, "n_open": 5}
    told = [{"stage": {"name": "Screen"}, "entered": {"value": 40}, "pass_through": passed, "drop_off": {"k": 21}}]

    (row,) = charts.funnel_rows(told)

    assert (row.width, row.advanced_width, row.low_at, row.high_at) == (100, 35, 35, 47.5)
