"""Decisions of people: written once, remembered, and told on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from config import flow
from connectors.models import Batch
from issues.decisions import StaleVersion, decide, decide_all
from issues.lifecycle import Action, IllegalAction
from issues.models import Issue
from tests.factories.accounts import UserFactory
from tests.factories.analytics import StageVisitFactory
from tests.factories.issues import issue_about

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture
def issue() -> Issue:
    return issue_about(StageVisitFactory(began=NOW - timedelta(days=30)), detected_at=NOW - timedelta(days=5))


@pytest.fixture
def alice() -> User:
    made: User = UserFactory(username="alice")
    return made


def test_a_decision_leaves_one_line_in_the_audit_trail(issue: Issue, alice: User) -> None:
    decide(issue_id=issue.pk, action=Action.RESOLVE, actor=alice, now=NOW, reason="offer is out")

    issue.refresh_from_db()
    assert (issue.status, issue.resolved_by, issue.resolved_at, issue.version) == ("resolved", "person", NOW, 2)
    (line,) = issue.transitions.all()
    assert (line.status_from, line.status_to, line.actor, line.reason, line.at) == ("open", "resolved", alice, "offer is out", NOW)


def test_deciding_what_is_already_so_changes_nothing(issue: Issue, alice: User) -> None:
    for _ in range(2):
        decide(issue_id=issue.pk, action=Action.ACKNOWLEDGE, actor=alice, now=NOW)

    issue.refresh_from_db()
    assert (issue.version, issue.transitions.count()) == (2, 1)


def test_a_snooze_can_be_made_longer(issue: Issue, alice: User) -> None:
    for days in (1, 3):
        decide(issue_id=issue.pk, action=Action.SNOOZE, actor=alice, now=NOW, until=NOW + timedelta(days=days))

    issue.refresh_from_db()
    assert (issue.snoozed_until, issue.transitions.count()) == (NOW + timedelta(days=3), 2)


@pytest.mark.parametrize("until", [None, NOW, NOW - timedelta(days=1), NOW + timedelta(days=400)])
def test_a_snooze_must_end_in_the_future_and_within_a_year(issue: Issue, alice: User, until: object) -> None:
    with pytest.raises(ValueError, match="within a year"):
        decide(issue_id=issue.pk, action=Action.SNOOZE, actor=alice, now=NOW, until=until)  # type: ignore[arg-type]


def test_acknowledging_ends_a_snooze(issue: Issue, alice: User) -> None:
    decide(issue_id=issue.pk, action=Action.SNOOZE, actor=alice, now=NOW, until=NOW + timedelta(days=1))
    decide(issue_id=issue.pk, action=Action.ACKNOWLEDGE, actor=alice, now=NOW)

    issue.refresh_from_db()
    assert (issue.status, issue.snoozed_until) == ("acknowledged", None)


def test_a_reopened_issue_is_open_from_now_and_detected_when_it_was(issue: Issue, alice: User) -> None:
    decide(issue_id=issue.pk, action=Action.RESOLVE, actor=alice, now=NOW - timedelta(days=1))
    decide(issue_id=issue.pk, action=Action.REOPEN, actor=alice, now=NOW)

    issue.refresh_from_db()
    assert (issue.status, issue.resolved_at, issue.resolved_by) == ("open", None, "")
    assert (issue.opened_at, issue.detected_at) == (NOW, NOW - timedelta(days=5))


def test_an_issue_of_a_visit_that_ended_is_not_reopened(issue: Issue, alice: User) -> None:
    decide(issue_id=issue.pk, action=Action.RESOLVE, actor=alice, now=NOW)
    assert issue.visit is not None
    issue.visit.left_at = NOW
    issue.visit.save()

    with pytest.raises(IllegalAction, match="left that stage"):
        decide(issue_id=issue.pk, action=Action.REOPEN, actor=alice, now=NOW)


def test_a_decision_on_what_changed_meanwhile_is_refused(issue: Issue, alice: User) -> None:
    decide(issue_id=issue.pk, action=Action.ACKNOWLEDGE, actor=alice, now=NOW, expected_version=1)
    with pytest.raises(StaleVersion):
        decide(issue_id=issue.pk, action=Action.RESOLVE, actor=alice, now=NOW, expected_version=1)

    issue.refresh_from_db()
    assert issue.status == "acknowledged"


def test_tasks_the_due_queue_and_screens_follow_by_the_road(issue: Issue, alice: User) -> None:
    decide(issue_id=issue.pk, action=Action.RESOLVE, actor=alice, now=NOW)

    batch = Batch.objects.get(kind=Batch.Kind.RECHECK)
    assert issue.application is not None
    assert (batch.step, batch.application_ids, batch.connector) == (flow.DETECT, [issue.application_id], issue.application.connector)


def test_a_decision_on_many_is_one_batch_and_each_has_its_line(alice: User) -> None:
    first = issue_about(StageVisitFactory(began=NOW - timedelta(days=30)))
    others = [issue_about(StageVisitFactory(began=NOW - timedelta(days=9), job=first.job)) for _ in range(3)]
    decide(issue_id=first.pk, action=Action.RESOLVE, actor=alice, now=NOW)
    Batch.objects.all().delete()

    chosen = [first, *others]
    refusals = decide_all(issue_ids=[one.pk for one in chosen], action=Action.ACKNOWLEDGE, actor=alice, now=NOW, reason="mine")

    assert list(refusals) == [first.pk]
    assert "resolved" in refusals[first.pk]
    for one in others:
        one.refresh_from_db()
        (line,) = one.transitions.all()
        assert (one.status, line.actor, line.reason) == ("acknowledged", alice, "mine")
    batch = Batch.objects.get()
    assert batch.application_ids == sorted(one.application_id for one in others if one.application_id)
