from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from connectors.bamboohr import wire
from connectors.bamboohr.wire import Application, Job, Person, Status
from tests.connectors.bamboohr.harness import payload


def test_a_list_row_is_read_whole() -> None:
    assert wire.read_application(payload("list")["applications"][0]) == Application(
        id="5120",
        applied="2026-09-14T06:41:09+00:00",
        status_id="5",
        status_label="Schedule Interview",
        rating=5,
        candidate_id="8803",
        candidate_name="Noor Ahlberg",
        candidate_email="noor.ahlberg@example.org",
        candidate_source="Indeed",
        job_id="44",
        job_title="Field Engineer",
    )


def test_a_detail_adds_date_actor_and_counters() -> None:
    read = wire.read_application(payload("detail"))

    assert read is not None
    assert read.status_changed == "2026-09-22T15:20:31+02:00"
    assert read.changed_by == Person("3017", "Petra Lindqvist")
    assert (read.comment_count, read.email_count, read.event_count) == (1, 2, 5)
    assert (read.moved_to, read.moved_from) == ((), ())


def test_an_untouched_detail_has_no_actor_and_a_told_empty_rating() -> None:
    read = wire.read_application(payload("detail_untouched"))

    assert read is not None
    assert read.changed_by is None
    assert read.rating is None
    assert read.candidate_email is None


def test_an_untold_rating_is_not_an_empty_one() -> None:
    read = wire.read_application({"id": 1})

    assert read is not None
    assert read.rating is UNSET


def test_the_shape_of_2019_is_read() -> None:
    body = payload("list_2019")
    read = [wire.read_application(raw) for raw in wire.rows(body["applications"]) or []]

    assert read[0] is not None
    assert (read[0].id, read[0].candidate_email, read[0].candidate_source) == ("301", None, None)


def test_the_shape_of_the_old_php_models_is_read() -> None:
    rows = wire.rows(payload("list_php_models")["applications"])
    assert rows is not None

    assert wire.read_application(rows[0]) == Application(
        id="302",
        applied="2019-05-07",
        status_id="1",
        status_label="New",
        status_changed="2019-05-07",
        changed_by=Person("3017"),
        rating=3,
        candidate_id="212",
        candidate_name="Bo Lund",
        candidate_source="11",
        job_id="12",
        job_title="Clerk",
    )


def test_statuses_are_read_with_their_codes() -> None:
    read = [wire.read_status(raw) for raw in payload("statuses")]

    assert read[0] == Status(id="1", code="NEW", name="New")
    assert read[-1] == Status(id="31", code=None, name="Site Visit")


def test_jobs_are_read_with_and_without_what_may_be_null() -> None:
    full, bare = (wire.read_job(raw) for raw in payload("jobs"))

    assert full == Job(
        id="44",
        title="Field Engineer",
        department="Operations",
        location="Malmö, Skåne",
        status_id="1",
        status_label="Open",
        posted="2026-08-20T07:00:00+00:00",
        lead=Person("91", "Sven Ek"),
    )
    assert bare is not None
    assert (bare.department, bare.location, bare.lead) == (None, None, None)


@pytest.mark.parametrize("raw", [None, 7, "x", [], {}, {"id": None}, {"id": ""}, {"id": True}, {"id": {}}, {"id": 1.5}, {"id": "9" * 65}])
def test_a_thing_without_an_id_is_no_thing(raw: Any) -> None:
    assert wire.read_application(raw) is None
    assert wire.read_job(raw) is None
    assert wire.read_status(raw) is None


@pytest.mark.parametrize("raw", [6, "6", 6.0, " 6 "])
def test_ids_of_any_type_are_one_text(raw: Any) -> None:
    read = wire.read_application({"id": raw, "status": {"id": raw}, "job": {"id": raw}, "applicant": {"id": raw}})

    assert read is not None
    assert {read.id, read.status_id, read.job_id, read.candidate_id} == {"6"}


ODD: list[Any] = [None, True, 0, -1, 3.7, 1e400, 10**30, "", "\x00", "\ud800", "x" * 5000, [], [1], {}, {"id": []}, {"label": {}}]


@pytest.mark.parametrize("odd", ODD, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize(
    "field",
    ["appliedDate", "status", "rating", "applicant", "job", "movedTo", "movedFrom", "commentCount", "emailCount", "eventCount"],
)
def test_no_odd_value_of_a_field_stops_the_reading(field: str, odd: Any) -> None:
    read = wire.read_application({**payload("detail"), field: odd})

    assert read is not None
    assert read.id == "5120"
    stored = msgspec.json.encode(read)  # fails for lone surrogates
    assert b"\\u0000" not in stored


@pytest.mark.parametrize("odd", ODD, ids=lambda value: repr(value)[:20])
def test_no_odd_value_deeper_down_stops_the_reading(odd: Any) -> None:
    raw = payload("detail")
    raw["status"] = {"id": odd, "label": odd, "dateChanged": odd, "changedByUser": odd}
    raw["applicant"] = {"id": odd, "firstName": odd, "lastName": odd, "email": odd, "source": odd}
    raw["job"] = {"id": odd, "title": odd}

    read = wire.read_application(raw)

    assert read is not None
    msgspec.json.encode(read)


def test_nul_and_half_characters_are_taken_out_of_text() -> None:
    read = wire.read_application({"id": 1, "applicant": {"firstName": "A\x00da", "lastName": "K\ud800n"}})

    assert read is not None
    assert read.candidate_name == "Ada K?n"


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (None, ()),
        ([], ()),
        ([{"id": 12}], ("12",)),
        ([{"jobId": "7", "who": "Ilse"}], ("7",)),
        ([{"who": "Ilse Brandt"}, {"id": "Ilse Brandt"}], ("?", "?")),
        ([9], ("9",)),
        ({"id": 5}, ("5",)),
    ],
)
def test_moves_keep_ids_only(raw: Any, kept: tuple[str, ...]) -> None:
    read = wire.read_application({"id": 1, "movedTo": raw})

    assert read is not None
    assert read.moved_to == kept
