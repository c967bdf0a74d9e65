"""The ten calls answer as BambooHR's do: bases, keys, shapes, filters, pages, refusals."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from connectors.sandbox.account import Account
from connectors.sandbox.api import API_KEY, POWERLESS_KEY, Answer, Api, Request
from connectors.sandbox.changes import Kind
from connectors.sandbox.faults import FaultBook
from connectors.sandbox.payloads import PRIVATE
from connectors.sandbox.statuses import STATUSES, Group, JobStatusId
from tests.connectors.sandbox.conftest import UNTIL

ALL = {"applicationStatus": "ALL", "jobStatusGroups": "ALL"}


def basic(key: str, password: str = "x") -> str:
    return "Basic " + base64.b64encode(f"{key}:{password}".encode()).decode()


class Caller:
    def __init__(self, account: Account) -> None:
        self.api = Api(account, FaultBook())

    def ask(
        self,
        path: str,
        query: dict[str, Any] | None = None,
        *,
        method: str = "GET",
        body: bytes = b"",
        base: str = "/api/v1",
        **headers: str,
    ) -> Answer:
        sent = {"Authorization": basic(API_KEY), "Accept": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        path = f"{base}/applicant_tracking/{path}"
        return self.api.answer(Request(method, path, urlencode(query or {}), sent, body, "http://127.0.0.1:9"))

    def get(self, path: str, query: dict[str, Any] | None = None) -> Any:
        answer = self.ask(path, query)
        assert answer.status == 200, answer.headers
        return json.loads(answer.body)

    def post(self, path: str, value: Any) -> Answer:
        return self.ask(path, method="POST", body=json.dumps(value).encode())

    def form(self, path: str, **fields: str) -> Answer:
        parts = "".join(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
        file = '--b\r\nContent-Disposition: form-data; name="resume"; filename="cv.pdf"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n'
        body = (parts + file + "--b--\r\n").encode()
        return self.ask(path, method="POST", body=body, Content_Type="multipart/form-data; boundary=b")

    def pages(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        rows, number = [], 1
        while True:
            page = self.get("applications", {**query, "page": number})
            rows += page["applications"]
            if page["paginationComplete"]:
                return rows
            number += 1


@pytest.fixture
def caller(account: Account) -> Caller:
    account.habits.page_size = 20
    return Caller(account)


# -- who may ask, and where


@pytest.mark.parametrize("base", ["/api/v1", "/api/gateway.php/acme/v1"])
@pytest.mark.parametrize("password", ["x", "", "anything:at all"])
def test_both_bases_answer_a_good_key_with_any_password(caller: Caller, base: str, password: str) -> None:
    answer = caller.ask("statuses", base=base, Authorization=basic(API_KEY, password))

    assert answer.status == 200
    assert answer.content_type == "application/json"
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (basic("wrong"), 401),
        (basic(POWERLESS_KEY), 403),
        ("", 401),
        ("Bearer " + API_KEY, 401),
        ("Basic ???", 401),
        ("Basic", 401),
    ],
)
def test_other_keys_are_refused_with_an_empty_body(caller: Caller, authorization: str, status: int) -> None:
    answer = caller.ask("applications", Authorization=authorization)

    assert (answer.status, answer.body, answer.content_type) == (status, b"", "text/html")
    assert answer.headers["X-BambooHR-Error-Message"]


def test_a_wrong_company_domain_looks_like_a_wrong_key(caller: Caller) -> None:
    assert caller.ask("statuses", base="/api/gateway.php/other/v1").status == 401


@pytest.mark.parametrize("accept", ["", "*/*", "text/html"])
def test_who_does_not_ask_for_json_gets_xml(caller: Caller, accept: str) -> None:
    answer = caller.ask("statuses", Accept=accept)

    assert answer.content_type == "text/xml"
    assert answer.body.startswith(b"<?xml")
    assert b"<code>NEW</code>" in answer.body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing", 404),
        ("GET", "applications/999999", 404),
        ("GET", "applications/x", 404),
        ("GET", "applications/1001/comments", 405),
        ("DELETE", "applications/1001", 405),
        ("POST", "applications/999999/status", 404),
    ],
)
def test_what_does_not_exist_is_not_found(caller: Caller, method: str, path: str, status: int) -> None:
    assert caller.ask(path, method=method, body=b"{}").status == status


# -- lists


def test_without_filters_only_active_applications_of_open_jobs_are_listed(caller: Caller, account: Account) -> None:
    listed = {row["id"] for row in caller.pages({})}

    state = account.state
    expected = {
        item.id
        for item in state.applications.values()
        if STATUSES[item.status].group in (Group.NEW, Group.ACTIVE) and state.jobs[item.job_id].status == JobStatusId.OPEN
    }
    assert listed == expected
    assert 0 < len(listed) < len(state.applications)


def test_all_and_all_lists_everything_that_was_not_removed(caller: Caller, account: Account) -> None:
    rows = caller.pages(ALL)

    assert [row["id"] for row in rows] == [
        item.id for item in sorted(account.state.applications.values(), key=lambda item: (item.applied_at, item.id), reverse=True)
    ]


@pytest.mark.parametrize("group", ["NEW", "ACTIVE", "INACTIVE", "HIRED", "ALL_ACTIVE", "NEW,HIRED"])
def test_status_groups_filter(caller: Caller, account: Account, group: str) -> None:
    rows = caller.pages({"applicationStatus": group, "jobStatusGroups": "ALL"})

    wanted = {"ALL_ACTIVE": {"NEW", "ACTIVE"}}.get(group, set(group.split(",")))
    expected = {item.id for item in account.state.applications.values() if STATUSES[item.status].group in wanted}
    assert {row["id"] for row in rows} == expected


def test_other_filters_narrow_the_list(caller: Caller, account: Account) -> None:
    item = next(iter(account.state.applications.values()))

    by_job = caller.pages({**ALL, "jobId": item.job_id})
    by_status = caller.pages({"applicationStatusId": "10,12", "jobStatusGroups": "ALL"})
    by_name = caller.pages({**ALL, "searchString": item.name})
    since = caller.pages({**ALL, "newSince": "2026-08-01 00:00:00"})

    assert {row["job"]["id"] for row in by_job} == {item.job_id}
    assert {row["status"]["id"] for row in by_status} == {10, 12}
    assert item.id in {row["id"] for row in by_name}
    assert len(by_name) < 10
    assert 0 < len(since) < len(account.state.applications)
    assert all(row["appliedDate"] > "2026-08-01" for row in since)


@pytest.mark.parametrize(
    "query",
    [
        {"applicationStatus": "active"},
        {"applicationStatus": ""},
        {"jobStatusGroups": "OPEN"},
        {"applicationStatusId": "1,x"},
        {"jobId": "x"},
        {"newSince": "2026-08-01T00:00:00Z"},
        {"sortBy": "updated"},
        {"sortOrder": "asc"},
        {"page": "0"},
        {"page": "-1"},
    ],
)
def test_an_unknown_filter_value_is_refused_with_its_reason_in_a_header(caller: Caller, query: dict[str, str]) -> None:
    answer = caller.ask("applications", query)

    assert (answer.status, answer.body, answer.content_type) == (400, b"", "text/html")
    assert answer.headers["X-BambooHR-Error-Message"] == f"Invalid {next(iter(query))}"


def test_last_updated_puts_the_most_recently_touched_first(caller: Caller, account: Account) -> None:
    account.clock.advance(100)
    touched = list(account.state.applications)[5]
    account.change(Kind.COMMENT, application_id=touched)

    assert caller.get("applications", {**ALL, "sortBy": "last_updated"})["applications"][0]["id"] == touched
    last = caller.pages({**ALL, "sortBy": "last_updated", "sortOrder": "ASC"})[-1]
    assert last["id"] == touched


@pytest.mark.parametrize("sort_by", ["first_name", "job_title", "rating", "phone", "status", "created_date"])
def test_every_order_lists_the_same_rows(caller: Caller, account: Account, sort_by: str) -> None:
    rows = caller.pages({**ALL, "sortBy": sort_by, "sortOrder": "ASC"})

    assert {row["id"] for row in rows} == set(account.state.applications)


def test_pages_have_a_fixed_size_whatever_is_asked(caller: Caller) -> None:
    page = caller.get("applications", {**ALL, "per_page": 2})

    assert len(page["applications"]) == 20
    assert page["paginationComplete"] is False
    assert page["nextPageUrl"].startswith("http://127.0.0.1:9/api/v1/applicant_tracking/applications?")
    assert "page=2" in page["nextPageUrl"]
    assert "applicationStatus=ALL" in page["nextPageUrl"]


def test_a_page_past_the_end_is_empty_and_complete(caller: Caller) -> None:
    page = caller.get("applications", {**ALL, "page": 999})

    assert page == {"paginationComplete": True, "applications": [], "nextPageUrl": None}


@pytest.mark.parametrize(
    ("habit", "starts"),
    [("absolute", "http://127.0.0.1:9/api/"), ("relative", "/api/v1/applicant_tracking/"), ("null", None), ("absent", "")],
)
def test_the_next_page_is_told_as_the_account_is_wont_to(caller: Caller, account: Account, habit: str, starts: str | None) -> None:
    account.habits.next_page_url, account.habits.keeps_filters = habit, False

    page = caller.get("applications", ALL)

    assert page["paginationComplete"] is False
    if habit == "absent":
        assert "nextPageUrl" not in page
    elif starts is None:
        assert page["nextPageUrl"] is None
    else:
        assert page["nextPageUrl"].startswith(starts)
        assert page["nextPageUrl"].endswith("?page=2"), "filters were dropped"


# -- shapes


def test_a_list_row_tells_the_status_but_not_since_when(caller: Caller) -> None:
    row = caller.get("applications", ALL)["applications"][0]

    assert set(row) == {"id", "appliedDate", "status", "rating", "applicant", "job"}
    assert set(row["status"]) == {"id", "label"}
    assert set(row["applicant"]) == {"id", "firstName", "lastName", "avatar", "email", "source"}
    assert "initials.php" in row["applicant"]["avatar"]
    assert isinstance(row["id"], int)
    assert row["appliedDate"].endswith("+00:00")


def test_a_detail_tells_since_when_and_by_whom_and_much_nobody_should_keep(caller: Caller, account: Account) -> None:
    item = next(item for item in account.state.applications.values() if item.status_by and item.applicant_id % 5)

    detail = caller.get(f"applications/{item.id}")

    assert set(detail) == {
        "id", "appliedDate", "status", "rating", "applicant", "job", "resumeFileId", "coverLetterFileId", "movedTo", "movedFrom",
        "alsoConsideredForCount", "duplicateApplicationCount", "referredBy", "desiredSalary", "commentCount", "emailCount",
        "attachmentCount", "eventCount", "questionsAndAnswers", "attachments", "applicationReferences",
    }  # fmt: skip
    assert set(detail["status"]) == {"id", "label", "dateChanged", "changedByUser"}
    assert detail["status"]["changedByUser"]["id"] == item.status_by
    assert set(detail["job"]) == {"id", "title", "hiringLead"}
    assert detail["applicant"]["avatar"] is None
    assert PRIVATE in detail["applicant"]["address"]["addressLine1"]
    assert PRIVATE in detail["questionsAndAnswers"][0]["answer"]["label"]
    assert (detail["commentCount"], detail["emailCount"]) == (item.comments, item.emails)


def test_an_untouched_application_looks_as_recorded(caller: Caller, account: Account) -> None:
    change = account.apply(next(iter(account.state.jobs)), {"first_name": "Ilse", "last_name": "Brandt"})

    detail = caller.get(f"applications/{change.application_id}")

    assert detail["status"]["dateChanged"] == detail["appliedDate"]
    assert detail["status"]["changedByUser"] is None
    assert (detail["commentCount"], detail["emailCount"], detail["eventCount"]) == (0, 0, 2)
    assert detail["rating"] is None


def test_a_moved_application_points_to_its_copy_and_back(caller: Caller, account: Account) -> None:
    item = next(item for item in account.state.applications.values() if item.moved_to)

    origin, copy = caller.get(f"applications/{item.id}"), caller.get(f"applications/{item.moved_to}")

    assert origin["status"]["id"] == 19
    assert origin["movedTo"][0]["id"] == copy["id"]
    assert copy["movedFrom"][0]["id"] == origin["id"]
    assert copy["applicant"]["id"] != origin["applicant"]["id"]


def test_statuses_are_the_only_ids_told_as_text(caller: Caller) -> None:
    rows = {row["id"]: row for row in caller.get("statuses")}

    assert set(rows["1"]) == {"id", "code", "name", "translatedName", "description", "enabled", "manageable"}
    assert rows["27"] | {"description": None} == {
        "id": "27", "code": None, "name": "Take-home Review", "translatedName": "Take-home Review", "description": None,
        "enabled": True, "manageable": True,
    }  # fmt: skip
    assert rows["9"]["enabled"] is False
    assert "31" not in rows


def test_jobs_leave_out_deleted_ones_unless_asked(caller: Caller, account: Account) -> None:
    job = next(iter(account.state.jobs.values()))
    account.change(Kind.JOB_STATUS, job_id=job.id, status_from=job.status, status_to=JobStatusId.DELETED)

    assert job.id not in {row["id"] for row in caller.get("jobs")}
    assert {row["id"] for row in caller.get("jobs", {"statusGroups": "Deleted"})} == {job.id}
    assert {row["id"] for row in caller.get("jobs", {"statusGroups": "ALL"})} == set(account.state.jobs)
    assert {row["id"] for row in caller.get("jobs", {"status_ids": "6"})} == {job.id}
    assert caller.ask("jobs", {"statusGroups": "all"}).status == 400
    assert caller.ask("jobs", {"sortBy": "x"}).status == 400


def test_a_draft_job_has_no_counts_and_no_posting(caller: Caller, account: Account) -> None:
    job = next(iter(account.state.jobs.values()))
    account.change(Kind.JOB_STATUS, job_id=job.id, status_from=job.status, status_to=JobStatusId.DRAFT)

    row = next(row for row in caller.get("jobs") if row["id"] == job.id)

    assert (row["newApplicantsCount"], row["activeApplicantsCount"], row["postingUrl"]) == (None, None, None)
    assert row["totalApplicantsCount"] > 0
    assert set(row) == {
        "id", "title", "postedDate", "location", "department", "status", "hiringLead", "newApplicantsCount", "activeApplicantsCount",
        "totalApplicantsCount", "postingUrl",
    }  # fmt: skip


def test_leads_and_locations_are_bare_lists(caller: Caller, account: Account) -> None:
    leads, locations = caller.get("hiring_leads"), caller.get("locations")

    assert {lead["employeeId"] for lead in leads} == {job.lead for job in account.state.jobs.values() if job.lead}
    assert locations[0]["country"]["iso_code"] == "DE"


# -- writes


def test_setting_a_status_dates_and_signs_it_and_counts_an_event(caller: Caller, account: Account) -> None:
    item = next(item for item in account.state.applications.values() if item.status == 1)
    events = item.events
    account.clock.script(UNTIL + 500)

    first = json.loads(caller.post(f"applications/{item.id}/status", {"status": 6}).body)
    account.habits.posted_by = "nobody"
    account.clock.advance(10)
    second = json.loads(caller.post(f"applications/{item.id}/status", {"status": 2}).body)

    assert first["type"] == "positionApplicantStatus"
    assert second["id"] == first["id"] + 1
    assert (item.status, item.status_at, item.events, item.status_by) == (2, UNTIL + 510, events + 2, None)
    assert account.changes[-2].actor is not None


@pytest.mark.parametrize("body", [b"{}", b'{"status": 77}', b'{"status": 9}', b'{"status": 31}', b"[]", b"nonsense", b""])
def test_an_impossible_status_is_refused(caller: Caller, account: Account, body: bytes) -> None:
    number = next(iter(account.state.applications))

    answer = caller.ask(f"applications/{number}/status", method="POST", body=body)

    assert (answer.status, answer.body) == (400, b"")
    assert answer.headers["X-BambooHR-Error-Message"] in ("Invalid status", "Malformed JSON")


def test_a_comment_raises_both_counters(caller: Caller, account: Account) -> None:
    item = next(iter(account.state.applications.values()))
    before = item.comments, item.events

    answer = caller.post(f"applications/{item.id}/comments", {"type": "comment", "comment": "Call again"})

    assert json.loads(answer.body)["type"] == "comment"
    assert (item.comments, item.events) == (before[0] + 1, before[1] + 1)
    assert caller.post(f"applications/{item.id}/comments", {"comment": " "}).status == 400
    assert caller.post(f"applications/{item.id}/comments", {"type": "note", "comment": "x"}).status == 400


def test_a_candidate_sent_as_a_form_becomes_an_application(caller: Caller, account: Account) -> None:
    job = next(iter(account.state.jobs))

    answer = caller.form("application", firstName="Zoë", lastName="Öztürk", jobId=str(job), email="zoe@example.org", phoneNumber="1")

    number = json.loads(answer.body)["candidateId"]
    detail = caller.get(f"applications/{number}")
    assert (detail["applicant"]["firstName"], detail["applicant"]["email"], detail["job"]["id"]) == ("Zoë", "zoe@example.org", job)
    assert detail["applicant"]["phoneNumber"] == "1"
    assert caller.form("application", firstName="Zoë", lastName="Öztürk").status == 400
    assert caller.form("application", firstName="Zoë", lastName="Öztürk", jobId="999").status == 400
    assert caller.ask("application", method="POST", body=b"{}").status == 400


def test_a_job_sent_as_a_form_is_validated_and_opened(caller: Caller) -> None:
    lead = caller.get("hiring_leads")[0]["employeeId"]
    fields = {"postingTitle": "Gardener", "jobStatus": "Open", "hiringLead": str(lead), "employmentType": "full", "jobDescription": "x"}

    answer = caller.form("job_opening", **fields)

    number = json.loads(answer.body)["jobOpeningId"]
    assert isinstance(number, str)
    assert {row["id"]: row["title"]["label"] for row in caller.get("jobs")}[int(number)] == "Gardener"
    assert caller.form("job_opening", **{**fields, "jobStatus": "Deleted"}).status == 422
    assert caller.form("job_opening", postingTitle="x").status == 422
