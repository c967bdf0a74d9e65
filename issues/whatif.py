"""What if a rule had gone by other thresholds: the question, checked once for whoever asks it, and its answer in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from accounts.models import Organization
from ats.models import Job, Stage
from issues.backtesting import NOT_REPLAYABLE, REPLAYABLE, backtest
from issues.detection import rule_book
from issues.replaying import Opening, Outcome, Scope, Span
from issues.rules import NAMES
from issues.rules.stage_delay import NAME as STAGE_DELAY
from issues.thresholds import Setting, Thresholds

#: calendar days a question may reach back
LONGEST = 3650
#: no threshold is larger
LARGEST = 10_000
#: of each kind
EXAMPLES = 10

#: how a change of a threshold is told
WORDS = {"business_days": "days", "factor": "times the limit", "people": "people", "proxy": "proxy"}
#: a delay is measured against what is usual, not against the limit
DELAY_FACTOR = "times the usual"
#: what can be changed, rule by rule
CHANGEABLE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "stuck": ("business_days", "factor"),
        "offer_pending": ("business_days", "proxy"),
        "waiting_on_us": ("business_days",),
        "idle_candidate": ("business_days",),
        "missing_feedback": ("business_days", "proxy"),
        "stage_delay": ("business_days", "factor", "people"),
        "no_exits": ("business_days", "factor", "people"),
        "bulk_change": ("people",),
    }
)


class WrongQuestion(ValueError):
    """It cannot be asked like this; the message is for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """How many issues ``rule`` would have opened in the last ``days``, in a job, a stage or everywhere, with other ``values``.

    Raises ``WrongQuestion`` when made.
    """

    organization: Organization
    rule: str
    days: int = 90
    job: Job | None = None
    stage: Stage | None = None
    #: thresholds by name (``CHANGEABLE``); none: only as it is
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_rule(self.rule)
        if not 1 <= self.days <= LONGEST:
            raise WrongQuestion(f"The number of days must lie between 1 and {LONGEST}, not {self.days}.")
        for name, value in self.values.items():
            _check_value(self.rule, name, value)
        for place in (self.job, self.stage):
            if place is not None and place.organization_id != self.organization.pk:
                raise WrongQuestion(f"{self.organization} has no such {type(place).__name__.lower()}: {place.pk}.")

    @property
    def setting(self) -> Setting:
        return Setting(rule=self.rule, job_id=self._job_id, stage_id=self._stage_id, values=self.values)

    @property
    def scope(self) -> Scope:
        return Scope(self._job_id, self._stage_id)

    @property
    def _job_id(self) -> int | None:
        return self.job.pk if self.job else None

    @property
    def _stage_id(self) -> int | None:
        return self.stage.pk if self.stage else None

    def answered(self, now: datetime) -> Comparison:
        """Replays the past: takes time, reads only."""
        book = rule_book(self.organization.pk)
        books = [book, book.changed(self.setting)] if self.values else [book]
        outcomes = backtest(self.organization, self.rule, books, Span(now - timedelta(days=self.days), now), self.scope)
        before = book.of(self.rule, self._job_id, self._stage_id)
        return Comparison(self.rule, self.days, before, self.values, outcomes[0], outcomes[-1])


def _check_rule(rule: str) -> None:
    if rule in NOT_REPLAYABLE:
        raise WrongQuestion(f"{rule} cannot be replayed: {NOT_REPLAYABLE[rule]}. Choose one of {', '.join(REPLAYABLE)}.")
    if rule not in NAMES:
        raise WrongQuestion(f"There is no rule called {rule}. Choose one of {', '.join(REPLAYABLE)}.")


def _check_value(rule: str, name: str, value: Any) -> None:
    if name not in CHANGEABLE[rule]:
        known = " and ".join(SAID[each] for each in CHANGEABLE[rule])
        raise WrongQuestion(f"{rule} does not go by {SAID[name]}; what can be tried is {known}.")
    if name != "proxy" and not (math.isfinite(value) and 0 < value <= LARGEST):
        raise WrongQuestion(f"A threshold must be greater than 0 and at most {LARGEST}, not {value:g}.")


SAID = {"business_days": "another limit", "factor": "another factor", "people": "another number of people", "proxy": "the proxy"}


def words_of(outcome: Outcome, days: int) -> str:
    issues = f"{outcome.issues} issue{'' if outcome.issues == 1 else 's'}"
    return f"{issues} in {days} days, {outcome.gone_within_a_day} of them gone within a day by themselves"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A rule as it is, and with other thresholds."""

    rule: str
    days: int
    thresholds: Thresholds
    values: Mapping[str, Any]
    as_is: Outcome
    what_if: Outcome

    @property
    def sentence(self) -> str:
        """Two lines: with the change, and without it; one where nothing is changed."""
        if not self.values:
            return f"{self.rule}: {words_of(self.as_is, self.days)}"
        return f"{self.rule} with {self.change}: {words_of(self.what_if, self.days)}\nas it is: {words_of(self.as_is, self.days)}"

    @property
    def change(self) -> str:
        return ", ".join(self._told(name, value) for name, value in self.values.items())

    def _told(self, name: str, value: Any) -> str:
        before = getattr(self.thresholds, name)
        if name == "proxy":
            return "the proxy" if value else "no proxy"
        was = "the stage's own limit" if before is None else f"{before:g}"
        words = DELAY_FACTOR if (self.rule, name) == (STAGE_DELAY, "factor") else WORDS[name]
        return f"{value:g} instead of {was} {words}"

    @property
    def told(self) -> dict[str, Any]:
        """As kept with the question: sentences, numbers, and examples by ids."""
        more, fewer = self.what_if.opened, self.as_is.opened
        only = (("added", more, fewer), ("spared", fewer, more)) if self.values else (("opened", fewer, {}),)
        ways = [(f"With {self.change}", self.what_if)] if self.values else []
        return {
            "sentences": self.sentence.split("\n"),
            "rows": [
                {"label": label, "issues": outcome.issues, "gone": outcome.gone_within_a_day}
                for label, outcome in (*ways, ("As it is", self.as_is))
            ],
            "examples": {kind: _examples(these, others) for kind, these, others in only},
        }


def _examples(these: Mapping[str, Opening], others: Mapping[str, Opening]) -> dict[str, Any]:
    """What is in one and not in the other: how many, and the newest."""
    alone = sorted((one for key, one in these.items() if key not in others), key=lambda one: one.at, reverse=True)
    return {
        "total": len(alone),
        "newest": [
            {
                "application": one.application_id,
                "job": one.job_id,
                "stage": one.stage_id,
                "at": one.at.isoformat(),
                "cleared_at": one.cleared_at.isoformat() if one.cleared_at else None,
            }
            for one in alone[:EXAMPLES]
        ],
    }
