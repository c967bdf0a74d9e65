"""The candidate made a move, and we have not answered."""

from __future__ import annotations

from issues.findings import SILENT, Facts, Finding, Verdict, business_days, calendar_days, fingerprint, pace_of, told_days

NAME = "waiting_on_us"


def waiting_on_us(facts: Facts) -> Verdict:
    """The last move was the candidate's, and at least the limit (3 business days) has passed without ours.

    Conditions:
    - the application is active and its job is open;
    - the candidate came to an interview, wrote to us, or accepted an offer;
    - since then they were not moved on, got no mail, no invitation and no offer, and no interview lies ahead. What
      colleagues write among themselves is no answer.

    Clears with our answer, or when a condition no longer holds.
    """
    thresholds = facts.thresholds(NAME)
    limit = thresholds.business_days
    if not facts.in_play or limit is None or thresholds.waits_for_candidate:
        return SILENT
    told = facts.appointments
    moves = {
        "interview": told.last_interview_end(facts.as_of),
        "mail": told.last_inbound_at,
        "offer_accepted": told.offer_accepted_at,
    }
    what, since = max(((word, moment) for word, moment in moves.items() if moment), key=lambda pair: pair[1], default=("", None))
    ahead = told.next_interview(facts.as_of)
    if ahead is not None:
        return Verdict(ask_again_at=facts.after(ahead, limit))
    answered = max(moment for moment in (facts.entered_at, told.last_answer_at) if moment is not None)
    if since is None or answered > since:
        return SILENT
    waited = facts.business_days_since(since)
    if waited < limit:
        return Verdict(ask_again_at=facts.after(since, limit))
    return Verdict(
        finding=Finding(
            issue_type=NAME,
            fingerprint=fingerprint(NAME, facts.application_id, facts.visit_key),
            pace=pace_of(waited, limit),
            wait_days=calendar_days(since, facts.as_of),
            sentence=f"The candidate has waited for our answer for {business_days(waited)} (limit {business_days(limit)}).",
            evidence={
                "candidate_moved_at": since.isoformat(),
                "candidate_move": what,
                "waited": {"value": waited, "unit": "bd"},
                "limit": told_days(limit, source=facts.source_of(NAME)),
            },
        )
    )
