"""What happens to tasks because time passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Organization, Role, User
from connectors.models import Batch, Connector
from issues.models import Issue
from tests.factories.accounts import member
from tests.factories.analytics import StageVisitFactory
from tests.factories.connectors import BatchFactory
from tests.factories.issues import issue_about
from tests.factories.triggers import AbsenceFactory, EscalationStepFactory, TriggerRuleFactory
from triggers.models import Task, TaskChange, TriggerRule
from triggers.reminders import escalate, hand_over, organizations_with_work
from triggers.services import open_tasks, rearm

pytestmark = pytest.mark.django_db

MONDAY = datetime(2026, 6, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)


class Office:
    """An organization with a recruiter, a hiring manager and a coordinator; one issue, and a rule with a ladder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.at(MONDAY)
        self.issue: Issue = issue_about(StageVisitFactory(began=MONDAY - 20 * DAY), severity="high", opened_at=MONDAY)
        self.organization: Organization = self.issue.organization
        self.recruiter = member(self.organization, Role.RECRUITER, username="rita")
        self.manager = member(self.organization, Role.HIRING_MANAGER, username="henry")
        self.coordinator = member(self.organization, Role.COORDINATOR, username="cora")
        self.rule: TriggerRule = TriggerRuleFactory(organization=self.organization, due_in_business_days=2)

    def at(self, now: datetime) -> None:
        self._monkeypatch.setattr(timezone, "now", lambda: now)

    def rung(self, days: float, role: Role = Role.HIRING_MANAGER, **fields: Any) -> None:
        EscalationStepFactory(rule=self.rule, after_business_days=days, assignee_role=role, **fields)

    def open(self) -> Task:
        open_tasks(BatchFactory(connector=self.issue.application.connector, application_ids=[self.issue.application_id]))
        return self.task

    @property
    def task(self) -> Task:
        return Task.objects.get()

    def fresh(self, at: datetime) -> datetime:
        Connector.objects.update(fresh_at=at)
        return at

    def climb(self, at: datetime) -> int:
        return escalate(self.organization, self.fresh(at))


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    return Office(monkeypatch)


def trail() -> list[tuple[str, str, str]]:
    return list(TaskChange.objects.exclude(what="opened").order_by("pk").values_list("what", "before", "after"))


def test_day_one_the_owner_day_three_the_manager(office: Office) -> None:
    office.rung(1, Role.RECRUITER, hand_over=False)
    office.rung(3)
    assert office.open().assignee == office.recruiter

    assert office.climb(MONDAY + DAY - timedelta(seconds=1)) == 0
    assert office.climb(MONDAY + DAY) == 1
    assert (office.task.assignee, office.task.level) == (office.recruiter, 1)
    assert office.climb(MONDAY + 3 * DAY) == 1

    assert (office.task.assignee, office.task.role, office.task.level) == (office.manager, Role.HIRING_MANAGER, 2)
    assert office.task.escalate_at is None
    assert trail() == [("escalated", "", "rita"), ("escalated", "rita", "henry")]


def test_weekends_do_not_climb_ladders(office: Office) -> None:
    office.at(MONDAY + 4 * DAY)
    office.rung(1)
    office.open()

    assert office.climb(MONDAY + 6 * DAY) == 0, "Sunday"
    assert office.climb(MONDAY + 7 * DAY) == 1, "Monday"


def test_climbing_twice_at_one_moment_is_climbing_once(office: Office) -> None:
    office.rung(1)
    office.open()

    assert [office.climb(MONDAY + DAY) for _ in range(2)] == [1, 0]
    assert office.task.version == 2


def test_missed_rungs_are_climbed_together_and_one_person_hears_of_it(office: Office) -> None:
    for days, role in ((1, Role.COORDINATOR), (2, Role.RECRUITER), (3, Role.HIRING_MANAGER)):
        office.rung(days, role)
    office.open()

    assert office.climb(MONDAY + 9 * DAY) == 1
    assert (office.task.level, office.task.assignee) == (3, office.manager)


@pytest.mark.parametrize("status", [Issue.Status.ACKNOWLEDGED, Issue.Status.SNOOZED])
def test_an_issue_somebody_answered_nags_nobody_until_it_is_open_again(office: Office, status: str) -> None:
    office.rung(1)
    office.open()
    Issue.objects.update(status=status)

    assert office.climb(MONDAY + 2 * DAY) == 0
    Issue.objects.update(status=Issue.Status.OPEN)
    assert office.climb(MONDAY + 2 * DAY) == 1


def test_with_stale_data_nobody_is_nagged(office: Office) -> None:
    office.rung(1)
    office.open()
    late = MONDAY + 2 * DAY
    office.fresh(late - 9 * DAY)

    assert escalate(office.organization, late) == 0
    assert office.task.escalate_at is not None
    assert office.task.escalate_at > late
    assert office.climb(late + timedelta(hours=1)) == 1


