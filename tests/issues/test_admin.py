"""Triage in the admin."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from issues.models import Issue
from tests.api import client_of
from tests.factories.accounts import UserFactory, member
from tests.factories.worlds import make_world

pytestmark = pytest.mark.django_db

LIST = "admin:issues_issue_changelist"
RESOLVE = {"action": "resolve", "apply": "1", "reason": "spoken with the candidate"}


@pytest.fixture
def operator() -> Client:
    return client_of(UserFactory(username="olga", is_staff=True, is_superuser=True))


@pytest.mark.parametrize(
    ("action", "status"),
    [("acknowledge", "acknowledged"), ("snooze_a_day", "snoozed"), ("snooze_a_week", "snoozed"), ("resolve", "resolved")],
)
def test_issues_are_decided_on_in_bulk_and_audited(operator: Client, action: str, status: str) -> None:
    issues = [make_world(name).issue for name in ("acme", "globex")]

    asked = {"apply": "1", "reason": "seen"} if action == "resolve" else {}
    operator.post(reverse(LIST), {"action": action, "_selected_action": [issue.pk for issue in issues], **asked})

    assert set(Issue.objects.values_list("status", flat=True)) == {status}
    for issue in issues:
        last = issue.transitions.order_by("-pk")[0]
        assert (last.status_to, last.actor and last.actor.username) == (status, "olga")


def test_what_cannot_be_decided_is_said_and_the_rest_goes_through(operator: Client) -> None:
    resolved, fresh = (make_world(name).issue for name in ("acme", "globex"))
    operator.post(reverse(LIST), {**RESOLVE, "_selected_action": [resolved.pk]})

    page = operator.post(reverse(LIST), {"action": "acknowledge", "_selected_action": [resolved.pk, fresh.pk]}, follow=True)

    assert "reopen it first" in page.content.decode()
    assert set(Issue.objects.values_list("status", flat=True)) == {"resolved", "acknowledged"}


def test_staff_without_the_right_to_change_issues_cannot_decide() -> None:
    world = make_world("acme")
    looking = member(world.organization, is_staff=True)
    looking.user_permissions.add(Permission.objects.get(codename="view_issue"))
    client = client_of(looking)

    page = client.get(reverse(LIST))
    client.post(reverse(LIST), {**RESOLVE, "_selected_action": [world.issue.pk]})

    assert "acme sentence" in page.content.decode()
    world.issue.refresh_from_db()
    assert world.issue.status == "open"


def test_staff_cannot_decide_on_another_organization_s_issue() -> None:
    world, other = make_world("acme"), make_world("globex")
    staff = member(world.organization, is_staff=True)
    staff.user_permissions.set(Permission.objects.all())

    client_of(staff).post(reverse(LIST), {**RESOLVE, "_selected_action": [world.issue.pk, other.issue.pk]})

    world.issue.refresh_from_db()
    other.issue.refresh_from_db()
    assert (world.issue.status, other.issue.status) == ("resolved", "open")


def test_the_page_shows_evidence_and_history(operator: Client) -> None:
    world = make_world("acme")

    page = operator.get(reverse("admin:issues_issue_change", args=[world.issue.pk])).content.decode()

    assert re.search(r"<dt>Limit</dt><dd>7</dd>", page)
    assert world.issue.sentence in page
    assert "Stage changed" in page, "the candidate's timeline"
