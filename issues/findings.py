"""What a rule may see, and what it says. Pure: a rule never reads a clock, a setting or the database.

A rule is a function ``(facts) → Verdict``: the finding if its conditions hold now, and the next moment at which its
answer could differ without any new event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from analytics.clocks import CompiledCalendar

#: Words of an application and a job that rules ask for (canonical vocabulary).
ACTIVE = "active"
OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One application in its current stage, as of one moment."""

    as_of: datetime
    calendar: CompiledCalendar
    application_id: int
    application_status: str
    #: newest human activity; None if none is known
    last_activity_at: datetime | None
    job_id: int | None
    job_status: str
    #: the open visit, by the ledger id and the provider's id of the event that began it
    visit_id: int
    visit_key: str
    stage_id: int
    stage_name: str
    stage_category: str
    entered_at: datetime
    entry_precision: str

    def business_days_since(self, moment: datetime) -> float:
        return self.calendar.bd(moment, self.as_of) if moment < self.as_of else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong. ``fingerprint`` says whether it is the same thing as last time; evidence is for people."""

    issue_type: str
    fingerprint: str
    #: how far past the limit: waited / limit, at least 1
    pace: float
    sentence: str
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A rule's answer: a finding or none, and when to ask again at the latest (None: only after an event)."""

    finding: Finding | None = None
    ask_again_at: datetime | None = None


SILENT = Verdict()


def business_days(value: float) -> str:
    """How a number of business days is said: '1 business day', '6.5 business days'."""
    number = f"{value:.1f}".removesuffix(".0")
    return f"{number} business day{'' if number == '1' else 's'}"
