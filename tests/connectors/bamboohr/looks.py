"""Looks at one application, one after the other, without the wire: for the tests of what differences are told as."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from connectors.bamboohr import diff, wire
from connectors.bamboohr.diff import Look
from connectors.bamboohr.mapper import map_observation
from connectors.bamboohr.wire import Status
from connectors.base import Record
from connectors.events import Mapped, NormalizedEvent
from tests.connectors.bamboohr.harness import BUILT_IN

STATUSES = {str(i): Status(id=str(i), code=code, name=name) for i, (code, name) in enumerate(BUILT_IN, start=1)}
STATUSES["27"] = Status(id="27", name="Take-home Review")

APPLIED = "2026-10-02T08:00:00+00:00"
CHANGED = "2026-10-14T13:30:05+00:00"
LATER = "2026-10-15T09:00:00+00:00"
LOOK_1 = datetime(2026, 10, 14, 20, 0, tzinfo=UTC)
LOOK_2 = datetime(2026, 10, 15, 10, 0, tzinfo=UTC)
MARA = {"id": 2412, "firstName": "Mara", "lastName": "Quist"}


def detail(status: int | None = 6, changed: str | None = CHANGED, **fields: Any) -> dict[str, Any]:
    raw: dict[str, Any] = {
        "id": 7,
        "appliedDate": APPLIED,
        "status": {"id": status, "label": f"Label {status}", "dateChanged": changed, "changedByUser": MARA},
        "rating": None,
        "applicant": {"id": 90, "firstName": "Ilse", "lastName": "Brandt", "email": "ilse@example.org", "source": "LinkedIn"},
        "job": {"id": 31, "title": {"id": None, "label": "Data Engineer"}},
        "movedTo": None,
        "movedFrom": None,
        "commentCount": 0,
        "emailCount": 0,
        "eventCount": 2,
    }
    return {**raw, **fields}


def listed(**fields: Any) -> dict[str, Any]:
    raw = detail(**fields)
    raw["status"] = {name: raw["status"][name] for name in ("id", "label")}
    return {name: raw[name] for name in ("id", "appliedDate", "status", "rating", "applicant", "job")}


class Watch:
    """Looks at one application, one after the other, and what each is told as."""

    def __init__(self, statuses: dict[str, Status] = STATUSES, *, watched_since: datetime | None = None) -> None:
        self.statuses = statuses
        self.watched_since = watched_since
        self.record: Record | None = None

    def look(self, raw: dict[str, Any], at: datetime, *, detailed: bool = True) -> Mapped:
        application = wire.read_application(raw)
        assert application is not None
        look = Look(application=application, detailed=detailed, listed=True, asked_at=at, answered_at=at)
        seen, self.record = diff.compare(self.record, look, run=at, statuses=self.statuses, watched_since=self.watched_since)
        return map_observation(seen.kind, json.loads(json.dumps(seen.payload))) if seen else Mapped(observed_at=at)

    def first(self, raw: dict[str, Any], *, detailed: bool = True) -> tuple[NormalizedEvent, ...]:
        return self.look(raw, LOOK_1, detailed=detailed).events

    def then(self, raw: dict[str, Any], *, detailed: bool = True) -> tuple[NormalizedEvent, ...]:
        return self.look(raw, LOOK_2, detailed=detailed).events


def second_look(before: dict[str, Any], after: dict[str, Any], *, detailed: bool = True) -> tuple[NormalizedEvent, ...]:
    watch = Watch()
    watch.first(before)
    return watch.then(after, detailed=detailed)


def only(events: tuple[NormalizedEvent, ...]) -> NormalizedEvent:
    assert len(events) == 1, [event.event_type for event in events]
    return events[0]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)
