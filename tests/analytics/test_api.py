"""Heatmaps and drilldowns over HTTP."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Organization, User
from analytics import baselines, services
from analytics.models import Baseline, StageMetric
from ats.models import Job, Stage
from ats.selectors import UNRESOLVED
from connectors.events import Precision, StageCategory
from issues.models import Issue
from tests.factories.accounts import OrganizationFactory, member
from tests.factories.analytics import StageMetricFactory, StageVisitFactory, waiting
from tests.factories.ats import JobFactory, StageFactory
from tests.factories.connectors import ConnectorFactory
from tests.factories.issues import issue_about
from tests.schema import assert_as_documented
from tests.walking import bring_in, event_row, file_connector

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Organization:
    made: Organization = OrganizationFactory(slug="acme")
    return made


@pytest.fixture
def alice(acme: Organization) -> User:
    return member(acme, username="alice")


@pytest.fixture
def api(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def job(acme: Organization) -> Job:
    made: Job = JobFactory(connector=ConnectorFactory(organization=acme), title="Platform engineer")
    return made


def stage_of(job: Job, name: str, category: StageCategory = StageCategory.SCREEN, **fields: Any) -> Stage:
    made: Stage = StageFactory(connector=job.connector, name=name, category=category, **fields)
    return made


def drilldown(api: Client, job: Job, name: str, **parameters: Any) -> list[dict[str, Any]]:
    """All pages of a drilldown."""
    found: list[dict[str, Any]] = []
    response = api.get(f"/ats/jobs/{job.pk}/stage/{quote(name, safe='')}/candidates", parameters)
    while True:
        assert response.status_code == 200, response.content
        assert_as_documented(response, "stage_candidates")
        found += response.json()["results"]
        if response.json()["next"] is None:
            return found
        response = api.get(response.json()["next"])


class TestJobHeatmap:
    def test_it_serves_the_documented_shape(self, api: Client, job: Job) -> None:
        visit = waiting(job, stage_of(job, "Phone screen"), days=3)
        issue_about(visit)

        response = api.get(f"/ats/jobs/{job.pk}/heatmap")

        assert response.status_code == 200
        assert_as_documented(response, "job_heatmap")
        (cell,) = response.json()["stages"]
        assert (cell["open"], cell["entered"], cell["issues_open"]) == (1, 1, 1)
        assert 1 <= cell["oldest_age"] <= 3
        assert response.json()["clock"] == "bd"

    def test_stages_come_in_pipeline_order_and_unmapped_ones_last(self, api: Client, job: Job) -> None:
        for name, category in [("Mystery", "unmapped"), ("Offer", "offer"), ("New", "review"), ("Onsite", "interview")]:
            waiting(job, stage_of(job, name, StageCategory(category)))

        names = [cell["stage"]["name"] for cell in api.get(f"/ats/jobs/{job.pk}/heatmap").json()["stages"]]

        assert names == ["New", "Onsite", "Offer", "Mystery"]

    def test_statistics_are_those_kept_on_the_cell_behind_the_small_sample_gates(self, api: Client, job: Job) -> None:
        # metrics.md worked example A: 6 exits are enough for a median, not for a p85, which exceeds 12
        StageMetricFactory(
            job=job, stage=stage_of(job, "Phone screen"), window_entered=11, window_exited=6, avg_duration_hours=124.0,
            n=11, n_exits=6, n_open=5, bd_p50=8.0, bd_p50_low=2.0, bd_p50_high=None, bd_p85=None, bd_longest=12.0,
        )  # fmt: skip

        (cell,) = api.get(f"/ats/jobs/{job.pk}/heatmap").json()["stages"]

        assert cell["p50"] == {
            "value": 8.0, "unit": "bd", "n": 11, "n_exits": 6, "n_open": 5, "low": 2.0, "high": None,
            "confidence": "low", "lower_bound": None,
        }  # fmt: skip
        assert (cell["p85"]["value"], cell["p85"]["lower_bound"]) == (None, 12.0)
        assert cell["avg_duration_hours"] == 124.0

    def test_a_p85_from_too_few_exits_is_not_shown(self, api: Client, job: Job) -> None:
        # worked example B: the seventh-of-seven estimate 9 exists but 7 exits do not carry it
        StageMetricFactory(job=job, stage=stage_of(job, "Phone screen"), n=7, n_exits=7, bd_p50=3.0, bd_p85=9.0, bd_longest=30.0)

        (cell,) = api.get(f"/ats/jobs/{job.pk}/heatmap").json()["stages"]

        assert (cell["p85"]["value"], cell["p85"]["lower_bound"]) == (None, None)

    def test_bands_follow_business_days_and_the_default_limit_of_the_category(self, api: Client, job: Job) -> None:
        # a Monday noon; review: limit 5, so fresh <= 2.5 < watch <= 5 < late <= 10 < critical
        as_of = datetime(2026, 11, 16, 12, tzinfo=UTC)
        review = stage_of(job, "New", StageCategory.REVIEW)
        for days_before in (0, 3, 7, 14, 21):  # 0, 1, 5, 10, 15 bd
            waiting(job, review, since=as_of - timedelta(days=days_before))

        (cell,) = api.get(f"/ats/jobs/{job.pk}/heatmap", {"as_of": as_of.isoformat()}).json()["stages"]

        assert cell["bands"] == {"fresh": 2, "watch": 1, "late": 1, "critical": 1}
        assert cell["heat"] == "critical"
        assert cell["limit"] == {
            "value": 5.0, "unit": "bd", "source": "default", "n": None, "baseline_level": None, "is_lower_bound": False,
        }  # fmt: skip
        assert cell["overdue_days"] == 5 + 10

    def test_the_past_is_read_as_it_stood(self, api: Client, acme: Organization) -> None:
        now = timezone.now()

        def row(name: str, days: float, **fields: Any) -> dict[str, Any]:
            at = now - timedelta(days=days)
            return event_row(f"{name}:{days}", at, recorded_at=at.isoformat(), application_external_id=name, **fields)

        begun = {"event_type": "application_created", "stage_to": "Phone screen"}
        bring_in(
            file_connector(organization=acme),
            [row("a-1", 10, **begun), row("a-2", 20, **begun), row("a-2", 5, event_type="application_rejected")],
        )
        job = Job.objects.get()
        (screen,) = api.get(f"/ats/jobs/{job.pk}/heatmap").json()["stages"]

        def open_at(days_ago: float) -> int:
            as_of = now - timedelta(days=days_ago)
            cells = api.get(f"/ats/jobs/{job.pk}/heatmap", {"as_of": as_of.isoformat()}).json()["stages"]
            assert len(drilldown(api, job, screen["stage"]["name"], as_of=as_of.isoformat())) == sum(cell["open"] for cell in cells)
            return sum(cell["open"] for cell in cells)

        assert [open_at(days) for days in (0.01, 6, 15, 25)] == [1, 2, 1, 0]

    def test_another_window_or_clock_is_measured_from_the_visits(self, api: Client, job: Job) -> None:
        # six visits from a Thursday noon, ended after 1..6 days: Fri, Sat, Sun, Mon, Tue, Wed
        began, as_of, screen = datetime(2026, 11, 5, 12, tzinfo=UTC), datetime(2026, 11, 16, 12, tzinfo=UTC), stage_of(job, "Phone screen")
        StageMetricFactory(job=job, stage=screen)
        for days in range(1, 7):
            StageVisitFactory(
                job=job, stage=screen, began=began, left_at=began + timedelta(days=days), exit_kind="advanced", exit_precision="exact"
            )

        def cell(**parameters: Any) -> Any:
            return api.get(f"/ats/jobs/{job.pk}/heatmap", {"as_of": as_of.isoformat(), **parameters}).json()["stages"][0]

        within, later = cell(window=30, clock="cd"), cell(window=5, clock="cd")
        assert (within["entered"], within["exited"], within["p50"]["value"], within["p50"]["unit"]) == (6, 6, 3.0, "cd")
        assert within["avg_duration_hours"] == pytest.approx(24 * 3.5)
        assert (later["entered"], later["exited"], later["p50"]["value"], later["p50"]["confidence"]) == (0, 1, None, "none")
        # business days: 1, 1.5, 1.5, 2, 3, 4
        assert (cell(clock="bd")["p50"]["value"], cell(clock="bd")["p50"]["unit"]) == (1.5, "bd")

    @pytest.mark.parametrize(
        "parameters",
        [
            {"as_of": "yesterday"},
            {"as_of": "1066-10-14T00:00:00Z"},
            {"as_of": "9999-12-31T00:00:00Z"},
            {"window": "0"},
            {"window": "many"},
            {"clock": "lunar"},
            {"to": "2026-01-01T00:00:00Z"},
            {"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
            {"window": "30", "from": "2026-02-01T00:00:00Z"},
        ],
    )
    def test_a_bad_parameter_is_refused_by_name(self, api: Client, job: Job, parameters: dict[str, str]) -> None:
        response = api.get(f"/ats/jobs/{job.pk}/heatmap", parameters)

        assert response.status_code == 400
        assert_as_documented(response, "job_heatmap")
        assert response.json()["errors"][0]["field"] in parameters

    def test_a_plus_sign_left_unescaped_is_understood(self, api: Client, job: Job) -> None:
        assert api.get(f"/ats/jobs/{job.pk}/heatmap?as_of=2026-01-01T00:00:00+01:00").status_code == 200


class TestOrgHeatmap:
    def test_it_has_every_job_and_one_cell_per_canonical_stage(self, api: Client, acme: Organization, job: Job) -> None:
        JobFactory(connector=job.connector, title="Nobody applied")
        waiting(job, stage_of(job, "Phone screen"), days=30)

        response = api.get("/ats/heatmap")

        assert_as_documented(response, "org_heatmap")
        answer = response.json()
        columns = ["review", "screen", "assessment", "interview", "decision", "offer"]
        assert [stage["id"] for stage in answer["stages"]] == columns
        assert [[cell["stage"]["id"] for cell in row["cells"]] for row in answer["rows"]] == [columns, columns]
        assert [row["job"]["title"] for row in answer["rows"]] == ["Platform engineer", "Nobody applied"]  # most overdue first
        assert [row["open"] for row in answer["rows"]] == [1, 0]

    def test_stages_of_one_category_are_pooled(self, api: Client, job: Job) -> None:
        now = timezone.now()
        for name, lengths in (("Schedule phone screen", (1, 2, 3)), ("Phone screened", (4, 5, 6))):
            screen = stage_of(job, name)
            StageMetricFactory(job=job, stage=screen, window_entered=3, window_exited=3, n=3, n_exits=3, p50=None)
            waiting(job, screen, days=1)
            for days in lengths:
                began = now - timedelta(days=20)
                StageVisitFactory(
                    job=job, stage=screen, began=began, left_at=began + timedelta(days=days), exit_kind="advanced", exit_precision="exact"
                )

        (row,) = api.get("/ats/heatmap", {"clock": "cd"}).json()["rows"]
        cell = row["cells"][1]

        assert (cell["stage"]["name"], cell["open"], cell["entered"], cell["exited"]) == ("screen", 2, 8, 6)
        assert (cell["p50"]["value"], cell["p50"]["n_exits"], cell["p50"]["n_open"]) == (4.0, 6, 2)
        assert len(drilldown(api, job, "screen")) == 2

    def test_an_unmapped_stage_is_shown_and_never_dropped(self, api: Client, job: Job) -> None:
        waiting(job, stage_of(job, "Mystery", StageCategory.UNMAPPED))

        (row,) = api.get("/ats/heatmap").json()["rows"]

        assert row["cells"][-1]["stage"] == {"id": "unmapped", "name": "unmapped", "category": "unmapped", "order": None}
        assert row["cells"][-1]["open"] == 1 == sum(row["cells"][-1]["bands"].values())

    def test_jobs_can_be_narrowed(self, api: Client, job: Job) -> None:
        JobFactory(connector=job.connector, title="Baker", department="Kitchen", status="closed")

        def titles(**parameters: Any) -> list[str]:
            return [row["job"]["title"] for row in api.get("/ats/heatmap", parameters).json()["rows"]]

        assert titles(department="kitchen") == ["Baker"]
        assert titles(status="open") == ["Platform engineer"]
        assert titles(status=["open", "closed"], search="bak") == ["Baker"]
        assert api.get("/ats/heatmap", {"status": "sleeping"}).status_code == 400

    def test_its_queries_do_not_grow_with_the_jobs(self, api: Client, job: Job, django_assert_num_queries: Any) -> None:
        def add_job() -> None:
            own = JobFactory(connector=job.connector)
            for name, category in (("New", "review"), ("Phoned", "screen"), ("Called again", "screen")):
                issue_about(waiting(own, stage_of(own, f"{name} {own.pk}", StageCategory(category)), days=3))

        add_job()
        services.refresh_cells(organization_id=job.organization_id, as_of=timezone.now())
        # session, user, memberships, changes, jobs' ids, jobs; organization, stages, targets, baselines, calendars; open visits,
        # cells, issues, pooled cells, holds; freshness
        with django_assert_num_queries(17):
            api.get("/ats/heatmap")
        for _ in range(4):
            add_job()
        services.refresh_cells(organization_id=job.organization_id, as_of=timezone.now())
        with django_assert_num_queries(17):
            assert len(api.get("/ats/heatmap").json()["rows"]) == 6

    def test_staleness_is_told(self, api: Client, job: Job) -> None:
        job.connector.fresh_at = timezone.now() - timedelta(hours=2)
        job.connector.save()

        freshness = api.get("/ats/heatmap").json()["freshness"]

        assert freshness["stale"] is True
        assert freshness["connectors"][0]["stale"] is True


class TestDrilldown:
    def test_rows_tell_who_waits_how_long_and_what_is_wrong(self, api: Client, job: Job) -> None:
        visit = waiting(job, stage_of(job, "Phone screen"), days=30, entry_precision=Precision.UNKNOWN)
        issue = issue_about(visit, severity="critical")
        issue_about(visit, status=Issue.Status.RESOLVED)

        (row,) = drilldown(api, job, "Phone screen", clock="cd")

        assert row["candidate"]["name"] == visit.application.candidate.name
        assert row["application"]["id"] == visit.application_id
        assert (row["age"], row["age_unit"], row["age_is_lower_bound"]) == (pytest.approx(30, abs=0.01), "cd", True)
        assert row["band"] == "critical"
        assert row["source"] == "Referral"
        assert [(found["id"], found["severity"]) for found in row["issues"]] == [(issue.pk, "critical")]

    def test_each_person_carries_the_share_of_past_stays_that_were_over_by_his_age(self, api: Client, job: Job) -> None:
        screen, now = stage_of(job, "Phone screen"), timezone.now()

        def paces() -> list[dict[str, Any]]:
            return [row["pace"] for row in drilldown(api, job, "Phone screen")]

        for number in range(19):
            left = now - timedelta(days=40, hours=number)
            StageVisitFactory(
                job=job, stage=screen, began=left - timedelta(weeks=1), left_at=left, exit_kind="advanced", exit_precision="exact"
            )
        waiting(job, screen, days=14)
        waiting(job, screen, days=1)
        assert [(one["value"], one["baseline_level"], one["n_exits"]) for one in paces()] == [(None, None, 19)] * 2

        left = now - timedelta(days=30)
        StageVisitFactory(
            job=job, stage=screen, began=left - timedelta(weeks=1), left_at=left, exit_kind="advanced", exit_precision="exact"
        )
        old, new = paces()
        assert (old["value"], new["value"]) == (pytest.approx(100 * 20 / 21), 0.0), "of 21 who were there at 5 days, 20 left"
        assert (old["definition_id"], old["unit"], old["n"], old["n_exits"], old["n_open"]) == ("M05", "%", 22, 20, 2)
        assert old["baseline_level"] == "job"

    def test_a_new_job_s_people_are_compared_with_its_department_and_then_the_organization(self, api: Client, job: Job) -> None:
        screen, now = stage_of(job, "Phone screen"), timezone.now()
        Job.objects.filter(pk=job.pk).update(department="Engineering")
        job.refresh_from_db()
        sibling, cousin = (JobFactory(connector=job.connector, department=name) for name in ("Engineering", "Sales"))

        def past(of: Job, weeks: int, many: int) -> None:
            left = now - timedelta(days=40)
            for _ in range(many):
                StageVisitFactory(
                    job=of, stage=screen, began=left - timedelta(weeks=weeks), left_at=left, exit_kind="advanced", exit_precision="exact"
                )

        def told() -> list[Any]:
            StageMetric.objects.update(dirty=True, own_at=None)
            services.refresh_cells(organization_id=job.organization_id, as_of=timezone.now())
            baselines.refresh(job.organization_id, as_of=timezone.now())
            (person,) = [row["pace"] for row in drilldown(api, job, "Phone screen")]
            (cell,) = api.get(f"/ats/jobs/{job.pk}/stats").json()["waiting"]
            now = api.get(f"/ats/jobs/{job.pk}/heatmap").json()["as_of"]
            (then,) = [row["pace"] for row in drilldown(api, job, "Phone screen", as_of=now)]
            (cell_then,) = api.get(f"/ats/jobs/{job.pk}/stats", {"as_of": now}).json()["waiting"]
            assert then == person
            assert {**cell_then["pace"], "as_of": None, "window": None} == {**cell["pace"], "as_of": None, "window": None}
            return [(one["value"], one["baseline_level"], one["n_exits"]) for one in (person, cell["pace"])]

        waiting(job, screen, days=14)
        for one in (sibling, cousin):
            StageMetricFactory(job=one, stage=screen, entered=1)
        past(job, 1, 5)
        past(cousin, 3, 30)
        assert told() == [(pytest.approx(100 * 5 / 36), "organization", 35)] * 2
        past(sibling, 1, 20)
        assert told() == [(pytest.approx(100 * 25 / 26), "department", 25)] * 2
        # as an older version left it, which kept no curves
        Baseline.objects.filter(level="department").update(course=b"")
        (passed_over,) = [row["pace"] for row in drilldown(api, job, "Phone screen")]
        assert passed_over["baseline_level"] == "organization"
        past(job, 1, 15)
        assert told() == [(pytest.approx(100 * 20 / 21), "job", 20)] * 2

    def test_who_left_is_not_listed(self, api: Client, job: Job) -> None:
        screen = stage_of(job, "Phone screen")
        StageVisitFactory(job=job, stage=screen, left_at=timezone.now(), exit_kind="advanced", exit_precision="exact")

        assert drilldown(api, job, "Phone screen") == []

    @pytest.mark.parametrize("name", ["Offer / verbal", "offer / VERBAL", "Ünïcode & 100 %"])
    def test_a_stage_is_found_by_its_encoded_name_in_any_case(self, api: Client, job: Job, name: str) -> None:
        waiting(job, stage_of(job, "Offer / verbal", StageCategory.OFFER))
        waiting(job, stage_of(job, "Ünïcode & 100 %"))

        assert len(drilldown(api, job, name)) == 1

    def test_a_stage_is_found_by_its_id(self, api: Client, job: Job) -> None:
        visit = waiting(job, stage_of(job, "Phone screen"))

        assert len(drilldown(api, job, str(visit.stage_id))) == 1

    def test_a_nameless_stage_is_found_by_the_name_it_is_served_under(self, api: Client, job: Job) -> None:
        waiting(job, stage_of(job, "", external_id="77"))

        (cell,) = api.get(f"/ats/jobs/{job.pk}/heatmap").json()["stages"]

        assert cell["stage"]["name"] == "Stage 77"
        assert len(drilldown(api, job, "Stage 77")) == 1

    def test_a_name_that_two_stages_carry_is_refused_with_their_ids(self, api: Client, job: Job) -> None:
        one, two = (waiting(job, stage_of(job, "Interview")).stage for _ in range(2))

        response = api.get(f"/ats/jobs/{job.pk}/stage/Interview/candidates")

        assert response.status_code == 400
        assert str(one.pk) in response.json()["detail"]
        assert len(drilldown(api, job, str(two.pk))) == 1

    @pytest.mark.parametrize("name", ["Nowhere", "0", "999999999999999999999999", "a%00b"])
    def test_an_unknown_stage_is_not_found(self, api: Client, job: Job, name: str) -> None:
        response = api.get(f"/ats/jobs/{job.pk}/stage/{name}/candidates")

        assert response.status_code == 404
        assert_as_documented(response, "stage_candidates")

    def test_an_empty_cell_of_the_org_heatmap_opens_into_an_empty_list(self, api: Client, job: Job) -> None:
        stage_of(job, "Phone screen")

        (row,) = api.get("/ats/heatmap").json()["rows"]

        assert [drilldown(api, job, cell["stage"]["id"]) for cell in row["cells"]] == [[]] * 6

    def test_filters_on_issues_need_one_issue_with_both(self, api: Client, job: Job) -> None:
        screen = stage_of(job, "Phone screen")
        first, second = waiting(job, screen, days=2), waiting(job, screen, days=1)
        issue_about(first, severity="high", issue_type="stuck")
        issue_about(first, severity="low", issue_type="idle_candidate")
        issue_about(second, severity="low", issue_type="stuck", status=Issue.Status.RESOLVED)

        def found(**parameters: Any) -> list[int]:
            return [row["application"]["id"] for row in drilldown(api, job, "Phone screen", **parameters)]

        assert found(severity="high") == [first.application_id]
        assert found(severity="high,critical", issue_type="stuck") == [first.application_id]
        assert found(severity="high", issue_type="idle_candidate") == []
        assert found(issue_type="stuck") == [first.application_id]

    def test_bands_partition_the_people_and_agree_with_the_cell(self, api: Client, job: Job) -> None:
        screen = stage_of(job, "Phone screen")
        for days in (0, 1, 4, 5, 6, 9, 10, 14, 20, 40, 40):
            waiting(job, screen, days=days)

        (cell,) = api.get(f"/ats/jobs/{job.pk}/heatmap").json()["stages"]

        per_band = {band: len(drilldown(api, job, "Phone screen", band=band)) for band in cell["bands"]}
        assert per_band == cell["bands"]
        assert sum(per_band.values()) == cell["open"] == len(drilldown(api, job, "Phone screen")) == 11
        assert len(drilldown(api, job, "Phone screen", band="fresh,critical")) == per_band["fresh"] + per_band["critical"]

    def test_ages_bound_the_list_on_the_asked_clock(self, api: Client, job: Job) -> None:
        screen = stage_of(job, "Phone screen")
        for days in (1, 5, 9):
            waiting(job, screen, days=days)

        def ages(**parameters: Any) -> list[int]:
            return [round(row["age"]) for row in drilldown(api, job, "Phone screen", **{"clock": "cd"} | parameters)]

        assert ages(min_age=2) == [9, 5]
        assert ages(min_age=2, max_age=8) == [5]
        assert ages(max_age=0.5) == []
        assert len(ages(clock="bd", max_age=3)) in (1, 2)

    def test_pages_neither_skip_nor_repeat_people_who_entered_together(self, api: Client, job: Job) -> None:
        screen, together = stage_of(job, "Phone screen"), timezone.now() - timedelta(days=3)
        for _ in range(7):
            waiting(job, screen, since=together)

        ids = [row["application"]["id"] for row in drilldown(api, job, "Phone screen", page_size=2)]

        assert len(ids) == len(set(ids)) == 7

    def test_its_queries_do_not_grow_with_the_people(self, api: Client, job: Job, django_assert_num_queries: Any) -> None:
        screen = stage_of(job, "Phone screen")
        for _ in range(12):
            issue_about(waiting(job, screen, days=3))
        address = f"/ats/jobs/{job.pk}/stage/{screen.pk}/candidates"
        for size in (1, 12):
            # session, user, memberships, changes, job, stages, targets, its cell, baselines, page, calendars, holds, issues;
            # calendars, holds and a wider baseline for the pace; the stage's own stays are read as arrays, past what is counted here
            with django_assert_num_queries(16):
                assert len(api.get(address, {"page_size": size}).json()["results"]) == size


class TestCsv:
    @pytest.mark.parametrize("address", ["/ats/heatmap", "/ats/jobs/{job}/heatmap", "/ats/jobs/{job}/stage/screen/candidates"])
    def test_what_is_shown_can_be_taken_into_a_spreadsheet(self, api: Client, job: Job, address: str) -> None:
        waiting(job, stage_of(job, "=Phone, screen"), days=3)

        response = api.get(address.format(job=job.pk), {"format": "csv"})

        assert response.headers["Content-Type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(response.content.decode())))
        cell = next(row for row in rows if row.get("open", "1") != "0")
        assert cell["stage.name"] in {"screen", "'=Phone, screen"}
        if "open" in cell:
            assert (cell["open"], cell["job.title"], cell["limit.value"], cell["p50.value"]) == ("1", "Platform engineer", "7.0", "")

    def test_a_bad_parameter_is_still_a_problem(self, api: Client, job: Job) -> None:
        response = api.get(f"/ats/jobs/{job.pk}/heatmap", {"format": "csv", "window": "many"})

        assert response.status_code == 400
        assert response.json()["errors"][0]["field"] == "window"


def test_the_words_for_unresolved_are_those_of_the_issue_model() -> None:
    assert set(UNRESOLVED) == set(Issue.Status.values) - {Issue.Status.RESOLVED}
