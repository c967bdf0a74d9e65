"""A job's statistics by stage: who came through (M07 to M09), how fast (M01 to M03, M15, M19), and who waits (M04 to M06, M16 to M22)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from analytics.bands import measure_ages
from analytics.baselines import Course
from analytics.clocks import cd
from analytics.estimators import (
    Curve,
    Stay,
    Unit,
    cumulative_incidence,
    estimate_quantile,
    pace,
    sla_attainment,
)
from analytics.funnel import StageFunnel, within
from analytics.heatmap import Json, StageRef, Window, passed
from analytics.littles_law import average_open, flow_check
from analytics.models import ExitKind
from analytics.numbers import CellNumbers
from analytics.observed import Observer, Seen, curve_of, explained
from analytics.samples import BASELINE_DAYS
from analytics.telling import CD, Facts, Parts, Teller, application, visit

#: ``chance_to_advance`` is told for these, days of the question's clock
CHANCES_BY = (5, 10, 20)
BD = Unit.BUSINESS_DAYS


# --- who came through ------------------------------------------------------------------------------
def stage_funnel(teller: Teller, ref: StageRef, found: StageFunnel) -> Json:
    bounds = passed(found.counts)
    fates = Parts.of(
        [*found.fates, *found.others], application, lambda pk: (True, found.fates[pk]) if pk in found.fates else (False, found.others[pk])
    )
    again = Parts.of(
        [*found.fates, *found.others],
        application,
        lambda pk: (True, "came_again" if pk in found.came_again else "once") if pk in found.fates else (False, found.others[pk]),
    )
    undecided = {"not_in_n": {"undecided"}}
    return {
        "stage": ref.as_dict(),
        "entered": teller.count("M07", fates, n_open=found.counts.undecided),
        "pass_through": teller.share(
            "M07", fates, {"advanced"}, not_in_n={"undecided"}, bound_low=bounds["low"], bound_high=bounds["high"]
        ),
        "drop_off": teller.share("M08", fates, {"rejected", "withdrawn"}, **undecided),
        "rejected": teller.share("M08", fates, {"rejected"}, **undecided),
        "withdrawn": teller.share("M08", fates, {"withdrawn"}, **undecided),
        "re_entry": teller.share("M09", again, {"came_again"}),
        "moved_back": teller.share("M09", _endings(teller.facts, ref, found), {"moved_back"}),
        "skipped": teller.share("M09", _skippers(found), {"skipped"}),
    }


def _endings(facts: Facts, ref: StageRef, found: StageFunnel) -> Parts:
    counted = {seen.visit_id for seen in found.ended}

    def judge(seen: Seen) -> tuple[bool, str]:
        if seen.visit_id in counted:
            return True, str(seen.exit_kind)
        return False, "still_there" if within(seen.entered_at, facts.window) else "entered_outside_window"

    return Parts.of((seen for seen in facts.visits if seen.stage_id == ref.id), visit, judge)


def _skippers(found: StageFunnel) -> Parts:
    def judge(pk: int) -> tuple[bool, str]:
        if pk in found.skipped:
            return True, "skipped"
        return (
            (True, "entered")
            if pk in found.fates
            else (False, found.others[pk] if found.others[pk] != "skipped" else "began_outside_window")
        )

    return Parts.of([*found.fates, *found.others], application, judge)


# --- how fast --------------------------------------------------------------------------------------
def velocity(teller: Teller, ref: StageRef) -> Json:
    facts, unit = teller.facts, Unit(teller.facts.clock)
    here = [seen for seen in facts.visits if seen.stage_id == ref.id]
    observations = Observer(facts.window, facts.as_of, facts.clock, facts.job_clock).observe(here)
    stays = [one.stay for one in observations if one.stay is not None]
    curve = curve_of(observations)
    counted = {"n": curve.n, "n_exits": curve.n_exits, "n_open": curve.n_open}
    told: Json = {
        "stage": ref.as_dict(),
        "p50": teller.estimate("M01", estimate_quantile(curve, 0.50, unit)),
        "p85": teller.estimate("M01", estimate_quantile(curve, 0.85, unit)),
        "p95": teller.estimate("M01", estimate_quantile(curve, 0.95, unit)),
        "time_to_advance": _ended_so(teller, stays, {ExitKind.ADVANCED, ExitKind.HIRED}, unit),
        "time_to_reject": _ended_so(teller, stays, {ExitKind.REJECTED}, unit),
        "chance_to_advance": [
            {"by": by, **teller.told("M03", _percent(cumulative_incidence(stays, {"advanced", "hired"}, by)), Unit.PERCENT, **counted)}
            for by in CHANCES_BY
        ],
        "sla": None,
        "delay": None,
    }
    numbers = facts.cells.get(ref.id)
    if numbers is not None:
        told["sla"] = _sla(teller, here, numbers)
        told["delay"] = _delay(teller, numbers)
    if teller.explain:
        told["explain"] = explained(observations, facts.as_of)
    return told


def _ended_so(teller: Teller, stays: Iterable[Stay], kinds: set[ExitKind], unit: Unit) -> Json:
    """M02: plain quantiles of those that ended so; beside M01, for they leave out everybody still waiting."""
    curve = Curve.of(exits=[stay.days for stay in stays if stay.exit_kind in kinds])
    return teller.estimate("M02", estimate_quantile(curve, 0.50, unit))


def _sla(teller: Teller, here: Sequence[Seen], numbers: CellNumbers) -> Json:
    """M15, in business days whatever the question's clock."""
    facts, limit = teller.facts, numbers.measure.limit
    observations = Observer(facts.window, facts.as_of, BD, facts.job_clock).observe(here)
    told = teller.estimate(
        "M15",
        sla_attainment(curve_of(observations), limit.value),
        target=limit.value,
        source=str(limit.source),
        baseline_level=str(numbers.level) if numbers.level else None,
    )
    return told | ({"explain": explained(observations, facts.as_of)} if teller.explain else {})


