"""URLs, headers and the traps of BambooHR's paging, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.bamboohr.client import BambooClient, base_url_of
from connectors.base import Account
from connectors.exceptions import NotConfigured, NotFound, PagingBroken, PayloadNotUnderstood
from connectors.http import basic
from tests.connectors.bamboohr.harness import KEY, Bamboo, Reply, StoppedClock, payload

LIST = "applications"


def client_of(bamboo: Bamboo, path: str = "/api/v1", **settings: Any) -> BambooClient:
    account = Account(
        connector_id=1,
        base_url=bamboo.server.origin + path,
        secret=KEY,
        settings={"insecure_http": True, "requests_per_second": 1000, **settings},
    )
    return BambooClient(account, clock=bamboo.clock)


@pytest.fixture
def client(bamboo: Bamboo) -> Iterator[BambooClient]:
    client = client_of(bamboo)
    yield client
    client.close()


def answer_list(bamboo: Bamboo, **body: Any) -> None:
    bamboo.faults[bamboo.path(LIST)].append(Reply({"applications": [{"id": 1}], **body}))


@pytest.mark.parametrize(
    ("given", "settings", "base"),
    [
        ("https://acme.bamboohr.com/api/v1", {}, "https://acme.bamboohr.com/api/v1"),
        ("https://acme.bamboohr.com/api/v1/", {}, "https://acme.bamboohr.com/api/v1"),
        ("https://acme.bamboohr.com", {}, "https://acme.bamboohr.com/api/v1"),
        ("https://api.bamboohr.com/api/gateway.php/acme/v1", {}, "https://api.bamboohr.com/api/gateway.php/acme/v1"),
        ("", {"company": "acme"}, "https://acme.bamboohr.com/api/v1"),
    ],
)
def test_both_forms_of_the_base_url_are_understood(given: str, settings: dict[str, Any], base: str) -> None:
    assert base_url_of(given, settings) == base


@pytest.mark.parametrize("company", ["", "evil.example/", "a b", "x@y", None, 7])
def test_a_company_that_is_no_plain_name_makes_no_base_url(company: Any) -> None:
    with pytest.raises(NotConfigured):
        base_url_of("", {"company": company})


def test_the_older_base_path_is_asked_as_given(bamboo: Bamboo) -> None:
    bamboo.faults["/api/gateway.php/acme/v1/applicant_tracking/statuses"].append(Reply(payload("statuses")))
    client = client_of(bamboo, "/api/gateway.php/acme/v1")

    statuses, _ = client.statuses()
    client.close()

    assert [status.id for status in statuses] == ["1", "5", "10", "18", "31"]


def test_the_key_is_the_user_of_basic_authentication(bamboo: Bamboo, client: BambooClient) -> None:
    client.statuses()

    assert bamboo.server.asked[0].headers["authorization"] == basic(KEY)
    assert bamboo.server.asked[0].headers["accept"] == "application/json"


def test_an_access_token_is_sent_as_a_bearer(bamboo: Bamboo) -> None:
    client = client_of(bamboo, auth="oauth")
    client.statuses()
    client.close()

    assert bamboo.server.asked[0].headers["authorization"] == f"Bearer {KEY}"


def test_everything_is_asked_for_oldest_first(bamboo: Bamboo, client: BambooClient) -> None:
    client.page({"page": "1"})
    client.jobs()

    assert bamboo.server.asked[0].query == {
        "page": "1",
        "applicationStatus": "ALL",
        "jobStatusGroups": "ALL",
        "sortBy": "created_date",
        "sortOrder": "ASC",
    }
    assert bamboo.server.asked[1].query == {"statusGroups": "ALL"}


def test_complete_paging_ends_even_beside_a_link(bamboo: Bamboo, client: BambooClient) -> None:
    answer_list(bamboo, paginationComplete=True, nextPageUrl=f"{bamboo.server.origin}/api/v1/applicant_tracking/applications?page=2")

    assert client.page({"page": "1"}).following is None


@pytest.mark.parametrize(
    "link",
    [
        "{origin}/api/v1/applicant_tracking/applications?page=2",
        "/api/v1/applicant_tracking/applications?page=2&applicationStatus=ALL",
        "applications?page=2",
        "?page=2",
        "?page=2&sortBy=last_updated&jobId=31&applicationStatus=NEW",
    ],
)
def test_a_link_to_the_next_page_gives_its_page_and_our_filters_stay(bamboo: Bamboo, client: BambooClient, link: str) -> None:
    answer_list(bamboo, paginationComplete=False, nextPageUrl=link.format(origin=bamboo.server.origin))

    following = client.page({"page": "1"}).following
    assert following == {"page": "2"}

    client.page(following)
    assert bamboo.server.asked[-1].query["applicationStatus"] == "ALL"
    assert bamboo.server.asked[-1].query["sortBy"] == "created_date"
    assert "jobId" not in bamboo.server.asked[-1].query


def test_what_else_a_link_carries_is_sent_along(bamboo: Bamboo, client: BambooClient) -> None:
    answer_list(bamboo, paginationComplete=False, nextPageUrl="?page=2&cursor=abc")

    assert client.page({"page": "1"}).following == {"page": "2", "cursor": "abc"}


@pytest.mark.parametrize(
    "body", [{}, {"paginationComplete": False}, {"paginationComplete": False, "nextPageUrl": None}, {"nextPageUrl": ""}]
)
def test_without_a_link_it_counts_on(bamboo: Bamboo, client: BambooClient, body: dict[str, Any]) -> None:
    answer_list(bamboo, **body)

    assert client.page({"page": "4"}).following == {"page": "5"}


def test_an_empty_page_is_the_end(bamboo: Bamboo, client: BambooClient) -> None:
    answer_list(bamboo, applications=[], paginationComplete=False)

    assert client.page({"page": "4"}).following is None


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/api/v1/applicant_tracking/applications?page=2",
        "//evil.example/api/v1/applicant_tracking/applications?page=2",
        "https://127.0.0.1.evil.example/api/v1/applicant_tracking/applications?page=2",
        "https://user@evil.example/api/v1/applicant_tracking/applications?page=2",
        "ftp://127.0.0.1/api/v1/applicant_tracking/applications?page=2",
        "http://127.0.0.1:1/api/v1/applicant_tracking/applications?page=2",
        "http://127.0.0.1:port/api/v1/applicant_tracking/applications?page=2",
        "/api/v1/employees/directory?page=2",
        "?page=two",
        "?from=2",
    ],
)
def test_a_link_that_leads_elsewhere_is_refused_and_never_asked(bamboo: Bamboo, client: BambooClient, link: str) -> None:
    answer_list(bamboo, paginationComplete=False, nextPageUrl=link)

    with pytest.raises(PagingBroken):
        client.page({"page": "1"})
    assert len(bamboo.server.asked) == 1


@pytest.mark.parametrize(
    ("base", "link", "accepted"),
    [
        ("https://acme.bamboohr.com", "https://acme.bamboohr.com/api/v1/applicant_tracking/applications?page=2", True),
        ("https://acme.bamboohr.com", "https://api.bamboohr.com/api/gateway.php/acme/v1/applicant_tracking/applications?page=2", True),
        (
            "https://api.bamboohr.com/api/gateway.php/Acme/v1",
            "https://acme.bamboohr.com/api/v1/applicant_tracking/applications?page=2",
            True,
        ),
        ("https://acme.bamboohr.com", "http://acme.bamboohr.com/api/v1/applicant_tracking/applications?page=2", False),
        ("https://acme.bamboohr.com", "https://other.bamboohr.com/api/v1/applicant_tracking/applications?page=2", False),
        ("https://acme.bamboohr.com", "https://acme.bamboohr.com:8443/api/v1/applicant_tracking/applications?page=2", False),
    ],
)
def test_a_link_may_name_the_companys_own_hosts_only(base: str, link: str, accepted: bool) -> None:
    client = BambooClient(Account(connector_id=1, base_url=base, secret=KEY), clock=StoppedClock())
    try:
        if accepted:
            assert client._query_of(link) == {"page": "2"}
        else:
            with pytest.raises(PagingBroken):
                client._query_of(link)
    finally:
        client.close()


def test_rows_without_an_id_are_counted_not_fatal(bamboo: Bamboo, client: BambooClient) -> None:
    answer_list(bamboo, applications=[{"id": 1}, {}, None, 5], paginationComplete=True)

    page = client.page({"page": "1"})

    assert ([application.id for application in page.applications], page.unreadable) == (["1"], 3)


def test_the_old_list_shapes_are_read(bamboo: Bamboo, client: BambooClient) -> None:
    for name in ("list_2019", "list_php_models"):
        bamboo.faults[bamboo.path(LIST)].append(Reply(payload(name)))

    assert [application.id for application in client.page({"page": "1"}).applications] == ["301"]
    assert [application.id for application in client.page({"page": "1"}).applications] == ["302"]


@pytest.mark.parametrize("body", [{}, {"applications": None}, {"applications": 7}, "text", None])
def test_an_answer_without_a_list_is_not_an_empty_list(bamboo: Bamboo, client: BambooClient, body: Any) -> None:
    bamboo.faults[bamboo.path(LIST)].append(Reply(body))

    with pytest.raises(PayloadNotUnderstood, match="no list of applications"):
        client.page({"page": "1"})


def test_a_detail_of_something_else_is_refused(bamboo: Bamboo, client: BambooClient) -> None:
    bamboo.faults[bamboo.path("applications/7")] += [Reply({"id": 8}), Reply([]), Reply({"id": 7})]

    for _ in range(2):
        with pytest.raises(PayloadNotUnderstood):
            client.application("7")
    assert client.application("7").application.id == "7"


def test_a_missing_detail_is_not_found(client: BambooClient) -> None:
    with pytest.raises(NotFound):
        client.application("404404")


@pytest.mark.parametrize("bad", ["../jobs", "7/status", "7?x=1", "", "７％"])
def test_an_id_that_would_change_the_path_is_never_asked(bamboo: Bamboo, client: BambooClient, bad: str) -> None:
    with pytest.raises(PayloadNotUnderstood):
        client.application(bad)
    assert bamboo.server.asked == []
