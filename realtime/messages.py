"""What a browser or program may be told: a closed list of messages, the same over WebSocket and SSE.

Every message says its ``type`` and the version ``v`` of this list. A message tells states as they are now, never a
difference: a client replaces what it holds, so hearing something twice, or only the last of many, leaves it right.

``number`` is the organization's update number up to which the client has heard everything; a client that reconnects
says the highest it has heard. Messages that only tell a part of an update (``event``, ``snapshot``, ``issue``,
``task``) hold null there and its number as ``update``: the ``job`` message behind them completes it.

Within a version types and fields are only added. docs/realtime.schema.json is made from these classes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

VERSION = 1


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all messages."""

    v: int = VERSION


# --- about the stream --------------------------------------------------------------------------------
class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """First message of a stream: everything after these numbers will be told."""

    #: the number of the stream's organization; None when the stream covers several
    number: int | None
    #: number by organization id
    numbers: dict[int, int]
    #: seconds between two ``ping`` messages: silence for much longer means the line is dead
    heartbeat: float


class Ping(Message, frozen=True, kw_only=True, tag="ping"):
    """The line is alive and everything up to these numbers has been told."""

    numbers: dict[int, int]


class Reload(Message, frozen=True, kw_only=True, tag="reload"):
    """The stream cannot bring the client up to date: fetch the state afresh and go on from ``number``."""

    organization: int | None
    number: int | None
    #: one sentence for a person
    reason: str


class Reconnect(Message, frozen=True, kw_only=True, tag="reconnect"):
    """The server is about to end: come back after ``retry_ms`` milliseconds and resume. The stream closes behind it."""

    retry_ms: int


# --- about the organization --------------------------------------------------------------------------
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
    #: the ``event``, ``snapshot``, ``issue`` and ``task`` messages before this one tell all that changed; false: so much
    #: did that they tell only a part or nothing, so fetch the lists that are on the screen
    complete: bool
    #: of what the change came, as in logs and spans
    correlation_id: str | None = None


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
    correlation_id: str | None = None


class StageRef(msgspec.Struct, frozen=True, kw_only=True):
    """A stage of the job's own pipeline."""

    id: int
    name: str
    category: str


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that entered the ledger."""

    id: int
    event_type: str
    application: int | None
    stage_from: StageRef | None
    stage_to: StageRef | None
    #: when it happened in the ATS
    timestamp: datetime
    #: when it became known
    recorded_at: datetime
    precision: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """How an application stands."""

    application: int
    candidate: int
    status: str
    current_stage: StageRef | None
    applied_at: datetime | None
    last_event_at: datetime | None
    last_activity_at: datetime | None


class IssueState(msgspec.Struct, frozen=True, kw_only=True):
    """How an issue stands."""

    id: int
    issue_type: str
    status: str
    severity: str
    score: float
    sentence: str
    application: int | None
    stage: StageRef | None
    detected_at: datetime
    snoozed_until: datetime | None
    resolved_at: datetime | None
    version: int


class TaskState(msgspec.Struct, frozen=True, kw_only=True):
    """How a task stands."""

    id: int
    issue: int
    status: str
    priority: str
    #: a member's id
    assignee: int | None
    due_at: datetime | None
    ended_at: datetime | None
    version: int


class Detail(Message, frozen=True, kw_only=True):
    """Base of the messages that tell a part of an update."""

    organization: int
    #: None: issues and tasks that concern no single job
    job: int | None
    update: int
    number: int | None = None


class EventsRecorded(Detail, frozen=True, kw_only=True, tag="event"):
    """New facts about people on a job."""

    events: list[RecordedEvent]


class SnapshotsChanged(Detail, frozen=True, kw_only=True, tag="snapshot"):
    """Applications of a job that were touched."""

    applications: list[Snapshot]


class IssuesChanged(Detail, frozen=True, kw_only=True, tag="issue"):
    """Issues that were opened, judged again or decided upon."""

    issues: list[IssueState]


class TasksChanged(Detail, frozen=True, kw_only=True, tag="task"):
    """Tasks that were opened, changed or ended."""

    tasks: list[TaskState]


ALL = Hello | Ping | Reload | Reconnect | JobChanged | SyncChanged | EventsRecorded | SnapshotsChanged | IssuesChanged | TasksChanged
#: what ``?types=`` may name
TYPES = frozenset({"event", "snapshot", "job", "issue", "task", "sync"})

_encoder = msgspec.json.Encoder()


def encode(message: Message) -> str:
    """JSON text; times in ISO 8601 UTC."""
    return _encoder.encode(message).decode()


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of any one message."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Stagewatch live updates"} | msgspec.json.schema(ALL)


if __name__ == "__main__":  # make schema
    print(msgspec.json.format(msgspec.json.encode(schema(), order="deterministic"), indent=1).decode())
