"""How patient the rules are: defaults, and what an organization, a job or a stage asks for instead. Pure.

Of several settings the nearest wins, field by field: stage in a job, stage, job, organization; in one scope a setting
for one rule wins over one for every rule. A field left empty says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Priority(StrEnum):
    """How much a job matters, from little to much."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What one rule goes by in one place. What a rule does not use stays at its default."""

    enabled: bool = True
    #: the limit in business days; for ``stuck`` and ``no_exits`` instead of the stage's own limit (None: that one)
    business_days: float | None = None
    #: times the limit, or times the usual
    factor: float = 1.0
    #: below this many times the usual a delay is over
    clear_factor: float = 1.25
    #: least number of people, exits or moves
    people: int = 1
    #: work on a proxy where the ATS does not deliver the rule's input
    proxy: bool = False
    #: so many people with this trouble in one stage of a job make one group issue
    group_from: int = 15
    #: the next move here is the candidate's
    waits_for_candidate: bool = False
    priority: Priority = Priority.NORMAL


DEFAULTS: Mapping[str, Thresholds] = MappingProxyType(
    {
        "stuck": Thresholds(factor=2.0),
        "offer_pending": Thresholds(business_days=5.0),
        "waiting_on_us": Thresholds(business_days=3.0),
        "idle_candidate": Thresholds(business_days=5.0),
        "missing_feedback": Thresholds(business_days=1.0),
        "stage_delay": Thresholds(business_days=1.0, factor=1.5, people=6),
        "no_exits": Thresholds(factor=1.0, people=3),
        "sync_stale": Thresholds(),
        "unmapped_status": Thresholds(people=1),
        "clock_skew": Thresholds(),
        "backdated_edit": Thresholds(business_days=5.0),
        "bulk_change": Thresholds(people=50),
        "poll_gap": Thresholds(business_days=1.0),
    }
)

#: what settings for every rule are laid on (the priority of a job)
EVERY_RULE = Thresholds()

ADJUSTABLE = tuple(one.name for one in fields(Thresholds))


@dataclass(frozen=True, slots=True)
class Setting:
    """One ``RuleSetting`` row without its row. ``values`` holds only what it says."""

    rule: str = ""
    job_id: int | None = None
    stage_id: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def concerns(self, rule: str, job_id: int | None, stage_id: int | None) -> bool:
        return self.rule in ("", rule) and self.job_id in (None, job_id) and self.stage_id in (None, stage_id)

    @property
    def nearness(self) -> tuple[bool, bool, bool]:
        return self.stage_id is not None, self.job_id is not None, self.rule != ""


class RuleBook:
    """All settings of an organization; answers are kept, for thousands of people wait in the same places."""

    def __init__(self, settings: Iterable[Setting] = ()) -> None:
        #: furthest first, so that the nearer one overwrites
        self._settings = sorted(settings, key=lambda setting: setting.nearness)
        self._known: dict[tuple[str, int | None, int | None], Thresholds] = {}

    def of(self, rule: str, job_id: int | None = None, stage_id: int | None = None) -> Thresholds:
        key = rule, job_id, stage_id
        if key not in self._known:
            found: dict[str, Any] = {}
            for setting in self._settings:
                if setting.concerns(*key):
                    found |= setting.values
            default = DEFAULTS.get(rule, EVERY_RULE)
            self._known[key] = replace(default, **found) if found else default
        return self._known[key]

    def least(self, rule: str) -> int:
        """The smallest number of people any setting asks for."""
        asked: list[int] = [
            setting.values["people"] for setting in self._settings if setting.rule in ("", rule) and "people" in setting.values
        ]
        return min([DEFAULTS[rule].people, *asked])

    def as_told(self) -> list[Setting]:
        """All settings, in an order that depends on nothing but them."""
        return sorted(self._settings, key=repr)

    def changed(self, *settings: Setting) -> RuleBook:
        """The same book with some settings on top (what if)."""
        book = RuleBook()
        book._settings = [*self._settings, *settings]
        return book


NO_SETTINGS = RuleBook()
