"""A connector has not been read for too long: the one thing to be told while everything else keeps silent."""

from __future__ import annotations

from issues.findings import SILENT, Finding, SourceFacts, Verdict, fingerprint

NAME = "sync_stale"
PAUSED = "paused"


def sync_stale(facts: SourceFacts) -> Verdict:
    """The last successful run of a connector that is polled lies further back than ``STALE_AFTER_MINUTES``.

    Conditions: the connector can be polled and no person has paused it. One that never succeeded counts from when it
    was made. Clears with the next successful run. Until then no other rule opens or resolves anything.
    """
    if not facts.polls or facts.status == PAUSED:
        return SILENT
    since = facts.fresh_at or facts.created_at
    stale_at = since + facts.stale_after
    if facts.as_of <= stale_at:
        return Verdict(ask_again_at=stale_at)
    minutes = (facts.as_of - since).total_seconds() / 60
    said = f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours" if minutes < 2880 else f"{minutes / 1440:.0f} days"
    never = "has never been read successfully, and was connected" if facts.fresh_at is None else "was last read successfully"
    return Verdict(
        finding=Finding(
            issue_type=NAME,
            fingerprint=fingerprint(NAME, facts.connector_id),
            pace=(facts.as_of - since) / facts.stale_after,
            sentence=f"{facts.name} {never} {said} ago; until it is read, no issue opens or resolves.",
            evidence={
                "connector": facts.name,
                "fresh_at": facts.fresh_at.isoformat() if facts.fresh_at else None,
                "status": facts.status,
                "age": {"value": round(minutes, 1), "unit": "minutes"},
                "limit": {"value": facts.stale_after.total_seconds() / 60, "unit": "minutes", "source": "default"},
            },
        )
    )
