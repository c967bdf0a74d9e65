"""Row by row: what the difference between two looks at an application is told as."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from connectors.bamboohr import diff, wire
from connectors.bamboohr.diff import Look
from connectors.bamboohr.mapper import map_observation
from connectors.bamboohr.wire import Status
from connectors.base import Record
from connectors.events import Actor, EventType, Mapped, NormalizedEvent, Precision
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

    def __init__(self, statuses: dict[str, Status] = STATUSES) -> None:
        self.statuses = statuses
        self.record: Record | None = None

    def look(self, raw: dict[str, Any], at: datetime, *, detailed: bool = True) -> Mapped:
        application = wire.read_application(raw)
        assert application is not None
        look = Look(application=application, detailed=detailed, listed=True, asked_at=at, answered_at=at)
        seen, self.record = diff.compare(self.record, look, run=at, statuses=self.statuses)
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


# -- first sight -----------------------------------------------------------------------------------


def test_an_untouched_application_is_created_in_its_stage() -> None:
    event = only(Watch().first(detail(1, APPLIED)))

    assert event == NormalizedEvent(
        event_type=EventType.APPLICATION_CREATED,
        provider_event_id="bhr:app:7:created",
        provider="bamboohr",
        application_external_id="7",
        candidate_external_id="90",
        job_external_id="31",
        stage_from=None,
        stage_to="1",
        actor=None,
        timestamp=at(APPLIED),
        recorded_at=None,
        precision=Precision.EXACT,
        metadata={"origin": "record", "stage_to_name": "New"},
    )


def test_a_moved_application_is_created_nowhere_and_then_enters_from_an_unknown_stage() -> None:
    created, entered = Watch().first(detail(6))

    assert (created.event_type, created.stage_to, created.timestamp) == (EventType.APPLICATION_CREATED, None, at(APPLIED))
    assert created.metadata["stage_to_unknown"] is True
    assert entered == NormalizedEvent(
        event_type=EventType.STAGE_CHANGED,
        provider_event_id="bhr:app:7:status:6:20261014T133005Z",
        provider="bamboohr",
        application_external_id="7",
        candidate_external_id="90",
        job_external_id="31",
        stage_from=None,
        stage_to="6",
        actor=Actor(external_id="2412", name="Mara Quist"),
        timestamp=at(CHANGED),
        precision=Precision.EXACT,
        metadata={"origin": "record", "stage_from_unknown": True, "stage_to_name": "Interviewed"},
    )


OUTCOMES = [
    (15, EventType.APPLICATION_HIRED),
    (10, EventType.APPLICATION_REJECTED),
    (12, EventType.APPLICATION_REJECTED),
    (13, EventType.APPLICATION_REJECTED),
    (11, EventType.APPLICATION_WITHDRAWN),
    (14, EventType.APPLICATION_WITHDRAWN),
    (7, EventType.APPLICATION_ON_HOLD),
    (19, EventType.APPLICATION_MOVED),
    (18, EventType.APPLICATION_REMOVED),
]


@pytest.mark.parametrize(("status", "event_type"), OUTCOMES)
def test_first_seen_in_an_outcome_it_is_created_nowhere_and_ends(status: int, event_type: EventType) -> None:
    created, ended = Watch().first(detail(status))

    assert created.stage_to is None
    assert (ended.event_type, ended.stage_from, ended.stage_to) == (event_type, None, None)
    assert (ended.timestamp, ended.precision) == (at(CHANGED), Precision.EXACT)
    assert ended.metadata["terminal_status_id"] == str(status)
    assert ended.metadata["stage_from_unknown"] is True


def test_rejected_in_the_second_it_came_in_it_is_created_first() -> None:
    events = Watch().first(detail(10, APPLIED))

    assert [e.event_type for e in events] == [EventType.APPLICATION_CREATED, EventType.APPLICATION_REJECTED]
    order = sorted(events, key=lambda e: (e.timestamp, e.provider_event_id))
    assert order == list(events)


def test_a_status_older_than_the_application_is_an_anomaly_and_nothing_precedes_the_creation() -> None:
    created = only(Watch().first(detail(6, "2026-09-01T00:00:00Z")))
    assert (created.stage_to, created.metadata["anomaly"]) == ("6", "status_set_before_application")

    created, hired = Watch().first(detail(15, "2026-09-01T00:00:00Z"))
    assert created.timestamp <= hired.timestamp
    assert created.metadata["applied_at"] == APPLIED


def test_where_it_was_moved_from_is_kept() -> None:
    event = only(Watch().first(detail(1, APPLIED, movedFrom=[{"id": 5}])))

    assert event.metadata["moved_from"] == ["5"]


def test_first_seen_moved_on_to_another_job_it_leaves_this_one() -> None:
    created, moved = Watch().first(detail(1, APPLIED, movedTo=[{"id": 8}]))

    assert (moved.event_type, moved.stage_from, moved.stage_to) == (EventType.APPLICATION_MOVED, "1", None)
    assert moved.precision is Precision.BOUNDED
    assert created.timestamp < moved.timestamp < LOOK_1


def test_without_any_dates_it_happened_some_time_before() -> None:
    created, entered = Watch().first(detail(6, None, appliedDate=None))

    assert {created.precision, entered.precision} == {Precision.UNKNOWN}
    assert created.timestamp == entered.timestamp == LOOK_1


def test_a_date_without_a_time_is_bounded_by_its_day() -> None:
    event = only(Watch().first(detail(1, "2026-10-02", appliedDate="2026-10-02")))

    assert (event.timestamp, event.precision) == (datetime(2026, 10, 2, tzinfo=UTC), Precision.BOUNDED)
    assert event.metadata["bounds"] == ["2026-10-02T00:00:00+00:00", "2026-10-03T00:00:00+00:00"]
    assert event.stage_to == "1"


def test_without_a_status_it_is_created_nowhere() -> None:
    event = only(Watch().first(detail(status=None)))

    assert (event.event_type, event.stage_to) == (EventType.APPLICATION_CREATED, None)


def test_an_offset_is_turned_into_utc_in_time_and_key() -> None:
    _, entered = Watch().first(detail(6, "2026-10-14T15:30:05+02:00"))

    assert entered.provider_event_id == "bhr:app:7:status:6:20261014T133005Z"
    assert entered.timestamp == at(CHANGED)
    assert entered.timestamp.utcoffset() is not None
    assert str(entered.timestamp.tzinfo) == "UTC"


# -- another status --------------------------------------------------------------------------------


def test_another_status_is_a_stage_change_with_what_it_took() -> None:
    event = only(second_look(detail(5, CHANGED), detail(6, LATER, eventCount=3)))

    assert (event.event_type, event.stage_from, event.stage_to) == (EventType.STAGE_CHANGED, "5", "6")
    assert (event.timestamp, event.precision) == (at(LATER), Precision.EXACT)
    assert event.provider_event_id == "bhr:app:7:status:6:20261015T090000Z"
    assert event.actor == Actor(external_id="2412", name="Mara Quist")
    assert event.metadata == {
        "origin": "diff",
        "stage_from_name": "Schedule Interview",
        "stage_to_name": "Interviewed",
        "duration_in_previous_stage": int((at(LATER) - at(CHANGED)).total_seconds()),
    }


def test_the_time_in_the_first_stage_counts_from_the_application() -> None:
    event = only(second_look(detail(1, APPLIED), detail(2, LATER)))

    assert event.metadata["duration_in_previous_stage"] == int((at(LATER) - at(APPLIED)).total_seconds())


@pytest.mark.parametrize(("before", "after"), [("2026-10-14", LATER), (CHANGED, "2026-10-15"), (None, LATER)])
def test_time_in_a_stage_is_untold_where_a_date_is_vague(before: str | None, after: str) -> None:
    event = only(second_look(detail(5, before), detail(6, after)))

    assert "duration_in_previous_stage" not in event.metadata


@pytest.mark.parametrize(("status", "event_type"), OUTCOMES)
def test_an_outcome_is_told_instead_of_a_stage_change(status: int, event_type: EventType) -> None:
    event = only(second_look(detail(6), detail(status, LATER)))

    assert (event.event_type, event.stage_from, event.stage_to) == (event_type, "6", None)
    assert (event.timestamp, event.precision) == (at(LATER), Precision.EXACT)
    assert event.metadata["terminal_status_id"] == str(status)
    assert event.metadata["terminal_status_name"] == STATUSES[str(status)].name
    assert event.metadata["stage_from_name"] == "Interviewed"
    assert "duration_in_previous_stage" in event.metadata
    assert event.provider_event_id == f"bhr:app:7:status:{status}:20261015T090000Z"


def test_a_deleted_application_names_the_cause() -> None:
    assert only(second_look(detail(6), detail(18, LATER))).metadata["cause"] == "deleted"


@pytest.mark.parametrize("before", [15, 10, 11, 7, 18, 19])
def test_back_from_an_outcome_or_hold_is_a_reopening(before: int) -> None:
    event = only(second_look(detail(before), detail(6, LATER)))

    assert (event.event_type, event.stage_from, event.stage_to) == (EventType.APPLICATION_REOPENED, None, "6")
    assert (event.timestamp, event.precision) == (at(LATER), Precision.EXACT)
    assert event.metadata["status_from"] == str(before)
    assert "duration_in_previous_stage" not in event.metadata


def test_from_hold_to_rejected_is_a_rejection_out_of_no_stage() -> None:
    event = only(second_look(detail(7), detail(10, LATER)))

    assert (event.event_type, event.stage_from) == (EventType.APPLICATION_REJECTED, None)
    assert event.metadata["status_from"] == "7"


def test_a_custom_status_is_an_unmapped_stage_and_kept() -> None:
    watch = Watch()
    watch.first(detail(6))
    mapped = watch.look(detail(27, LATER), LOOK_2)

    assert only(mapped.events).stage_to == "27"
    assert {stage.external_id: stage.category for stage in mapped.stages}["27"] == "unmapped"


def test_a_status_nobody_lists_is_shown_under_the_label_of_the_application() -> None:
    watch = Watch()
    watch.first(detail(6))
    mapped = watch.look(detail(99, LATER), LOOK_2)

    event = only(mapped.events)
    assert (event.stage_to, event.metadata["stage_to_name"]) == ("99", "Label 99")
    assert {stage.external_id: stage.name for stage in mapped.stages}["99"] == "Label 99"


def test_seen_in_the_list_only_a_change_lies_between_the_looks() -> None:
    event = only(second_look(detail(5), listed(status=6), detailed=False))

    assert event.provider_event_id == "bhr:app:7:status:6:seen:20261015T100000Z"
    assert (event.timestamp, event.precision) == (LOOK_1 + (LOOK_2 - LOOK_1) / 2, Precision.BOUNDED)
    assert event.metadata["bounds"] == [LOOK_1.isoformat(), LOOK_2.isoformat()]
    assert event.actor is None
    assert "duration_in_previous_stage" not in event.metadata


def test_a_late_detail_of_a_change_told_without_it_adds_nothing() -> None:
    watch = Watch()
    watch.first(detail(5))
    watch.then(listed(status=6), detailed=False)

    # set at 09:00, told at 10:00 as "some time before"
    assert watch.look(detail(6, LATER), datetime(2026, 10, 15, 11, 0, tzinfo=UTC)).events == ()


def test_a_detail_dated_after_a_change_told_without_it_is_another_entry() -> None:
    watch = Watch()
    watch.first(detail(5))
    watch.then(listed(status=6), detailed=False)

    event = only(watch.look(detail(6, "2026-10-15T10:30:00Z"), datetime(2026, 10, 15, 11, 0, tzinfo=UTC)).events)

    assert event.metadata["gap"] is True


def test_first_seen_in_the_list_only_its_status_is_from_before_we_watched() -> None:
    created, entered = Watch().first(listed(status=6), detailed=False)

    assert (created.timestamp, created.precision) == (at(APPLIED), Precision.EXACT)
    assert (entered.timestamp, entered.precision) == (LOOK_1, Precision.UNKNOWN)
    assert entered.metadata["bounds"] == [APPLIED, LOOK_1.isoformat()]
    assert entered.provider_event_id == "bhr:app:7:status:6:seen:20261014T200000Z"


def test_the_same_status_set_anew_is_a_gap() -> None:
    event = only(second_look(detail(6, CHANGED), detail(6, LATER)))

    assert (event.event_type, event.stage_from, event.stage_to) == (EventType.STAGE_CHANGED, None, "6")
    assert (event.metadata["gap"], event.metadata["stage_from_unknown"]) == (True, True)
    assert (event.timestamp, event.precision) == (at(LATER), Precision.EXACT)
    assert "duration_in_previous_stage" not in event.metadata


def test_the_same_outcome_set_anew_is_told_again() -> None:
    event = only(second_look(detail(15, CHANGED), detail(15, LATER)))

    assert (event.event_type, event.metadata["gap"]) == (EventType.APPLICATION_HIRED, True)


def test_an_older_date_with_another_status_is_told_and_flagged() -> None:
    event = only(second_look(detail(6, LATER), detail(5, CHANGED)))

    assert (event.stage_from, event.stage_to, event.timestamp) == ("6", "5", at(CHANGED))
    assert event.metadata["anomaly"] == "status_date_went_back"
    assert "duration_in_previous_stage" not in event.metadata


def test_an_older_date_with_the_same_status_is_told_and_flagged() -> None:
    event = only(second_look(detail(6, LATER), detail(6, CHANGED)))

    assert (event.timestamp, event.metadata["anomaly"]) == (at(CHANGED), "status_date_went_back")


def test_a_stale_answer_followed_by_a_fresh_one_tells_nothing_new() -> None:
    watch = Watch()
    told = [event.provider_event_id for event in (*watch.first(detail(5, CHANGED)), *watch.then(detail(6, LATER)))]

    stale = watch.look(detail(5, CHANGED), datetime(2026, 10, 15, 11, tzinfo=UTC)).events
    fresh = watch.look(detail(6, LATER), datetime(2026, 10, 15, 12, tzinfo=UTC)).events

    assert {event.provider_event_id for event in (*stale, *fresh)} <= set(told)


def test_a_date_made_precise_is_no_second_entry() -> None:
    assert second_look(detail(6, "2026-10-14"), detail(6, CHANGED)) == ()


def test_an_untold_status_changes_nothing() -> None:
    watch = Watch()
    watch.first(detail(6))
    raw = detail(6)
    del raw["status"]

    assert watch.then(raw) == ()
    assert watch.look(detail(6), datetime(2026, 10, 15, 11, tzinfo=UTC)).events == ()


def test_more_events_than_changes_hint_at_missed_ones() -> None:
    event = only(second_look(detail(5, CHANGED), detail(6, LATER, eventCount=6)))

    assert event.metadata["possible_missed_changes"] is True
    assert "duration_in_previous_stage" not in event.metadata


def test_events_explained_by_comments_and_mails_hint_at_nothing() -> None:
    events = second_look(detail(5, CHANGED), detail(6, LATER, eventCount=6, commentCount=2, emailCount=1))

    assert "possible_missed_changes" not in events[0].metadata


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
