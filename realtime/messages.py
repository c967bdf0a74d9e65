"""What a browser or program may be told: a closed list of messages, the same over WebSocket and SSE.

Every message says its ``type`` and the version ``v`` of this list. A message tells a whole state (all cells of a
job), never a difference: a client replaces what it holds, so hearing something twice, or only the last of many,
leaves it right. ``number`` is the organization's update number the state holds for; a client that reconnects says
the highest number it has heard.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

VERSION = 1


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all messages."""

    v: int = VERSION


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """First message of a stream: everything after these numbers will be told."""

    #: the number of the stream's organization; None when the stream covers several
    number: int | None
    #: number by organization id
    numbers: dict[int, int]
    #: seconds between two ``ping`` messages: silence for much longer means the line is dead
    heartbeat: float


class JobChanged(Message, frozen=True, kw_only=True, tag="job"):
    """Something about a job changed; here is its whole state."""

    organization: int
    number: int
    as_of: datetime
    #: id, title, department, status, organization
    job: dict[str, Any]
    open: int
    overdue_days: float
    issues_open: int
    tasks_open: int
    #: its cells by canonical stage, as in ``GET /ats/heatmap``
    cells: list[dict[str, Any]]
    #: its cells by own stage, as in ``GET /ats/jobs/{id}/heatmap``
    stages: list[dict[str, Any]]


class SyncChanged(Message, frozen=True, kw_only=True, tag="sync"):
    """How a sync run or import is getting on, and how fresh the connector's data is."""

    organization: int
    number: int
    connector: int
    name: str
    fresh_at: datetime | None
    sync_run: int
    mode: str
    state: str
    fetched: int
    created: int
    skipped: int
    failed: int
    in_flow: int


class Reload(Message, frozen=True, kw_only=True, tag="reload"):
    """The stream cannot bring the client up to date: fetch the state afresh and go on from ``number``."""

    organization: int | None
    number: int | None
    #: one sentence for a person
    reason: str


class Reconnect(Message, frozen=True, kw_only=True, tag="reconnect"):
    """The server is about to end: come back after ``retry_ms`` milliseconds and resume. The stream closes behind it."""

    retry_ms: int


class Ping(Message, frozen=True, kw_only=True, tag="ping"):
    """The line is alive and everything up to these numbers has been told."""

    numbers: dict[int, int]


_encoder = msgspec.json.Encoder()


def encode(message: Message) -> str:
    """JSON text; times in ISO 8601 UTC."""
    return _encoder.encode(message).decode()
