"""The rules, by what they look at; nothing else. A rule hides those it makes pointless (``suppresses``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from issues.findings import CellFacts, Facts, SourceFacts, Verdict
from issues.rules.data_quality import backdated_edit, bulk_change, clock_skew, poll_gap, unmapped_status
from issues.rules.idle_candidate import idle_candidate
from issues.rules.missing_feedback import missing_feedback
from issues.rules.no_exits import no_exits
from issues.rules.offer_pending import offer_pending
from issues.rules.stage_delay import stage_delay
from issues.rules.stuck import stuck
from issues.rules.sync_stale import sync_stale
from issues.rules.waiting_on_us import waiting_on_us

Subject = TypeVar("Subject", Facts, CellFacts, SourceFacts)


@dataclass(frozen=True, slots=True)
class Rule(Generic[Subject]):
    name: str
    judge: Callable[[Subject], Verdict]
    #: rules that say nothing while this one fires for the same visit
    suppresses: frozenset[str] = frozenset()
    #: many with this trouble in one stage are one trouble
    grouped: bool = False
    #: capability of the connector without which it has no input (``connectors.base.Capabilities``)
    needs: str = ""
    #: what stands in for the missing input where a person switches it on
    proxy: str = ""


#: one application in its stage
RULES: tuple[Rule[Facts], ...] = (
    Rule("stuck", stuck, suppresses=frozenset({"idle_candidate", "waiting_on_us"}), grouped=True),
    Rule("offer_pending", offer_pending, suppresses=frozenset({"idle_candidate"}), needs="interviews", proxy="time in an offer stage"),
    Rule("waiting_on_us", waiting_on_us, suppresses=frozenset({"idle_candidate"}), grouped=True, needs="interviews"),
    Rule("idle_candidate", idle_candidate, grouped=True),
    Rule("missing_feedback", missing_feedback, needs="interviews", proxy="time in an interview stage without a comment or rating"),
    Rule("clock_skew", clock_skew, grouped=True),
    Rule("backdated_edit", backdated_edit, grouped=True),
)

#: one stage of one job
CELL_RULES: tuple[Rule[CellFacts], ...] = (
    Rule("stage_delay", stage_delay),
    Rule("no_exits", no_exits),
    Rule("unmapped_status", unmapped_status),
    Rule("bulk_change", bulk_change),
)

#: one connector
SOURCE_RULES: tuple[Rule[SourceFacts], ...] = (
    Rule("sync_stale", sync_stale, needs="polls"),
    Rule("poll_gap", poll_gap, needs="polls"),
)

NAMES = (*(rule.name for rule in RULES), *(rule.name for rule in CELL_RULES), *(rule.name for rule in SOURCE_RULES))
