"""The triage inbox: assign, save filters, counts; and the landing page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from issues.models import Issue
from tests.api import client_of
from tests.factories.accounts import UserFactory, member
from tests.factories.issues import IssueFactory
from tests.factories.worlds import World, make_world
from triggers.models import SavedFilter, Task

pytestmark = pytest.mark.django_db

LIST = "admin:issues_issue_changelist"


@pytest.fixture
def acme() -> World:
    return make_world("acme")


@pytest.fixture
def globex() -> World:
    return make_world("globex")


@pytest.fixture
def olga() -> User:
    user: User = UserFactory(username="olga", is_staff=True, is_superuser=True)
    return user


@pytest.fixture
def operator(olga: User) -> Client:
    return client_of(olga)


@pytest.fixture
def staff(acme: World) -> Client:
    user = member(acme.organization, username="sam", is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    return client_of(user)


def assign(client: Client, who: User, *issues: Issue) -> Any:
    asked = {"action": "assign", "apply": "1", "assignee": who.pk, "_selected_action": [issue.pk for issue in issues]}
    return client.post(reverse(LIST), asked, follow=True)


def test_issues_are_assigned_together_whether_they_have_a_task_or_not(operator: Client, olga: User, acme: World) -> None:
    without = IssueFactory(organization=acme.organization, sentence="Nobody looked.")

    page = assign(operator, acme.recruiter, acme.issue, without)

    assert "2 issues given to acme-recruiter." in page.content.decode()
    assert set(Task.objects.values_list("issue", "assignee", "status")) == {
        (acme.issue.pk, acme.recruiter.pk, "open"),
        (without.pk, acme.recruiter.pk, "open"),
    }
    made = Task.objects.get(issue=without)
    assert (made.title, made.role, made.priority) == ("Nobody looked.", "recruiter", "high")
    assert made.due_at is not None
    assert made.changes.get().actor == olga


def test_assigning_asks_whom_first(operator: Client, acme: World) -> None:
    page = operator.post(reverse(LIST), {"action": "assign", "_selected_action": [acme.issue.pk]}).content.decode()

    assert "Assign 1 issues" in page
    assert "acme-recruiter" in page
    assert Task.objects.get().assignee is None


def test_people_of_other_organizations_get_nothing(staff: Client, operator: Client, acme: World, globex: World) -> None:
    refused = assign(staff, globex.recruiter, acme.issue)
    said = assign(operator, globex.recruiter, acme.issue)

    assert "globex-recruiter" not in refused.content.decode()
    assert "Nobody with this id works in" in said.content.decode()
    assert Task.objects.get(issue=acme.issue).assignee is None


def test_a_resolved_issue_is_not_assigned(operator: Client, acme: World) -> None:
    Issue.objects.update(status="resolved")

    assert "reopen it first" in assign(operator, acme.recruiter, acme.issue).content.decode()


def test_one_issue_is_decided_on_and_assigned_from_its_page(operator: Client, acme: World) -> None:
    decide, give = (reverse(f"admin:issues_issue_{name}", args=[acme.issue.pk]) for name in ("decide", "assign"))

    operator.post(decide, {"action": "snooze", "for": "week", "reason": "on holiday"})
    operator.post(give, {"assignee": acme.recruiter.pk})

    acme.issue.refresh_from_db()
    assert acme.issue.status == "snoozed"
    assert acme.issue.snoozed_until is not None
    assert acme.issue.snoozed_until > timezone.now() + timedelta(days=6)
    assert Task.objects.get(issue=acme.issue).assignee == acme.recruiter
    page = operator.get(reverse("admin:issues_issue_change", args=[acme.issue.pk])).content.decode()
    assert "on holiday" in page


@pytest.mark.parametrize("name", ["decide", "assign"])
def test_a_page_only_changes_by_post_and_only_one_s_own(staff: Client, acme: World, globex: World, name: str) -> None:
    address = reverse(f"admin:issues_issue_{name}", args=[globex.issue.pk])

    assert staff.get(address).status_code == 405
    assert staff.post(address, {"action": "resolve", "assignee": acme.recruiter.pk}).status_code == 403
    globex.issue.refresh_from_db()
    assert globex.issue.status == "open"


def test_a_word_that_is_no_decision_is_refused(operator: Client, acme: World) -> None:
    assert operator.post(reverse("admin:issues_issue_decide", args=[acme.issue.pk]), {"action": "explode"}).status_code == 403


def test_filters_are_saved_for_oneself_and_forgotten(staff: Client, operator: Client, acme: World) -> None:
    query = "status__exact=open&severity__exact=critical"
    staff.post(reverse("admin:issues_issue_save_filter"), {"name": "my morning", "query": query})
    staff.post(reverse("admin:issues_issue_save_filter"), {"name": "  ", "query": query})
    own = SavedFilter.objects.get(name="my morning")

    assert "my morning" in staff.get(reverse(LIST)).content.decode()
    assert "my morning" not in operator.get(reverse(LIST)).content.decode()
    operator.post(reverse("admin:issues_issue_forget_filter", args=[own.pk]))
    assert SavedFilter.objects.filter(pk=own.pk).exists(), "somebody else's"
    staff.post(reverse("admin:issues_issue_forget_filter", args=[own.pk]))
    assert not SavedFilter.objects.filter(pk=own.pk).exists()


def test_counts_are_of_what_the_person_may_see(staff: Client, operator: Client, acme: World, globex: World) -> None:
    def open_high(client: Client) -> int:
        chips = client.get(reverse(LIST)).context_data["severity_chips"]
        return int(next(chip["total"] for chip in chips if chip["word"] == "high"))

    assert (open_high(staff), open_high(operator)) == (1, 2)


@pytest.mark.parametrize(("desk", "found"), [("me", 0), ("somebody", 1), ("nobody", 1)])
def test_the_inbox_is_filtered_by_who_has_the_task(operator: Client, acme: World, globex: World, desk: str, found: int) -> None:
    assign(operator, acme.recruiter, acme.issue)

    assert operator.get(reverse(LIST), {"desk": desk}).context_data["cl"].result_count == found


@pytest.mark.parametrize("address", ["/admin/issues/issue/", "/admin/triggers/task/", "/admin/"])
def test_pages_cost_the_same_queries_for_any_number_of_rows(operator: Client, acme: World, address: str) -> None:
    operator.get(address)
    with CaptureQueriesContext(connection) as few:
        operator.get(address)
    for number in range(20):
        world = make_world(f"more-{number}")
        world.task.assignee = world.recruiter
        world.task.save()
    with CaptureQueriesContext(connection) as many:
        operator.get(address)

    assert len(many) <= len(few)


def test_the_page_of_an_issue_costs_the_same_queries_for_any_history(operator: Client, acme: World) -> None:
    address = reverse("admin:issues_issue_change", args=[acme.issue.pk])
    operator.get(address)
    with CaptureQueriesContext(connection) as few:
        operator.get(address)
    for _ in range(3):
        for action in ("snooze", "reopen"):
            operator.post(reverse("admin:issues_issue_decide", args=[acme.issue.pk]), {"action": action})
        assign(operator, acme.recruiter, acme.issue)
    operator.get(address)
    with CaptureQueriesContext(connection) as many:
        operator.get(address)

    assert len(many) <= len(few)


def test_the_landing_page_shows_one_s_own_numbers(staff: Client, acme: World, globex: World) -> None:
    page = staff.get("/admin/")

    tiles = {tile["label"]: tile["count"] for tile in (*page.context_data["severity_tiles"], *page.context_data["tiles"])}
    assert (tiles["High issues"], tiles["New today"], tiles["Tasks nobody has"], tiles["Dead letters"]) == (1, 1, 1, 0)
    assert "globex" not in page.content.decode().lower()


def test_every_number_of_the_landing_page_leads_to_the_rows_it_counts(operator: Client, acme: World, globex: World) -> None:
    Task.objects.filter(pk=acme.task.pk).update(due_at=timezone.now() - timedelta(minutes=1))
    page = operator.get("/admin/")

    for tile in (*page.context_data["severity_tiles"], *page.context_data["tiles"]):
        listed = operator.get(tile["where"]).context_data["cl"].result_list
        assert len(listed) == tile["count"], tile["label"]


def test_a_group_stands_for_its_members(operator: Client, acme: World) -> None:
    group = IssueFactory(organization=acme.organization, is_group=True, job=acme.job, stage=acme.stage, sentence="15 people are late.")
    Issue.objects.filter(pk=acme.issue.pk).update(group=group)

    def listed(**parameters: str) -> set[int]:
        return {row.pk for row in operator.get(reverse(LIST), parameters).context_data["cl"].result_list}

    assert listed() == {group.pk}
    assert listed(members="shown") == {group.pk, acme.issue.pk}
    assert listed(members="only") == {acme.issue.pk}
    assert operator.get("/admin/").context_data["severity_tiles"][1]["count"] == 1
    page = operator.get(reverse("admin:issues_issue_change", args=[group.pk])).content.decode()
    assert "Who is in it" in page
    assert "acme candidate" in page
    assert "one of" in operator.get(reverse("admin:issues_issue_change", args=[acme.issue.pk])).content.decode()


def test_an_issue_is_snoozed_until_something_changes(operator: Client, acme: World) -> None:
    operator.post(reverse("admin:issues_issue_decide", args=[acme.issue.pk]), {"action": "snooze", "for": "change"})

    acme.issue.refresh_from_db()
    assert (acme.issue.status, acme.issue.snoozed_until) == ("snoozed", None)
    assert "something changes" in operator.get(reverse("admin:issues_issue_change", args=[acme.issue.pk])).content.decode()
