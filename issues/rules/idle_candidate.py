"""Nobody has touched an application for days."""

from __future__ import annotations

from issues.findings import SILENT, Facts, Finding, Verdict, business_days, calendar_days, fingerprint, pace_of, told_days

NAME = "idle_candidate"


def idle_candidate(facts: Facts) -> Verdict:
    """An active application of an open job had no human activity for at least the limit (5 business days).

    Conditions:
    - the application is active and its job is open;
    - its last human activity (a move, comment, mail, rating, interview, feedback or offer; the entry into the
      stage if nothing else is known) lies that many business days back, or more;
    - no interview lies ahead;
    - the next move is not the candidate's: no offer is waiting for an answer, and the stage is not marked as one that
      waits for candidates.

    Clears with any human activity, or when a condition no longer holds.
    """
    thresholds = facts.thresholds(NAME)
    limit = thresholds.business_days
    if not facts.in_play or limit is None or thresholds.waits_for_candidate or facts.appointments.offer_sent_at is not None:
        return SILENT
    if ahead := facts.appointments.next_interview(facts.as_of):
        return Verdict(ask_again_at=facts.after(ahead, limit))
    since = facts.quiet_since
    idle = facts.business_days_since(since)
    if idle < limit:
        return Verdict(ask_again_at=facts.after(since, limit))
    return Verdict(
        finding=Finding(
            issue_type=NAME,
            fingerprint=fingerprint(NAME, facts.application_id, facts.visit_key),
            pace=pace_of(idle, limit),
            wait_days=calendar_days(since, facts.as_of),
            sentence=f"Nothing has happened for {business_days(idle)} in {facts.stage_name} (limit {business_days(limit)}).",
            evidence={
                "last_activity_at": since.isoformat(),
                "idle": {"value": idle, "unit": "bd"},
                "limit": told_days(limit, source=facts.source_of(NAME)),
            },
        )
    )
