"""An application has been in its stage for far longer than it should."""

from __future__ import annotations

from issues.findings import ROUNDING, SILENT, Facts, Finding, Verdict, business_days, calendar_days, fingerprint, pace_of, told_limit

NAME = "stuck"


def stuck(facts: Facts) -> Verdict:
    """The visit's age is more than ``factor`` (2) times the limit of its stage.

    Conditions:
    - the application is active and its job is open;
    - age of the open visit > factor x limit, in business days. The limit is the stage's target, else what its past
      says (baseline), else the default of its category. An entry of unknown time counts from when it was first seen,
      so the true age can only be greater.

    Clears when the visit ends, or when a condition no longer holds.
    """
    if not facts.in_play:
        return SILENT
    limit, factor = facts.limit_for(NAME), facts.thresholds(NAME).factor
    age = facts.business_days_since(facts.entered_at)
    if age <= factor * limit.value:
        return Verdict(ask_again_at=facts.after(facts.entered_at, factor * limit.value + ROUNDING))
    return Verdict(
        finding=Finding(
            issue_type=NAME,
            fingerprint=fingerprint(NAME, facts.application_id, facts.visit_key),
            pace=pace_of(age, limit.value),
            wait_days=calendar_days(facts.entered_at, facts.as_of),
            sentence=f"In {facts.stage_name} for {business_days(age)}, more than {factor:g} times the limit of "
            f"{business_days(limit.value)}.",
            evidence={
                "entered_at": facts.entered_at.isoformat(),
                "entry_precision": facts.entry_precision,
                "age": {"value": age, "unit": "bd"},
                "limit": told_limit(limit),
            },
        )
    )
