"""The machine's tasks: one per open issue, by the organization's own rules."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Role
from connectors.models import Batch
from issues.models import Issue
from tests.factories.accounts import member
from tests.factories.analytics import StageVisitFactory
from tests.factories.connectors import BatchFactory
from tests.factories.issues import issue_about
from tests.factories.triggers import TriggerRuleFactory
from triggers.models import Task
from triggers.services import open_tasks, plays_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def issue() -> Issue:
    return issue_about(StageVisitFactory(), severity="high", opened_at=timezone.now() - timedelta(hours=1))


def batch_about(issue: Issue) -> Batch:
    return BatchFactory(connector=issue.application.connector, application_ids=[issue.application_id])


def test_an_open_issue_gets_one_task_however_often_it_is_asked(issue: Issue) -> None:
    recruiter = member(issue.organization)

    for _ in range(2):
        open_tasks(batch_about(issue))

    task = Task.objects.get()
    assert (task.issue, task.assignee, task.status, task.priority) == (issue, recruiter, Task.Status.OPEN, "high")
    assert task.title == f"{issue.job.title}: {issue.sentence}"
    assert task.due_at > timezone.now()


@pytest.mark.parametrize("status", [Issue.Status.ACKNOWLEDGED, Issue.Status.SNOOZED, Issue.Status.RESOLVED])
def test_an_issue_that_is_not_open_asks_nobody(issue: Issue, status: str) -> None:
    Issue.objects.update(status=status)

    open_tasks(batch_about(issue))

    assert not Task.objects.exists()


@pytest.mark.parametrize(
    ("status", "after"), [("open", "obsolete"), ("in_progress", "obsolete"), ("done", "done"), ("dismissed", "dismissed")]
)
def test_when_the_issue_is_gone_only_unfinished_tasks_become_obsolete(issue: Issue, status: str, after: str) -> None:
    open_tasks(batch_about(issue))
    Task.objects.update(status=status)
    Issue.objects.update(status=Issue.Status.RESOLVED)

    open_tasks(batch_about(issue))

    task = Task.objects.get()
    assert task.status == after
    assert (task.ended_at is not None) is (after == "obsolete")


@pytest.mark.parametrize(("ended", "asked_again"), [(timedelta(minutes=-30), False), (timedelta(hours=-2), True)])
def test_a_task_ended_since_the_issue_opened_counts_and_one_from_before_does_not(issue: Issue, ended: timedelta, asked_again: bool) -> None:
    open_tasks(batch_about(issue))
    Task.objects.update(status=Task.Status.DONE, ended_at=timezone.now() + ended)

    open_tasks(batch_about(issue))

    assert Task.objects.filter(status=Task.Status.OPEN).exists() is asked_again


def test_other_applications_are_left_alone(issue: Issue) -> None:
    issue_about(StageVisitFactory())

    open_tasks(batch_about(issue))

    assert Task.objects.get().issue == issue


def test_an_organizations_rules_are_tried_from_the_particular_to_the_general(issue: Issue) -> None:
    organization = issue.organization
    TriggerRuleFactory(organization=organization, title_template="general")
    TriggerRuleFactory(organization=organization, issue_type="stuck", title_template="particular", assignee_role=Role.HIRING_MANAGER)
    TriggerRuleFactory(organization=organization, issue_type="stuck", title_template="switched off", enabled=False)
    TriggerRuleFactory(title_template="somebody else's")
    manager = member(organization, Role.HIRING_MANAGER)
    member(organization, Role.RECRUITER)

    open_tasks(batch_about(issue))

    assert [play.title_template for play in plays_of(organization.pk)] == ["particular", "general"]
    assert (Task.objects.get().title, Task.objects.get().assignee) == ("particular", manager)


def test_an_organization_that_switched_all_rules_off_gets_no_tasks(issue: Issue) -> None:
    TriggerRuleFactory(organization=issue.organization, enabled=False)

    open_tasks(batch_about(issue))

    assert not Task.objects.exists()


def test_who_may_not_log_in_any_more_is_asked_nothing(issue: Issue) -> None:
    member(issue.organization, is_active=False)

    open_tasks(batch_about(issue))

    assert Task.objects.get().assignee is None
