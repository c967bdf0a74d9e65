"""Rows of an import file, as people and systems write them. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from connectors.events import EventType, JobStatus, Precision, StageCategory
from connectors.files.rows import LENGTHS, ImportRow, RowError, encode, from_json, from_values

WHEN = "2026-10-14T15:30:05+02:00"
LEAST = {"event_type": "stage_changed", "timestamp": WHEN, "application_external_id": "7"}


def read(**fields: Any) -> ImportRow:
    return from_values({**LEAST, **fields})


def line(**fields: Any) -> ImportRow:
    return from_json(json.dumps({**LEAST, **fields}).encode())


@pytest.mark.parametrize("door", [read, line], ids=["values", "json"])
def test_the_least_a_row_may_say_is_enough(door: Any) -> None:
    row = door()

    assert (row.event_type, row.application_external_id, row.candidate_external_id) == (EventType.STAGE_CHANGED, "7", "7")
    assert row.timestamp == datetime(2026, 10, 14, 13, 30, 5, tzinfo=UTC)
    assert row.precision is Precision.EXACT
    assert row.provider_event_id


def test_everything_a_row_may_say_is_kept() -> None:
    told = {
        "event_type": "stage_changed", "provider_event_id": "e-1", "timestamp": WHEN, "application_external_id": "a",
        "job_external_id": "j", "candidate_external_id": "c", "stage_from": "1", "stage_to": "2", "actor": "Alice",
        "actor_id": "u-1", "recorded_at": WHEN, "precision": "unknown", "metadata": {"a": 1}, "candidate_name": "Ilse",
        "candidate_email": "i@example.org", "source": "Referral", "job_title": "Engineer", "department": "R&D",
        "job_status": "on_hold", "job_opened_at": WHEN, "stage_from_name": "New", "stage_to_name": "Screen",
        "stage_from_category": "review", "stage_to_category": "screen",
    }  # fmt: skip

    by_line, by_values = from_json(json.dumps(told).encode()), from_values({**told, "metadata": json.dumps(told["metadata"])})

    assert by_line == by_values
    moments = {name: datetime.fromisoformat(WHEN) for name in ("timestamp", "recorded_at", "job_opened_at")}
    assert msgspec.structs.asdict(by_line) == {**told, **moments}
    assert (by_line.job_status, by_line.stage_to_category) == (JobStatus.ON_HOLD, StageCategory.SCREEN)


def test_columns_nobody_asked_for_are_dropped() -> None:
    row = line(salary=90_000, resume="…", candidate_address="Torstr. 1")

    assert b"90000" not in encode(row)
    assert "Torstr" not in repr(row)


@pytest.mark.parametrize("value", [7, 7.5, "7", " 7 "])
def test_ids_may_be_numbers(value: Any) -> None:
    assert line(stage_to=value).stage_to == read(stage_to=value).stage_to == str(value).strip() or value == " 7 "


@pytest.mark.parametrize("word", ["", None])
def test_an_empty_value_is_no_value(word: Any) -> None:
    assert read(stage_to=word, job_status=word, recorded_at=word, metadata=word) == read()


def test_a_word_nobody_knows_is_kept_beside_unknown() -> None:
    row = line(event_type="candidate_teleported", metadata={"where": "Mars"})

    assert row.event_type is EventType.UNKNOWN
    assert row.metadata == {"where": "Mars", "original_event_type": "candidate_teleported"}


BAD = [
    ({"event_type": None}, "event_type is missing"),
    ({"timestamp": None}, "timestamp is missing"),
    ({"timestamp": "14.10.2026"}, "timestamp '14.10.2026' is not an ISO 8601 time"),
    ({"timestamp": "2026-10-14T15:30:05"}, "timestamp has no UTC offset"),
    ({"timestamp": "1969-12-31T23:59:59+00:00"}, "lies in the year 1969"),
    ({"timestamp": "2201-01-01T00:00:00+00:00"}, "lies in the year 2201"),
    ({"recorded_at": "2026-10-14"}, "recorded_at has no UTC offset"),
    ({"job_opened_at": "soon"}, "job_opened_at 'soon' is not an ISO 8601 time"),
    ({"precision": "roughly"}, "precision 'roughly' is not known; use one of bounded, exact, unknown"),
    ({"job_status": "sleeping"}, "job_status 'sleeping' is not known"),
    ({"stage_to_category": "limbo"}, "stage_to_category 'limbo' is not known"),
    ({"application_external_id": None}, "application_external_id is missing; give it, or both"),
    ({"application_external_id": None, "job_external_id": "j"}, "application_external_id is missing; give it, or both"),
    ({"event_type": "job_status_changed"}, "job_external_id is missing"),
    ({"event_type": "job_status_changed", "job_external_id": "j"}, "job_status is missing"),
    ({"metadata": "[1]"}, "metadata is not a JSON object"),
    ({"metadata": "{"}, "metadata is not a JSON object"),
    ({"precision": "bounded", "metadata": {"bounds": ["2026-10-14", "2026-10-15"]}}, "metadata.bounds must be two times"),
    ({"provider_event_id": "x" * 501}, "provider_event_id is longer than 500"),
    ({"stage_to": "x" * 201}, "stage_to is longer than 200"),
    ({"actor": "x" * 201}, "actor is longer than 200"),
    *(({name: "x" * (longest + 1)}, f"{name} is longer than {longest}") for name, longest in LENGTHS.items()),
]


@pytest.mark.parametrize(("fields", "words"), BAD, ids=lambda value: str(value)[:50])
@pytest.mark.parametrize("door", [read, line], ids=["values", "json"])
def test_what_is_wrong_with_a_row_is_said_with_its_column(door: Any, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RowError) as raised:
        door(**fields)
    assert words in str(raised.value)


@pytest.mark.parametrize("value", [True, ["a"], {"a": 1}])
def test_a_value_of_another_kind_is_refused(value: Any) -> None:
    with pytest.raises(RowError, match=r"wrong type|must be text"):
        line(stage_to=value)


@pytest.mark.parametrize("text", [b"[1]", b"7", b"{", b'{"event_type": "x"', b"\xff\xfe", b'"\\ud800"'])
def test_what_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(RowError, match=r"JSON object|wrong type"):
        from_json(text)


def test_a_person_field_is_never_quoted() -> None:
    with pytest.raises(RowError) as raised:
        line(candidate_name="Ilse Secret " * 40)
    assert "Ilse" not in str(raised.value)


def test_the_longest_values_are_accepted_through_both_doors() -> None:
    longest = {name: "x" * length for name, length in LENGTHS.items()}

    assert read(**longest) == line(**longest)


def test_a_nul_character_is_refused_because_the_ledger_cannot_hold_it() -> None:
    with pytest.raises(RowError, match="NUL"):
        encode(line(candidate_name="A\x00B"))


# --- built ids ---------------------------------------------------------------------------------------------------------


def built(**fields: Any) -> str:
    return read(**fields).provider_event_id


def test_the_same_fact_has_the_same_id_wherever_it_is_told() -> None:
    assert built(stage_to="2") == line(stage_to=2, timestamp="2026-10-14T13:30:05Z").provider_event_id
    assert built(candidate_name="Ilse") == built()


@pytest.mark.parametrize(
    "other",
    [
        {"stage_to": "2"},
        {"application_external_id": "8"},
        {"event_type": "application_rejected"},
        {"timestamp": "2026-10-14T15:30:05.000001+02:00"},
        {"event_type": "teleported"},
        {"event_type": "feedback_submitted", "actor_id": "u-1"},
    ],
)
def test_another_fact_has_another_id(other: dict[str, Any]) -> None:
    assert built(**other) != built()


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"event_type": "feedback_submitted", "actor_id": "u-1"}, {"event_type": "feedback_submitted", "actor_id": "u-2"}),
        ({"event_type": "comment_added", "actor": "Alice"}, {"event_type": "comment_added", "actor": "Bob"}),
        ({"event_type": "teleported"}, {"event_type": "beamed"}),
    ],
)
def test_two_facts_of_one_second_are_told_apart(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert built(**one) != built(**two)


def test_a_job_has_ids_of_its_own() -> None:
    row = from_values({"event_type": "job_status_changed", "timestamp": WHEN, "job_external_id": "7", "job_status": "open"})

    assert (row.application_external_id, row.candidate_external_id) == (None, None)
    assert row.provider_event_id != built(job_status="open")


def test_without_an_application_the_candidate_and_the_job_make_one() -> None:
    row = from_values({"event_type": "stage_changed", "timestamp": WHEN, "candidate_external_id": "c", "job_external_id": "j"})

    assert (row.application_external_id, row.candidate_external_id) == ("c@j", "c")


def test_moments_keep_their_instant_whatever_their_offset() -> None:
    row = line(timestamp="2026-10-14T05:30:05.5-08:00")

    assert row.timestamp == datetime(2026, 10, 14, 13, 30, 5, 500_000, tzinfo=UTC)
    assert row.timestamp.tzinfo == timezone(timedelta(hours=-8)) or row.timestamp.tzinfo == UTC
