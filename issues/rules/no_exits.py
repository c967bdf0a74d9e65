"""A stage stands still: people wait in it and nobody leaves. It yields no durations, so ``stage_delay`` would be silent."""

from __future__ import annotations

from issues.findings import (
    OPEN,
    ROUNDING,
    SILENT,
    CellFacts,
    Finding,
    Verdict,
    business_days,
    calendar_days,
    fingerprint,
    pace_of,
    told_limit,
)

NAME = "no_exits"


def no_exits(facts: CellFacts) -> Verdict:
    """At least ``people`` (3) wait in a stage of a job and nobody has left it for more than its limit.

    Conditions:
    - the job is open;
    - enough people wait there now;
    - more than ``factor`` (1) x limit business days have passed since the last exit; since the longest-waiting of them
      came, if that is later (a stage that was empty did not stand still).

    Clears with an exit, or when a condition no longer holds.
    """
    thresholds = facts.thresholds(NAME)
    if facts.job_status != OPEN or facts.oldest_entered_at is None or facts.open < max(thresholds.people, 1):
        return SILENT
    since = max(facts.oldest_entered_at, facts.last_exit_at or facts.oldest_entered_at)
    limit = facts.limit_for(NAME)
    border = thresholds.factor * limit.value
    still = facts.business_days_since(since)
    if still <= border:
        return Verdict(ask_again_at=facts.after(since, border + ROUNDING))
    return Verdict(
        finding=Finding(
            issue_type=NAME,
            fingerprint=fingerprint(NAME, facts.job_id, facts.stage_id),
            pace=pace_of(still, border),
            people=facts.open,
            wait_days=calendar_days(facts.oldest_entered_at, facts.as_of),
            sentence=f"{facts.open} people wait in {facts.stage_name} and nobody has left it for {business_days(still)} "
            f"(limit {business_days(border)}).",
            evidence={
                "people": facts.open,
                "last_exit_at": facts.last_exit_at.isoformat() if facts.last_exit_at else None,
                "oldest_entered_at": facts.oldest_entered_at.isoformat(),
                "still": {"value": still, "unit": "bd"},
                "limit": told_limit(limit, border),
            },
        )
    )
