"""An application has been in its stage for twice as long as it should."""

from __future__ import annotations

from issues.findings import ACTIVE, OPEN, SILENT, Facts, Finding, Verdict, business_days

#: business days a stage of a category should take (default limits)
LIMITS = {"review": 5.0, "screen": 7.0, "assessment": 7.0, "interview": 10.0, "decision": 4.0, "offer": 5.0}
#: for a stage nobody has mapped yet: the most generous of them
UNMAPPED_LIMIT = max(LIMITS.values())
#: how many times the limit
FACTOR = 2.0


def stuck(facts: Facts) -> Verdict:
    """The visit's age is more than ``FACTOR`` times the limit of its stage's category.

    Conditions:
    - the application is active and its job is open;
    - age of the open visit > ``FACTOR`` x limit, in business days. An entry of unknown time counts from when it
      was first seen, so the true age can only be greater.

    Clears when the visit ends, or when a condition no longer holds.
    """
    if facts.application_status != ACTIVE or facts.job_status != OPEN:
        return SILENT
    limit = LIMITS.get(facts.stage_category, UNMAPPED_LIMIT)
    age = facts.business_days_since(facts.entered_at)
    if age <= FACTOR * limit:
        return Verdict(ask_again_at=facts.calendar.add_business_days(facts.entered_at, FACTOR * limit + 0.0001))
    return Verdict(
        finding=Finding(
            issue_type="stuck",
            fingerprint=f"stuck:{facts.application_id}:{facts.visit_key}",
            pace=age / limit,
            sentence=f"In {facts.stage_name} for {business_days(age)}, more than {FACTOR:g} times the limit of {business_days(limit)}.",
            evidence={
                "entered_at": facts.entered_at.isoformat(),
                "entry_precision": facts.entry_precision,
                "age": {"value": age, "unit": "bd"},
                "limit": {"value": limit, "unit": "bd", "source": "default"},
            },
        )
    )