def _delay(teller: Teller, numbers: CellNumbers) -> Json:
    """M19 in percent: how much longer than usual; the heatmap's cell has the medians behind it."""
    told, usual = numbers.delay, numbers.usual
    return teller.told(
        "M19",
        None if told.ratio is None else 100 * told.ratio,
        Unit.PERCENT,
        n=told.n,
        n_exits=told.n,
        is_delayed=told.is_delayed,
        at_least=told.at_least,
        p50=told.p50,
        baseline_p50=told.baseline_p50,
        baseline_level=str(usual.level) if usual else None,
        baseline_n=usual.summary.n_exits if usual else 0,
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


# --- who waits -------------------------------------------------------------------------------------
def waiting(teller: Teller, ref: StageRef) -> Json:
    facts = teller.facts
    here = sorted((seen for seen in facts.visits if seen.stage_id == ref.id), key=lambda seen: (seen.entered_at, seen.visit_id))
    open_here = [seen for seen in here if not seen.is_over]
    ages = facts.job_clock.bd([seen.entered_at for seen in open_here], facts.as_of)
    numbers = facts.cells.get(ref.id)
    arrivals, exits = _arrivals(teller, here), _exits(teller, here)
    told: Json = {
        "stage": ref.as_dict(),
        "open": teller.told("M06", len(open_here), Unit.COUNT, n=len(open_here), n_open=len(open_here)),
        "arrivals": arrivals,
        "exits": exits,
        "net": teller.told("M06", arrivals["value"] - exits["value"], Unit.COUNT, n=arrivals["n"] + exits["n"], n_exits=exits["n_exits"]),
        "age": _ages(teller, "M04", ages, BD),
        "pace": _pace(teller, facts.courses.get(ref.id), ages),
        "idle": _ages(teller, "M18", _idle(facts, open_here), BD),
        "since_contact": _ages(teller, "M18", [days for days in _since_contact(facts, open_here) if days is not None], CD),
        "flow": flow(teller, [(seen.entered_at, seen.left_at) for seen in here]),
        "on_time": None,
        "overdue_days": None,
    }
    if numbers is not None:
        measured = measure_ages(ages, numbers.measure)
        limit = numbers.measure.limit
        compared: Json = {
            "target": limit.value,
            "source": str(limit.source),
            "baseline_level": str(numbers.level) if numbers.level else None,
        }
        told["on_time"] = teller.rate("M16", measured.on_time, n_open=len(ages), **compared)
        told["overdue_days"] = teller.told("M20", measured.overdue_days, BD, n=len(ages), n_open=len(ages), **compared)
    if teller.explain:
        told["explain"] = _people(facts, here, ages, numbers)
    return told


def _arrivals(teller: Teller, here: Sequence[Seen]) -> Json:
    def judge(seen: Seen) -> tuple[bool, str]:
        inside = within(seen.entered_at, teller.facts.window) and seen.entered_at <= teller.facts.as_of
        return inside, "arrival" if inside else "entered_outside_window"

    return teller.count("M06", Parts.of(here, visit, judge))


def _exits(teller: Teller, here: Sequence[Seen]) -> Json:
    facts = teller.facts

    def judge(seen: Seen) -> tuple[bool, str]:
        if seen.left_at is None or not seen.ended(facts.as_of):
            return False, "still_there"
        inside = within(seen.left_at, facts.window)
        return inside, str(seen.exit_kind) if inside else "left_outside_window"

    return teller.count("M06", Parts.of(here, visit, judge))


def _ages(teller: Teller, definition: str, ages: Sequence[float], unit: Unit) -> Json:
    """Median and highest of what people have waited; of those waiting now, so not how long a stay takes."""
    median = Curve.of(exits=ages).quantile(0.5) if ages else None
    return teller.told(definition, median, unit, n=len(ages), n_open=len(ages), highest=max(ages, default=None))


def _pace(teller: Teller, course: Course | None, ages: Sequence[float]) -> Json:
    """M05 of whoever has waited longest, against the baseline of 180 days."""
    teller = teller.over(Window.of_days(BASELINE_DAYS, teller.facts.as_of))
    if not ages or course is None or course.level is None:
        counted = {"n": course.curve.n, "n_exits": course.curve.n_exits, "n_open": course.curve.n_open} if course else {}
        none: Json = {"low": None, "high": None, "lower_bound": None, "age": None, "baseline_level": None}
        return teller.told("M05", None, Unit.PERCENT, **counted, **none, reason="too_few_exits" if ages else "nobody_waits")
    age = max(ages)
    return teller.estimate("M05", pace(course.curve, age), age=age, baseline_level=str(course.level), reason=None)


def _idle(facts: Facts, open_here: Sequence[Seen]) -> list[float]:
    """Since anybody on either side last did something; the entry into the stage counts as such."""
    return [facts.job_clock.bd([moment], facts.as_of)[0] for moment in (_last_activity(facts, seen) for seen in open_here)]


def _last_activity(facts: Facts, seen: Seen) -> datetime:
    own = facts.milestones.get(seen.application_id)
    return max(seen.entered_at, own.active_at) if own is not None and own.active_at is not None else seen.entered_at


def _since_contact(facts: Facts, open_here: Sequence[Seen]) -> list[float | None]:
    """Since the candidate last heard from us; None where no mail to him is known."""
    found = (facts.milestones.get(seen.application_id) for seen in open_here)
    return [None if own is None or own.contacted_at is None else round(cd(own.contacted_at, facts.as_of), 4) for own in found]


def _people(facts: Facts, here: Sequence[Seen], ages: Sequence[float], numbers: CellNumbers | None) -> Json:
    open_here = [seen for seen in here if not seen.is_over]
    idle, contact = _idle(facts, open_here), _since_contact(facts, open_here)
    included = []
    for seen, age, idle_days, contact_days in zip(open_here, ages, idle, contact, strict=True):
        told = visit(seen) | {"taken_as": "open", "age": age, "idle_days": idle_days, "days_since_contact": contact_days}
        if numbers is not None:
            told["band"] = str(numbers.measure.thresholds.band(age))
        included.append(told)
    return {"included": included, "excluded": [visit(seen) | {"reason": "left"} for seen in here if seen.is_over]}


def flow(teller: Teller, stays: Sequence[tuple[datetime, datetime | None]]) -> Json:
    """M22: how long a stay takes by Little's law, or why that cannot be told."""
    facts = teller.facts
    end = min(facts.window.until, facts.as_of)
    arrivals = sum(within(entered, facts.window) for entered, _ in stays)
    exits = sum(left is not None and within(left, facts.window) for _, left in stays)
    average = average_open(stays, since=facts.window.since, until=facts.window.until, as_of=facts.as_of)
    n_open = sum(left is None for _, left in stays)
    counted = {"n": len(stays), "n_exits": exits, "n_open": n_open, "arrivals": arrivals, "exits": exits}
    if average is None:
        return teller.told("M22", None, CD, reason="the window has not begun", average_open=None, **counted)
    check = flow_check(
        average_open=average,
        arrivals=arrivals,
        exits=exits,
        window_days=(end - facts.window.since) / timedelta(days=1),
        age_at_start=_average_age(stays, facts.window.since),
        age_at_end=_average_age(stays, end),
    )
    return teller.told("M22", check.days, CD, reason=check.reason, average_open=average, **counted)


def _average_age(stays: Iterable[tuple[datetime, datetime | None]], at: datetime) -> float:
    ages = [cd(entered, at) for entered, left in stays if entered <= at and (left is None or left > at)]
    return sum(ages) / len(ages) if ages else 0.0
