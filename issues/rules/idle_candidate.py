"""Nobody has touched an application for days."""

from __future__ import annotations

from issues.findings import ACTIVE, OPEN, SILENT, Facts, Finding, Verdict, business_days

#: business days without human activity (default)
LIMIT = 5.0


def idle_candidate(facts: Facts) -> Verdict:
    """An active application of an open job had no human activity for at least ``LIMIT`` business days.

    Conditions:
    - the application is active and its job is open;
    - its last human activity (a move, comment, mail, rating, interview, feedback or offer; the entry into the
      stage if nothing else is known) lies ``LIMIT`` or more business days back.

    Clears with any human activity, or when a condition no longer holds.
    """
    if facts.application_status != ACTIVE or facts.job_status != OPEN:
        return SILENT
    since = max(facts.last_activity_at or facts.entered_at, facts.entered_at)
    idle = facts.business_days_since(since)
    if idle < LIMIT:
        return Verdict(ask_again_at=facts.calendar.add_business_days(since, LIMIT))
    return Verdict(
        finding=Finding(
            issue_type="idle_candidate",
            fingerprint=f"idle_candidate:{facts.application_id}:{facts.visit_key}",
            pace=idle / LIMIT,
            sentence=f"Nothing has happened for {business_days(idle)} in {facts.stage_name} (limit {business_days(LIMIT)}).",
            evidence={
                "last_activity_at": since.isoformat(),
                "idle": {"value": idle, "unit": "bd"},
                "limit": {"value": LIMIT, "unit": "bd", "source": "default"},
            },
        )
    )
