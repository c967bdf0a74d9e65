from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from ats.models import Application
from issues import retention, tasks
from issues.models import Issue, IssueTransition
from tests.factories.analytics import waiting
from tests.factories.ats import JobFactory, StageFactory
from tests.factories.issues import IssueTransitionFactory, issue_about
from tests.factories.triggers import TaskFactory
from triggers.models import Task

pytestmark = pytest.mark.django_db


def resolved(*, years: float, by: str = "rule", status: str = "rejected") -> Issue:
    job = JobFactory()
    visit = waiting(job, StageFactory(connector=job.connector), days=10)
    Application.objects.filter(pk=visit.application_id).update(status=status)
    issue = issue_about(visit)
    issue.status, issue.resolved_by, issue.resolved_at = "resolved", by, timezone.now() - timedelta(days=365 * years)
    issue.save()
    return issue


def test_what_was_resolved_long_ago_goes_with_its_tasks_and_decisions_and_nothing_else() -> None:
    old, old_by_person, recent = resolved(years=3), resolved(years=3, by="person"), resolved(years=1)
    still_open = resolved(years=3)
    Issue.objects.filter(pk=still_open.pk).update(status="open", resolved_at=None, resolved_by="")
    for issue in (old, recent):
        IssueTransitionFactory(issue=issue)
        TaskFactory(issue=issue)

    assert tasks.prune() == 2

    assert set(Issue.objects.all()) == {recent, still_open}
    assert {one.issue_id for one in IssueTransition.objects.all()} == {recent.pk} == {one.issue_id for one in Task.objects.all()}
    assert not Issue.objects.filter(pk=old_by_person.pk).exists()


@pytest.mark.parametrize("status", ["active", "on_hold"])
def test_a_persons_word_outlasts_any_age_while_the_application_is_in_play(status: str) -> None:
    kept, gone = resolved(years=9, by="person", status=status), resolved(years=9, by="rule", status=status)
    assert retention.prune(before=timezone.now()) == 1
    assert set(Issue.objects.all()) == {kept} != {gone}


def test_chunks_are_gone_through_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CHUNK", 2)
    for _ in range(5):
        resolved(years=3)
    assert retention.prune(before=timezone.now()) == 5
