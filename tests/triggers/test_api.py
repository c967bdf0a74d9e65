"""Tasks over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Role
from config import flow
from connectors.models import Batch
from tests.api import all_rows, client_of
from tests.factories.accounts import member
from tests.factories.issues import IssueFactory
from tests.factories.triggers import TaskFactory
from tests.factories.worlds import World, make_world
from tests.schema import assert_as_documented
from triggers.models import Task

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> World:
    return make_world("acme")


@pytest.fixture
def api(acme: World) -> Client:
    return client_of(acme.recruiter)


def patch(api: Client, task: Task, body: Any, **headers: str) -> Any:
    return api.patch(f"/ats/tasks/{task.pk}", body, content_type="application/json", headers=headers)


def test_tasks_come_due_first_and_those_without_a_date_last(api: Client, acme: World) -> None:
    now = timezone.now()
    later, sooner = (TaskFactory(issue=IssueFactory(organization=acme.organization), due_at=now + timedelta(days=n)) for n in (2, 1))

    response = api.get("/ats/tasks", {"page_size": 1})
    assert_as_documented(response, "tasks")
    assert [row["id"] for row in all_rows(api, "/ats/tasks", page_size=1)] == [sooner.pk, later.pk, acme.task.pk]
    # nulls turn about with the order, and pages backwards are the same pages
    assert [row["id"] for row in all_rows(api, "/ats/tasks", page_size=1, ordering="-due_at")] == [later.pk, sooner.pk, acme.task.pk]
    last = api.get(api.get(response.json()["next"]).json()["next"]).json()
    assert last["next"] is None
    assert api.get(last["previous"]).json()["results"][0]["id"] == later.pk


def test_a_title_says_how_things_stand_and_the_trail_how_they_stood(api: Client, acme: World) -> None:
    issue = IssueFactory(organization=acme.organization, sentence="Waits 5 days.", job=acme.job)
    task = TaskFactory(issue=issue, title=f"{acme.job.title}: Waits 5 days.")
    issue.sentence = "Waits 9 days."
    issue.save()

    told = next(row for row in all_rows(api, "/ats/tasks") if row["id"] == task.pk)
    assert (told["title"], told["opened_as"]) == (f"{acme.job.title}: Waits 9 days.", f"{acme.job.title}: Waits 5 days.")
    assert patch(api, task, {"status": "done"}).json()["title"] == f"{acme.job.title}: Waits 5 days.", "what is over is history"


def test_filters_choose(api: Client, acme: World) -> None:
    mine = TaskFactory(
        issue=IssueFactory(organization=acme.organization), assignee=acme.recruiter, status="done", priority="low", due_at=timezone.now()
    )

    def found(**parameters: Any) -> list[int]:
        return [row["id"] for row in all_rows(api, "/ats/tasks", **parameters)]

    assert found(assignee="me") == found(assignee=acme.recruiter.pk) == found(assignee=acme.recruiter.username) == [mine.pk]
    assert found(assignee="none") == [acme.task.pk]
    assert found(status="done") == found(priority="low") == [mine.pk]
    assert found(job=acme.job.pk) == found(issue=acme.issue.pk) == [acme.task.pk]
    assert found(due_before=(timezone.now() + timedelta(days=1)).isoformat()) == [mine.pk]


def test_its_queries_do_not_grow_with_the_tasks(api: Client, acme: World, django_assert_num_queries: Any) -> None:
    for _ in range(4):
        TaskFactory(issue=IssueFactory(organization=acme.organization), assignee=acme.recruiter)
    with django_assert_num_queries(3):  # session, user, tasks
        assert len(api.get("/ats/tasks").json()["results"]) == 5


def test_a_task_is_changed_where_asked_and_nowhere_else(api: Client, acme: World) -> None:
    due = timezone.now() + timedelta(days=3)

    response = patch(api, acme.task, {"status": "in_progress", "assignee": acme.recruiter.pk, "due_at": due.isoformat(), "note": "called"})

    assert response.status_code == 200, response.content
    assert_as_documented(response, "change_task")
    answer = response.json()
    assert (answer["status"], answer["assignee"]["username"], answer["note"]) == ("in_progress", "acme-recruiter", "called")
    assert (answer["version"], response.headers["ETag"]) == (2, '"2"')
    assert patch(api, acme.task, {"assignee": None}).json()["note"] == "called"


def test_a_done_task_has_its_end_and_a_reopened_one_none(api: Client, acme: World) -> None:
    assert patch(api, acme.task, {"status": "done"}).json()["ended_at"] is not None
    assert patch(api, acme.task, {"status": "open"}).json()["ended_at"] is None


def test_changing_to_what_it_is_changes_nothing(api: Client, acme: World) -> None:
    assert patch(api, acme.task, {"status": "open"}).json()["version"] == 1
    assert not Batch.objects.filter(step=flow.PUSH).exists()


def test_screens_are_told(api: Client, acme: World) -> None:
    patch(api, acme.task, {"note": "x"})

    assert Batch.objects.get(step=flow.PUSH).application_ids == [acme.issue.application_id]


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        ("obsolete", "open", 409),
        ("done", "in_progress", 409),
        ("dismissed", "done", 409),
        ("open", "obsolete", 400),
        ("open", "asleep", 400),
    ],
)
def test_illegal_transitions_are_refused(api: Client, acme: World, before: str, after: str, status: int) -> None:
    Task.objects.filter(pk=acme.task.pk).update(status=before)

    response = patch(api, acme.task, {"status": after})

    assert response.status_code == status
    assert_as_documented(response, "change_task")
    assert Task.objects.get(pk=acme.task.pk).status == before


def test_a_task_cannot_be_reopened_beside_another_open_one(api: Client, acme: World) -> None:
    ended = TaskFactory(issue=acme.issue, status="done", ended_at=timezone.now())

    response = patch(api, ended, {"status": "open"})

    assert response.status_code == 409
    assert "another open task" in response.json()["detail"]


def test_a_task_of_a_resolved_issue_is_not_reopened(api: Client, acme: World) -> None:
    patch(api, acme.task, {"status": "done"})
    acme.issue.status = "resolved"
    acme.issue.save()

    assert patch(api, acme.task, {"status": "open"}).status_code == 409


@pytest.mark.parametrize(
    "body", [{"title": "mine"}, {"organization": 7}, {"version": 9}, {}, [], "done", {"due_at": "soon"}, {"note": "a\x00b"}]
)
def test_what_cannot_be_changed_is_refused(api: Client, acme: World, body: Any) -> None:
    response = patch(api, acme.task, body)

    assert response.status_code == 400
    assert_as_documented(response, "change_task")
    assert Task.objects.get(pk=acme.task.pk).version == 1


def test_people_of_other_organizations_are_as_unknown_as_nobody(api: Client, acme: World) -> None:
    stranger = make_world("globex").recruiter

    foreign, missing = patch(api, acme.task, {"assignee": stranger.pk}), patch(api, acme.task, {"assignee": 10**9})

    assert foreign.status_code == missing.status_code == 400
    assert foreign.json()["detail"].replace(str(stranger.pk), "N") == missing.json()["detail"].replace(str(10**9), "N")


def test_a_task_may_go_to_any_colleague(api: Client, acme: World) -> None:
    manager = member(acme.organization, Role.HIRING_MANAGER)

    assert patch(api, acme.task, {"assignee": manager.pk}).json()["assignee"]["id"] == manager.pk


@pytest.mark.parametrize(("if_match", "status"), [('"1"', 200), ("*", 200), ('"7"', 412), ('W/"1"', 412)])
def test_if_match_guards_against_overwriting(api: Client, acme: World, if_match: str, status: int) -> None:
    assert patch(api, acme.task, {"note": "mine"}, **{"If-Match": if_match}).status_code == status


def test_the_etag_of_a_task_is_what_if_match_wants(api: Client, acme: World) -> None:
    read = api.get(f"/ats/tasks/{acme.task.pk}")

    assert_as_documented(read, "task")
    assert patch(api, acme.task, {"note": "first"}, **{"If-Match": read.headers["ETag"]}).status_code == 200
    assert patch(api, acme.task, {"note": "second"}, **{"If-Match": read.headers["ETag"]}).status_code == 412


def test_a_done_task_is_rated_and_rates_its_rule(api: Client, acme: World) -> None:
    for useful in (True, True, False, None):
        task = TaskFactory(issue=IssueFactory(organization=acme.organization, issue_type="no_exits"))
        body = {"status": "done"} if useful is None else {"status": "done", "useful": useful}
        assert patch(api, task, body).status_code == 200

    response = api.get("/ats/tasks/outcomes")

    assert_as_documented(response, "task_outcomes")
    told = next(row for row in response.json()["results"] if row["issue_type"] == "no_exits")
    assert (told["rule"], told["opened"], told["done"], told["rated"], told["useful"]) == ("default", 4, 4, 3, 2)
    assert told["precision"] == pytest.approx(2 / 3)
    low, high = told["interval"]
    assert 0 < low < 2 / 3 < high < 1


def test_only_what_is_ended_can_be_rated_and_reopening_asks_again(api: Client, acme: World) -> None:
    assert patch(api, acme.task, {"useful": True}).status_code == 409
    patch(api, acme.task, {"status": "dismissed", "useful": False})
    assert patch(api, acme.task, {"useful": True}).json()["useful"] is True, "one may think again"
    assert patch(api, acme.task, {"status": "open"}).json()["useful"] is None


def test_an_interviewer_ends_their_own_task_and_no_other(acme: World) -> None:
    iris = member(acme.organization, Role.INTERVIEWER)
    own = TaskFactory(issue=IssueFactory(organization=acme.organization), assignee=iris)
    client = client_of(iris)

    assert patch(client, own, {"assignee": acme.recruiter.pk}).status_code == 403
    assert patch(client, acme.task, {"status": "done"}).status_code == 403
    assert patch(client, own, {"status": "done", "useful": True}).status_code == 200


def test_filters_know_what_is_overdue_and_whom_it_was_meant_for(api: Client, acme: World) -> None:
    now = timezone.now()
    late = TaskFactory(issue=IssueFactory(organization=acme.organization), due_at=now - timedelta(hours=1), role="coordinator")
    TaskFactory(issue=IssueFactory(organization=acme.organization), due_at=now - timedelta(hours=1), status="done", ended_at=now)

    def found(**parameters: Any) -> list[int]:
        return [row["id"] for row in all_rows(api, "/ats/tasks", **parameters)]

    assert found(overdue="true") == found(role="coordinator") == [late.pk]
    assert late.pk not in found(overdue="false")
    assert acme.task.pk in found(overdue="false")
    assert found(issue_type="nothing") == []


def test_without_if_match_a_change_is_made_as_asked(api: Client, acme: World) -> None:
    patch(api, acme.task, {"note": "first"})

    assert patch(api, acme.task, {"due_at": None}).status_code == 200
    assert patch(api, acme.task, {"status": "done"}).json()["note"] == "first"


def test_every_change_leaves_its_line_under_its_author_s_name(api: Client, acme: World) -> None:
    patch(api, acme.task, {"status": "in_progress", "assignee": acme.recruiter.pk, "note": "call Jane Doe"})

    assert set(acme.task.changes.filter(actor=acme.recruiter).values_list("what", "before", "after")) == {
        ("status", "open", "in_progress"),
        ("assignee", "", "acme-recruiter"),
        ("note", "", ""),
    }
