"""How soon interviewers say what they think, and what they owe (M17). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from analytics.estimators import Curve, Stay, Unit, estimate_quantile
from analytics.funnel import within
from analytics.heatmap import Json
from analytics.telling import DONE, Parts, Teller


@dataclass(frozen=True, slots=True)
class Expected:
    """The feedback of one interviewer (empty: whoever it was) on one interview that is over."""

    application_id: int
    interview: str
    interviewer: str
    ended_at: datetime
    submitted_at: datetime | None


def expected(teller: Teller) -> Iterator[Expected]:
    """Cancelled interviews and those nobody came to expect none."""
    facts = teller.facts
    for application_id, own in sorted(facts.appointments.items()):
        for interview in own.interviews:
            if interview.end is None or interview.end > facts.as_of or interview.called_off:
                continue
            for interviewer in interview.interviewers or ("",):
                submitted = own.feedback_at(interview, interviewer)
                yield Expected(application_id, interview.key, interviewer, interview.end, submitted)


def told_feedback(teller: Teller) -> Json:
    """``{p50, p85, debt, reason}``: turnaround in business days since the interview ended, and how many are missing."""
    pairs = list(expected(teller))
    counted = [one for one in pairs if within(one.ended_at, teller.facts.window)]
    days = {id(one): _days(teller, one) for one in counted}
    curve = Curve.of_stays(Stay(days[id(one)], None if one.submitted_at is None else DONE) for one in counted)
    told: Json = {
        name: teller.estimate("M17", estimate_quantile(curve, p, Unit.BUSINESS_DAYS)) for name, p in (("p50", 0.50), ("p85", 0.85))
    }
    debt = Parts.of(pairs, _named, lambda one: (True, "missing") if one.submitted_at is None else (False, "submitted"))
    told["debt"] = teller.count("M17", debt, n_open=sum(one.submitted_at is None for one in pairs))
    told["reason"] = None if pairs else "no_interviews_known"
    if teller.explain:
        told["explain"] = {
            "included": [
                _named(one) | {"days": days[id(one)], "taken_as": "open" if one.submitted_at is None else "exit"} for one in counted
            ],
            "excluded": [
                _named(one) | {"reason": "ended_outside_window"} for one in pairs if not within(one.ended_at, teller.facts.window)
            ],
        }
    return told


def _days(teller: Teller, one: Expected) -> float:
    """0 for what was said before the end."""
    until = teller.facts.as_of if one.submitted_at is None else min(one.submitted_at, teller.facts.as_of)
    return teller.facts.job_clock.bd([min(one.ended_at, until)], until)[0]


def _named(one: Expected) -> Json:
    return {"application": one.application_id, "interview": one.interview}
