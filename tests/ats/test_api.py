"""Jobs and people over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from connectors.events import EventType
from tests.api import all_rows, client_of
from tests.factories.analytics import waiting
from tests.factories.ats import ApplicationFactory, CandidateEventFactory, JobFactory, StageFactory
from tests.factories.issues import issue_about
from tests.factories.worlds import World, make_world
from tests.schema import assert_as_documented

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> World:
    return make_world("acme")


@pytest.fixture
def api(acme: World) -> Client:
    return client_of(acme.recruiter)


class TestJobs:
    def test_a_job_tells_who_waits_and_what_is_wrong(self, api: Client, acme: World) -> None:
        response = api.get("/ats/jobs")

        assert_as_documented(response, "jobs")
        (job,) = response.json()["results"]
        assert (job["id"], job["title"], job["open"], job["issues_open"]) == (acme.job.pk, "acme engineer", 1, 1)

    def test_a_job_without_a_title_is_still_called_something(self, api: Client, acme: World) -> None:
        JobFactory(connector=acme.connector, title="", external_id="77")

        assert "Job 77" in [job["title"] for job in api.get("/ats/jobs").json()["results"]]

    def test_filters_choose(self, api: Client, acme: World) -> None:
        JobFactory(
            connector=acme.connector, title="Pastry chef", department="Kitchen", location="Lyon", status="closed", external_id="4711"
        )

        def found(**parameters: Any) -> list[str]:
            return [job["title"] for job in all_rows(api, "/ats/jobs", **parameters)]

        assert found(status="closed") == found(department="KITCHEN") == found(search="chef lyon") == found(search="4711") == ["Pastry chef"]
        assert found(status=["open", "closed"]) == ["Pastry chef", "acme engineer"]
        assert found(search="chef london") == []

    @pytest.mark.parametrize(
        "parameters", [{"status": "ajar"}, {"search": "a\x00b"}, {"ordering": "salary"}, {"cursor": "bm9wZQ"}, {"cursor": "é"}]
    )
    def test_a_bad_parameter_is_refused_by_name(self, api: Client, parameters: dict[str, str]) -> None:
        response = api.get("/ats/jobs", parameters)

        assert response.status_code == 400
        assert_as_documented(response, "jobs")
        assert response.json()["errors"][0]["field"] in parameters

    @pytest.mark.parametrize("word", ["title", "department", "status", "opened_at", "open", "issues_open"])
    def test_every_order_pages_completely_and_its_reverse_is_the_reverse(self, api: Client, acme: World, word: str) -> None:
        opened = datetime(2026, 1, 1, tzinfo=UTC)
        for n in range(5):
            JobFactory(connector=acme.connector, title=f"Cook {n % 2}", opened_at=opened + timedelta(days=n % 3) if n else None)

        def values(ordering: str) -> list[Any]:
            rows = list(all_rows(api, "/ats/jobs", ordering=ordering, page_size=2))
            assert len({row["id"] for row in rows}) == 6
            return [row[word] for row in rows]

        ascending, descending = values(word), values(f"-{word}")
        known = [value for value in ascending if value is not None]
        assert known == [value for value in reversed(descending) if value is not None]
        assert ascending[: len(known)] == known, "what is not known comes last"
        assert descending[: len(known)] == known[::-1]

    def test_a_cursor_of_another_order_is_refused(self, api: Client, acme: World) -> None:
        JobFactory(connector=acme.connector)
        following = api.get("/ats/jobs", {"page_size": 1, "ordering": "opened_at"}).json()["next"]

        assert api.get(following.replace("ordering=opened_at", "ordering=open")).status_code == 400

    def test_its_queries_do_not_grow_with_the_jobs(self, api: Client, acme: World, django_assert_num_queries: Any) -> None:
        for _ in range(5):
            waiting(JobFactory(connector=acme.connector), acme.stage)
        with django_assert_num_queries(3):  # session, user, jobs
            assert len(api.get("/ats/jobs").json()["results"]) == 6


class TestCandidate:
    def test_the_timeline_runs_across_applications_in_the_order_of_events(self, api: Client, acme: World) -> None:
        candidate, began = acme.visit.application.candidate, acme.visit.entered_at
        second = ApplicationFactory(job=JobFactory(connector=acme.connector), candidate=candidate, applied_at=began)
        for days, event_type in ((2, EventType.APPLICATION_REJECTED), (1, EventType.COMMENT_ADDED)):
            CandidateEventFactory(
                application=second,
                event_type=event_type,
                occurred_at=began + timedelta(days=days),
                actor_name="Rita",
                metadata={"duration_in_previous_stage": 86_400},
            )

        response = api.get(f"/ats/candidates/{candidate.pk}")

        assert response.status_code == 200
        assert_as_documented(response, "candidate")
        answer = response.json()
        assert [event["event_type"] for event in answer["timeline"]] == ["stage_changed", "comment_added", "application_rejected"]
        assert answer["timeline"][2]["actor"] == "Rita"
        assert answer["timeline"][2]["duration_in_previous_stage"] == 86_400
        assert {application["id"] for application in answer["applications"]} == {acme.visit.application_id, second.pk}

    def test_each_application_has_its_visits_and_issues(self, api: Client, acme: World) -> None:
        application = api.get(f"/ats/candidates/{acme.visit.application.candidate_id}").json()["applications"][0]

        assert [visit["stage"]["name"] for visit in application["visits"]] == ["acme screen"]
        assert [issue["id"] for issue in application["issues"]] == [acme.issue.pk]
        assert application["job"]["title"] == "acme engineer"

    def test_an_application_without_a_job_is_told_as_such(self, api: Client, acme: World) -> None:
        application = ApplicationFactory(job=None, connector=acme.connector)

        response = api.get(f"/ats/candidates/{application.candidate_id}")

        assert_as_documented(response, "candidate")
        assert response.json()["applications"][0]["job"] is None

    def test_its_queries_do_not_grow_with_the_applications(self, api: Client, acme: World, django_assert_num_queries: Any) -> None:
        candidate = acme.visit.application.candidate
        for _ in range(4):
            stage = StageFactory(connector=acme.connector)
            issue_about(waiting(acme.job, stage, application=ApplicationFactory(job=acme.job, candidate=candidate)))
        # session, user, candidate, applications, visits, their stages, issues, events
        with django_assert_num_queries(8):
            assert len(api.get(f"/ats/candidates/{candidate.pk}").json()["applications"]) == 5
