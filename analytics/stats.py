"""The statistics of one job: funnel, drop-off, velocity, who waits, time to hire and fill, offers, throughput, sources, forecast.

Every number carries what it was computed from (``Teller.told``); with ``explain`` also who was counted and who not.
"""

from __future__ import annotations

from datetime import datetime

from analytics import milestone_stats as milestones
from analytics import stage_stats as stages
from analytics.estimators import Unit
from analytics.feedback import told_feedback
from analytics.forecast_telling import told_forecast
from analytics.funnel import funnel
from analytics.heatmap import Json
from analytics.quality import data_quality
from analytics.telling import CD, Facts, Teller


def statistics(facts: Facts, *, explain: bool = False, fresh_at: datetime | None = None) -> Json:
    """Everything the page of a job's statistics shows. ``fresh_at``: up to when everything is known."""
    teller = Teller(facts, explain)
    funnels = funnel(facts.ways, {int(ref.id): ref.order for ref in facts.stages}, facts.window, facts.as_of)
    told = [stages.stage_funnel(teller, ref, funnels[int(ref.id)]) for ref in facts.stages]
    worst = sorted(
        (one for one in told if one["drop_off"]["value"] is not None), key=lambda one: (-one["drop_off"]["k"], -one["drop_off"]["value"])
    )
    return {
        "funnel": told,
        "drop_off_points": [{"stage": one["stage"], "lost": one["drop_off"]["k"], "drop_off": one["drop_off"]} for one in worst[:3]],
        "velocity": [stages.velocity(teller, ref) for ref in facts.stages],
        "waiting": [stages.waiting(teller, ref) for ref in facts.stages],
        "time_to_first_action": {
            "bd": milestones.first_action(teller, Unit.BUSINESS_DAYS),
            "cd": milestones.first_action(teller, CD),
        },
        "time_to_hire": teller.quantiles("M11", milestones.hire_spans(facts), CD),
        "time_to_fill": milestones.time_to_fill(teller),
        "time_to_offer": teller.quantiles("M13", milestones.offer_spans(facts), CD),
        "decision_on_offer": teller.quantiles("M13", milestones.decision_spans(facts), CD),
        "offer_acceptance": milestones.offers(teller),
        "feedback": told_feedback(teller),
        "throughput": milestones.throughput(teller),
        "flow": _flow(teller),
        "sources": milestones.sources(teller),
        "forecast": told_forecast(teller),
        "data_quality": data_quality(teller, fresh_at=fresh_at),
    }


def _flow(teller: Teller) -> Json:
    """M22 over the job's applications: how long one is in the pipeline."""
    ways = teller.facts.ways
    stays = [(way.visits[0].entered_at, None if way.last_end is None else way.visits[-1].left_at) for way in ways.values()]
    told = stages.flow(teller, stays)
    if teller.explain:
        listed = [{"application": pk, "entered_at": stay[0], "left_at": stay[1]} for pk, stay in zip(ways, stays, strict=True)]
        told["explain"] = {"included": listed, "excluded": []}
    return told
