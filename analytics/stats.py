"""The statistics of one job: funnel, drop-off, velocity, time to hire and fill, offers, throughput, flow, sources.

Every number carries what it was computed from (``Teller.told``); with ``explain`` also who was counted and who not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from analytics.clocks import Hold, cd
from analytics.estimators import (
    Curve,
    Stay,
    Unit,
    average_open,
    cumulative_incidence,
    estimate_quantile,
    flow_check,
    rate,
    sla_attainment,
)
from analytics.forecast_telling import told_forecast
from analytics.funnel import StageFunnel, funnel, within
from analytics.heatmap import Json, StageRef, passed
from analytics.models import ExitKind
from analytics.observed import Observer, curve_of, explained
from analytics.telling import Facts, Span, Teller

#: ``chance_to_advance`` is told for these, business days
CHANCES_BY = (5, 10, 20)
#: a source with fewer applications is not ranked
RANKABLE = 20
CD = Unit.CALENDAR_DAYS


#: what ends a span between milestones, in the words of ``Stay``
DONE, CUT = ExitKind.ADVANCED.value, ExitKind.CLOSED.value


def statistics(facts: Facts, *, explain: bool = False) -> Json:
    """Everything the page of a job's statistics shows."""
    teller = Teller(facts, explain)
    funnels = funnel(facts.ways, {int(ref.id): ref.order for ref in facts.stages}, facts.window, facts.as_of)
    told = [_stage_funnel(teller, ref, funnels[int(ref.id)]) for ref in facts.stages]
    worst = sorted(
        (one for one in told if one["drop_off"]["value"] is not None), key=lambda one: (-one["drop_off"]["k"], -one["drop_off"]["value"])
    )
    return {
        "funnel": told,
        "drop_off_points": [{"stage": one["stage"], "lost": one["drop_off"]["k"], "drop_off": one["drop_off"]} for one in worst[:3]],
        "velocity": [_velocity(teller, ref) for ref in facts.stages],
        "time_to_first_action": {"bd": _first_action(teller, Unit.BUSINESS_DAYS), "cd": _first_action(teller, CD)},
        "time_to_hire": teller.quantiles("M11", _hire_spans(facts), CD),
        "time_to_fill": _time_to_fill(teller),
        "time_to_offer": teller.quantiles("M13", _offer_spans(facts), CD),
        "decision_on_offer": teller.quantiles("M13", _decision_spans(facts), CD),
        "offer_acceptance": _offers(teller),
        "throughput": _throughput(teller),
        "flow": _flow(teller),
        "sources": _sources(teller),
        "forecast": told_forecast(teller),
    }


# --- stages ----------------------------------------------------------------------------------------
def _stage_funnel(teller: Teller, ref: StageRef, found: StageFunnel) -> Json:
    counts, entered = found.counts, len(found.fates)
    decided = counts.first_entries - counts.undecided
    by_fate: dict[str, list[int]] = {}
    for application_id, fate in found.fates.items():
        by_fate.setdefault(fate, []).append(application_id)
    bounds = passed(counts)
    passing = {"bound_low": bounds["low"], "bound_high": bounds["high"]}
    lost = counts.rejected + counts.withdrawn
    return {
        "stage": ref.as_dict(),
        "entered": teller.told("M06", entered, Unit.COUNT, n=entered),
        "pass_through": teller.rate("M07", rate(counts.advanced, decided), n_open=counts.undecided, people=by_fate, **passing),
        "drop_off": teller.rate("M08", rate(lost, decided), n_open=counts.undecided, people=by_fate),
        "rejected": teller.rate("M08", rate(counts.rejected, decided), n_open=counts.undecided),
        "withdrawn": teller.rate("M08", rate(counts.withdrawn, decided), n_open=counts.undecided),
        "re_entry": teller.rate("M09", rate(len(found.came_again), entered), people={"came_again": found.came_again}),
        "moved_back": teller.rate("M09", rate(found.moved_back, found.ended)),
        "skipped": teller.rate("M09", rate(len(found.skipped), len(found.skipped) + entered), people={"skipped": found.skipped}),
    }


