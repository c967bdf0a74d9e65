"""What a rule may see, and what it says. Pure: a rule never reads a clock, a setting or the database.

A rule is a function ``(facts) → Verdict``: the finding if its conditions hold now, and the next moment at which its
answer could differ without any new event. There are three kinds of facts: of an application in its stage, of a stage
of a job, and of a connector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from analytics.bands import Limit, LimitSource
from analytics.clocks import CompiledCalendar, Hold
from analytics.estimators import Estimate
from ats.appointments import NOTHING_TOLD, Appointments
from issues.thresholds import DEFAULTS, NO_SETTINGS, RuleBook, Thresholds

#: Words of an application and a job that rules ask for (canonical vocabulary).
ACTIVE = "active"
OPEN = "open"
ON_HOLD = "on_hold"

#: longest ``Issue.fingerprint``
LONGEST_FINGERPRINT = 200

#: ``bd`` is rounded to four decimals: half of the last one is 4.32 s of a day. Asking a little later is sure to find it.
ROUNDING = 0.0001


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the rules know of where something is: a stage of a job and the clock it is held to."""

    as_of: datetime
    calendar: CompiledCalendar
    job_id: int | None
    job_status: str
    stage_id: int
    stage_name: str
    stage_category: str
    limit: Limit
    holds: Sequence[Hold] = ()
    book: RuleBook = NO_SETTINGS

    def thresholds(self, rule: str) -> Thresholds:
        return self.book.of(rule, self.job_id, self.stage_id)

    def business_days_since(self, moment: datetime) -> float:
        """Outside the times the job was on hold."""
        return self.calendar.bd(moment, self.as_of, holds=self.holds) if moment < self.as_of else 0.0

    def after(self, moment: datetime, business_days: float) -> datetime | None:
        """When so many business days will have passed since; None: not before the job is open again."""
        return self.calendar.add_business_days(moment, business_days, holds=self.holds)

    def source_of(self, rule: str) -> str:
        """Where the business days of a rule come from, as evidence says it."""
        return "default" if self.thresholds(rule).business_days == DEFAULTS[rule].business_days else "setting"

    def limit_for(self, rule: str) -> Limit:
        """The limit of this stage, or what a setting puts in its place."""
        asked = self.thresholds(rule).business_days
        return self.limit if asked is None else Limit(value=asked, source=LimitSource.TARGET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(Place):
    """One application in its current stage, as of one moment."""

    application_id: int
    application_status: str
    #: newest human activity; None if none is known
    last_activity_at: datetime | None
    #: the open visit, by the ledger id and the provider's id of the event that began it
    visit_id: int
    visit_key: str
    entered_at: datetime
    entry_precision: str
    #: newest event of any kind: what "until something changes" goes by
    last_event_at: datetime | None = None
    #: what the source said, where that lies in the future; else ``entered_at``
    entered_as_told: datetime | None = None
    #: when the source itself learned of the entry, where it says so
    entry_recorded_at: datetime | None = None
    #: the source's own dates contradict each other: how
    anomaly: str = ""
    #: whether the connector tells of interviews, feedback and offers
    tells_interviews: bool = True
    appointments: Appointments = NOTHING_TOLD

    @property
    def in_play(self) -> bool:
        return self.application_status == ACTIVE and self.job_status == OPEN

    @property
    def quiet_since(self) -> datetime:
        """Since when nobody has done anything: the entry, the last activity or the end of an interview."""
        ended = self.appointments.last_interview_end(self.as_of)
        return max(moment for moment in (self.entered_at, self.last_activity_at, ended) if moment is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFacts(Place):
    """A stage of a job with the people in it, as of one moment."""

    open: int
    #: median stay of the last 30 days, and of the same category in other jobs
    recent: Estimate
    usual: Estimate
    #: level at which the latter was found
    baseline_level: str | None = None
    #: number of visits in the sample of the last 30 days
    recent_n: int = 0
    last_exit_at: datetime | None = None
    oldest_entered_at: datetime | None = None
    #: an issue about the delay is unresolved; since when the delay has been below the clearing threshold
    delay_known: bool = False
    calm_since: datetime | None = None
    #: (minute, people moved) of moves of many people at once
    bulks: Sequence[tuple[datetime, int]] = ()
    #: people in this stage over all jobs (only asked for where the status is not mapped)
    people_in_stage: int = 0

    def with_history(self, *, calm_since: datetime | None) -> CellFacts:
        return replace(self, delay_known=True, calm_since=calm_since)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """A connector, as of one moment."""

    as_of: datetime
    calendar: CompiledCalendar
    connector_id: int
    name: str
    created_at: datetime
    fresh_at: datetime | None
    stale_after: timedelta
    #: active, broken or paused; only what can be polled can be late
    status: str
    polls: bool
    #: between two runs that succeeded: the newest, and those already told of
    gaps: Sequence[tuple[datetime, datetime]] = ()
    book: RuleBook = NO_SETTINGS

    def thresholds(self, rule: str) -> Thresholds:
        return self.book.of(rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong. ``fingerprint`` says whether it is the same thing as last time; evidence is for people."""

    issue_type: str
    fingerprint: str
    #: how far past the limit: waited / limit, at least 1
    pace: float
    sentence: str
    evidence: dict[str, Any] = field(default_factory=dict)
    #: how many people it concerns
    people: int = 1
    #: calendar days the (longest-waiting) candidate has waited
    wait_days: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A rule's answer: what it found, and when to ask again at the latest (None: only after an event).

    ``undecided``: it neither holds nor is it over (hysteresis), so a known issue stays as it is. ``calm_since``: since
    when it would be over.
    """

    finding: Finding | None = None
    more: Sequence[Finding] = ()
    ask_again_at: datetime | None = None
    undecided: bool = False
    calm_since: datetime | None = None

    @property
    def findings(self) -> list[Finding]:
        return [*([self.finding] if self.finding else ()), *self.more]


SILENT = Verdict()


def fingerprint(*parts: object) -> str:
    """The identity of a finding. Keys of providers may be longer than the column: then their digest stands for them."""
    text = ":".join(map(str, parts))
    if len(text) <= LONGEST_FINGERPRINT:
        return text
    return f"{text[: LONGEST_FINGERPRINT - 65]}:{sha256(text.encode()).hexdigest()}"


def business_days(value: float) -> str:
    """How a number of business days is said: '1 business day', '6.5 business days'."""
    number = f"{value:.1f}".removesuffix(".0")
    return f"{number} business day{'' if number == '1' else 's'}"


def pace_of(waited: float, limit: float) -> float:
    """How far past the limit: 1 is at it. Of a limit of 0 (a stage whose past stays took no working time) nothing is known but that."""
    return waited / limit if limit else 1.0


def calendar_days(since: datetime, until: datetime) -> float:
    return max((until - since).total_seconds(), 0.0) / 86_400


def told_limit(limit: Limit, value: float | None = None) -> dict[str, Any]:
    """A limit as evidence: value, unit, where it comes from and how many exits are behind it."""
    told: dict[str, Any] = {"value": limit.value if value is None else value, "unit": "bd", "source": str(limit.source)}
    return told | ({"n": limit.n} if limit.n is not None else {})


def told_days(value: float, *, source: str = "default") -> dict[str, Any]:
    return {"value": value, "unit": "bd", "source": source}
