"""One shape for every error, and what the document says."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from django.test import Client

from tests.api import client_of
from tests.factories.worlds import World, make_world
from tests.schema import assert_as_documented

pytestmark = pytest.mark.django_db

MEMBERS = {"type", "title", "status", "detail", "instance"}


@pytest.fixture
def acme() -> World:
    return make_world("acme")


@pytest.fixture
def api(acme: World) -> Client:
    client = client_of(acme.recruiter)
    client.raise_request_exception = False
    return client


def assert_problem(response: Any, status: int, path: str) -> None:
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert set(body) >= MEMBERS
    assert (body["status"], body["instance"]) == (status, path)
    assert body["detail"].endswith((".", "…")) or body["detail"]


@pytest.mark.parametrize(
    "path", ["/ats", "/ats/", "/ats/nothing", "/ats/jobs/", "/ats/jobs/x/heatmap", "/ats/jobs/-1/heatmap", "/ats/%00", "/webhooks/none"]
)
def test_an_unknown_address_of_the_api_is_a_problem_and_no_page(api: Client, path: str) -> None:
    response = api.get(path)

    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"


def test_unknown_addresses_elsewhere_are_pages(api: Client) -> None:
    assert "text/html" in api.get("/nothing").headers["Content-Type"]


@pytest.mark.parametrize("number", [0, 2**31, 2**63 - 1, 2**63, 10**40])
def test_an_id_of_any_size_is_not_found(api: Client, number: int) -> None:
    for path in (f"/ats/jobs/{number}/heatmap", f"/ats/issues/{number}", f"/ats/candidates/{number}", f"/ats/sync-runs/{number}"):
        assert_problem(api.get(path), 404, path)


def test_nobody_gets_in_without_logging_in() -> None:
    response = Client().get("/ats/jobs")

    assert_problem(response, 401, "/ats/jobs")
    assert response.headers["WWW-Authenticate"] == "Token"


def test_the_wrong_method_is_a_problem(api: Client) -> None:
    response = api.delete("/ats/jobs")

    assert_problem(response, 405, "/ats/jobs")
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize("path", ["/realtime/updates", "/healthz", "/readyz", "/metrics", "/ats/schema", "/ats/docs"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_wrong_method_is_the_same_problem_outside_of_lists_and_asks_for_no_csrf_token(path: str, method: str) -> None:
    response = Client(enforce_csrf_checks=True).generic(method, path)

    assert_problem(response, 405, path)
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize("path", ["/ats/nothing", "/webhooks/none"])
def test_posting_to_an_unknown_address_says_that_it_is_unknown(path: str) -> None:
    assert_problem(Client(enforce_csrf_checks=True).post(path), 404, path)


def test_a_page_refuses_a_form_of_another_site_with_a_page() -> None:
    response = Client(enforce_csrf_checks=True).post("/login", {"username": "x", "password": "y"})

    assert response.status_code == 403
    assert "text/html" in response.headers["Content-Type"]


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/vnd.oai.openapi"])
def test_a_problem_is_json_whatever_was_asked_for(api: Client, accept: str) -> None:
    path = "/ats/schema" if "oai" in accept else "/ats/heatmap"
    assert_problem(api.post(path, headers={"Accept": accept}), 405, path)


@pytest.mark.parametrize(("body", "status"), [(b'{"reason": "' + b"x" * 3_000_000 + b'"}', 413), (b"[" * 200_000, 400)])
def test_a_body_of_any_size_and_depth_is_the_clients_mistake(api: Client, acme: World, body: bytes, status: int) -> None:
    path = f"/ats/issues/{acme.issue.pk}/acknowledge"
    assert_problem(api.generic("POST", path, body, "application/json"), status, path)


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", "{not json", 400),
        ("application/json", "\xff\xfe", 400),
        ("text/plain", "mode=full", 415),
        ("application/json", "[]", 400),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem(api: Client, acme: World, content_type: str, body: str, status: int) -> None:
    path = f"/ats/issues/{acme.issue.pk}/snooze"
    assert_problem(api.generic("POST", path, body.encode("latin-1"), content_type), status, path)


def test_asking_for_something_else_than_json_is_a_problem(api: Client) -> None:
    assert_problem(api.get("/ats/jobs", headers={"Accept": "text/csv"}), 406, "/ats/jobs")


def test_a_session_without_its_csrf_token_changes_nothing(acme: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(acme.recruiter)

    path = f"/ats/issues/{acme.issue.pk}/resolve"
    assert_problem(client.generic("POST", path), 403, path)


def test_our_own_failure_is_a_problem_that_tells_nothing(api: Client, caplog: pytest.LogCaptureFixture) -> None:
    with mock.patch("ats.api.jobs_of", side_effect=RuntimeError("canary of the inside"), autospec=True):
        response = api.get("/ats/jobs")

    assert_problem(response, 500, "/ats/jobs")
    assert "canary" not in response.content.decode()
    assert "request failed" in caplog.text


def test_the_first_wrong_field_is_told_in_the_detail_and_all_of_them_in_errors(api: Client) -> None:
    body = api.get("/ats/issues", {"status": "asleep", "job": "x"}).json()

    assert {error["field"] for error in body["errors"]} == {"status", "job"}
    assert all(set(error) == {"field", "code", "message"} for error in body["errors"])
    assert body["errors"][0]["message"] in body["detail"]


def test_schema_and_docs_are_open_and_load_nothing_from_elsewhere() -> None:
    client = Client()

    schema, page = client.get("/ats/schema"), client.get("/ats/docs").content.decode()

    assert schema.status_code == 200
    assert b"/ats/jobs/{job_id}/heatmap" in schema.content
    assert "swagger-ui" in page
    assert "https://" not in page
    assert "//cdn" not in page


def test_problems_are_documented(api: Client) -> None:
    assert_as_documented(api.get("/ats/issues/0"), "issue")