def _velocity(teller: Teller, ref: StageRef) -> Json:
    facts, unit = teller.facts, Unit(teller.facts.clock)
    here = [seen for seen in facts.visits if seen.stage_id == ref.id]
    observations = Observer(facts.window, facts.as_of, facts.clock, facts.job_clock).observe(here)
    stays = [one.stay for one in observations if one.stay is not None]
    curve = curve_of(observations)
    bd = curve_of(Observer(facts.window, facts.as_of, Unit.BUSINESS_DAYS, facts.job_clock).observe(here))
    numbers = facts.cells.get(ref.id)
    told: Json = {
        "stage": ref.as_dict(),
        "p50": teller.estimate("M01", estimate_quantile(curve, 0.50, unit)),
        "p85": teller.estimate("M01", estimate_quantile(curve, 0.85, unit)),
        "time_to_advance": _ended_so(teller, stays, {ExitKind.ADVANCED, ExitKind.HIRED}, unit),
        "time_to_reject": _ended_so(teller, stays, {ExitKind.REJECTED}, unit),
        "chance_to_advance": [
            {"by": by, **teller.told("M03", _percent(cumulative_incidence(stays, {"advanced", "hired"}, by)), Unit.PERCENT,
                                     n=curve.n, n_exits=curve.n_exits, n_open=curve.n_open)}
            for by in CHANCES_BY
        ],
        "sla": None,
    }  # fmt: skip
    if numbers is not None:
        limit = numbers.measure.limit
        level = str(numbers.level) if numbers.level else None
        told["sla"] = teller.estimate(
            "M15", sla_attainment(bd, limit.value), target=limit.value, source=str(limit.source), baseline_level=level
        )
    if teller.explain:
        told["explain"] = explained(observations, facts.as_of)
    return told


def _ended_so(teller: Teller, stays: Iterable[Stay], kinds: set[ExitKind], unit: Unit) -> Json:
    """M02: plain quantiles of those that ended so; beside M01, for they leave out everybody still waiting."""
    curve = Curve.of(exits=[stay.days for stay in stays if stay.exit_kind in kinds])
    return teller.estimate("M02", estimate_quantile(curve, 0.50, unit))


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


# --- milestones ------------------------------------------------------------------------------------
def _first_action(teller: Teller, unit: Unit) -> Json:
    """M10: people still unanswered count as waiting."""
    facts, spans = teller.facts, []
    for application_id, own in facts.milestones.items():
        if own.applied_at is None or not within(own.applied_at, facts.window):
            spans.append(Span(application_id, None, "applied_not_known" if own.applied_at is None else "applied_outside_window"))
            continue
        end = min(own.acted_at or own.ended_at or facts.as_of, facts.as_of)
        kind = DONE if own.acted_at is not None else CUT if own.ended_at is not None else None
        spans.append(Span(application_id, Stay(_length(facts, own.applied_at, end, unit), kind)))
    return teller.quantiles("M10", spans, unit)


def _length(facts: Facts, since: datetime, until: datetime, unit: Unit) -> float:
    return cd(since, until) if unit == CD else facts.job_clock.bd([min(since, until)], until)[0]


def _hire_spans(facts: Facts) -> list[Span]:
    """M11: hires of the window, applied to accepted."""
    spans = []
    for application_id, own in facts.milestones.items():
        if own.hired_at is None:
            spans.append(Span(application_id, None, "not_hired"))
        elif not within(own.hired_at, facts.window):
            spans.append(Span(application_id, None, "hired_outside_window"))
        elif own.applied_at is None:
            spans.append(Span(application_id, None, "applied_not_known"))
        else:
            spans.append(Span(application_id, Stay(cd(own.applied_at, own.hired_at), DONE)))
    return spans


def _time_to_fill(teller: Teller) -> Json:
    """M12 of the job as one opening: opened to the last acceptance, without the days on hold."""
    facts = teller.facts
    accepted = max((own.hired_at for own in facts.milestones.values() if own.hired_at is not None), default=None)
    reason = None
    if facts.opened_at is None:
        reason = "opening_not_known"
    elif accepted is None:
        reason = "not_filled"
    value = None if reason or facts.opened_at is None or accepted is None else fill_days(facts.opened_at, accepted, facts.job_clock.holds)
    n = int(value is not None)
    return teller.told("M12", value, CD, n=n, n_exits=n, reason=reason, opened_at=facts.opened_at, accepted_at=accepted)


def fill_days(opened: datetime, accepted: datetime, holds: Sequence[Hold]) -> float:
    """Calendar days from opening to acceptance outside the holds (worked example H)."""
    return cd(opened, accepted, holds=holds)


def _offer_spans(facts: Facts) -> list[Span]:
    spans = []
    for application_id, own in facts.milestones.items():
        if own.offered_at is None or own.applied_at is None:
            spans.append(Span(application_id, None, "no_offer" if own.offered_at is None else "applied_not_known"))
        elif not within(own.offered_at, facts.window):
            spans.append(Span(application_id, None, "offered_outside_window"))
        else:
            spans.append(Span(application_id, Stay(cd(own.applied_at, own.offered_at), DONE)))
    return spans


