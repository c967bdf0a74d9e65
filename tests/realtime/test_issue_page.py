"""The page of one issue, which is the page of its tasks, too; and what the inbox is narrowed to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from issues.decisions import decide
from issues.lifecycle import Action
from issues.models import Issue, IssueTransition
from tests.browser import Page
from triggers.models import Task

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(acme: Any) -> Client:
    client = Client()
    client.force_login(acme.member("alice"))
    return client


def trouble(acme: Any, **values: Any) -> Issue:
    now = timezone.now()
    given = {"issue_type": "stuck", "severity": "high", "score": 61.0, "sentence": "Waits too long.", "stage": acme.review} | values
    given.setdefault("fingerprint", given["sentence"])
    return Issue.objects.create(
        organization=acme.organization, detected_at=now - timedelta(days=2), opened_at=now, last_seen_at=now, **given
    )


def test_an_issue_is_shown_with_its_evidence_task_and_trail(acme: Any, alice: Client) -> None:
    application = acme.apply(acme.job("Watchmaker"), days_ago=40)
    issue = trouble(acme, application=application, job=application.job, evidence={"limit": {"value": 5, "unit": "bd", "source": "target"}})
    Task.objects.create(organization=acme.organization, issue=issue, title="Call them", priority="high", created_at=timezone.now())
    IssueTransition.objects.create(issue=issue, status_to="acknowledged", reason="seen to", at=timezone.now())

    shown = alice.get(f"/issues/{issue.pk}").content.decode()

    for told in ("Waits too long.", "Grace Hopper", "Watchmaker", "5 business days (target)", "Call them", "seen to", "score 61 of 100"):
        assert told in shown
    assert f'data-item="/ats/issues/{issue.pk}"' in shown


def test_a_group_leads_to_everybody_in_it(acme: Any, alice: Client) -> None:
    job = acme.job()
    group = trouble(acme, job=job, sentence="Two people wait.", is_group=True)
    members = [trouble(acme, job=job, application=acme.apply(job), sentence=f"Case {n}", group=group) for n in range(2)]

    shown = alice.get(f"/issues/{group.pk}").content.decode()

    assert "Who is in it <small>2</small>" in shown
    assert all(f"/issues/{one.pk}" in shown and one.sentence in shown for one in members)
    assert f'href="/issues/{group.pk}">Two people wait.' in alice.get(f"/issues/{members[0].pk}").content.decode()


def test_a_person_costs_the_page_the_same_queries_for_any_number_of_members(
    acme: Any, alice: Client, django_assert_max_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    job = acme.job()
    group = trouble(acme, job=job, sentence="People wait.", is_group=True)
    trouble(acme, job=job, application=acme.apply(job), sentence="Case", group=group)
    with CaptureQueriesContext(connection) as few:
        alice.get(f"/issues/{group.pk}")
    for n in range(10):
        trouble(acme, job=job, application=acme.apply(job), sentence=f"Case {n}", group=group)

    with django_assert_max_num_queries(len(few)):
        alice.get(f"/issues/{group.pk}")


def test_the_address_of_a_task_leads_to_it_on_the_page_of_its_issue(acme: Any, alice: Client) -> None:
    issue = trouble(acme)
    task = Task.objects.create(organization=acme.organization, issue=issue, title="Call them", priority="high", created_at=timezone.now())

    response = alice.get(f"/tasks/{task.pk}")

    assert (response.status_code, response["Location"]) == (302, f"/issues/{issue.pk}#task-{task.pk}")
    assert f'id="task-{task.pk}"' in alice.get(f"/issues/{issue.pk}").content.decode()


def test_the_issues_of_a_stage_are_those_its_number_counts(acme: Any, alice: Client) -> None:
    job = acme.job()
    for stage, sentence in ((acme.review, "In review."), (acme.interview, "In interview.")):
        trouble(acme, job=job, application=acme.apply(job), stage=stage, sentence=sentence)

    job_page = alice.get(f"/jobs/{job.pk}").content.decode()
    assert f"job={job.pk}&amp;stage={acme.review.pk}" in job_page
    shown = alice.get(f"/issues?job={job.pk}&stage={acme.review.pk}").content.decode()

    assert ("In review." in shown, "In interview." in shown) == (True, False)
    assert f"in {job} › Review" in shown


def test_what_an_inbox_shows_can_be_taken_along(acme: Any, alice: Client) -> None:
    job = acme.job("Watchmaker")
    issue = trouble(acme, job=job, application=acme.apply(job), sentence="=1+1")
    trouble(acme, job=job, severity="low", sentence="Hidden by the filter.")
    Task.objects.create(organization=acme.organization, issue=issue, title="Call them", priority="high", created_at=timezone.now())

    issues = alice.get("/issues?severity=high&format=csv").content.decode().splitlines()
    tasks = alice.get("/tasks?format=csv").content.decode().splitlines()

    assert len(issues) == len(tasks) == 2
    assert issues[0].startswith("id,severity,score")
    assert issues[1].split(",")[5:9] == ["'=1+1", "Watchmaker", "Review", "Grace Hopper"], "a sentence never computes"
    assert "Call them" in tasks[1]


def test_an_issue_of_a_stage_without_a_job_is_listed(acme: Any, alice: Client) -> None:
    trouble(acme, issue_type="unmapped_status", sentence="Nobody said what this stage is.")

    assert "Nobody said what this stage is." in alice.get("/issues").content.decode()


@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
def test_an_issue_is_decided_with_one_key_and_what_colleagues_do_is_shown(acme: Any, address: str, page: Page) -> None:
    issue = trouble(acme, job=acme.job())
    page.open(f"{address}/issues/{issue.pk}")
    page.wait_for("document.getElementById('live').dataset.state === 'live'")
    status = "document.querySelector('.head .tag').textContent.trim()"

    page.press("a")
    page.wait_for(f"{status} === 'Acknowledged' && document.querySelector('.trail').textContent.includes('by alice')")
    page.press("u")
    page.wait_for(f"{status} === 'Open'")

    decide(issue_id=issue.pk, action=Action.RESOLVE, actor=acme.member("bob"), now=timezone.now(), reason="hired elsewhere")
    page.wait_for(f"{status} === 'Resolved' && document.querySelector('.trail').textContent.includes('hired elsewhere')")


def test_all_moments_of_the_page_are_of_the_organizations_zone(acme: Any, alice: Client) -> None:
    acme.organization.time_zone = "Asia/Tokyo"
    acme.organization.save()
    application = acme.apply(acme.job("Watchmaker"))
    found = datetime(2026, 3, 5, 20, 15, tzinfo=UTC)
    issue = trouble(acme, application=application, job=application.job, evidence={"entered_at": found.isoformat()})
    Issue.objects.update(detected_at=found, opened_at=found, last_seen_at=found)

    page = alice.get(f"/issues/{issue.pk}").content.decode()

    assert "<dt>In the stage since</dt><dd>6 Mar 2026, 05:15</dd>" in page
    assert "<dt>Last seen by its rule</dt><dd>6 Mar 2026, 05:15</dd>" in page
    assert "20:15" not in page
