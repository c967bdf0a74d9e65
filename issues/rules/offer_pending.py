"""An offer is out and has not been answered."""

from __future__ import annotations

from datetime import datetime

from issues.findings import SILENT, Facts, Finding, Verdict, business_days, calendar_days, fingerprint, pace_of, told_days

NAME = "offer_pending"
OFFER_STAGE = "offer"


def offer_pending(facts: Facts) -> Verdict:
    """An offer was sent at least the limit (5 business days, a candidate's week of thinking) ago without an answer.

    Conditions:
    - the application is active and its job is open;
    - the newest offer was sent, and neither accepted, declined nor withdrawn since;
    - where the ATS tells of no offers and the proxy is switched on: the person is in an offer stage (``inferred``).

    Clears with the answer, when the offer is withdrawn, or when a condition no longer holds.
    """
    if not facts.in_play:
        return SILENT
    thresholds = facts.thresholds(NAME)
    limit = thresholds.business_days
    since, inferred = _sent_at(facts, proxy=thresholds.proxy)
    if since is None or limit is None:
        return SILENT
    age = facts.business_days_since(since)
    if age < limit:
        return Verdict(ask_again_at=facts.after(since, limit))
    told = f"An offer has waited for an answer for {business_days(age)} (limit {business_days(limit)})."
    return Verdict(
        finding=Finding(
            issue_type=NAME,
            fingerprint=fingerprint(NAME, facts.application_id, facts.visit_key),
            pace=pace_of(age, limit),
            wait_days=calendar_days(since, facts.as_of),
            sentence=f"{told} Inferred from the stage: the ATS tells of no offers." if inferred else told,
            evidence={
                "sent_at": since.isoformat(),
                "age": {"value": age, "unit": "bd"},
                "limit": told_days(limit, source=facts.source_of(NAME)),
                "inferred": inferred,
            },
        )
    )


def _sent_at(facts: Facts, *, proxy: bool) -> tuple[datetime | None, bool]:
    if facts.appointments.offer_sent_at is not None:
        return min(facts.appointments.offer_sent_at, facts.as_of), False
    if proxy and not facts.tells_interviews and facts.stage_category == OFFER_STAGE:
        return facts.entered_at, True
    return None, False
