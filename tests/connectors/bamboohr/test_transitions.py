"""Row by row: how a status and its date, first seen or changed, are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.events import Actor, EventType, NormalizedEvent, Precision
from tests.connectors.bamboohr.looks import APPLIED, CHANGED, LATER, LOOK_1, LOOK_2, STATUSES, Watch, at, detail, listed, only, second_look

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


@pytest.mark.parametrize(("status", "changed"), [(1, APPLIED), (6, CHANGED), (6, "2026-10-14")])
def test_a_stage_entered_before_the_account_was_watched_is_running_already(status: int, changed: str) -> None:
    *_, entered = Watch(watched_since=at(CHANGED) + timedelta(seconds=1)).first(detail(status, changed))

    assert (entered.stage_to, entered.metadata["already_running"]) == (str(status), True)


def test_a_stage_entered_since_or_an_outcome_is_not_running_already() -> None:
    entered = Watch(watched_since=at(CHANGED)).first(detail(6))
    hired = Watch(watched_since=LOOK_2).first(detail(15))
    watch = Watch(watched_since=LOOK_2)
    watch.first(detail(5))
    changed_before_we_heard = watch.then(detail(6))

    assert not any("already_running" in event.metadata for event in (*entered, *hired, *changed_before_we_heard))


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
