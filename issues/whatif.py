"""How the outcome of a backtest is said, on the command line and in the admin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from issues.backtesting import Outcome
from issues.thresholds import Thresholds

WORDS = {"business_days": "days", "factor": "times the limit", "proxy": "proxy"}


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
        """Two lines: with the change, and without it."""
        return f"{self.rule} with {self.change}: {words_of(self.what_if, self.days)}\nas it is: {words_of(self.as_is, self.days)}"

    @property
    def change(self) -> str:
        return ", ".join(self._told(name, value) for name, value in self.values.items())

    def _told(self, name: str, value: Any) -> str:
        before = getattr(self.thresholds, name)
        if name == "proxy":
            return "the proxy"
        was = "the stage's own limit" if before is None else f"{before:g}"
        return f"{value:g} instead of {was} {WORDS[name]}"
