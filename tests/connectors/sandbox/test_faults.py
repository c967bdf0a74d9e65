"""Faults on demand, over real HTTP, one test each."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import Any

import pytest
import requests

from connectors.sandbox.faults import KINDS
from connectors.sandbox.process import RunningSandbox, SandboxFailed

ALL = {"applicationStatus": "ALL", "jobStatusGroups": "ALL", "sortBy": "created_date", "sortOrder": "ASC"}


def call(sandbox: RunningSandbox, path: str = "applications", *, page: int = 1, **query: Any) -> requests.Response:
    return requests.get(
        f"{sandbox.base_url}/applicant_tracking/{path}",
        params={**ALL, "page": page, **query} if path == "applications" else query,
        auth=(sandbox.api_key, "x"),
        headers={"Accept": "application/json"},
        timeout=10,
    )


def ids(response: requests.Response) -> list[int]:
    return [row["id"] for row in response.json()["applications"]]


def walk(sandbox: RunningSandbox, limit: int = 20) -> list[list[int]]:
    """Ids by page, by page number, as the answers say there are more."""
    pages = []
    for number in range(1, limit + 1):
        answer = call(sandbox, page=number)
        pages.append(ids(answer))
        if answer.json()["paginationComplete"]:
            break
    return pages


def test_throttling_comes_with_seconds_a_date_or_nothing_in_both_styles(sandbox: RunningSandbox) -> None:
    sandbox.fault("throttled", retry_after=2)
    sandbox.fault("throttled", retry_after="date")
    sandbox.fault("throttled", retry_after=None)
    sandbox.fault("throttled", status=503, retry_after=1)

    answers = [call(sandbox, "statuses") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [429, 429, 429, 503, 200]
    assert answers[0].headers["Retry-After"] == "2"
    assert abs(parsedate_to_datetime(answers[1].headers["Retry-After"]).timestamp() - time.time() - 2) < 3
    assert "Retry-After" not in answers[2].headers
    assert answers[3].headers["Retry-After"] == "1"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 406, 408, 409, 413, 422, 500, 502, 503, 504, 598])
def test_any_error_status_can_be_asked_for(sandbox: RunningSandbox, status: int) -> None:
    sandbox.fault("status", status=status, header="X-BambooHR-Error-Messsage", message="as seen in the wild", body="html")

    answer = call(sandbox, "jobs")

    assert answer.status_code == status
    assert answer.headers["x-bamboohr-error-messsage"] == "as seen in the wild"
    assert answer.text.startswith("<html>")
    assert call(sandbox, "jobs").status_code == 200


@pytest.mark.parametrize(("body", "start"), [("empty", ""), ("json", "{"), ("xml", "<error>")])
def test_error_bodies_take_any_form(sandbox: RunningSandbox, body: str, start: str) -> None:
    sandbox.fault("status", status=500, body=body)

    assert call(sandbox, "jobs").text[: len(start)] == start


def test_a_fault_hits_only_the_page_path_and_turn_it_names(sandbox: RunningSandbox) -> None:
    sandbox.fault("status", status=500, page=2, path="/applications", skip=1, times=2)

    answers = [call(sandbox, page=number).status_code for number in (1, 2, 1, 2, 2, 2)]
    others = [call(sandbox, "jobs", page=2).status_code]

    assert answers == [200, 200, 200, 500, 500, 200]
    assert others == [200]
    assert sandbox.faults() == []


def test_a_slow_answer_is_slow_and_right(sandbox: RunningSandbox) -> None:
    sandbox.fault("slow", seconds=0.4)

    began = time.monotonic()
    answer = call(sandbox, "statuses")

    assert time.monotonic() - began >= 0.4
    assert answer.json()[0]["code"] == "NEW"


def test_an_answer_may_be_cut_with_its_true_length_or_the_promised_one(sandbox: RunningSandbox) -> None:
    sandbox.fault("truncated", declared="cut")
    with pytest.raises(requests.exceptions.JSONDecodeError):
        call(sandbox, "statuses").json()

    sandbox.fault("truncated", declared="full")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        call(sandbox, "statuses")


def test_a_login_page_comes_with_200(sandbox: RunningSandbox) -> None:
    sandbox.fault("html")

    answer = call(sandbox)

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "Log in" in answer.text


def test_an_error_may_hide_in_a_200(sandbox: RunningSandbox) -> None:
    sandbox.fault("error_body")

    assert call(sandbox).json()["error"]["code"] == 429


def test_a_connection_may_end_without_an_answer(sandbox: RunningSandbox) -> None:
    sandbox.fault("disconnect")

    with pytest.raises(requests.exceptions.ConnectionError):
        call(sandbox)
    assert sandbox.requests()[-1]["status"] is None


def test_a_row_moves_between_pages_so_that_one_is_missed_and_one_comes_twice(sandbox: RunningSandbox) -> None:
    straight = walk(sandbox)
    sandbox.fault("row_moves", page=2)

    crooked = walk(sandbox)

    flat, seen = list(chain(*straight)), list(chain(*crooked))
    assert set(flat) - set(seen) == {straight[1][0]}
    assert crooked[1][0] == straight[0][-1]
    assert len(seen) == len(flat)


def test_the_same_row_may_come_on_two_pages(sandbox: RunningSandbox) -> None:
    straight = walk(sandbox)
    sandbox.fault("duplicate_row", page=3)

    crooked = walk(sandbox)

    assert crooked[2] == [straight[1][-1], *straight[2]]
    assert crooked[:2] + crooked[3:] == straight[:2] + straight[3:]


def test_an_application_may_vanish_between_list_and_detail(sandbox: RunningSandbox) -> None:
    victim = ids(call(sandbox))[3]
    since = sandbox.about()["last_seq"]
    sandbox.fault("vanishes", application_id=victim)

    assert victim in ids(call(sandbox))

    assert call(sandbox, f"applications/{victim}").status_code == 404
    assert victim not in chain(*walk(sandbox))
    assert [(change["kind"], change["application_id"]) for change in sandbox.truth(since)] == [("removed", victim)]


def test_an_application_may_be_missing_from_lists_and_still_answer(sandbox: RunningSandbox) -> None:
    victim = ids(call(sandbox))[3]
    sandbox.fault("hidden", application_id=victim, times=None)

    assert victim not in chain(*walk(sandbox))
    assert call(sandbox, f"applications/{victim}").status_code == 200
    sandbox.clear_faults()
    assert victim in chain(*walk(sandbox))


def test_the_next_page_may_lie_on_a_foreign_host(sandbox: RunningSandbox) -> None:
    sandbox.fault("foreign_next", host="evil.example.org")

    assert call(sandbox).json()["nextPageUrl"].startswith("https://evil.example.org/api/v1/")


@pytest.mark.parametrize("absent", [True, False])
def test_the_next_page_may_be_untold_though_there_is_one(sandbox: RunningSandbox, absent: bool) -> None:
    sandbox.fault("missing_next", absent=absent)

    page = call(sandbox).json()

    assert page["paginationComplete"] is False
    assert page.get("nextPageUrl", "absent") == ("absent" if absent else None)


def test_the_next_page_may_be_the_one_just_read(sandbox: RunningSandbox) -> None:
    sandbox.fault("repeat_next", page=2)

    assert "page=2" in call(sandbox, page=2).json()["nextPageUrl"]


@pytest.mark.parametrize("empty", [True, False])
def test_paging_may_never_end(sandbox: RunningSandbox, empty: bool) -> None:
    last = walk(sandbox)[-1]
    sandbox.fault("endless", times=None, empty=empty)

    page = call(sandbox, page=500)

    assert page.json()["paginationComplete"] is False
    assert "page=501" in page.json()["nextPageUrl"]
    assert bool(ids(page)) is not empty
    assert empty or set(last) <= set(ids(page))


def test_rows_may_be_bent_at_will(sandbox: RunningSandbox) -> None:
    number = ids(call(sandbox))[0]
    bent = {"appliedDate": "2026-10-14", "status": {"dateChanged": None}}
    sandbox.fault("override", where="detail", id=number, changes=bent, remove=["applicant.source", "rating"], times=None)
    sandbox.fault("override", where="list", id=number, replace=None)
    sandbox.fault("override", where="statuses", id=27, changes={"name": "Hausaufgabe"})

    detail = call(sandbox, f"applications/{number}").json()

    assert (detail["appliedDate"], detail["status"]["dateChanged"]) == ("2026-10-14", None)
    assert detail["status"]["label"]
    assert "rating" not in detail
    assert "source" not in detail["applicant"]
    assert call(sandbox).json()["applications"][0] is None
    assert {row["id"]: row["name"] for row in call(sandbox, "statuses").json()}["27"] == "Hausaufgabe"


def test_the_server_tells_its_faults_and_refuses_unknown_ones(sandbox: RunningSandbox) -> None:
    assert sandbox.about()["fault_kinds"] == KINDS
    with pytest.raises(SandboxFailed, match="unknown kind of fault 'flood'"):
        sandbox.fault("flood")
    with pytest.raises(SandboxFailed, match="not a fault"):
        sandbox.fault("slow", secs=3)
