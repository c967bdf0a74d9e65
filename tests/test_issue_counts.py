"""However somebody asks how many issues are open, the answer is the same: nobody has decided yet, and a group counts once."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role
from analytics import services
from ats.selectors import TO_DECIDE
from config import demo
from issues.models import Issue
from issues.selectors import to_decide
from tests.api import all_rows, client_of
from tests.factories.accounts import OrganizationFactory, UserFactory, member
from tests.factories.analytics import waiting
from tests.factories.ats import JobFactory, StageFactory
from tests.factories.connectors import ConnectorFactory
from tests.factories.issues import IssueFactory, issue_about
from triggers.landing import critical_issues

pytestmark = pytest.mark.django_db

#: of two groups one (with three members), two single ones, and one about the connector; the other statuses are decided on
OPEN = 4


@pytest.fixture
def organization() -> Any:
    organization = OrganizationFactory(slug=demo.ORGANIZATION)
    connector = ConnectorFactory(organization=organization)
    stages = [StageFactory(connector=connector, name=name, category=name) for name in ("screen", "offer")]
    jobs = [JobFactory(connector=connector, status="open") for _ in range(2)]
    for job in jobs:
        for stage in stages:
            waiting(job, stage, days=3)
    for status, stage in (("open", stages[0]), ("acknowledged", stages[1])):
        group = IssueFactory(organization=organization, job=jobs[0], stage=stage, is_group=True, status=status)
        for _ in range(3):
            issue_about(waiting(jobs[0], stage, days=30), group=group)
    for status in ("open", "open", "acknowledged", "snoozed", "resolved"):
        issue_about(waiting(jobs[1], stages[1], days=30), status=status, severity="critical")
    IssueFactory(organization=organization, connector=connector, issue_type="sync_stale")
    services.refresh_cells(organization_id=organization.pk, as_of=timezone.now())
    return organization


@pytest.fixture
def api(organization: Any) -> Client:
    return client_of(member(organization, Role.RECRUITER, username="recruiter"))


def listed(api: Client, **asked: Any) -> int:
    return len(list(all_rows(api, "/ats/issues", status="open", **asked)))


def test_every_cell_counts_what_the_list_of_its_issues_shows(api: Client) -> None:
    jobs = list(all_rows(api, "/ats/jobs"))
    for job in jobs:
        answer = api.get(f"/ats/jobs/{job['id']}/heatmap").json()
        for cell in answer["stages"]:
            assert cell["issues_open"] == listed(api, job=job["id"], stage=cell["stage"]["id"])
        assert answer["issues_open"] == job["issues_open"] == listed(api, job=job["id"])
    board = api.get("/ats/heatmap").json()["rows"]
    assert {row["job"]["id"]: row["issues_open"] for row in board} == {job["id"]: job["issues_open"] for job in jobs}
    assert [sum(cell["issues_open"] for cell in row["cells"]) for row in board] == [row["issues_open"] for row in board]
    about_no_job = 1
    assert sum(job["issues_open"] for job in jobs) + about_no_job == listed(api) == OPEN


def test_pages_the_admin_and_the_demo_count_the_same(api: Client, organization: Any) -> None:
    board = api.get("/").content.decode()
    assert f'data-tile="issues" data-sum="{OPEN}"' in board
    assert f"<h1>Issues <small>{OPEN}" in api.get("/issues").content.decode()
    assert f"{OPEN} open issues" in demo.standing()

    admin = client_of(UserFactory(username="olga", is_staff=True, is_superuser=True))
    inbox = admin.get(reverse("admin:issues_issue_changelist"), {"status__exact": "open"})
    assert inbox.context_data["cl"].result_count == OPEN
    chips = {chip["word"]: chip["total"] for chip in inbox.context_data["severity_chips"]}
    landing = admin.get(reverse("admin:index"))
    tiles = {tile["word"]: tile["count"] for tile in landing.context_data["severity_tiles"]}
    assert chips == tiles
    assert sum(tiles.values()) == OPEN
    critical = listed(api, severity="critical")
    assert tiles["critical"] == critical == 2
    assert critical_issues(landing.wsgi_request) == critical, "the side bar counts the critical ones"


def test_members_are_listed_where_somebody_asks_for_them(api: Client) -> None:
    group = Issue.objects.get(is_group=True, status="open")
    assert listed(api, in_group="any") == OPEN + 6
    assert listed(api, in_group="true") == 6
    assert listed(api, group=group.pk) == 3
    assert api.get("/ats/issues", {"in_group": "perhaps"}).status_code == 400


def test_whoever_is_in_trouble_is_shown_with_it_though_somebody_has_decided(api: Client) -> None:
    Issue.objects.update(status="acknowledged")
    cell = Issue.objects.filter(application__isnull=False).first()
    assert cell is not None

    people = list(all_rows(api, f"/ats/jobs/{cell.job_id}/stage/{cell.stage_id}/candidates"))

    assert any(person["issues"] for person in people)


def test_earlier_apps_know_the_same_condition(organization: Any) -> None:
    through_jobs = organization.jobs.filter(TO_DECIDE).values_list("issues", flat=True)
    assert sorted(through_jobs) == sorted(to_decide(Issue.objects.exclude(job=None)).values_list("pk", flat=True))
