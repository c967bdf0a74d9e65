"""What a person may do with an issue, and what becomes of it. Pure.

    open ─────────► acknowledged ─► resolved
     │ ▲              │    ▲          │
     ▼ │              ▼    │          │
    snoozed ──────────┴────┘◄── reopen┘ (to open)

The machine's own moves (found again, condition cleared, snooze over) are in ``services``; none of them touches
what a person resolved, nor a snooze that has not ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Action(StrEnum):
    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    RESOLVE = "resolve"
    REOPEN = "reopen"


class IllegalAction(Exception):
    """The issue's status does not allow it; the message is for a person."""


OPEN, ACKNOWLEDGED, SNOOZED, RESOLVED = "open", "acknowledged", "snoozed", "resolved"

#: action → status before → status after
LEGAL: Mapping[Action, Mapping[str, str]] = MappingProxyType(
    {
        Action.ACKNOWLEDGE: dict.fromkeys((OPEN, ACKNOWLEDGED, SNOOZED), ACKNOWLEDGED),
        Action.SNOOZE: dict.fromkeys((OPEN, ACKNOWLEDGED, SNOOZED), SNOOZED),
        Action.RESOLVE: dict.fromkeys((OPEN, ACKNOWLEDGED, SNOOZED, RESOLVED), RESOLVED),
        Action.REOPEN: dict.fromkeys((OPEN, ACKNOWLEDGED, SNOOZED, RESOLVED), OPEN),
    }
)


def status_after(status: str, action: Action) -> str:
    """The status that follows. Raises ``IllegalAction``."""
    try:
        return LEGAL[action][status]
    except KeyError:
        raise IllegalAction(f"A {status} issue cannot be {PAST[action]}; reopen it first.") from None


PAST = {
    Action.ACKNOWLEDGE: "acknowledged",
    Action.SNOOZE: "snoozed",
    Action.RESOLVE: "resolved",
    Action.REOPEN: "reopened",
}
