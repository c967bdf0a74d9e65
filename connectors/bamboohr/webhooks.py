"""BambooHR's webhooks: they tell of employees and the company, never of applications. A hire may make an employee, so
one is a reason to look; nothing in it is a fact of ours, and of its fields only the word for what happened is kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from connectors.base import Observation
from connectors.events import Mapped
from connectors.exceptions import PayloadNotUnderstood

KIND = "webhook"
#: events that name their type in no field: ``{"employees": [{"id": …, "changedFields": …}]}``
UNNAMED = "employee_with_fields"
TYPE_LENGTH = 64


class Hint(msgspec.Struct, frozen=True):
    type: str
    received_at: datetime


def hint(body: bytes, *, received_at: datetime) -> Observation:
    """Raises ``PayloadNotUnderstood``."""
    try:
        told: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise PayloadNotUnderstood("The body is not JSON; set the webhook's format to JSON at BambooHR.") from None
    if not isinstance(told, dict):
        raise PayloadNotUnderstood("The body is JSON, but no object.")
    word = told.get("type", UNNAMED)
    if not isinstance(word, str):
        raise PayloadNotUnderstood("The event's type is no text.")
    return Observation(kind=KIND, payload={"type": word[:TYPE_LENGTH], "received_at": received_at.isoformat()})


def map_hint(payload: dict[str, Any]) -> Mapped:
    """It was heard; what changed is for the next look to find."""
    try:
        return Mapped(observed_at=msgspec.convert(payload, Hint).received_at)
    except msgspec.ValidationError:
        raise PayloadNotUnderstood("A webhook payload has an unexpected shape.") from None
