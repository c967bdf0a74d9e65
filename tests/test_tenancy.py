"""Invariant 9: no request reaches another organization's row. Walks everything there is, so that nothing can be forgotten.

The access matrix below names every endpoint. An address the URL map or the OpenAPI document knows and the matrix
does not fails the test: whoever adds an endpoint has to say here who may use it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from connectors.models import SyncRun
from issues.models import Issue
from tests.api import client_of
from tests.factories.worlds import World, make_world
from tests.schema import document
from triggers.models import Task

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Endpoint:
    """One method at one address. ``path`` makes the address of a world's own row."""

    method: str
    route: str
    path: Callable[[World], str]
    #: changes something: viewers get 403
    acts: bool = False
    body: Any = None
    status: int = 200

    def call(self, client: Client, world: World) -> Any:
        body = self.body if self.acts else None
        return getattr(client, self.method)(self.path(world), body or {}, **({"content_type": "application/json"} if self.acts else {}))

    @property
    def is_list(self) -> bool:
        return "<" not in self.route


ENDPOINTS = [
    Endpoint("get", "ats/jobs", lambda w: "/ats/jobs"),
    Endpoint("get", "ats/heatmap", lambda w: "/ats/heatmap"),
    Endpoint("get", "ats/jobs/<int:job_id>/heatmap", lambda w: f"/ats/jobs/{w.job.pk}/heatmap"),
    Endpoint("get", "ats/jobs/<int:job_id>/stats", lambda w: f"/ats/jobs/{w.job.pk}/stats"),
    Endpoint("get", "ats/jobs/<int:job_id>/stage/<path:name>/candidates", lambda w: f"/ats/jobs/{w.job.pk}/stage/{w.stage.pk}/candidates"),
    Endpoint("get", "ats/jobs/<int:job_id>/stage/<path:name>/baseline", lambda w: f"/ats/jobs/{w.job.pk}/stage/{w.stage.pk}/baseline"),
    Endpoint("get", "ats/candidates/<int:candidate_id>", lambda w: f"/ats/candidates/{w.visit.application.candidate_id}"),
    Endpoint("get", "ats/issues", lambda w: "/ats/issues"),
    Endpoint("get", "ats/issues/<int:issue_id>", lambda w: f"/ats/issues/{w.issue.pk}"),
    Endpoint("post", "ats/issues/<int:issue_id>/acknowledge", lambda w: f"/ats/issues/{w.issue.pk}/acknowledge", acts=True),
    Endpoint("post", "ats/issues/<int:issue_id>/snooze", lambda w: f"/ats/issues/{w.issue.pk}/snooze", acts=True),
    Endpoint("post", "ats/issues/<int:issue_id>/resolve", lambda w: f"/ats/issues/{w.issue.pk}/resolve", acts=True),
    Endpoint("post", "ats/issues/<int:issue_id>/reopen", lambda w: f"/ats/issues/{w.issue.pk}/reopen", acts=True),
    Endpoint("get", "ats/rules", lambda w: "/ats/rules"),
    Endpoint("get", "ats/tasks", lambda w: "/ats/tasks"),
    Endpoint("get", "ats/tasks/outcomes", lambda w: "/ats/tasks/outcomes"),
    Endpoint("get", "ats/tasks/<int:task_id>", lambda w: f"/ats/tasks/{w.task.pk}"),
    Endpoint("patch", "ats/tasks/<int:task_id>", lambda w: f"/ats/tasks/{w.task.pk}", acts=True, body={"note": "seen"}),
    Endpoint("get", "ats/connectors", lambda w: "/ats/connectors"),
    Endpoint("post", "ats/connectors/<int:connector_id>/sync", lambda w: f"/ats/connectors/{w.connector.pk}/sync", acts=True, status=202),
    Endpoint("get", "ats/sync-runs/<int:sync_run_id>", lambda w: f"/ats/sync-runs/{w.run.pk}"),
]

