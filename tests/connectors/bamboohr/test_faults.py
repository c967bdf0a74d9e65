"""Every way BambooHR's answers are known to go wrong: a clear error or a wait, nothing lost, and the next run heals."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from connectors.exceptions import (
    ConnectorError,
    CredentialsRejected,
    PagingBroken,
    PayloadNotUnderstood,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
)
from tests.connectors.bamboohr.harness import KEY, Bamboo, Desk, Reply, list_row
from tests.connectors.bamboohr.runs import BROKEN, EVERYTHING, kinds, later, people

# -- faults of the list ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ([Reply(status=400, headers={"X-BambooHR-Error-Messsage": "Bad filter"})], RequestRefused),
        ([Reply(status=401)], CredentialsRejected),
        ([Reply(status=403)], CredentialsRejected),
        ([Reply(status=404)], RequestRefused),
        ([BROKEN] * 5, ProviderUnavailable),
        ([Reply(status=429, headers={"Retry-After": "301"})], RateLimited),
        ([Reply(status=503, headers={"Retry-After": "301"})], RateLimited),
        ([Reply(b"<html>Log in</html>")], PayloadNotUnderstood),
        ([Reply(b'{"applications": [{"id": 1')], PayloadNotUnderstood),
        ([Reply({"applications": "none"})], PayloadNotUnderstood),
        ([Reply({"error": {"code": 401, "message": "no"}})], CredentialsRejected),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
@pytest.mark.parametrize("path", ["statuses", "jobs", "applications"])
def test_a_fault_fails_the_run_clearly_and_the_next_run_heals(
    desk: Desk, bamboo: Bamboo, path: str, fault: list[Reply], error: type[ConnectorError]
) -> None:
    people(bamboo, 3)
    bamboo.faults[bamboo.path(path)] = list(fault)

    with pytest.raises(error) as raised:
        desk.sync()
    assert KEY not in str(raised.value)
    assert str(raised.value).endswith(".")

    assert len(desk.sync(run=later(desk)).events) == 3


@pytest.mark.parametrize(
    "fault",
    [
        [Reply(status=429, headers={"Retry-After": "2"})],
        [Reply(status=429, headers={"Retry-After": "Mon, 02 Nov 2026 09:00:09 GMT"})],
        [Reply(status=429)],
        [Reply(status=503, headers={"Retry-After": "2"})],
        [Reply(status=503)],
        [BROKEN, BROKEN],
        [Reply({"applications": []}, cut=True)],
        [Reply({"error": {"code": 429}}, headers={"Retry-After": "2"})],
    ],
)
def test_a_passing_fault_on_page_two_is_waited_out(desk: Desk, bamboo: Bamboo, fault: list[Reply]) -> None:
    people(bamboo, 6)
    bamboo.page_size = 3
    first = Reply(bamboo.list_page(EVERYTHING | {"page": "1"}))
    bamboo.faults[bamboo.path("applications")] = [first, *fault]

    assert len(desk.sync().events) == 6
    assert desk.clock.waits


def test_at_most_two_requests_a_second_unless_told_otherwise(bamboo: Bamboo) -> None:
    people(bamboo, 4)
    desk = Desk(bamboo)
    settings = {name: value for name, value in desk.account.settings.items() if name != "requests_per_second"}
    desk.account = msgspec.structs.replace(desk.account, settings=settings)

    desk.sync()

    assert desk.clock.waits == [0.5] * (len(bamboo.server.asked) - 1)


def test_a_row_that_moves_between_pages_is_told_once(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 5)
    rows = [list_row(bamboo.applications[number]) for number in range(1, 6)]
    link = "?page={}"
    bamboo.faults[bamboo.path("applications")] = [
        Reply({"paginationComplete": False, "applications": rows[:3], "nextPageUrl": link.format(2)}),
        Reply({"paginationComplete": True, "applications": [rows[2], *rows[3:], rows[3]], "nextPageUrl": None}),
    ]

    assert Counter(event.application_external_id for event in desk.sync().events) == Counter("12345")


def test_a_last_page_of_known_rows_only_is_no_endless_list(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 3)
    rows = [list_row(bamboo.applications[number]) for number in range(1, 4)]
    bamboo.faults[bamboo.path("applications")] = [
        Reply({"paginationComplete": False, "applications": rows}),
        Reply({"paginationComplete": False, "applications": rows[2:]}),
        Reply({"paginationComplete": False, "applications": []}),
    ]

    assert len(desk.sync().events) == 3


def test_a_server_that_ignores_the_page_is_not_read_forever(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 3)
    rows = [list_row(bamboo.applications[number]) for number in range(1, 4)]
    bamboo.list_page = lambda query: {"paginationComplete": False, "applications": rows}  # type: ignore[method-assign]

    with pytest.raises(PagingBroken, match="repeats itself"):
        desk.sync()
    assert len([asked for asked in bamboo.server.asked if asked.path.endswith("/applications")]) == 2


def test_two_pages_that_alternate_are_not_read_forever(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 4)
    rows = [list_row(bamboo.applications[number]) for number in range(1, 5)]

    def alternating(query: dict[str, str]) -> dict[str, Any]:
        half = rows[:2] if int(query["page"]) % 2 else rows[2:]
        return {"paginationComplete": False, "applications": half}

    bamboo.list_page = alternating  # type: ignore[method-assign]

    with pytest.raises(PagingBroken, match="repeats itself"):
        desk.sync()
    assert len([asked for asked in bamboo.server.asked if asked.path.endswith("/applications")]) == 4


def test_a_list_without_end_is_stopped(bamboo: Bamboo) -> None:
    desk = Desk(bamboo, max_pages=5)

    def endless(query: dict[str, str]) -> dict[str, Any]:
        page = int(query["page"])
        return {"paginationComplete": False, "applications": [{"id": page, "status": {"id": 1}}]}

    bamboo.list_page = endless  # type: ignore[method-assign]

    with pytest.raises(PagingBroken, match="5 pages"):
        desk.sync()


def test_a_link_to_a_foreign_host_stops_the_run_before_the_key_leaks(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 3)
    row = list_row(bamboo.applications[1])
    foreign = "https://evil.example/api/v1/applicant_tracking/applications?page=2"
    bamboo.faults[bamboo.path("applications")] = [Reply({"paginationComplete": False, "applications": [row], "nextPageUrl": foreign})]

    with pytest.raises(PagingBroken, match=r"evil\.example"):
        desk.sync()


def test_a_link_that_lost_the_filters_hides_nobody(desk: Desk, bamboo: Bamboo) -> None:
    people(bamboo, 9, status=10)
    bamboo.page_size = 3
    bamboo.keep_filters = False

    assert Counter(kinds(desk.sync())) == {"application_created": 9, "application_rejected": 9}
