"""A person who was erased stays so: polls go on telling where the application stands, and nothing of whom."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from connectors.bamboohr import diff
from connectors.bamboohr.provider import BambooHR
from connectors.bamboohr.wire import Application, Status
from connectors.base import Record
from tests.connectors.bamboohr.harness import RUN_1

STATUSES = {"1": Status(id="1", code="NEW", name="New"), "2": Status(id="2", code="PHONED", name="Phone Screened")}
ADA = Application(
    id="7", applied="2026-10-01T08:00:00+00:00", status_id="1", status_changed="2026-10-01T08:00:00+00:00", candidate_id="70",
    candidate_name="Ada Canary", candidate_email="ada.canary@example.net", candidate_source="Referral", job_id="31",
)  # fmt: skip


def look(application: Application, *, days: int) -> diff.Look:
    at = RUN_1 + timedelta(days=days)
    return diff.Look(application=application, detailed=True, listed=True, asked_at=at, answered_at=at)


def seen() -> Record:
    _, record = diff.compare(None, look(ADA, days=0), run=RUN_1, statuses=STATUSES)
    return record


def erased() -> Record:
    left = BambooHR().forget(seen())
    assert left is not None
    return left


def test_an_erasure_leaves_where_the_application_stands() -> None:
    state = erased().state

    assert state["status_id"] == "1"
    assert "person" not in state
    assert "person" in seen().state, "else this test would prove nothing"


def test_records_of_other_things_are_about_nobody() -> None:
    assert BambooHR().forget(msgspec.structs.replace(seen(), kind="job")) is None


def test_an_unchanged_application_tells_nothing_after_an_erasure() -> None:
    observation, record = diff.compare(erased(), look(ADA, days=1), run=RUN_1 + timedelta(days=1), statuses=STATUSES)

    assert observation is None
    assert record.erased
    assert "person" not in record.state


def test_a_move_is_told_without_the_person() -> None:
    moved = msgspec.structs.replace(ADA, status_id="2", status_changed="2026-11-02T12:00:00+00:00")

    observation, record = diff.compare(erased(), look(moved, days=1), run=RUN_1 + timedelta(days=1), statuses=STATUSES)

    assert observation is not None
    assert b"canary" not in msgspec.json.encode(observation).lower()
    assert [event.stage_to for event in BambooHR().map(observation.kind, observation.payload).events] == ["2"]
    assert "person" not in record.state


def test_a_state_written_by_a_poll_under_way_is_cleaned_by_the_next_one() -> None:
    stale = msgspec.structs.replace(seen(), erased=True)

    observation, record = diff.compare(stale, look(ADA, days=1), run=RUN_1 + timedelta(days=1), statuses=STATUSES)

    assert observation is None
    assert "person" not in record.state


def test_a_detail_that_cannot_be_read_keeps_the_mark() -> None:
    record = diff.postponed(erased(), look(ADA, days=1), run=RUN_1 + timedelta(days=1))

    assert record.erased