#: Pages for people, by route: the address of a world's own one.
PAGES: dict[str, Callable[[World], str]] = {
    "": lambda w: "/",
    "jobs/<int:job_id>": lambda w: f"/jobs/{w.job.pk}",
    "jobs/<int:job_id>/numbers/<slug:name>": lambda w: f"/jobs/{w.job.pk}/numbers/waiting",
    "sums": lambda w: "/sums?of=waiting",
    "jobs/<int:job_id>/stages/<path:name>/explain": lambda w: f"/jobs/{w.job.pk}/stages/{w.stage.pk}/explain",
    "candidates/<int:candidate_id>": lambda w: f"/candidates/{w.visit.application.candidate_id}",
    "definitions": lambda w: "/definitions",
    "setup": lambda w: "/setup",
    "jobs/<int:job_id>/stages/<path:name>": lambda w: f"/jobs/{w.job.pk}/stages/{w.stage.pk}",
    "issues": lambda w: "/issues",
    "tasks": lambda w: "/tasks",
    "issues/<int:issue_id>": lambda w: f"/issues/{w.issue.pk}",
    "tasks/<int:task_id>": lambda w: f"/tasks/{w.task.pk}",
}

#: Addresses with a reason to be outside of the matrix.
ELSEWHERE = {
    "login": "how one gets in; tests/config",
    "logout": "acts on nothing but the session",
    "healthz": "says nothing; tests/config/test_health.py",
    "readyz": "says nothing of any organization; tests/config/test_health.py",
    "metrics": "for operators; tests/config/test_health.py",
    "ats/schema": "the document, the same for everybody",
    "ats/docs": "the document, the same for everybody",
    r"^(?:ats|webhooks)(?:/(?P<rest>.*))?$": "answers 404 and nothing else; tests/config/test_drf.py",
    "webhooks/<str:provider>/<int:connector_id>": "the signature is the permission; tests/connectors/test_webhooks.py",
    "realtime/updates": "tests/realtime",
    "realtime/tickets": "a ticket is of the person who asks; tests/realtime/test_tickets.py",
}
#: Prefixes owned by pages of their own.
ELSEWHERE_PREFIXES = {"admin/": "tests/accounts/test_staff.py walks it"}


def routes(patterns: Any, prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            yield prefix + str(pattern.pattern)


@pytest.fixture
def acme() -> World:
    return make_world("acme")


@pytest.fixture
def globex() -> World:
    return make_world("globex")


@pytest.fixture(autouse=True)
def _fresh_throttle() -> None:
    cache.clear()


def name(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.route}"


def test_the_matrix_knows_every_address() -> None:
    known = {endpoint.route for endpoint in ENDPOINTS} | set(ELSEWHERE) | set(PAGES)
    unknown = [
        route
        for route in routes(get_resolver().url_patterns)
        if route not in known and not any(route.startswith(prefix) for prefix in ELSEWHERE_PREFIXES)
    ]

    assert not unknown, "say in tests/test_tenancy.py who may use these"


def test_the_matrix_knows_every_documented_operation() -> None:
    def documented_path(route: str) -> str:
        parts = [f"{{{part.split(':')[1].rstrip('>')}}}" if part.startswith("<") else part for part in route.split("/")]
        return "/" + "/".join(parts)

    elsewhere = {("post", "/realtime/tickets"), ("post", "/webhooks/{provider}/{connector_id}")}
    known = {(endpoint.method, documented_path(endpoint.route)) for endpoint in ENDPOINTS} | elsewhere
    documented = {(method, path) for path, operations in document()["paths"].items() for method in operations}

    assert documented == known


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name)
def test_nobody_gets_in_anonymously(acme: World, endpoint: Endpoint) -> None:
    assert endpoint.call(Client(), acme).status_code == 401


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name)
def test_a_recruiter_gets_in(acme: World, endpoint: Endpoint) -> None:
    response = endpoint.call(client_of(acme.recruiter), acme)

    assert response.status_code == endpoint.status, response.content
    if endpoint.is_list:
        assert "acme" in response.content.decode(), "the list must hold something, or the next tests prove nothing"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name)
