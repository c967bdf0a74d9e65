"""What a person may do with an issue, and what becomes of it. Pure.

    open ─────────► acknowledged ─► resolved
     │ ▲              │    ▲          │
     ▼ │              ▼    │          │
    snoozed ──────────┴────┘◄── reopen┘ (to open)

The machine's own moves (found again, condition cleared, hidden, snooze over) are in ``changes``; none of them touches
what a person resolved, and none opens what a person snoozed before its time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType


def state_mark(last_event_at: datetime | None, severity: str) -> str:
    """What "snoozed until something changes" goes by: any event of the person, or another severity."""
    return f"{last_event_at.astimezone(UTC).isoformat() if last_event_at else ''} {severity}"


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
