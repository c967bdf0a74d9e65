"""What cells are compared with, over HTTP and as kept: limits by level, delays against other jobs."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Organization
from analytics import baselines, services, tasks
from analytics.models import Baseline, StageMetric, StageTarget
from ats.models import Job, Stage
from connectors.events import StageCategory
from tests.factories.accounts import OrganizationFactory, member
from tests.factories.analytics import StageMetricFactory, StageVisitFactory, waiting
from tests.factories.ats import JobFactory, StageFactory
from tests.factories.connectors import ConnectorFactory

pytestmark = pytest.mark.django_db

#: stays of whole weeks are 5 bd each whatever the weekday
NOW = timezone.now()


@pytest.fixture
def acme() -> Organization:
    made: Organization = OrganizationFactory(slug="acme")
    return made


@pytest.fixture
def api(acme: Organization) -> Client:
    client = Client()
    client.force_login(member(acme, username="alice"))
    return client


@pytest.fixture
def job(acme: Organization) -> Job:
    made: Job = JobFactory(connector=ConnectorFactory(organization=acme), department="Engineering")
    return made


@pytest.fixture
def screen(job: Job) -> Stage:
    made: Stage = StageFactory(connector=job.connector, name="Phone screen", category=StageCategory.SCREEN)
    return made


def past(job: Job, stage: Stage, weeks: int, count: int, *, ended_days_ago: float = 1) -> None:
    """Completed visits of so many weeks each."""
    StageMetric.objects.get_or_create(job=job, stage=stage, defaults={"organization": job.organization})
    for number in range(count):
        left = NOW - timedelta(days=ended_days_ago, hours=number)
        StageVisitFactory(
            job=job, stage=stage, began=left - timedelta(weeks=weeks), left_at=left, exit_kind="advanced", exit_precision="exact"
        )


def compute(organization: Organization, as_of: datetime = NOW) -> None:
    StageMetric.objects.update(dirty=True)
    services.refresh_cells(organization_id=organization.pk, as_of=as_of)
    baselines.refresh(organization.pk, as_of=as_of)


def cell(api: Client, job: Job) -> dict:  # type: ignore[type-arg]
    (found,) = api.get(f"/ats/jobs/{job.pk}/heatmap").json()["stages"]
    return found  # type: ignore[no-any-return]


class TestLimit:
    def test_a_cell_with_twenty_exits_of_its_own_is_measured_by_them(self, api: Client, job: Job, screen: Stage) -> None:
        past(job, screen, 2, 20, ended_days_ago=40)
        compute(job.organization)

        limit = cell(api, job)["limit"]

        assert (limit["value"], limit["source"], limit["baseline_level"], limit["n"]) == (10.0, "baseline", "job", 20)

    def test_a_history_brought_in_piece_by_piece_is_caught_up_with(self, job: Job, screen: Stage) -> None:
        """The 180 days rest for a minute after they were read; what came meanwhile must not wait for the cell to age."""
        metric = StageMetric.objects.create(job=job, stage=screen, organization=job.organization, dirty=True)

        def refreshed(seconds: float) -> tuple[int, int]:
            services.refresh_cells(organization_id=job.organization_id, as_of=NOW + timedelta(seconds=seconds), aged=False)
            metric.refresh_from_db()
            return metric.n_exits, metric.own_n_exits

        past(job, screen, 2, 5, ended_days_ago=40)
        assert refreshed(0) == (5, 5)
        past(job, screen, 1, 20, ended_days_ago=3)
        StageMetric.objects.update(dirty=True)

        assert refreshed(20) == (25, 5)
        assert refreshed(70) == (25, 25)
        assert services.refresh_cells(organization_id=job.organization_id, as_of=NOW + timedelta(seconds=200), aged=False) == []

    def test_a_department_stands_in_for_a_new_job_and_then_the_organization(self, api: Client, job: Job, screen: Stage) -> None:
        sibling = JobFactory(connector=job.connector, department="Engineering")
        cousin = JobFactory(connector=job.connector, department="Sales")
        past(sibling, screen, 1, 20, ended_days_ago=40)
        waiting(job, screen, days=1)
        waiting(cousin, screen, days=1)
        compute(job.organization)

        assert [(cell(api, one)["limit"]["value"], cell(api, one)["limit"]["baseline_level"]) for one in (job, cousin)] == [
            (5.0, "department"),
            (5.0, "organization"),
        ]

    def test_a_cell_nobody_was_ever_in_has_the_same_limit_when_the_past_is_asked_for(self, api: Client, job: Job, screen: Stage) -> None:
        past(JobFactory(connector=job.connector, department="Engineering"), screen, 1, 20, ended_days_ago=40)
        compute(job.organization)

        def limit(**asked: str) -> object:
            rows = api.get("/ats/heatmap", asked).json()["rows"]
            (cells,) = (row["cells"] for row in rows if row["job"]["id"] == job.pk)
            (found,) = (one["limit"] for one in cells if one["stage"]["id"] == "screen")
            return found

        assert limit() == limit(as_of=NOW.isoformat())
        assert limit()["baseline_level"] == "department"  # type: ignore[index]

    def test_nineteen_exits_are_no_baseline(self, api: Client, job: Job, screen: Stage) -> None:
        past(job, screen, 2, 19, ended_days_ago=40)
        compute(job.organization)

        assert (cell(api, job)["limit"]["source"], cell(api, job)["limit"]["value"]) == ("default", 7.0)

    def test_a_baseline_that_never_comes_down_is_a_marked_lower_bound(self, api: Client, job: Job, screen: Stage) -> None:
        past(job, screen, 1, 20, ended_days_ago=40)
        for _ in range(10):
            waiting(job, screen, days=7 * 8)
        compute(job.organization)

        limit = cell(api, job)["limit"]

        assert (limit["value"], limit["is_lower_bound"], limit["n"]) == (pytest.approx(40, abs=0.01), True, 20)

    def test_bands_and_drilldown_follow_the_baseline(self, api: Client, job: Job, screen: Stage) -> None:
        past(job, screen, 2, 20, ended_days_ago=40)
        for weeks in (1, 3, 5):  # 5, 15, 25 bd against 10: fresh, late, critical
            waiting(job, screen, days=7 * weeks)
        compute(job.organization)

        found = cell(api, job)

        assert found["bands"] == {"fresh": 1, "watch": 0, "late": 1, "critical": 1}
        assert found["overdue_days"] == pytest.approx(20, abs=0.01)
        people = api.get(f"/ats/jobs/{job.pk}/stage/screen/candidates", {"band": "late"}).json()["results"]
        assert [(round(person["age"]), person["band"]) for person in people] == [(15, "late")]


class TestTarget:
    def test_the_most_specific_target_comes_before_any_baseline(self, api: Client, job: Job, screen: Stage) -> None:
        past(job, screen, 2, 20, ended_days_ago=40)
        waiting(job, screen, days=21)  # 15 bd
        compute(job.organization)
        scopes = [{"category": "screen"}, {"stage": screen}, {"job": job, "category": "screen"}, {"job": job, "stage": screen}]

        found = []
        for days, scope in enumerate(scopes, start=4):
            StageTarget.objects.create(organization=job.organization, business_days=days, **scope)
            told = cell(api, job)
            found.append((told["limit"]["value"], told["limit"]["source"], told["heat"]))

        assert found == [(4, "target", "critical"), (5, "target", "critical"), (6, "target", "critical"), (7, "target", "critical")]
        people = api.get(f"/ats/jobs/{job.pk}/stage/screen/candidates").json()["results"]
        assert [person["band"] for person in people] == ["critical"]  # 15 > 2 x 7; by the baseline it would be late

    def test_another_organization_s_target_is_no_target(self, api: Client, job: Job, screen: Stage) -> None:
        StageTarget.objects.create(organization=OrganizationFactory(), category="screen", business_days=1)
        waiting(job, screen, days=1)

        assert cell(api, job)["limit"]["source"] == "default"


class TestDelay:
    def test_a_job_three_times_as_slow_as_its_department_is_delayed(self, api: Client, job: Job, screen: Stage) -> None:
        sibling = JobFactory(connector=job.connector, department="Engineering")
        past(sibling, screen, 1, 20, ended_days_ago=40)
        past(job, screen, 3, 7)
        compute(job.organization)

        delay = cell(api, job)["delay"]

        assert (delay["is_delayed"], delay["ratio"], delay["p50"], delay["baseline_p50"]) == (True, 3.0, 15.0, 5.0)
        assert (delay["baseline_level"], delay["n"], delay["n_exits"]) == ("department", 20, 7)

    def test_it_is_never_compared_with_itself(self, api: Client, job: Job, screen: Stage) -> None:
        past(job, screen, 3, 30)
        compute(job.organization)

        delay = cell(api, job)["delay"]

        assert (delay["is_delayed"], delay["ratio"], delay["baseline_level"], delay["n"]) == (False, None, None, 0)

    def test_without_enough_in_the_department_the_organization_is_compared_with(self, api: Client, job: Job, screen: Stage) -> None:
        past(JobFactory(connector=job.connector, department="Sales"), screen, 1, 20, ended_days_ago=40)
        past(job, screen, 3, 7)
        compute(job.organization)

        assert cell(api, job)["delay"]["baseline_level"] == "organization"

    def test_five_exits_are_too_few_to_tell(self, api: Client, job: Job, screen: Stage) -> None:
        past(JobFactory(connector=job.connector, department="Engineering"), screen, 1, 20, ended_days_ago=40)
        past(job, screen, 3, 5)
        compute(job.organization)

        assert (cell(api, job)["delay"]["is_delayed"], cell(api, job)["delay"]["ratio"]) == (False, None)


class TestRates:
    def test_worked_example_e(self, api: Client, job: Job, screen: Stage) -> None:
        # entered 40: advanced 14, rejected 18, withdrawn 3, open 5
        onsite = StageFactory(connector=job.connector, name="Onsite", category=StageCategory.INTERVIEW)
        ends = ["advanced"] * 14 + ["rejected"] * 18 + ["withdrawn"] * 3 + [None] * 5
        for number, end in enumerate(ends):
            began = NOW - timedelta(days=30, hours=number)
            left = None if end is None else began + timedelta(days=2)
            visit = StageVisitFactory(job=job, stage=screen, began=began, left_at=left, exit_kind=end)
            if end == "advanced":
                StageVisitFactory(job=job, stage=onsite, began=left, n=2, application=visit.application)
        for stage in (screen, onsite):
            StageMetricFactory(job=job, stage=stage)
        compute(job.organization)

        at_screen = api.get(f"/ats/jobs/{job.pk}/heatmap").json()["stages"][0]

        assert at_screen["pass_through"] == {
            "resolved": 40.0, "low": 35.0, "high": 47.5, "k": 14, "n": 35,
            "interval": [pytest.approx(25.6, abs=0.05), pytest.approx(56.4, abs=0.05)],
        }  # fmt: skip
        assert (at_screen["drop_off"]["k"], at_screen["drop_off"]["n"], at_screen["drop_off"]["resolved"]) == (21, 35, 60.0)
        assert (at_screen["drop_off"]["rejected"], at_screen["drop_off"]["withdrawn"]) == (18, 3)

    def test_worked_example_i_counts_a_person_once_however_often_they_came(self, api: Client, job: Job, screen: Stage) -> None:
        # Screen, Interview, back to Screen, Interview again and still there
        onsite = StageFactory(connector=job.connector, name="Onsite", category=StageCategory.INTERVIEW)
        moment, application = NOW - timedelta(days=20), None
        for n, (stage, days, end) in enumerate(
            [(screen, 2, "advanced"), (onsite, 3, "moved_back"), (screen, 1, "advanced"), (onsite, None, None)], start=1
        ):
            left = moment + timedelta(days=days) if days else None
            given = {"application": application} if application else {}
            visit = StageVisitFactory(job=job, stage=stage, began=moment, left_at=left, exit_kind=end, n=n, **given)
            moment, application = left or moment, visit.application
        for stage in (screen, onsite):
            StageMetricFactory(job=job, stage=stage)
        compute(job.organization)

        at_screen, at_onsite = api.get(f"/ats/jobs/{job.pk}/heatmap").json()["stages"]

        assert (at_screen["entered"], at_screen["pass_through"]["k"], at_screen["pass_through"]["n"]) == (2, 1, 1)
        assert (at_onsite["entered"], at_onsite["open"], at_onsite["pass_through"]["high"]) == (2, 1, 100.0)


def test_the_pooled_cell_of_a_category_is_kept_and_agrees_with_its_drilldown(api: Client, job: Job, screen: Stage) -> None:
    again = StageFactory(connector=job.connector, name="Called again", category=StageCategory.SCREEN)
    for stage in (screen, again):
        past(job, stage, 2, 10, ended_days_ago=40)
        waiting(job, stage, days=21)
    compute(job.organization)

    (row,) = api.get("/ats/heatmap").json()["rows"]
    pooled = row["cells"][1]

    assert (pooled["p50"]["value"], pooled["p50"]["n_exits"], pooled["limit"]["value"]) == (10.0, 20, 10.0)
    assert pooled["bands"] == {"fresh": 0, "watch": 0, "late": 2, "critical": 0}
    people = api.get(f"/ats/jobs/{job.pk}/stage/screen/candidates").json()["results"]
    assert [person["band"] for person in people] == ["late", "late"]


def test_stages_with_enough_exits_only_together_are_compared_together(api: Client, job: Job, screen: Stage) -> None:
    again = StageFactory(connector=job.connector, name="Called again", category=StageCategory.SCREEN)
    past(JobFactory(connector=job.connector, department="Engineering"), screen, 1, 20, ended_days_ago=40)
    for stage in (screen, again):
        past(job, stage, 3, 4)
    compute(job.organization)

    rows = {row["job"]["id"]: row["cells"] for row in api.get("/ats/heatmap").json()["rows"]}

    delay = rows[job.pk][1]["delay"]
    assert (delay["ratio"], delay["baseline_level"], delay["n_exits"], delay["n"]) == (3.0, "department", 8, 20)
    assert [one["delay"]["ratio"] for one in api.get(f"/ats/jobs/{job.pk}/heatmap").json()["stages"]] == [None, None]


def test_baselines_of_a_vanished_department_fade(job: Job, screen: Stage) -> None:
    past(job, screen, 1, 20, ended_days_ago=40)
    compute(job.organization)
    Job.objects.filter(pk=job.pk).update(department="Research")

    compute(job.organization, NOW + timedelta(minutes=1))

    found = dict(Baseline.objects.filter(level="department").values_list("department", "n_exits"))
    assert found == {"Engineering": 0, "Research": 20}


def test_the_next_run_waits_in_proportion_to_the_last(job: Job, screen: Stage) -> None:
    past(job, screen, 1, 1)

    assert baselines.refresh_due(job.organization_id, now=NOW) is True
    assert baselines.refresh_due(job.organization_id, now=NOW + timedelta(seconds=5)) is False
    assert baselines.refresh_due(job.organization_id, now=NOW + timedelta(hours=2)) is True


def test_between_times_it_runs_only_when_cells_have_been_refreshed_since(job: Job, screen: Stage) -> None:
    past(job, screen, 1, 1)
    assert baselines.refresh_due(job.organization_id, now=NOW) is True
    later = NOW + timedelta(minutes=30)

    assert baselines.refresh_due(job.organization_id, now=later) is False
    StageMetric.objects.update(computed_at=NOW + timedelta(minutes=1))
    assert baselines.refresh_due(job.organization_id, now=later) is True


def test_cells_that_batches_refreshed_themselves_get_baselines_at_the_next_beat(job: Job, screen: Stage) -> None:
    past(job, screen, 1, 20, ended_days_ago=40)
    services.refresh_cells(organization_id=job.organization_id, as_of=NOW)
    StageMetric.objects.update(dirty=False)

    tasks.refresh()

    assert Baseline.objects.get(level="organization", category="screen").n_exits == 20
