"""A job's forecast as the API tells it: the range, what it rests on, and how often such ranges held what came. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analytics.estimators import Unit
from analytics.forecast import (
    HIGH,
    HORIZON_DAYS,
    LOW,
    SPAN_DAYS,
    Forecast,
    Ground,
    Past,
    Span,
    forecast,
    hit_rate,
    in_days,
    moment_of,
    past_forecasts,
)
from analytics.heatmap import Json, StageRef, Window
from analytics.samples import BASELINE_DAYS
from analytics.simulation import HIRED, OUT
from analytics.telling import Teller

FILL, HIRES = "F01", "F02"


def told_forecast(teller: Teller) -> Json:
    """``{fill, hires, past, basis}``."""
    ground = teller.facts.ground
    found, past = forecast(ground, in_days(teller.facts.as_of)), past_forecasts(ground)
    teller = teller.over(Window.of_days(BASELINE_DAYS, teller.facts.as_of))
    told: Json = {
        "fill": _fill(teller, found, past),
        "hires": _hires(teller, found, past),
        "past": [_past(one) for one in past],
        "basis": _basis(teller, found),
    }
    if teller.explain:
        told["explain"] = _explained(ground, found)
    return told


def _fill(teller: Teller, found: Forecast, past: Sequence[Past]) -> Json:
    """F01. A span that is not reached within the horizon is null, and ``lower_bound`` says so."""
    evergreen = teller.facts.ground.evergreen
    reason = "evergreen_job" if evergreen else found.reason
    span = Span(None, None, None) if reason else found.fill
    reached = {"low": span.low, "value": span.value, "high": span.high}
    dates = {name: None if days is None else moment_of(found.at + days) for name, days in reached.items()}
    beyond = float(HORIZON_DAYS) if reason is None and span.value is None else None
    rate = _hit_rate(teller, FILL, [] if evergreen else [one.fill_hit for one in past])
    return _number(teller, FILL, found, span, Unit.CALENDAR_DAYS, lower_bound=beyond, dates=dates, reason=reason, hit_rate=rate)


def _hires(teller: Teller, found: Forecast, past: Sequence[Past]) -> Json:
    chance = None if found.chance is None else 100 * found.chance
    rate = _hit_rate(teller, HIRES, [one.hires_hit for one in past])
    more = {"mean": found.mean_hires, "chance_of_a_hire": chance, "per_days": SPAN_DAYS, "reason": found.reason, "hit_rate": rate}
    return _number(teller, HIRES, found, found.hires, Unit.COUNT, **more)


def _number(teller: Teller, definition: str, found: Forecast, span: Span, unit: Unit, **more: Any) -> Json:
    curves = [one.curve for one in found.learnt.values() if one.curve is not None]
    told = teller.told(
        definition,
        span.value,
        unit,
        n=sum(curve.n for curve in curves),
        n_exits=sum(curve.n_exits for curve in curves),
        n_open=sum(curve.n_open for curve in curves),
        low=span.low,
        high=span.high,
        **more,
    )
    return told | {"confidence": str(found.confidence)}


def _hit_rate(teller: Teller, definition: str, hits: Sequence[bool | None]) -> Json:
    rate, reason = hit_rate(hits)
    return teller.rate(definition, rate, reason=reason, expected=round(100 * (HIGH - LOW)))


def _past(one: Past) -> Json:
    fill, hires = one.forecast.fill, one.forecast.hires
    return {
        "as_of": moment_of(one.forecast.at),
        "hires": {"low": hires.low, "value": hires.value, "high": hires.high, "actual": one.hires, "hit": one.hires_hit},
        "fill": {"low": fill.low, "value": fill.value, "high": fill.high, "actual": one.days_to_hire, "hit": one.fill_hit},
    }


def _basis(teller: Teller, found: Forecast) -> Json:
    refs = {int(ref.id): ref for ref in teller.facts.stages}
    names = teller.facts.ground.names
    stages = []
    for stage, learnt in sorted(found.learnt.items(), key=lambda item: names[item[0]].sort_key):
        ref: StageRef = refs.get(stage) or names[stage]
        curve = learnt.curve
        numbers = {"n": curve.n, "n_exits": curve.n_exits, "n_open": curve.n_open} if curve else {"n": 0, "n_exits": 0, "n_open": 0}
        stages.append({"stage": ref.as_dict(), "baseline_level": None if learnt.level is None else str(learnt.level), **numbers})
    return {
        "runs": found.runs,
        "horizon_days": HORIZON_DAYS,
        "people": len(found.people),
        "people_taken_to_stay": found.staying,
        "arrivals": found.arrivals,
        "arrivals_per_day": found.arrivals_per_day,
        "openings": teller.facts.ground.openings,
        "stages": stages,
    }


def _explained(ground: Ground, found: Forecast) -> Json:
    """Who walks, and the stays each stage was learnt from: enough to simulate anew."""
    stays = ground.stays
    known = {stage for stage, one in found.learnt.items() if one.curve is not None}
    people: dict[str, list[Json]] = {"included": [], "excluded": []}
    for row in found.people:
        stage = int(stays.stage[row])
        told: Json = {"application": int(stays.application[row]), "stage": stage}
        if stage in known:
            people["included"].append(told | {"days": round(found.at - float(stays.entered[row]), 4), "taken_as": "open"})
        else:
            people["excluded"].append(told | {"reason": "too_few_exits_of_the_stage"})
    return {"people": people, "stages": [_stays(ground, found, stage) for stage in sorted(known)]}


def _stays(ground: Ground, found: Forecast, stage: int) -> Json:
    stays, listed = ground.stays, []
    for row in found.learnt[stage].rows:
        left = float(stays.left[row])
        over = left <= found.at
        taken = "open" if not over else "exit" if stays.is_exit[row] else "cut_off"
        whereto = int(stays.whereto[row])
        listed.append(
            {
                "application": int(stays.application[row]),
                "days": float(np.minimum(left, found.at) - stays.entered[row]),
                "taken_as": taken,
                "whereto": {HIRED: "hired", OUT: "out"}.get(whereto, str(whereto)) if taken == "exit" else None,
            }
        )
    return {"stage": stage, "included": listed}