def test_a_viewer_looks_and_changes_nothing(acme: World, endpoint: Endpoint) -> None:
    response = endpoint.call(client_of(acme.viewer), acme)

    assert response.status_code == (403 if endpoint.acts else 200)
    assert_untouched(acme)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name)
def test_a_stranger_finds_nothing(acme: World, globex: World, endpoint: Endpoint) -> None:
    charlie = client_of(globex.recruiter)

    response = endpoint.call(charlie, acme)

    assert response.status_code == (200 if endpoint.is_list else 404)
    assert "acme" not in response.content.decode()
    assert_untouched(acme)


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in ENDPOINTS if not endpoint.is_list], ids=name)
def test_a_foreign_row_and_a_missing_one_look_the_same(acme: World, globex: World, endpoint: Endpoint) -> None:
    charlie = client_of(globex.recruiter)

    foreign = endpoint.call(charlie, acme).json()
    nowhere = re.sub(r"/\d+", "/999999999", endpoint.path(acme), count=1)
    missing = charlie.generic(endpoint.method.upper(), nowhere).json()

    assert {**foreign, "instance": ""} == {**missing, "instance": ""}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name)
def test_access_ends_with_the_membership(acme: World, endpoint: Endpoint) -> None:
    alice = client_of(acme.recruiter)
    acme.recruiter.memberships.all().delete()

    response = endpoint.call(alice, acme)

    assert response.status_code == (200 if endpoint.is_list else 404)
    assert "acme" not in response.content.decode()


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name)
def test_a_superuser_is_no_member(acme: World, endpoint: Endpoint) -> None:
    """The API speaks for members; operators have the admin."""
    acme.viewer.memberships.all().delete()
    acme.viewer.is_superuser = acme.viewer.is_staff = True
    acme.viewer.save()

    response = endpoint.call(client_of(acme.viewer), acme)

    assert response.status_code == (200 if endpoint.is_list else 404)
    assert "acme" not in response.content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/ats/issues?job={job}",
        "/ats/issues?stage={stage}",
        "/ats/issues?assignee={user}",
        "/ats/tasks?issue={issue}",
        "/ats/tasks?job={job}",
    ],
)
def test_filters_reach_no_foreign_row(acme: World, globex: World, path: str) -> None:
    address = path.format(job=acme.job.pk, stage=acme.stage.pk, issue=acme.issue.pk, user=acme.recruiter.pk)

    response = client_of(globex.recruiter).get(address)

    assert (response.status_code, response.json()["results"]) == (200, [])


def test_somebody_in_two_organizations_sees_both_and_acts_where_their_role_lets_them(acme: World, globex: World) -> None:
    globex.viewer.memberships.create(organization=acme.organization, role="recruiter")
    client = client_of(globex.viewer)

    assert {row["job"]["title"] for row in client.get("/ats/heatmap").json()["rows"]} == {"acme engineer", "globex engineer"}
    assert client.generic("POST", f"/ats/issues/{acme.issue.pk}/acknowledge").status_code == 200
    assert client.generic("POST", f"/ats/issues/{globex.issue.pk}/acknowledge").status_code == 403


@pytest.mark.parametrize("route", PAGES)
def test_pages_are_for_members(acme: World, globex: World, route: str) -> None:
    path = PAGES[route](acme)

    anonymous = Client().get(path)
    member, stranger = (client_of(one).get(path, follow=True) for one in (acme.recruiter, globex.recruiter))

    assert (anonymous.status_code, anonymous.headers["Location"].split("?")[0]) == (302, "/login")
    assert member.status_code == 200
    assert "acme" in member.content.decode()
    assert stranger.status_code == (404 if "<" in route else 200)
    assert "acme" not in stranger.content.decode()


def assert_untouched(world: World) -> None:
    assert Issue.objects.get(pk=world.issue.pk).version == 1
    assert Task.objects.get(pk=world.task.pk).version == 1
    assert SyncRun.objects.filter(connector=world.connector).count() == 1
