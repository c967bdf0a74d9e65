"""What is remembered of a heatmap is never out of date, and finished answers say what the others say."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from rest_framework.renderers import JSONRenderer

from accounts.models import Organization
from analytics import baselines, changes, finished, services
from analytics.calendars import save_calendar
from analytics.cells import Question
from analytics.live import STEP, live, step_of
from analytics.models import Change, StageMetric, StageTarget, StageVisit, WorkingCalendar
from analytics.paging import ALL
from analytics.selectors import job_heatmap, org_heatmap, top
from ats.models import Application, Candidate, Job, Stage
from connectors.events import StageCategory
from issues.models import Issue
from tests.analytics.test_derive_against_oracle import Tenant
from tests.factories.accounts import OrganizationFactory, member
from tests.factories.analytics import waiting
from tests.factories.ats import CandidateEventFactory, JobFactory, StageFactory
from tests.factories.connectors import ConnectorFactory
from tests.factories.issues import issue_about
from tests.oracles.histories import seeded_history

committed = pytest.mark.django_db(transaction=True)


class Company:
    """One job with three people in one stage, and a member who looks at it."""

    def __init__(self) -> None:
        self.organization: Organization = OrganizationFactory(slug="acme")
        self.connector = ConnectorFactory(organization=self.organization)
        self.job: Job = JobFactory(connector=self.connector, title="Platform engineer", department="Tech")
        self.stage: Stage = StageFactory(connector=self.connector, name="Phone screen", category=StageCategory.SCREEN)
        self.visits: list[StageVisit] = [waiting(self.job, self.stage, days=days) for days in (5, 20, 40)]
        self.issue: Issue = issue_about(self.visits[0])
        services.refresh_cells(organization_id=self.organization.pk, as_of=timezone.now())
        self.client = Client()
        self.client.force_login(member(self.organization))

    def addresses(self) -> tuple[str, ...]:
        return "/ats/heatmap", "/ats/heatmap?page_size=1", f"/ats/jobs/{self.job.pk}/heatmap"


@pytest.fixture
def company() -> Company:
    return Company()


def leave(company: Company) -> None:
    StageVisit.objects.filter(pk=company.visits[2].pk).update(left_at=timezone.now(), exit_kind="advanced", exit_precision="exact")
    StageMetric.objects.filter(job=company.job).update(open=2, dirty=True)


def hold(company: Company) -> None:
    CandidateEventFactory(
        organization=company.organization,
        connector=company.connector,
        application=None,
        job=company.job,
        event_type="job_status_changed",
        metadata={"status": "on_hold"},
        occurred_at=timezone.now() - timedelta(days=30),
    )


def office_hours(company: Company) -> None:
    calendar = WorkingCalendar.objects.get(organization=company.organization)
    calendar.working_days = [0, 2]
    save_calendar(calendar)


def row_of(answer: Any) -> Any:
    """The first cell of the screen stage and what stands around it."""
    row = answer["rows"][0] if "rows" in answer else answer
    cells = row.get("cells") or row["stages"]
    return row, next(cell for cell in cells if cell["open"])


CHANGES: dict[str, tuple[Callable[[Company], Any], Callable[[Any, Any, Any], Any]]] = {
    "somebody leaves": (leave, lambda answer, row, cell: (cell["open"], row["open"])),
    "a percentile is computed": (
        lambda company: StageMetric.objects.update(n=40, n_exits=30, bd_p50=2.5),
        lambda answer, row, cell: cell["p50"]["value"],
    ),
    "a job is renamed": (lambda company: Job.objects.update(title="Engineer"), lambda answer, row, cell: row["job"]["title"]),
    "an issue is resolved": (lambda company: Issue.objects.update(status="resolved"), lambda answer, row, cell: cell["issues_open"]),
    "a target is set": (
        lambda company: StageTarget.objects.create(organization=company.organization, category="screen", business_days=3),
        lambda answer, row, cell: (cell["limit"]["value"], cell["overdue_days"]),
    ),
    "a job goes on hold": (hold, lambda answer, row, cell: (cell["bands"], cell["overdue_days"])),
    "the week gets shorter": (office_hours, lambda answer, row, cell: cell["overdue_days"]),
    "a connector syncs": (
        lambda company: company.connector.__class__.objects.update(fresh_at=timezone.now()),
        lambda answer, row, cell: answer["freshness"]["fresh_at"],
    ),
}


@committed
@pytest.mark.parametrize("what", CHANGES)
def test_a_committed_change_shows_at_once(company: Company, what: str) -> None:
    change, told = CHANGES[what]
    before = {address: company.client.get(address) for address in company.addresses()}

    change(company)

    for address, first in before.items():
        again = company.client.get(address, headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 200, "a change must not hide behind a 304"
        old, new = first.json(), again.json()
        assert told(new, *row_of(new)) != told(old, *row_of(old)), address
        assert again.headers["ETag"] != first.headers["ETag"]


@committed
def test_an_organization_that_moves_is_read_again(company: Company) -> None:
    before = live([company.organization.pk], "bd", by_category=True).versions
    assert live([company.organization.pk], "bd", by_category=True).versions == before

    Organization.objects.update(time_zone="Pacific/Kiritimati")

    assert live([company.organization.pk], "bd", by_category=True).versions != before


@committed
def test_the_category_of_a_stage_moves_its_people_to_another_column(company: Company) -> None:
    company.client.get("/ats/heatmap")

    Stage.objects.update(category="offer")

    (row,) = company.client.get("/ats/heatmap").json()["rows"]
    assert [cell["open"] for cell in row["cells"]] == [0, 0, 0, 0, 0, 3]


@committed
def test_a_new_job_and_a_deleted_one_show_at_once(company: Company) -> None:
    def titles() -> list[str]:
        return [row["job"]["title"] for row in company.client.get("/ats/heatmap").json()["rows"]]

    assert titles() == ["Platform engineer"]
    other = JobFactory(connector=company.connector, title="Baker")
    assert titles() == ["Platform engineer", "Baker"]
    other.delete()
    assert titles() == ["Platform engineer"]


@committed
def test_what_commits_late_is_seen_though_its_number_is_old(company: Company) -> None:
    """A transaction writes, another one commits after it began, somebody looks, and only then the first commits."""
    address = connection.get_connection_params()
    with psycopg.connect(
        host=address["host"], port=address.get("port"), dbname=address["dbname"], user=address["user"], password=address.get("password")
    ) as slow:
        slow.execute("update ats_job set title = 'Renamed slowly' where id = %s", [company.job.pk])
        Stage.objects.update(name="Renamed quickly")
        first = company.client.get("/ats/heatmap")
        assert first.json()["rows"][0]["job"]["title"] == "Platform engineer"

        slow.commit()

    again = company.client.get("/ats/heatmap", headers={"If-None-Match": first.headers["ETag"]})
    assert again.json()["rows"][0]["job"]["title"] == "Renamed slowly"


@committed
def test_the_same_question_has_the_same_answer_and_costs_four_queries(company: Company, django_assert_num_queries: Any) -> None:
    for address in company.addresses():
        while True:
            first = company.client.get(address)
            # session, user, memberships, changes
            with django_assert_num_queries(4) as counted:
                again = company.client.get(address, headers={"If-None-Match": first.headers["ETag"]})
            if again.status_code == 304 or first.json()["as_of"] == again.json()["as_of"]:
                break  # else a step of time lay between the two
            counted.captured_queries.clear()
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["Cache-Control"] == "private, no-cache"


@committed
@pytest.mark.parametrize("stage", ["screen", "Phone screen"])
def test_a_page_of_people_takes_yardstick_and_calendar_from_what_is_remembered(
    company: Company, stage: str, django_assert_num_queries: Any
) -> None:
    address = f"/ats/jobs/{company.job.pk}/stage/{stage}/candidates"
    assert {row["band"] for row in company.client.get(address).json()["results"]} != {"critical"}

    # session, user, memberships, changes, page, issues
    with django_assert_num_queries(6):
        assert len(company.client.get(address).json()["results"]) == 3

    StageTarget.objects.create(organization=company.organization, category="screen", business_days=0.5)
    assert {row["band"] for row in company.client.get(address).json()["results"]} == {"critical"}


@committed
def test_a_cell_without_issues_is_not_asked_for_them_until_there_is_one(company: Company, django_assert_num_queries: Any) -> None:
    address = f"/ats/jobs/{company.job.pk}/stage/screen/candidates"
    Issue.objects.update(status="resolved")
    assert [row["issues"] for row in company.client.get(address).json()["results"]] == [[], [], []]
    # session, user, memberships, changes, page
    with django_assert_num_queries(5):
        company.client.get(address)

    Issue.objects.update(status="open")

    assert sum(len(row["issues"]) for row in company.client.get(address).json()["results"]) == 1


@committed
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda company: Stage.objects.update(name="Renamed"), lambda row: row["stage"]["name"]),
        (lambda company: Candidate.objects.update(name="Renamed"), lambda row: row["candidate"]["name"]),
        (lambda company: Application.objects.update(status="on_hold"), lambda row: row["application"]["status"]),
        (lambda company: Issue.objects.update(sentence="Renamed"), lambda row: [one["sentence"] for one in row["issues"]]),
    ],
)
def test_a_page_of_people_tells_a_committed_change_at_once(
    company: Company, change: Callable[[Company], Any], told: Callable[[Any], Any]
) -> None:
    address = f"/ats/jobs/{company.job.pk}/stage/{company.stage.pk}/candidates"
    before = [told(row) for row in company.client.get(address).json()["results"]]

    change(company)

    assert [told(row) for row in company.client.get(address).json()["results"]] != before


@committed
def test_the_next_job_costs_only_what_is_its_own(company: Company, django_assert_num_queries: Any) -> None:
    others = [JobFactory(connector=company.connector, title=title) for title in ("Baker", "Cook")]
    for job in others:
        waiting(job, company.stage, days=3)
    services.refresh_cells(organization_id=company.organization.pk, as_of=timezone.now())
    company.client.get(f"/ats/jobs/{others[0].pk}/heatmap")

    # session, user, memberships, changes; job, waiting people, metrics, issues, holds; connectors
    with django_assert_num_queries(10):
        (stage,) = company.client.get(f"/ats/jobs/{others[1].pk}/heatmap").json()["stages"]
    assert stage["open"] == 1


@committed
def test_a_stage_that_came_after_the_others_were_read_is_shown(company: Company) -> None:
    company.client.get(f"/ats/jobs/{company.job.pk}/heatmap")
    late = StageFactory(connector=company.connector, name="Late", category=StageCategory.OFFER)
    waiting(company.job, late, days=1)
    services.refresh_cells(organization_id=company.organization.pk, as_of=timezone.now())

    stages = company.client.get(f"/ats/jobs/{company.job.pk}/heatmap").json()["stages"]

    assert [(one["stage"]["name"], one["open"]) for one in stages] == [("Phone screen", 3), ("Late", 1)]
    (row,) = company.client.get(f"/ats/jobs/{company.job.pk}/stage/late/candidates").json()["results"]
    assert row["stage"] == {"id": late.pk, "name": "Late"}


@committed
def test_what_a_transaction_takes_back_is_not_remembered(company: Company) -> None:
    with transaction.atomic():
        Job.objects.update(title="Never")
        assert company.client.get("/ats/heatmap").json()["rows"][0]["job"]["title"] == "Never"
        transaction.set_rollback(True)

    assert company.client.get("/ats/heatmap").json()["rows"][0]["job"]["title"] == "Platform engineer"


@committed
def test_another_member_sees_only_their_own_rows(company: Company) -> None:
    stranger = Client()
    stranger.force_login(member(OrganizationFactory(slug="other"), username="charlie"))
    company.client.get("/ats/heatmap")
    company.client.get(f"/ats/jobs/{company.job.pk}/heatmap")

    assert stranger.get("/ats/heatmap").json()["rows"] == []
    assert stranger.get(f"/ats/jobs/{company.job.pk}/heatmap").status_code == 404
    assert stranger.get(f"/ats/jobs/{company.job.pk}/stage/screen/candidates").status_code == 404


@committed
def test_people_in_a_stage_nobody_has_mapped_add_a_column_to_every_row(company: Company) -> None:
    JobFactory(connector=company.connector, title="Baker")
    mystery = StageFactory(connector=company.connector, name="Mystery", category=StageCategory.UNMAPPED)
    assert len(company.client.get("/ats/heatmap").json()["stages"]) == 6

    waiting(company.job, mystery, days=1)

    answer = company.client.get("/ats/heatmap").json()
    assert [stage["id"] for stage in answer["stages"]][-1] == "unmapped"
    assert [len(row["cells"]) for row in answer["rows"]] == [7, 7]


@committed
@pytest.mark.parametrize("seed", range(4))
def test_finished_answers_are_the_answers_of_the_selectors(seed: int) -> None:
    history, tenant = seeded_history(seed + 500, applications=60), Tenant()
    for batch in history.batches(80):
        tenant.absorb(batch)
    own = [tenant.organization.pk]
    services.refresh_cells(organization_id=own[0], as_of=timezone.now())
    baselines.refresh(own[0], as_of=timezone.now())
    for clock in ("bd", "cd"):
        standing = live(own, clock, by_category=True)
        question = Question(as_of=standing.now.as_of, clock=clock)
        body = finished.org_heatmap_json(standing, top(question, own), job_ids=None, paging=ALL, link=str)
        assert json.loads(body) == plain(org_heatmap(organization_ids=own, question=question))
        by_stage = live(own, clock, by_category=False)
        for job in Job.objects.select_related("organization"):
            told, row = top(question, own, connector_id=job.connector_id), by_stage.row(job.pk)
            assert row is not None
            by_stage = type(by_stage)(by_stage.cells, standing.now)
            assert json.loads(finished.job_heatmap_json(by_stage, told, row)) == plain(job_heatmap(job=job, question=question))


def plain(answer: Any) -> Any:
    """As it arrives at a client."""
    return json.loads(JSONRenderer().render(answer))


@committed
def test_pages_follow_one_ranking_and_lead_back() -> None:
    company = Company()
    for number, days in enumerate((60, 50, 30, 30, 0)):
        waiting(JobFactory(connector=company.connector, title=f"Job {number}"), company.stage, days=days)
    everything = [row["job"]["id"] for row in company.client.get("/ats/heatmap").json()["rows"]]

    seen, addresses, address = [], [], "/ats/heatmap?page_size=2"
    while address:
        addresses.append(address)
        page = company.client.get(address).json()
        seen.append([row["job"]["id"] for row in page["rows"]])
        assert page["total"] == 6
        address = page["next"]
    back = []
    while page["previous"]:
        page = company.client.get(page["previous"]).json()
        back.append([row["job"]["id"] for row in page["rows"]])

    assert [job_id for page in seen for job_id in page] == everything
    assert [len(page) for page in seen] == [2, 2, 2]
    assert back == [seen[1], seen[0]]


@committed
@pytest.mark.parametrize("query", ["cursor=nonsense", "cursor=WzAsMSwyLDMsNF0", "page_size=0", "page_size=201", "page_size=x"])
def test_a_page_that_is_none_is_refused_by_name(company: Company, query: str) -> None:
    response = company.client.get(f"/ats/heatmap?{query}")

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == query.partition("=")[0]


@committed
def test_a_page_of_another_window_or_moment_shows_the_jobs_of_the_same_ranking(company: Company) -> None:
    for number, days in enumerate((60, 50, 0)):
        waiting(JobFactory(connector=company.connector, title=f"Job {number}"), company.stage, days=days)
    ranking = [row["job"]["id"] for row in company.client.get("/ats/heatmap").json()["rows"]]

    page = company.client.get("/ats/heatmap?page_size=3&window=30").json()

    assert [row["job"]["id"] for row in page["rows"]] == ranking[:3]
    rest = company.client.get(page["next"]).json()
    assert [row["job"]["id"] for row in rest["rows"]] == ranking[3:]
    assert (page["window"]["days"], rest["window"]["days"]) == (30, 30)


@committed
@pytest.mark.parametrize(
    "address", ["/ats/heatmap?window=30", "/ats/jobs/{job}/stats", "/ats/jobs/{job}/stage/screen/candidates", "/ats/jobs"]
)
def test_answers_that_are_not_kept_carry_tags_too(company: Company, address: str) -> None:
    address = address.format(job=company.job.pk)
    while True:
        first = company.client.get(address)
        again = company.client.get(address, headers={"If-None-Match": first.headers["ETag"]})
        if again.status_code == 304 or first.json().get("as_of") == again.json().get("as_of"):
            break
    assert again.status_code == 304

    Job.objects.update(title="Engineer")
    company.visits[0].application.candidate.__class__.objects.update(name="Ada Lovelace")

    assert company.client.get(address, headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


@committed
def test_old_notes_are_forgotten(company: Company) -> None:
    Change.objects.update(at=timezone.now() - changes.KEPT - timedelta(seconds=1))
    Job.objects.update(title="Noted")

    assert changes.prune() > 0
    assert Change.objects.count() == 1


def at(minute: int, second: float) -> datetime:
    return datetime(2026, 11, 23, 12, minute, tzinfo=UTC) + timedelta(seconds=second)


@pytest.mark.parametrize(
    ("now", "latest", "expected"),
    [
        (at(0, 19.999), None, at(0, 10)),
        (at(0, 20), None, at(0, 20)),
        (at(0, 19), at(0, 15), at(0, 15)),  # never before a change it tells of
        (at(5, 19), at(0, 15), at(5, 10)),
    ],
)
def test_a_live_answer_is_about_the_last_step_or_the_last_change(now: datetime, latest: datetime | None, expected: datetime) -> None:
    assert timedelta(seconds=10) == STEP
    assert step_of(now, latest) == expected
