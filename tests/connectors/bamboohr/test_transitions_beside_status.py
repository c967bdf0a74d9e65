"""Row by row: what is told beside the status: jobs, activity, the end, the mapping, the facts."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest

from connectors.bamboohr import diff
from connectors.bamboohr.mapper import map_observation
from connectors.bamboohr.wire import Status
from connectors.events import EventType, NormalizedEvent, Precision
from tests.connectors.bamboohr.looks import APPLIED, CHANGED, LATER, LOOK_1, LOOK_2, STATUSES, Watch, at, detail, listed, only, second_look

# -- another job -----------------------------------------------------------------------------------


def test_another_job_is_a_move_that_keeps_the_stage() -> None:
    after = detail(6, job={"id": 32, "title": {"label": "Analyst"}})
    event = only(second_look(detail(6), after))

    assert (event.event_type, event.stage_from, event.stage_to) == (EventType.APPLICATION_MOVED, "6", "6")
    assert (event.job_external_id, event.metadata["job_from"], event.metadata["job_to"]) == ("32", "31", "32")
    assert event.precision is Precision.BOUNDED
    assert event.provider_event_id == "bhr:app:7:job:32:seen:20261015T100000Z"


def test_another_job_with_another_status_moves_right_after_the_status() -> None:
    events = second_look(detail(5), detail(6, LATER, job={"id": 32, "title": {"label": "Analyst"}}))

    changed, moved = sorted(events, key=lambda e: (e.timestamp, e.provider_event_id))
    assert (changed.event_type, moved.event_type) == (EventType.STAGE_CHANGED, EventType.APPLICATION_MOVED)
    assert changed.timestamp == moved.timestamp == at(LATER)
    assert (moved.stage_from, moved.stage_to) == ("6", "6")


def test_moved_to_appearing_takes_the_application_out() -> None:
    event = only(second_look(detail(6), detail(6, movedTo=[{"id": 8}])))

    assert (event.event_type, event.stage_from, event.stage_to) == (EventType.APPLICATION_MOVED, "6", None)
    assert (event.precision, event.metadata["moved_to"]) == (Precision.BOUNDED, ["8"])


def test_moved_to_with_the_moved_status_is_one_fact() -> None:
    event = only(second_look(detail(6), detail(19, LATER, movedTo=[{"id": 8}])))

    assert (event.event_type, event.stage_from) == (EventType.APPLICATION_MOVED, "6")
    assert (event.timestamp, event.metadata["moved_to"]) == (at(LATER), ["8"])


def test_moved_to_after_the_moved_status_adds_nothing() -> None:
    assert second_look(detail(19), detail(19, movedTo=[{"id": 8}])) == ()


# -- activity --------------------------------------------------------------------------------------


def test_a_new_rating_lies_between_the_looks_and_has_no_actor() -> None:
    event = only(second_look(detail(6, rating=3), detail(6, rating=5)))

    assert event.event_type is EventType.RATING_CHANGED
    assert (event.precision, event.actor) == (Precision.BOUNDED, None)
    assert (event.metadata["rating_from"], event.metadata["rating"]) == (3, 5)
    assert event.provider_event_id == "bhr:app:7:rating:5:seen:20261015T100000Z"


def test_a_rating_taken_back_is_a_change() -> None:
    event = only(second_look(detail(6, rating=3), detail(6, rating=None)))

    assert event.provider_event_id == "bhr:app:7:rating:none:seen:20261015T100000Z"


def test_a_rating_no_longer_told_is_none() -> None:
    after = detail(6)
    del after["rating"]

    assert second_look(detail(6, rating=3), after) == ()


@pytest.mark.parametrize(
    ("field", "word", "event_type"),
    [("commentCount", "comments", EventType.COMMENT_ADDED), ("emailCount", "emails", EventType.EMAIL_LOGGED)],
)
def test_a_grown_counter_is_activity_between_the_details(field: str, word: str, event_type: EventType) -> None:
    event = only(second_look(detail(6, **{field: 1}), detail(6, **{field: 4})))

    assert (event.event_type, event.metadata["count_delta"]) == (event_type, 3)
    assert event.metadata["bounds"] == [LOOK_1.isoformat(), LOOK_2.isoformat()]
    assert event.provider_event_id == f"bhr:app:7:{word}:4:seen:20261015T100000Z"


def test_a_shrunken_counter_is_no_event_but_the_new_base() -> None:
    watch = Watch()
    watch.first(detail(6, commentCount=3))

    assert watch.then(detail(6, commentCount=2)) == ()
    grown = watch.look(detail(6, commentCount=3), datetime(2026, 10, 15, 11, tzinfo=UTC)).events
    assert only(grown).metadata["count_delta"] == 1


def test_counters_at_first_sight_are_no_activity() -> None:
    events = Watch().first(detail(1, APPLIED, commentCount=4, emailCount=2, rating=5))

    assert [event.event_type for event in events] == [EventType.APPLICATION_CREATED]


def test_list_looks_between_details_do_not_narrow_the_bounds_of_counters() -> None:
    watch = Watch()
    watch.first(detail(6))
    watch.look(listed(status=6), datetime(2026, 10, 15, 9, tzinfo=UTC), detailed=False)

    event = only(watch.then(detail(6, commentCount=1)))
    assert event.metadata["bounds"][0] == LOOK_1.isoformat()


# -- the end ---------------------------------------------------------------------------------------


def vanish(watch: Watch) -> tuple[NormalizedEvent, ...]:
    assert watch.record is not None
    seen, watch.record = diff.removed(watch.record, run=LOOK_2, answered_at=LOOK_2, statuses=STATUSES)
    return map_observation(seen.kind, json.loads(json.dumps(seen.payload))).events if seen else ()


def test_a_vanished_application_is_removed_out_of_its_stage() -> None:
    watch = Watch()
    watch.first(detail(6))

    event = only(vanish(watch))

    assert (event.event_type, event.stage_from, event.stage_to) == (EventType.APPLICATION_REMOVED, "6", None)
    assert (event.metadata["cause"], event.precision) == ("vanished", Precision.BOUNDED)
    assert event.provider_event_id == "bhr:app:7:removed:seen:20261015T100000Z"
    assert (event.candidate_external_id, event.job_external_id) == ("90", "31")


def test_removal_is_told_once() -> None:
    watch = Watch()
    watch.first(detail(6))
    vanish(watch)

    assert vanish(watch) == ()


def test_the_vanishing_of_a_deleted_application_is_no_second_removal() -> None:
    watch = Watch()
    watch.first(detail(18))

    assert vanish(watch) == ()


def test_listed_again_after_removal_it_is_reopened_under_a_key_of_its_own() -> None:
    watch = Watch()
    first = watch.first(detail(6))
    removed = only(vanish(watch))

    event = only(watch.look(detail(6), datetime(2026, 10, 16, tzinfo=UTC)).events)

    assert (event.event_type, event.stage_to) == (EventType.APPLICATION_REOPENED, "6")
    assert event.metadata["reappeared"] is True
    assert event.provider_event_id not in {e.provider_event_id for e in first}
    assert event.timestamp >= removed.timestamp


def test_listed_again_in_another_status_it_is_reopened_when_that_was_set() -> None:
    watch = Watch()
    watch.first(detail(6))
    vanish(watch)

    event = only(watch.look(detail(8, "2026-10-15T20:00:00Z"), datetime(2026, 10, 16, tzinfo=UTC)).events)

    assert (event.event_type, event.timestamp) == (EventType.APPLICATION_REOPENED, at("2026-10-15T20:00:00+00:00"))


# -- the operator's mapping ------------------------------------------------------------------------


def test_calling_a_status_an_outcome_ends_those_who_are_in_it() -> None:
    watch = Watch()
    entered = watch.first(detail(27))[1]
    watch.statuses = {**STATUSES, "27": Status(id="27", name="Silver medal", taken_as="rejected")}

    event = only(watch.then(listed(status=27), detailed=False))

    assert (event.event_type, event.stage_from, event.stage_to) == (EventType.APPLICATION_REJECTED, "27", None)
    assert event.timestamp == at(CHANGED)
    assert event.metadata["reinterpreted"] is True
    # folded right behind the entry it reinterprets
    assert event.provider_event_id > entered.provider_event_id


def test_calling_an_outcome_a_stage_brings_them_back() -> None:
    statuses = {**STATUSES, "27": Status(id="27", taken_as="withdrawn")}
    watch = Watch(statuses)
    watch.first(detail(27))
    watch.statuses = STATUSES

    event = only(watch.then(listed(status=27), detailed=False))

    assert (event.event_type, event.stage_to) == (EventType.APPLICATION_REOPENED, "27")


def test_calling_a_stage_by_another_category_is_no_event() -> None:
    watch = Watch()
    watch.first(detail(27))
    watch.statuses = {**STATUSES, "27": Status(id="27", taken_as="assessment")}

    assert watch.then(listed(status=27), detailed=False) == ()


# -- facts -----------------------------------------------------------------------------------------


def test_person_and_job_ride_along() -> None:
    mapped = Watch().look(detail(6), LOOK_1)

    (person,) = mapped.candidates
    assert (person.external_id, person.name, person.email, person.source) == ("90", "Ilse Brandt", "ilse@example.org", "LinkedIn")
    (job,) = mapped.jobs
    assert (job.external_id, job.title, job.status) == ("31", "Data Engineer", None)
    assert mapped.observed_at == LOOK_1


def test_a_renamed_person_is_told_without_an_event() -> None:
    watch = Watch()
    watch.first(detail(6))
    raw = listed(status=6)
    raw["applicant"]["lastName"] = "Brandt-Sommer"

    mapped = watch.look(raw, LOOK_2, detailed=False)

    assert mapped.events == ()
    assert mapped.candidates[0].name == "Ilse Brandt-Sommer"


def test_an_application_without_an_applicant_stands_in_for_the_person() -> None:
    event = only(Watch().first(detail(1, APPLIED, applicant=None)))

    assert event.candidate_external_id == "application-7"


def test_what_is_remembered_of_a_person_is_no_copy() -> None:
    watch = Watch()
    watch.first(detail(6))

    assert watch.record is not None
    stored = msgspec.json.encode(watch.record).decode()
    for text in ("Ilse", "Brandt", "ilse@example.org", "LinkedIn", "Mara", "Quist"):
        assert text not in stored