def test_what_somebody_is_at_work_on_is_not_taken_from_them(office: Office) -> None:
    office.rung(1)
    office.open()
    Task.objects.update(status=Task.Status.IN_PROGRESS)

    assert office.climb(MONDAY + DAY) == 1
    assert office.task.assignee == office.recruiter
    assert trail() == [("escalated", "", "henry")], "the manager is told"


@pytest.mark.parametrize("status", [Task.Status.DONE, Task.Status.DISMISSED, Task.Status.OBSOLETE])
def test_an_ended_task_climbs_no_more(office: Office, status: str) -> None:
    office.rung(1)
    office.open()
    Task.objects.update(status=status)

    assert office.climb(MONDAY + 5 * DAY) == 0


def test_a_ladder_edited_afterwards_holds_for_tasks_that_are_open_already(office: Office) -> None:
    office.open()
    assert office.task.escalate_at is None
    office.rung(2)

    assert [rearm(office.rule) for _ in range(2)] == [1, 0]
    assert office.task.escalate_at == MONDAY + 2 * DAY
    office.rule.ladder.all().delete()
    assert rearm(office.rule) == 1
    assert office.task.escalate_at is None


def away(office: Office, user: User, days: int = 3, **fields: Any) -> None:
    AbsenceFactory(organization=office.organization, user=user, first_day=MONDAY.date(), last_day=(MONDAY + days * DAY).date(), **fields)


def test_new_tasks_go_past_who_is_away(office: Office) -> None:
    away(office, office.recruiter, substitute=office.coordinator)

    assert office.open().assignee == office.coordinator


def test_tasks_of_who_is_away_are_handed_over_once(office: Office) -> None:
    office.open()
    away(office, office.recruiter, substitute=office.coordinator)

    assert [hand_over(office.organization, MONDAY) for _ in range(2)] == [1, 0]
    assert office.task.assignee == office.coordinator
    assert trail() == [("handed_over", "rita", "cora")]
    assert Batch.objects.get(step="realtime.push").job_ids == [office.issue.job_id], "screens hear of it"


def test_what_is_due_when_they_are_back_waits_for_them(office: Office) -> None:
    office.open()
    away(office, office.recruiter, days=0, substitute=office.coordinator)

    assert hand_over(office.organization, MONDAY) == 0, "due on Wednesday, back on Tuesday"


def test_without_a_substitute_a_colleague_of_the_role_takes_it_and_else_nobody(office: Office) -> None:
    office.open()
    away(office, office.recruiter)

    assert hand_over(office.organization, MONDAY) == 0
    colleague = member(office.organization, Role.RECRUITER)
    assert hand_over(office.organization, MONDAY) == 1
    assert office.task.assignee == colleague


def test_an_absence_begins_and_ends_with_the_organization_s_day(office: Office) -> None:
    office.organization.time_zone = "Pacific/Auckland"  # 12 hours ahead of UTC in June
    office.organization.save()
    office.open()
    AbsenceFactory(
        organization=office.organization, user=office.recruiter, substitute=office.coordinator,
        first_day=(MONDAY + DAY).date(), last_day=(MONDAY + 4 * DAY).date(),
    )  # fmt: skip

    assert hand_over(office.organization, MONDAY.replace(hour=11, minute=59)) == 0
    assert hand_over(office.organization, MONDAY.replace(hour=12)) == 1, "Tuesday has begun in Auckland"


def test_only_organizations_with_work_are_looked_at(office: Office) -> None:
    office.rung(1)
    office.open()

    assert list(organizations_with_work(MONDAY)) == []
    assert list(organizations_with_work(MONDAY + DAY)) == [office.organization]
    away(office, office.manager)
    assert list(organizations_with_work(MONDAY)) == [office.organization]


def test_a_task_follows_its_issue_s_severity_unless_its_rule_says_otherwise(office: Office) -> None:
    office.open()
    Issue.objects.update(severity="critical")
    assert (office.open().priority, office.task.version) == ("critical", 2)

    Task.objects.update(follows_severity=False)
    Issue.objects.update(severity="low")
    assert (office.open().priority, office.task.version) == ("critical", 2)


def test_an_issue_of_a_whole_job_gets_its_task_and_loses_it(office: Office) -> None:
    Issue.objects.update(application=None, visit=None)
    batch = BatchFactory(connector=office.issue.job.connector, job_ids=[office.issue.job_id])

    open_tasks(batch)
    assert office.task.status == Task.Status.OPEN
    Issue.objects.update(status=Issue.Status.RESOLVED)
    open_tasks(batch)
    assert office.task.status == Task.Status.OBSOLETE
