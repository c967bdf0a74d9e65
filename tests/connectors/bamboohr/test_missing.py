"""Details that cannot be read and applications that are no longer listed: waited for, then told with care."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.events import EventType, Precision
from connectors.exceptions import ProviderUnavailable
from tests.connectors.bamboohr.harness import Bamboo, Desk, Reply
from tests.connectors.bamboohr.runs import BROKEN, EVERYTHING, events_of, forget_requests, kinds, later, people

# -- details that cannot be read -------------------------------------------------------------------


def test_a_change_whose_detail_fails_waits_and_is_exact_in_the_next_run(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 3, status=5)
    desk.sync()
    at = later(desk)
    bamboo.move(2, 6, at=at)
    bamboo.faults[bamboo.path("applications/2")] = [BROKEN] * 3

    failed = desk.sync(run=later(desk))
    assert failed.events == []
    assert failed.notes == ["1 details could not be read; they are asked for again in the next run"]

    (event,) = desk.sync(run=later(desk)).events
    assert (event.timestamp, event.precision, event.stage_from) == (at, Precision.EXACT, "5")


def test_a_change_whose_detail_fails_three_times_is_told_between_its_looks(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 3, status=5)
    first = desk.clock.now()
    desk.sync()
    bamboo.move(2, 6, at=later(desk))
    bamboo.faults[bamboo.path("applications/2")] = [Reply(b"<html>")] * 3

    told = [desk.sync(run=later(desk)).events for _ in range(3)]

    assert told[0] == told[1] == []
    (event,) = told[2]
    assert (event.event_type, event.stage_from, event.stage_to) == (EventType.STAGE_CHANGED, "5", "6")
    assert event.precision is Precision.BOUNDED
    # the lower bound is the last look that still showed the old status, not the last failure
    assert datetime.fromisoformat(event.metadata["bounds"][0]) < first + timedelta(minutes=1)
    assert datetime.fromisoformat(event.metadata["bounds"][0]) <= event.timestamp <= desk.clock.now()


def test_a_run_that_is_resumed_and_fails_again_costs_patience_once(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 5, status=5)
    desk.sync()
    for number in range(1, 6):  # as in an outage: the run stops, and is resumed
        bamboo.move(number, 6, at=later(desk))
        bamboo.faults[bamboo.path(f"applications/{number}")] = [BROKEN] * 100
    run = later(desk)

    for _ in range(6):
        with pytest.raises(ProviderUnavailable):
            desk.sync(run=run)

    bamboo.faults.clear()
    told = desk.sync(run=run).events
    assert [event.precision for event in told] == [Precision.EXACT] * 5


def test_once_told_without_its_detail_a_change_is_not_told_again_when_that_comes(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 1, status=5)
    desk.sync()
    bamboo.move(1, 6, at=later(desk))
    bamboo.faults[bamboo.path("applications/1")] = [Reply(b"<html>")] * 4
    for _ in range(3):
        desk.sync(run=later(desk))

    assert [desk.sync(run=later(desk)).events for _ in range(3)] == [[], [], []]


def test_a_newcomer_whose_detail_fails_is_told_whole_in_the_next_run(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 1, status=5)
    bamboo.faults[bamboo.path("applications/1")] = [BROKEN] * 3

    assert desk.sync().events == []
    (created,) = desk.sync(run=later(desk)).events
    assert (created.stage_to, created.precision) == ("5", Precision.EXACT)


def test_a_newcomer_whose_details_never_come_is_told_from_the_list(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 1, status=5)
    bamboo.faults[bamboo.path("applications/1")] = [Reply(b"<html>")] * 3

    told = [desk.sync(run=later(desk)).events for _ in range(3)]

    assert told[:2] == [[], []]
    assert [(e.event_type, e.precision) for e in told[2]] == [
        (EventType.APPLICATION_CREATED, Precision.EXACT),
        (EventType.STAGE_CHANGED, Precision.UNKNOWN),
    ]


def test_removed_between_list_and_detail_it_waits_like_any_failure(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 2)
    bamboo.faults[bamboo.path("applications/1")] = [Reply(status=404)]

    run = desk.sync()

    assert [event.application_external_id for event in run.events] == ["2"]
    assert run.pages[-1].checkpoint is None


def test_if_details_fail_as_in_an_outage_the_run_stops_but_keeps_what_it_has(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 20)
    for number in range(6, 21):
        bamboo.faults[bamboo.path(f"applications/{number}")] = [BROKEN] * 3
    pages = []

    with pytest.raises(ProviderUnavailable):
        pages.extend(desk.pages())
    assert bamboo.details_asked()[-1] == 10

    # 1 to 5 were read, 6 to 10 failed and were counted, nobody after them was asked
    assert {event.application_external_id for event in events_of(desk, pages)} == set("12345")
    bamboo.faults.clear()
    assert len(desk.sync(run=later(desk)).events) == 15


def test_adjacent_bad_details_cannot_stop_a_connector_forever(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 12)
    for number in range(3, 9):
        bamboo.faults[bamboo.path(f"applications/{number}")] = [BROKEN] * 1000

    told: set[str] = set()
    for _ in range(8):
        try:
            for page in desk.pages(run=later(desk)):
                for seen in page.observations:
                    told |= {e.application_external_id or "" for e in desk.provider.map(seen.kind, seen.payload).events}
        except ProviderUnavailable:
            continue

    assert told - {""} == {str(number) for number in range(1, 13)}


def test_scattered_bad_details_are_no_outage(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 24)
    for number in range(2, 25, 2):
        bamboo.faults[bamboo.path(f"applications/{number}")] = [BROKEN] * 3

    run = desk.sync()

    assert run.notes == ["12 details could not be read; they are asked for again in the next run"]
    assert len(run.events) == 12


def test_a_change_taken_back_while_its_detail_failed_is_still_asked_for(bamboo: Bamboo) -> None:
    people(bamboo, 1, status=5)
    desk = Desk(bamboo, refresh_budget=0)
    desk.sync()
    bamboo.move(1, 6, at=later(desk))
    bamboo.faults[bamboo.path("applications/1")] = [Reply(b"<html>")]
    desk.sync(run=later(desk))
    bamboo.move(1, 5, at=later(desk))

    # the list looks as it did at first; only the failure reminds of the detail
    (event,) = desk.sync(run=later(desk)).events

    assert (event.stage_to, event.metadata["gap"]) == ("5", True)


# -- removal ---------------------------------------------------------------------------------------


def test_unlisted_twice_and_not_found_it_is_removed(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 3, status=5)
    desk.sync()
    del bamboo.applications[2]

    assert desk.sync(run=later(desk)).events == []
    forget_requests(desk)
    (event,) = desk.sync(run=later(desk)).events
    assert 2 in bamboo.details_asked()
    assert (event.event_type, event.application_external_id, event.stage_from) == (EventType.APPLICATION_REMOVED, "2", "5")

    forget_requests(desk)
    assert desk.sync(run=later(desk)).events == []
    assert 2 not in bamboo.details_asked()


def test_unlisted_but_readable_it_is_not_removed(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 3, status=5)
    desk.sync()
    hidden = bamboo.list_page
    bamboo.list_page = lambda query: without(hidden(query), 2)  # type: ignore[method-assign]
    bamboo.move(2, 6, at=later(desk))

    runs = [desk.sync(run=later(desk)) for _ in range(5)]

    # not removed; and what its detail told meanwhile is not lost
    assert [kinds(run) for run in runs] == [[], ["stage_changed"], [], [], []]
    assert bamboo.details_asked().count(2) == 2  # once at first sight, once to confirm; not in every run


def without(body: dict[str, Any], number: int) -> dict[str, Any]:
    return {**body, "applications": [row for row in body["applications"] if row["id"] != number]}


def test_a_run_that_fails_is_no_evidence_of_absence(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 9, status=10)
    bamboo.page_size = 3
    desk.sync()

    for _ in range(3):
        bamboo.faults[bamboo.path("applications")] = [Reply(bamboo.list_page(EVERYTHING | {"page": "1"})), *[BROKEN] * 5]
        with pytest.raises(ProviderUnavailable):
            desk.sync(run=later(desk))

    assert {record.missing_runs for record in desk.memory.records.values()} == {0}


def test_a_run_with_unreadable_rows_is_no_evidence_of_absence(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 3, status=10)
    desk.sync()
    whole = bamboo.list_page
    bamboo.list_page = lambda query: nameless(whole(query), 2)  # type: ignore[method-assign]

    for _ in range(4):
        run = desk.sync(run=later(desk))

    assert run.events == []
    assert any("no readable id" in note for note in run.notes)
    assert desk.memory.records["application", "2"].missing_runs == 0


def nameless(body: dict[str, Any], number: int) -> dict[str, Any]:
    return {**body, "applications": [{**row, "id": None} if row["id"] == number else row for row in body["applications"]]}


def test_an_unconfirmed_absence_is_asked_about_again_in_the_next_run(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 2, status=10)
    desk.sync()
    del bamboo.applications[2]
    bamboo.faults[bamboo.path("applications/2")] = [BROKEN] * 3

    told = [kinds(desk.sync(run=later(desk))) for _ in range(3)]

    assert told == [[], [], ["application_removed"]]


def test_an_application_never_told_is_not_removed(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 1)
    bamboo.faults[bamboo.path("applications/1")] = [BROKEN] * 3
    desk.sync()
    bamboo.applications.clear()

    assert [kinds(desk.sync(run=later(desk))) for _ in range(3)] == [[], [], []]


def test_listed_again_it_is_back(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 1, status=5)
    desk.sync()
    gone = bamboo.applications.pop(1)
    for _ in range(2):
        desk.sync(run=later(desk))
    bamboo.applications[1] = gone

    assert kinds(desk.sync(run=later(desk))) == ["application_reopened"]
    assert desk.memory.records["application", "1"].missing_runs == 0
