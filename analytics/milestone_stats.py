"""A job's statistics by milestone: first action, hire, fill, offers (M10 to M14), throughput, flow and sources (M21 to M23)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from analytics.clocks import Hold, cd
from analytics.estimators import Stay, Unit
from analytics.funnel import within
from analytics.heatmap import Json
from analytics.milestones import Milestones
from analytics.observed import Seen
from analytics.telling import CD, CUT, DONE, Facts, Parts, Span, Teller, application, visit

#: a source with fewer applications is not ranked
RANKABLE = 20


def first_action(teller: Teller, unit: Unit) -> Json:
    """M10: people still unanswered count as waiting."""
    facts, spans = teller.facts, []
    for application_id, own in facts.milestones.items():
        if reason := _not_applied(facts, own):
            spans.append(Span(application_id, None, reason))
            continue
        assert own.applied_at is not None
        end = min(own.acted_at or own.ended_at or facts.as_of, facts.as_of)
        kind = DONE if own.acted_at is not None else CUT if own.ended_at is not None else None
        spans.append(Span(application_id, Stay(_length(facts, own.applied_at, end, unit), kind)))
    return teller.quantiles("M10", spans, unit)


def _not_applied(facts: Facts, own: Milestones) -> str | None:
    """Why an application is no arrival of the window in this job; None: it is one."""
    if own.applied_at is None:
        return "applied_not_known"
    if not own.applied_here:
        return "applied_to_another_job"
    return None if within(own.applied_at, facts.window) else "applied_outside_window"


def _length(facts: Facts, since: datetime, until: datetime, unit: Unit) -> float:
    return cd(since, until) if unit == CD else facts.job_clock.bd([min(since, until)], until)[0]


def hire_spans(facts: Facts) -> list[Span]:
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


def time_to_fill(teller: Teller) -> Json:
    """M12: one value per opening, opened to accepted, without the days on hold; ``value`` is that of the newest.

    Each hire that stands fills one opening. A job that is always open is never filled.
    """
    facts, ground = teller.facts, teller.facts.ground
    accepted = sorted((own.hired_at, pk) for pk, own in facts.milestones.items() if own.hired_at is not None)
    reason = None
    if ground.evergreen:
        reason = "evergreen_job"
    elif facts.opened_at is None:
        reason = "opening_not_known"
    elif not accepted:
        reason = "not_filled"
    openings: list[Json] = []
    if reason is None and facts.opened_at is not None:
        for at, pk in accepted:
            openings.append({"application": pk, "accepted_at": at, "days": fill_days(facts.opened_at, at, facts.job_clock.holds)})
    told = teller.told(
        "M12",
        openings[-1]["days"] if openings else None,
        CD,
        n=len(openings),
        n_exits=len(openings),
        reason=reason,
        opened_at=facts.opened_at,
        accepted_at=openings[-1]["accepted_at"] if openings else None,
        on_hold_days=_held(facts, openings[-1]["accepted_at"]) if openings else None,
        openings=openings,
        wanted=ground.openings,
    )
    if teller.explain:
        judged = Parts.of(facts.milestones, application, lambda pk: (pk in {one["application"] for one in openings}, _hire_word(facts, pk)))
        told["explain"] = judged.listed()
    return told


def _hire_word(facts: Facts, pk: int) -> str:
    return "not_hired" if facts.milestones[pk].hired_at is None else "hired"


def _held(facts: Facts, accepted: datetime) -> float:
    assert facts.opened_at is not None
    return cd(facts.opened_at, accepted) - fill_days(facts.opened_at, accepted, facts.job_clock.holds)


def fill_days(opened: datetime, accepted: datetime, holds: Sequence[Hold]) -> float:
    """Calendar days from opening to acceptance outside the holds (worked example H)."""
    return cd(opened, accepted, holds=holds)


def offer_spans(facts: Facts) -> list[Span]:
    spans = []
    for application_id, own in facts.milestones.items():
        if own.offered_at is None or own.applied_at is None:
            spans.append(Span(application_id, None, "no_offer" if own.offered_at is None else "applied_not_known"))
        elif not within(own.offered_at, facts.window):
            spans.append(Span(application_id, None, "offered_outside_window"))
        else:
            spans.append(Span(application_id, Stay(cd(own.applied_at, own.offered_at), DONE)))
    return spans


def decision_spans(facts: Facts) -> list[Span]:
    """Answer - offer sent; an offer without answer is still waiting, a rescinded one cut off."""
    spans = []
    for application_id, own in facts.milestones.items():
        if own.sent_at is None or not within(own.sent_at, facts.window):
            spans.append(Span(application_id, None, "no_offer" if own.sent_at is None else "offered_outside_window"))
            continue
        kind = None if own.answer is None else CUT if own.answer == "rescinded" else DONE
        spans.append(Span(application_id, Stay(cd(own.sent_at, own.answered_at or facts.as_of), kind)))
    return spans


def offers(teller: Teller) -> Json:
    """M14; open and rescinded offers beside it."""
    facts = teller.facts

    def judge(pk: int) -> tuple[bool, str]:
        own = facts.milestones[pk]
        made = own.sent_at or own.offered_at
        if made is None or not within(made, facts.window):
            return False, "no_offer" if made is None else "offered_outside_window"
        return True, own.answer or "open"

    parts = Parts.of(facts.milestones, application, judge)
    shown = {word: len(parts.included.get(word, ())) for word in ("open", "rescinded", "declined", "accepted")}
    return teller.share("M14", parts, {"accepted"}, not_in_n={"open", "rescinded"}, **shown)


def throughput(teller: Teller) -> Json:
    """M21: hires and exits per 28 days of the window."""
    facts = teller.facts
    days = (min(facts.window.until, facts.as_of) - facts.window.since) / timedelta(days=1)

    def hire(pk: int) -> tuple[bool, str]:
        hired_at = facts.milestones[pk].hired_at
        inside = hired_at is not None and within(hired_at, facts.window)
        return inside, "hired" if inside else "not_hired" if hired_at is None else "hired_outside_window"

    def ended(seen: Seen) -> tuple[bool, str]:
        if seen.left_at is None or not seen.ended(facts.as_of):
            return False, "still_there"
        inside = within(seen.left_at, facts.window)
        return inside, str(seen.exit_kind) if inside else "left_outside_window"

    told = {}
    for name, parts in (
        ("hires", Parts.of(facts.milestones, application, hire)),
        ("exits", Parts.of(facts.visits, visit, ended)),
    ):
        count = teller.count("M21", parts, per_days=28)
        told[name] = count | {"value": 28 * count["n"] / days if days > 0 else None}
    return told


def sources(teller: Teller) -> list[Json]:
    """M23: of the applications whose way in this job began in the window."""
    facts = teller.facts
    places = {int(ref.id): ref.order for ref in facts.stages}
    groups: dict[str, list[int]] = {}
    for pk in facts.ways:
        groups.setdefault(facts.sources.get(pk, ""), []).append(pk)

    def began(pk: int) -> bool:
        return within(facts.ways[pk].visits[0].entered_at, facts.window)

    def reached(pk: int) -> tuple[bool, str]:
        return (began(pk), "reached" if facts.ways[pk].reached(facts.interview_place, places) else "not_reached") if began(pk) else OUTSIDE

    def hired(pk: int) -> tuple[bool, str]:
        own = facts.milestones.get(pk)
        return (True, "hired" if own is not None and own.hired_at is not None else "not_hired") if began(pk) else OUTSIDE

    told = []
    for source, ids in groups.items():
        entered = teller.count("M23", Parts.of(ids, application, lambda pk: (True, "entered") if began(pk) else OUTSIDE))
        if entered["value"]:
            told.append(
                {
                    "source": source,
                    "rankable": entered["value"] >= RANKABLE,
                    "entered": entered,
                    "reached_interview": teller.share("M23", Parts.of(ids, application, reached), {"reached"}),
                    "hired": teller.share("M23", Parts.of(ids, application, hired), {"hired"}),
                }
            )
    return sorted(told, key=lambda one: (-one["entered"]["value"], one["source"]))


OUTSIDE = (False, "began_outside_window")
