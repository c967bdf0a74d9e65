"""RULES: the ordered tuple of rules, nothing else. A rule hides those it makes pointless (``suppresses``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from issues.findings import Facts, Verdict
from issues.rules.idle_candidate import idle_candidate
from issues.rules.stuck import stuck


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    judge: Callable[[Facts], Verdict]
    #: rules that say nothing while this one fires for the same visit
    suppresses: frozenset[str] = frozenset()


RULES = (
    Rule("stuck", stuck, suppresses=frozenset({"idle_candidate"})),
    Rule("idle_candidate", idle_candidate),
)