def _decision_spans(facts: Facts) -> list[Span]:
    """Answer - offer sent; an offer without answer is still waiting, a rescinded one cut off."""
    spans = []
    for application_id, own in facts.milestones.items():
        if own.sent_at is None or not within(own.sent_at, facts.window):
            spans.append(Span(application_id, None, "no_offer" if own.sent_at is None else "offered_outside_window"))
            continue
        kind = None if own.answer is None else CUT if own.answer == "rescinded" else DONE
        spans.append(Span(application_id, Stay(cd(own.sent_at, own.answered_at or facts.as_of), kind)))
    return spans


def _offers(teller: Teller) -> Json:
    facts = teller.facts
    by_answer: dict[str, list[int]] = {"accepted": [], "declined": [], "rescinded": [], "open": []}
    for application_id, own in facts.milestones.items():
        made = own.sent_at or own.offered_at
        if made is not None and within(made, facts.window):
            by_answer[own.answer or "open"].append(application_id)
    accepted, declined = len(by_answer["accepted"]), len(by_answer["declined"])
    shown = {"open": len(by_answer["open"]), "rescinded": len(by_answer["rescinded"]), "declined": declined, "accepted": accepted}
    return teller.rate("M14", rate(accepted, accepted + declined), n_open=shown["open"], people=by_answer, **shown)


def _throughput(teller: Teller) -> Json:
    facts = teller.facts
    days = (min(facts.window.until, facts.as_of) - facts.window.since) / timedelta(days=1)
    hires = [key for key, own in facts.milestones.items() if own.hired_at is not None and within(own.hired_at, facts.window)]
    ends = sum(seen.ended(facts.as_of) and seen.left_at is not None and within(seen.left_at, facts.window) for seen in facts.visits)
    told = {}
    for name, count in (("hires", len(hires)), ("exits", ends)):
        told[name] = teller.told("M21", 28 * count / days if days > 0 else None, Unit.COUNT, n=count, n_exits=count, per_days=28)
    if teller.explain:
        told["hires"]["explain"] = {"included": [{"application": one, "taken_as": "hired"} for one in sorted(hires)], "excluded": []}
    return told


def _flow(teller: Teller) -> Json:
    """M22 over the job's applications: how long one is in the pipeline, by Little's law, or why that cannot be told."""
    facts = teller.facts
    end = min(facts.window.until, facts.as_of)
    stays = [(way.visits[0].entered_at, None if way.last_end is None else way.visits[-1].left_at) for way in facts.ways.values()]
    arrivals = sum(within(entered, facts.window) for entered, _ in stays)
    exits = sum(left is not None and within(left, facts.window) for _, left in stays)
    average = average_open(stays, since=facts.window.since, until=facts.window.until, as_of=facts.as_of)
    if average is None:
        return teller.told("M22", None, CD, reason="the window has not begun")
    check = flow_check(
        average_open=average,
        arrivals=arrivals,
        exits=exits,
        window_days=(end - facts.window.since) / timedelta(days=1),
        age_at_start=_average_age(stays, facts.window.since),
        age_at_end=_average_age(stays, end),
    )
    n_open = sum(left is None for _, left in stays)
    return teller.told(
        "M22", check.days, CD, n=len(stays), n_exits=exits, n_open=n_open, reason=check.reason, arrivals=arrivals, exits=exits,
        average_open=average,
    )  # fmt: skip


def _average_age(stays: Iterable[tuple[datetime, datetime | None]], at: datetime) -> float:
    ages = [cd(entered, at) for entered, left in stays if entered <= at and (left is None or left > at)]
    return sum(ages) / len(ages) if ages else 0.0


def _sources(teller: Teller) -> list[Json]:
    """M23: of the applications whose way in this job began in the window."""
    facts = teller.facts
    places = {int(ref.id): ref.order for ref in facts.stages}
    groups: dict[str, list[int]] = {}
    for application_id, way in facts.ways.items():
        if within(way.visits[0].entered_at, facts.window):
            groups.setdefault(facts.sources.get(application_id, ""), []).append(application_id)
    told = []
    for source, ids in groups.items():
        reached = [one for one in ids if facts.ways[one].reached(facts.interview_place, places)]
        hired = [one for one in ids if (own := facts.milestones.get(one)) is not None and own.hired_at is not None]
        told.append(
            {
                "source": source,
                "rankable": len(ids) >= RANKABLE,
                "entered": teller.told("M23", len(ids), Unit.COUNT, n=len(ids)),
                "reached_interview": teller.rate("M23", rate(len(reached), len(ids)), people={"reached": reached}),
                "hired": teller.rate("M23", rate(len(hired), len(ids)), people={"hired": hired}),
            }
        )
    return sorted(told, key=lambda one: (-one["entered"]["value"], one["source"]))
