"""Issues over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from issues.models import Issue
from tests.api import all_rows, client_of
from tests.factories.accounts import member
from tests.factories.analytics import waiting
from tests.factories.ats import StageFactory
from tests.factories.issues import issue_about
from tests.factories.triggers import TaskFactory
from tests.factories.worlds import World, make_world
from tests.schema import assert_as_documented

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> World:
    return make_world("acme")


@pytest.fixture
def api(acme: World) -> Client:
    return client_of(acme.recruiter)


def test_issues_come_worst_first_with_their_subjects(api: Client, acme: World) -> None:
    worse = issue_about(waiting(acme.job, acme.stage), score=90, severity="critical")

    response = api.get("/ats/issues")

    assert_as_documented(response, "issues")
    first, second = response.json()["results"]
    assert (first["id"], second["id"]) == (worse.pk, acme.issue.pk)
    assert (second["job"]["title"], second["stage"]["name"], second["candidate"]["name"]) == (
        "acme engineer",
        "acme screen",
        "acme candidate",
    )
    assert second["evidence"] == {"age": 20.0, "limit": 7.0}
    assert [task["id"] for task in second["tasks"]] == [acme.task.pk]


def test_filters_choose(api: Client, acme: World) -> None:
    now, bob = timezone.now(), member(acme.organization)
    old = issue_about(
        waiting(acme.job, acme.stage), severity="low", issue_type="idle_candidate", status="snoozed", detected_at=now - timedelta(days=10)
    )
    TaskFactory(issue=old, assignee=bob)
    TaskFactory(issue=old, assignee=bob, status="done")

    def found(**parameters: Any) -> list[int]:
        return [row["id"] for row in all_rows(api, "/ats/issues", **parameters)]

    assert found(status="snoozed") == [old.pk]
    assert found(status=["snoozed", "open"], severity="low") == [old.pk]
    assert found(issue_type="idle_candidate") == [old.pk]
    assert found(min_age=5) == found(age=5) == [old.pk]
    assert found(max_age=5) == [acme.issue.pk]
    assert found(job=acme.job.pk, stage=acme.stage.pk) == [acme.issue.pk, old.pk]
    assert found(job=0) == []
    assert found(assignee=bob.pk) == found(assignee=bob.username) == [old.pk]
    assert found(assignee="none") == [acme.issue.pk]
    assert found(assignee="me") == found(assignee="nobody") == []


def test_a_stage_is_named_by_its_id_its_name_or_its_category(api: Client, acme: World) -> None:
    elsewhere = StageFactory(connector=acme.connector, name="Panel", category="offer")
    panel = issue_about(waiting(acme.job, elsewhere), score=1)

    for same in (elsewhere.pk, "Panel", "panel", "offer"):
        assert [row["id"] for row in all_rows(api, "/ats/issues", stage=same)] == [panel.pk]
    assert list(all_rows(api, "/ats/issues", stage="no such stage")) == []


@pytest.mark.parametrize(
    "parameters", [{"status": "asleep"}, {"job": "x"}, {"min_age": "-1"}, {"page_size": "201"}, {"ordering": "sentence"}]
)
def test_a_bad_filter_is_refused_by_name(api: Client, parameters: dict[str, str]) -> None:
    response = api.get("/ats/issues", parameters)

    assert response.status_code == 400
    assert_as_documented(response, "issues")
    assert response.json()["errors"][0]["field"] in parameters


def test_pages_are_complete_in_both_directions_though_scores_are_equal(api: Client, acme: World) -> None:
    for _ in range(6):
        issue_about(waiting(acme.job, acme.stage), score=acme.issue.score)

    rows = list(all_rows(api, "/ats/issues", page_size=3))
    assert len({row["id"] for row in rows}) == 7

    first = api.get("/ats/issues", {"page_size": 3}).json()
    second = api.get(first["next"]).json()
    third = api.get(second["next"]).json()
    assert (first["previous"], third["next"]) == (None, None)
    back = api.get(third["previous"]).json()
    assert back["results"] == second["results"]
    assert api.get(back["previous"]).json()["results"] == first["results"]


def test_its_queries_do_not_grow_with_the_issues(api: Client, acme: World, django_assert_num_queries: Any) -> None:
    for _ in range(5):
        TaskFactory(issue=issue_about(waiting(acme.job, acme.stage)), assignee=acme.recruiter)
    # session, user, issues, tasks, assignees
    with django_assert_num_queries(5):
        assert len(api.get("/ats/issues").json()["results"]) == 6


def test_one_issue_has_its_audit_trail_and_its_version_as_etag(api: Client, acme: World) -> None:
    response = api.get(f"/ats/issues/{acme.issue.pk}")

    assert_as_documented(response, "issue")
    assert response.headers["ETag"] == '"1"'
    assert [line["status_to"] for line in response.json()["transitions"]] == ["open"]


@pytest.mark.parametrize(
    ("action", "body", "status"),
    [
        ("acknowledge", {}, "acknowledged"),
        ("snooze", {"until": (timezone.now() + timedelta(days=2)).isoformat()}, "snoozed"),
        ("snooze", {}, "snoozed"),
        ("resolve", {"reason": "hired elsewhere"}, "resolved"),
    ],
)
def test_a_decision_answers_with_the_issue_as_it_then_stands(
    api: Client, acme: World, action: str, body: dict[str, str], status: str
) -> None:
    response = api.post(f"/ats/issues/{acme.issue.pk}/{action}", body, content_type="application/json")

    assert response.status_code == 200, response.content
    assert_as_documented(response, f"{action}_issue")
    assert (response.json()["status"], response.json()["version"], response.headers["ETag"]) == (status, 2, '"2"')
    assert response.json()["transitions"][-1]["actor"]["username"] == "acme-recruiter"


def test_a_decision_needs_no_body(api: Client, acme: World) -> None:
    assert api.generic("POST", f"/ats/issues/{acme.issue.pk}/resolve").status_code == 200
    assert api.generic("POST", f"/ats/issues/{acme.issue.pk}/reopen").json()["status"] == "open"


def test_an_illegal_decision_is_a_conflict(api: Client, acme: World) -> None:
    api.generic("POST", f"/ats/issues/{acme.issue.pk}/resolve")

    response = api.generic("POST", f"/ats/issues/{acme.issue.pk}/snooze")

    assert response.status_code == 409
    assert_as_documented(response, "snooze_issue")
    assert "reopen it first" in response.json()["detail"]


@pytest.mark.parametrize("until", ["2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "tomorrow"])
def test_a_snooze_into_the_past_or_for_ever_is_refused(api: Client, acme: World, until: str) -> None:
    response = api.post(f"/ats/issues/{acme.issue.pk}/snooze", {"until": until}, content_type="application/json")

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "until"


@pytest.mark.parametrize(("if_match", "status"), [('"1"', 200), ("*", 200), ('"2"', 412), ('W/"1"', 412), ("1", 412), ('"x"', 412)])
def test_if_match_guards_against_overwriting_what_others_decided(api: Client, acme: World, if_match: str, status: int) -> None:
    response = api.generic("POST", f"/ats/issues/{acme.issue.pk}/acknowledge", headers={"If-Match": if_match})

    assert response.status_code == status
    assert Issue.objects.get(pk=acme.issue.pk).status == ("acknowledged" if status == 200 else "open")
