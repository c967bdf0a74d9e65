"""The worked examples of the definitions, A to I, each with its exact numbers; those about people also through the real door."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from analytics.bands import Band, Thresholds, heat, heat_rank, overdue_days
from analytics.clocks import OfficeHours, WorkingCalendar, cd
from analytics.estimators import (
    Curve,
    Stay,
    Unit,
    cumulative_incidence,
    estimate_quantile,
    mean_completed,
    pace,
    pass_through,
    sla_attainment,
)
from analytics.milestone_stats import fill_days
from analytics.models import StageVisit
from ats.models import Job
from tests.factories.accounts import member
from tests.walking import bring_in, event_row, file_connector

BD = Unit.BUSINESS_DAYS
APPLIED, MOVED, REJECTED = "application_created", "stage_changed", "application_rejected"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


class TestA:
    """People still waiting."""

    EXITS, OPEN = (2, 3, 3, 5, 8, 10), (1, 4, 6, 9, 12)

    def test_the_curve(self) -> None:
        curve = Curve.of(exits=self.EXITS, still_open=self.OPEN)

        assert [(step.time, step.survival) for step in curve.steps] == [
            (2, pytest.approx(9 / 10)), (3, pytest.approx(7 / 10)), (5, pytest.approx(7 / 12)), (8, pytest.approx(7 / 16)),
            (10, pytest.approx(7 / 32)),
        ]  # fmt: skip

    def test_what_is_shown_of_it(self) -> None:
        curve = Curve.of(exits=self.EXITS, still_open=self.OPEN)
        p50, p85 = estimate_quantile(curve, 0.5, BD), estimate_quantile(curve, 0.85, BD)

        assert curve.quantile(0.25) == 3
        assert (p50.value, p50.low, p50.high, p50.confidence) == (8, 2, None, "low")
        assert (p85.value, p85.lower_bound, p85.n_exits) == (None, 12, 6)
        assert sla_attainment(curve, 5).value == pytest.approx(41.7, abs=0.05)
        assert pace(curve, 9).value == 56.25

    def test_what_it_would_be_without_those_who_wait(self) -> None:
        assert Curve.of(exits=self.EXITS).quantile(0.5) == 3
        assert Curve.of(exits=[*self.EXITS, *self.OPEN]).quantile(0.5) == 5
        assert mean_completed([float(days) for days in self.EXITS]) == pytest.approx(5.17, abs=0.005)

    @pytest.mark.django_db
    def test_through_the_road_and_the_api(self) -> None:
        connector, now = file_connector(), timezone.now()
        rows = []
        for number, days in enumerate([*self.EXITS, *self.OPEN]):
            who = {"application_external_id": f"a-{number}", "candidate_external_id": f"c-{number}"}
            entered = now - timedelta(days=20 if number < len(self.EXITS) else days)
            rows.append(event_row(f"in-{number}", entered, event_type=APPLIED, stage_to="s", stage_to_category="screen", **who))
            if number < len(self.EXITS):
                rows.append(event_row(f"out-{number}", entered + timedelta(days=days), event_type=REJECTED, **who))
        bring_in(connector, rows)
        client = Client()
        client.force_login(member(connector.organization))

        (cell,) = client.get(f"/ats/jobs/{Job.objects.get().pk}/heatmap", {"clock": "cd", "window": 89}).json()["stages"]

        assert (cell["p50"]["value"], cell["p50"]["low"], cell["p50"]["high"], cell["p50"]["confidence"]) == (8.0, 2.0, None, "low")
        assert (cell["p85"]["value"], cell["p85"]["lower_bound"]) == (None, pytest.approx(12, abs=0.01))
        assert (cell["p50"]["n"], cell["p50"]["n_exits"], cell["p50"]["n_open"]) == (11, 6, 5)
        assert cell["avg_duration_hours"] == pytest.approx(24 * 31 / 6)


def test_b_nobody_waits() -> None:
    exits = [1, 2, 2, 3, 5, 9, 30]
    curve = Curve.of(exits=exits)

    assert (curve.quantile(0.5), curve.quantile(0.85)) == (3, 9)
    assert estimate_quantile(curve, 0.85, BD).value is None  # seven exits are too few to show it
    assert mean_completed([float(days) for days in exits]) == pytest.approx(7.43, abs=0.005)
    assert Curve.of(exits=[1, 2, 4, 10]).quantile(0.5) == 2


def test_c_floats() -> None:
    curve = Curve.of(exits=range(1, 25))

    assert curve.quantile(0.5) == 12
    assert curve.survival(12) > 0.5  # as floats multiply, which is why levels are compared with a tolerance


class TestD:
    """Clocks."""

    BERLIN = WorkingCalendar("Europe/Berlin", holidays=frozenset({date(2026, 5, 1)}))

    def test_over_a_holiday_and_a_weekend(self) -> None:
        a, b = utc(2026, 4, 30, 10), utc(2026, 5, 4, 10)  # noon to noon in Berlin
        assert (cd(a, b), self.BERLIN.bd(a, b)) == (4.0, 1.0)

    def test_over_a_clock_change(self) -> None:
        a, b = utc(2026, 3, 27, 17), utc(2026, 3, 30, 4)  # Friday 18:00 to Monday 06:00
        assert ((b - a) / timedelta(hours=1), round(cd(a, b), 4), self.BERLIN.bd(a, b)) == (59, 2.4583, 0.5)

    def test_a_day_of_25_hours_is_one(self) -> None:
        jerusalem = WorkingCalendar("Asia/Jerusalem", working_days=frozenset({6, 0, 1, 2, 3}))
        a, b = utc(2026, 10, 24, 21), utc(2026, 10, 25, 22)  # midnight to midnight
        assert ((b - a) / timedelta(hours=1), jerusalem.bd(a, b)) == (25, 1.0)

    def test_office_hours_are_never_divided_by_24(self) -> None:
        office = WorkingCalendar("UTC", office_hours=OfficeHours(time(9), time(17)))
        assert office.bd(utc(2026, 3, 6, 16), utc(2026, 3, 9, 10)) == 0.25

    def test_the_same_instants_in_two_places(self) -> None:
        a, b = utc(2026, 6, 5, 22), utc(2026, 6, 8, 6)
        assert (self.BERLIN.bd(a, b), WorkingCalendar("America/Los_Angeles").bd(a, b)) == (0.3333, 0.375)


def test_e_pass_through() -> None:
    told = pass_through(entered=40, advanced=14, still_open=5)

    assert (told.resolved.k, told.resolved.n, told.resolved.value) == (14, 35, 40.0)
    assert (told.resolved.low, told.resolved.high) == (pytest.approx(25.6, abs=0.05), pytest.approx(56.4, abs=0.05))
    assert (told.low, told.high) == (35.0, 47.5)


def test_f_competing_exits() -> None:
    stays = [Stay(1, "advanced"), Stay(2, "rejected"), Stay(2), Stay(3, "advanced"), Stay(4, "rejected"), Stay(5)]
    as_if_censored = Curve.of(exits=[1, 3], still_open=[2, 2, 4, 5])

    assert cumulative_incidence(stays, {"advanced"}, 3) == pytest.approx(1 / 6 + 2 / 9)
    assert pytest.approx(38.9, abs=0.05) == 100 * (1 / 6 + 2 / 9)
    assert 100 * (1 - as_if_censored.survival(3)) == pytest.approx(44.4, abs=0.05)


class TestG:
    """Heat, with a baseline p50 of 3 and p85 of 8."""

    BANDS = Thresholds.of_baseline(3, 8)
    AGES = (1, 2, 2, 4, 5, 7, 9, 10, 17, 30)

    def counts(self, ages: tuple[int, ...]) -> list[int]:
        return [sum(self.BANDS.band(age) == band for age in ages) for band in Band]

    def test_the_second_oldest_of_ten_gives_the_heat(self) -> None:
        assert self.counts(self.AGES) == [3, 3, 2, 2]
        assert heat_rank(10) == 2
        assert heat(self.AGES, self.BANDS) == Band.CRITICAL
        assert overdue_days(self.AGES, 8) == 34

    def test_one_old_one_alone_does_not(self) -> None:
        ages = (1, 2, 2, 4, 5, 7, 9, 10, 11, 30)
        assert self.counts(ages)[3] == 1
        assert heat(ages, self.BANDS) == Band.LATE

    def test_of_three_the_oldest_does(self) -> None:
        assert heat_rank(3) == 1
        assert heat((1, 2, 20), self.BANDS) == Band.CRITICAL


def test_h_time_to_fill() -> None:
    on_hold = [(utc(2026, 3, 10), utc(2026, 3, 20))]

    assert fill_days(utc(2026, 3, 1), utc(2026, 4, 15), on_hold) == 35
    assert fill_days(utc(2026, 3, 1), utc(2026, 4, 15), []) == 45


@pytest.mark.django_db
def test_i_re_entry() -> None:
    """Screen 2 bd, interview 3 bd, screen 1 bd, interview open for 4 bd: Mondays to Fridays from Monday 1 June 2026."""
    connector = file_connector()
    screen = {"stage_to": "screen", "stage_to_category": "screen"}
    interview = {"stage_to": "interview", "stage_to_category": "interview"}
    bring_in(
        connector,
        [
            event_row("1", utc(2026, 6, 1), event_type=APPLIED, **screen),
            event_row("2", utc(2026, 6, 3), **interview),
            event_row("3", utc(2026, 6, 8), **screen),  # over a weekend
            event_row("4", utc(2026, 6, 9), **interview),
        ],
    )
    client = Client()
    client.force_login(member(connector.organization))
    job = Job.objects.get()

    told = StageVisit.objects.order_by("n").values_list("stage__external_id", "bd", "exit_kind")
    assert list(told) == [
        ("screen", 2.0, "advanced"), ("interview", 3.0, "moved_back"), ("screen", 1.0, "advanced"), ("interview", None, None),
    ]  # fmt: skip
    stats = client.get(f"/ats/jobs/{job.pk}/stats", {"from": "2026-06-01T00:00:00Z", "to": "2026-06-15T00:00:00Z", "explain": 1})
    first, second = stats.json()["funnel"]
    assert [(one["re_entry"]["k"], one["re_entry"]["n"]) for one in (first, second)] == [(1, 1), (1, 1)]
    assert (first["pass_through"]["k"], first["entered"]["value"]) == (1, 1)
    assert (second["moved_back"]["k"], second["moved_back"]["n"]) == (1, 1)
    waiting = stats.json()["waiting"][1]["open"]
    assert waiting["value"] == 1
