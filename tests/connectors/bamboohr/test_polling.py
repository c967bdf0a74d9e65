"""Whole runs over real HTTP: what is asked, in which order, what is told, and how a killed run goes on."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from connectors.base import SyncMode
from connectors.events import EventType, JobStatus, StageCategory
from tests.connectors.bamboohr.harness import RUN_1, Bamboo, Desk, Reply, payload
from tests.connectors.bamboohr.runs import DAY, events_of, forget_requests, kinds, later, people

# -- a first run -----------------------------------------------------------------------------------


def test_a_first_run_tells_statuses_jobs_and_everybody(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 7)
    bamboo.page_size = 3

    run = desk.sync(SyncMode.FULL)

    assert Counter(kinds(run)) == {"application_created": 7}
    assert bamboo.details_asked() == [1, 2, 3, 4, 5, 6, 7]
    stages = {stage.external_id: stage.category for mapped in run.mapped for stage in mapped.stages}
    assert stages["6"] is StageCategory.INTERVIEW
    assert stages["27"] is StageCategory.UNMAPPED
    assert "15" not in stages  # an outcome is no stage
    jobs = {job.external_id: job for mapped in run.mapped for job in mapped.jobs if job.status}
    assert jobs["31"].status is JobStatus.OPEN
    assert run.pages[-1].checkpoint is None
    assert all(page.checkpoint is not None for page in run.pages[:-1])


def test_progress_shows_page_by_page(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 60)

    fetched = [page.fetched for page in desk.pages(SyncMode.FULL)]

    assert sum(fetched) == 60 + len(bamboo.jobs)
    assert max(fetched) <= 25


def test_rows_that_cost_no_detail_are_committed_with_their_list_page(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 60, status=10)
    bamboo.page_size = 30
    desk.sync()
    later(desk)

    fetched = [page.fetched for page in desk.pages() if page.fetched]

    assert fetched == [len(bamboo.jobs), 30, 30]


def test_a_delta_run_of_an_unchanged_account_reads_no_changed_details_and_tells_nothing(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 7, status=10)  # rejected: nothing in play to refresh
    desk.sync()
    forget_requests(desk)
    later(desk)

    run = desk.sync()

    assert run.observations == []
    assert [asked.path.rpartition("/")[2] for asked in bamboo.server.asked] == ["statuses", "jobs", "applications"]


def test_a_delta_run_reads_details_only_where_the_list_shows_a_change(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 9)
    desk = Desk(bamboo, refresh_budget=0)
    desk.sync()
    forget_requests(desk)
    at = later(desk)
    bamboo.move(3, 2, at=at)
    bamboo.applications[5]["rating"] = 4
    bamboo.applications[6]["job"] = {"id": 32, "title": {"label": "Analyst"}, "hiringLead": None}
    bamboo.apply(10, at=at)

    run = desk.sync(run=later(desk))

    assert bamboo.details_asked() == [3, 5, 6, 10]
    assert sorted(kinds(run)) == ["application_created", "application_moved", "rating_changed", "stage_changed"]


def test_a_field_only_details_have_does_not_make_the_list_look_changed(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 1, status=10)
    bamboo.applications[1]["applicant"]["source"] = "Indeed"
    shown = bamboo.list_page
    bamboo.list_page = lambda query: without_sources(shown(query))  # type: ignore[method-assign]
    desk.sync()

    assert desk.sync(run=later(desk)).observations == []
    assert desk.sync(SyncMode.FULL, run=later(desk)).observations == []


def without_sources(body: dict[str, Any]) -> dict[str, Any]:
    for row in body["applications"]:
        row["applicant"].pop("source", None)
    return body


def test_a_full_run_reads_every_detail_again(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 4, status=10)
    desk.sync()
    bamboo.applications[2]["commentCount"] = 1
    forget_requests(desk)
    later(desk)

    run = desk.sync(SyncMode.FULL)

    assert bamboo.details_asked() == [1, 2, 3, 4]
    assert kinds(run) == ["comment_added"]


# -- the refresh slice -----------------------------------------------------------------------------


def test_what_the_list_cannot_show_is_found_by_refreshing_the_longest_unread(bamboo: Bamboo) -> None:
    people(bamboo, 6)
    desk = Desk(bamboo, refresh_budget=2)
    desk.sync()
    bamboo.applications[4]["commentCount"] = 2  # left no trace in the list
    rounds: list[list[int]] = []
    found: list[str] = []
    for _ in range(3):
        forget_requests(desk)
        found += kinds(desk.sync(run=later(desk)))
        rounds.append(bamboo.details_asked())

    assert rounds == [[1, 2], [3, 4], [5, 6]]
    assert found == ["comment_added"]


def test_left_and_back_between_two_runs_is_found_by_the_refresh(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 1, status=5)
    desk.sync()
    at = later(desk)
    bamboo.move(1, 6, at=at)
    bamboo.move(1, 5, at=at + timedelta(minutes=2))

    (event,) = desk.sync(run=later(desk)).events

    assert (event.stage_to, event.metadata["gap"]) == ("5", True)


def test_the_budget_is_not_spent_on_those_out_of_play(bamboo: Bamboo) -> None:
    people(bamboo, 3, status=10)
    bamboo.apply(9, at=RUN_1 - DAY, status=7)  # on hold: may come back
    desk = Desk(bamboo, refresh_budget=50)
    desk.sync()
    forget_requests(desk)

    desk.sync(run=later(desk))

    assert bamboo.details_asked() == [9]


def test_details_that_always_fail_do_not_head_the_refresh_queue_forever(bamboo: Bamboo) -> None:
    people(bamboo, 4)
    desk = Desk(bamboo, refresh_budget=2)
    desk.sync()
    for number in (1, 2):
        bamboo.faults[bamboo.path(f"applications/{number}")] = [Reply(b"<html>")] * 50
    forget_requests(desk)

    for _ in range(2):
        desk.sync(run=later(desk))

    assert set(bamboo.details_asked()) == {1, 2, 3, 4}


# -- killed and resumed ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(SyncMode))
@pytest.mark.parametrize("style", ["absolute", "relative", "absent"])
def test_a_run_killed_after_any_page_goes_on_to_the_same_end(bamboo: Bamboo, mode: SyncMode, style: str) -> None:
    people(bamboo, 31, status=5)
    bamboo.page_size = 10
    bamboo.link_style = style
    whole = Desk(bamboo)
    expected = whole.sync(mode, run=RUN_1)
    ends = len(expected.pages)
    assert ends > 6

    for killed_after in range(1, ends):
        desk = Desk(bamboo)
        pages = []
        for page in desk.pages(mode, run=RUN_1):
            pages.append(page)
            if len(pages) == killed_after:
                break
        rest = list(desk.pages(mode, checkpoint=pages[-1].checkpoint, run=RUN_1))

        told = [event.provider_event_id for event in events_of(desk, pages + rest)]
        assert len(told) == len(set(told)), f"killed after page {killed_after}"
        assert set(told) == {event.provider_event_id for event in expected.events}


def test_a_resumed_run_does_not_read_details_twice(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 60)
    pages = []
    for page in desk.pages(SyncMode.FULL, run=RUN_1):
        pages.append(page)
        if page.fetched == 25:
            break  # half way through a list page of 50

    later(desk)
    list(desk.pages(SyncMode.FULL, checkpoint=pages[-1].checkpoint, run=RUN_1))

    assert max(Counter(bamboo.details_asked()).values()) == 1


def test_a_resumed_run_counts_a_missing_application_once(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 2, status=10)
    desk.sync()
    del bamboo.applications[1]
    run = later(desk)
    for page in desk.pages(run=run):
        checkpoint = page.checkpoint
        if any(record.missing_runs for record in page.records):
            break

    list(desk.pages(checkpoint=checkpoint, run=run))

    assert desk.memory.records["application", "1"].missing_runs == 1


@pytest.mark.parametrize("checkpoint", [{"phase": "someday"}, {"phase": "refresh", "budget": "lots"}, {"query": 7}])
def test_a_checkpoint_of_another_version_starts_anew(desk: Desk, bamboo: Bamboo, checkpoint: dict[str, Any]) -> None:
    people(bamboo, 2)

    assert len(desk.sync(checkpoint=checkpoint).events) == 2


def test_checkpoints_are_plain_json(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 2)

    for page in desk.pages():
        assert json.loads(json.dumps(page.checkpoint)) == page.checkpoint


# -- jobs and statuses -----------------------------------------------------------------------------


def test_a_job_that_changes_status_is_told_between_the_looks(desk: Desk, bamboo: Bamboo) -> None:
    start = desk.clock.now()
    desk.sync()
    bamboo.jobs[0]["status"] = {"id": 3, "label": "On Hold"}

    run_at = later(desk)
    run = desk.sync(run=run_at)

    (event,) = run.events
    assert event.event_type is EventType.JOB_STATUS_CHANGED
    assert (event.job_external_id, event.application_external_id, event.candidate_external_id) == ("31", None, None)
    assert event.provider_event_id == f"bhr:job:31:status:3:seen:{run_at:%Y%m%dT%H%M%SZ}"
    assert (event.metadata["status_from"], event.metadata["status"]) == ("open", "on_hold")
    assert start < event.timestamp < desk.clock.now()
    (facts,) = [job for mapped in run.mapped for job in mapped.jobs]
    assert facts.status is JobStatus.ON_HOLD
    assert desk.sync(run=later(desk)).events == []


def test_a_job_status_nobody_knows_is_kept_under_its_label(desk: Desk, bamboo: Bamboo) -> None:
    desk.sync()
    bamboo.jobs[0]["status"] = {"id": 77, "label": "Paused by board"}

    (event,) = desk.sync(run=later(desk)).events

    assert event.metadata["status_name"] == "Paused by board"
    assert "status" not in event.metadata


def test_a_job_posted_again_keeps_its_first_opening(desk: Desk, bamboo: Bamboo) -> None:
    bamboo.jobs[0]["postedDate"] = "2026-09-01T07:00:00+00:00"
    desk.sync()
    bamboo.jobs[0]["postedDate"] = "2026-10-20T07:00:00+00:00"

    (facts,) = desk.sync(run=later(desk)).mapped[0].jobs

    assert facts.opened_at == datetime.fromisoformat("2026-09-01T07:00:00+00:00")


def test_an_unchanged_job_is_not_told_again(desk: Desk, bamboo: Bamboo) -> None:
    bamboo.jobs = payload("jobs")
    assert [seen.kind for seen in desk.sync().observations].count("job") == 2

    assert desk.sync(run=later(desk)).observations == []


def test_a_renamed_status_is_told_and_moves_nobody(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 2, status=27)
    desk.sync()
    bamboo.statuses[-1]["name"] = "Homework"

    run = desk.sync(run=later(desk))

    assert run.events == []
    assert [(stage.external_id, stage.name) for mapped in run.mapped for stage in mapped.stages] == [("27", "Homework")]


def test_a_status_no_longer_listed_keeps_what_was_known_of_it(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 1, status=5)
    desk.sync()
    bamboo.statuses = [status for status in bamboo.statuses if status["id"] != "10"]
    bamboo.move(1, 10, at=later(desk))

    assert kinds(desk.sync(run=later(desk))) == ["application_rejected"]


def test_mapping_a_custom_status_reaches_those_already_in_it(bamboo: Bamboo) -> None:
    people(bamboo, 2, status=27)
    desk = Desk(bamboo)
    desk.sync()
    desk.account = msgspec.structs.replace(desk.account, settings={**desk.account.settings, "stage_map": {"27": "rejected"}})

    run = desk.sync(run=later(desk))

    assert kinds(run) == ["application_rejected"] * 2
    assert desk.sync(run=later(desk)).events == []
