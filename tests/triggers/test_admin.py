"""Tasks in the admin: the same rules as everywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest import mock

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from tests.api import client_of
from tests.factories.accounts import UserFactory, member
from tests.factories.analytics import waiting
from tests.factories.issues import issue_about
from tests.factories.triggers import TaskFactory
from tests.factories.worlds import World, make_world
from triggers.models import Task

pytestmark = pytest.mark.django_db

FORM = {"status": "open", "assignee": "", "due_at_0": "", "due_at_1": "", "note": ""}


@pytest.fixture
def acme() -> World:
    return make_world("acme")


@pytest.fixture
def operator() -> Client:
    return client_of(UserFactory(is_staff=True, is_superuser=True))


def change(client: Client, task: Task, **fields: object) -> str:
    return client.post(reverse("admin:triggers_task_change", args=[task.pk]), FORM | fields, follow=True).content.decode()


def test_a_task_is_assigned_and_its_version_rises(operator: Client, acme: World) -> None:
    change(operator, acme.task, assignee=acme.recruiter.pk, note="please")

    acme.task.refresh_from_db()
    assert (acme.task.assignee, acme.task.note, acme.task.version) == (acme.recruiter, "please", 2)


def test_a_task_does_not_go_to_a_stranger(operator: Client, acme: World) -> None:
    page = change(operator, acme.task, assignee=make_world("globex").recruiter.pk)

    assert "That choice is not one of the available choices" in page
    acme.task.refresh_from_db()
    assert acme.task.assignee is None


def test_illegal_transitions_are_refused_with_a_sentence(operator: Client, acme: World) -> None:
    Task.objects.filter(pk=acme.task.pk).update(status="obsolete")

    page = change(operator, acme.task, status="open")

    assert "cannot become open" in page


def test_tasks_are_ended_in_bulk_within_one_s_organization(acme: World) -> None:
    other = make_world("globex")
    staff = member(acme.organization, is_staff=True)
    staff.user_permissions.set(Permission.objects.all())

    client_of(staff).post(
        reverse("admin:triggers_task_changelist"), {"action": "mark_done", "_selected_action": [acme.task.pk, other.task.pk]}
    )

    acme.task.refresh_from_db()
    other.task.refresh_from_db()
    assert (acme.task.status, other.task.status) == ("done", "open")


def test_today_is_the_day_of_the_organization(acme: World, operator: Client) -> None:
    """In Auckland it is half past ten in the morning of the 15th."""
    acme.organization.time_zone = "Pacific/Auckland"
    acme.organization.save()
    Task.objects.filter(pk=acme.task.pk).update(rule=None, title="Tonight", due_at=datetime(2026, 9, 15, 11, 59, tzinfo=UTC))
    TaskFactory(issue=issue_about(waiting(acme.job, acme.stage)), title="Tomorrow", due_at=datetime(2026, 9, 15, 12, 0, tzinfo=UTC))

    with mock.patch("triggers.admin.timezone.now", return_value=datetime(2026, 9, 14, 22, 30, tzinfo=UTC)):
        page = operator.get(reverse("admin:triggers_task_changelist"), {"due": "today"}).content.decode()

    assert "Tonight" in page
    assert "Tomorrow" not in page
