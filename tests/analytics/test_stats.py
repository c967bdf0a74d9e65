"""A job's statistics over HTTP, each number with the people behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from analytics import services
from analytics.calendars import holds_of
from analytics.funnel import funnel, ways_of
from analytics.heatmap import Window
from analytics.milestone_stats import fill_days
from analytics.milestones import Told, milestones
from analytics.observed import Seen
from ats.models import Application, CandidateEvent, Job, Stage
from connectors.events import EventType, Precision, StageCategory
from connectors.models import Batch
from tests.factories.accounts import OrganizationFactory, member
from tests.factories.ats import ApplicationFactory, CandidateEventFactory, JobFactory, StageFactory
from tests.factories.connectors import ConnectorFactory
from tests.schema import assert_as_documented

NOW = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday


def day(number: float) -> datetime:
    """So many days before now."""
    return timezone.now() - timedelta(days=number)


@pytest.fixture
def job(db: None) -> Job:
    made: Job = JobFactory(connector=ConnectorFactory(organization=OrganizationFactory()), opened_at=day(80))
    return made


@pytest.fixture
def api(job: Job) -> Client:
    client = Client()
    client.force_login(member(job.organization, username="alice"))
    return client


@pytest.fixture
def stages(job: Job) -> dict[str, Stage]:
    return {
        name: StageFactory(connector=job.connector, name=name, category=category)
        for name, category in (("New", StageCategory.REVIEW), ("Screen", StageCategory.SCREEN), ("Onsite", StageCategory.INTERVIEW))
    }


def told(job: Job, *events: tuple[str, datetime, Stage | None], application: Application | None = None, **facts: Any) -> Application:
    """An application and what happened to it, in the ledger."""
    made: Application = application or ApplicationFactory(job=job)
    for event_type, at, stage in events:
        CandidateEventFactory(application=made, event_type=event_type, occurred_at=at, stage_to=stage, **facts)
    return made


def measured(job: Job) -> None:
    ids = list(Application.objects.filter(job=job).values_list("pk", flat=True))
    with transaction.atomic():
        services.measure(Batch(organization=job.organization, application_ids=ids))
        services.refresh_cells(organization_id=job.organization_id, as_of=timezone.now())


def stats(api: Client, job: Job, **parameters: Any) -> dict[str, Any]:
    response = api.get(f"/ats/jobs/{job.pk}/stats", parameters)
    assert response.status_code == 200, response.content
    assert_as_documented(response, "job_stats")
    found: dict[str, Any] = response.json()
    return found


CREATED, MOVED, REJECTED, HIRED = (
    EventType.APPLICATION_CREATED,
    EventType.STAGE_CHANGED,
    EventType.APPLICATION_REJECTED,
    EventType.APPLICATION_HIRED,
)
ACCEPTED = EventType.OFFER_ACCEPTED


@pytest.fixture
def busy(job: Job, stages: dict[str, Stage]) -> list[Application]:
    """Eight people: one hired after offer, two at the interview, one skipped the screen, three rejected, one new."""
    new, screen, onsite = stages.values()
    people = [
        told(
            job,
            (CREATED, day(60), new), (MOVED, day(58), screen), (MOVED, day(50), onsite),
            (EventType.OFFER_SENT, day(45), None), (EventType.OFFER_ACCEPTED, day(40), None), (HIRED, day(38), None),
        ),
        told(job, (CREATED, day(30), new), (MOVED, day(28), screen), (MOVED, day(20), onsite)),
        told(job, (CREATED, day(30), new), (MOVED, day(20), onsite)),
        *(told(job, (CREATED, day(30), new), (MOVED, day(29), screen), (REJECTED, day(25), None)) for _ in range(3)),
        told(job, (CREATED, day(3), new)),
        told(job, (CREATED, day(200), new), (REJECTED, day(190), None)),
    ]  # fmt: skip
    measured(job)
    return people


class TestFunnel:
    def test_every_stage_tells_who_came_who_went_on_and_who_was_lost(self, api: Client, job: Job, busy: list[Application]) -> None:
        new, screen, onsite = stats(api, job)["funnel"]

        assert [one["entered"]["value"] for one in (new, screen, onsite)] == [7, 5, 3]
        passing = new["pass_through"]
        assert (passing["k"], passing["n"], passing["value"], passing["n_open"]) == (6, 6, 100.0, 1)
        assert (passing["bound_low"], passing["bound_high"]) == (pytest.approx(100 * 6 / 7), 100.0)
        assert (screen["drop_off"]["k"], screen["drop_off"]["n"], screen["drop_off"]["value"]) == (3, 5, 60.0)
        assert (screen["skipped"]["k"], screen["skipped"]["n"]) == (1, 6)
        assert onsite["pass_through"]["k"] == 1  # hired

    def test_drop_off_points_name_the_stage_that_loses_most(self, api: Client, job: Job, busy: list[Application]) -> None:
        first, *_ = stats(api, job)["drop_off_points"]

        assert (first["stage"]["name"], first["lost"]) == ("Screen", 3)

    def test_the_funnel_agrees_with_the_heatmap(self, api: Client, job: Job, busy: list[Application]) -> None:
        cells = api.get(f"/ats/jobs/{job.pk}/heatmap").json()["stages"]

        for cell, one in zip(cells, stats(api, job)["funnel"], strict=True):
            passing = one["pass_through"]
            assert cell["stage"] == one["stage"]
            assert [cell["pass_through"][key] for key in ("k", "n", "resolved", "low", "high")] == [
                passing["k"], passing["n"], passing["value"], passing["bound_low"], passing["bound_high"],
            ]  # fmt: skip
            assert (cell["drop_off"]["k"], cell["drop_off"]["n"]) == (one["drop_off"]["k"], one["drop_off"]["n"])


class TestMilestones:
    def test_time_to_hire_runs_from_applied_to_accepted(self, api: Client, job: Job, busy: list[Application]) -> None:
        hire = stats(api, job, explain=1)["time_to_hire"]

        assert (hire["p50"]["value"], hire["p50"]["n_exits"], hire["p50"]["unit"]) == (None, 1, "cd")  # one hire is no median
        (only,) = hire["explain"]["included"]
        assert (only["application"], only["days"]) == (busy[0].pk, pytest.approx(20, abs=0.01))
        assert {one["reason"] for one in hire["explain"]["excluded"]} == {"not_hired"}

    def test_time_to_fill_runs_from_the_opening_and_leaves_out_holds(self, api: Client, job: Job, busy: list[Application]) -> None:
        fill = stats(api, job)["time_to_fill"]

        assert (fill["value"], fill["reason"]) == (pytest.approx(40, abs=0.01), None)

    def test_first_action_counts_people_who_still_wait_for_one(self, api: Client, job: Job, busy: list[Application]) -> None:
        first = stats(api, job)["time_to_first_action"]["cd"]["p50"]

        assert (first["n"], first["n_exits"], first["n_open"]) == (7, 6, 1)
        assert first["value"] == pytest.approx(2, abs=0.01)

    def test_offers_and_throughput(self, api: Client, job: Job, busy: list[Application]) -> None:
        found = stats(api, job)

        assert (found["offer_acceptance"]["k"], found["offer_acceptance"]["n"], found["offer_acceptance"]["open"]) == (1, 1, 0)
        assert found["throughput"]["hires"]["value"] == pytest.approx(28 / 90, abs=0.001)

    def test_sources_under_twenty_are_not_ranked(self, api: Client, job: Job, busy: list[Application]) -> None:
        (source,) = stats(api, job)["sources"]

        assert (source["source"], source["rankable"], source["entered"]["value"]) == ("Referral", False, 7)
        assert (source["reached_interview"]["k"], source["hired"]["k"]) == (3, 1)

    def test_a_job_without_anybody_has_nulls_not_zeros(self, api: Client, job: Job) -> None:
        found = stats(api, job)

        assert found["funnel"] == found["velocity"] == found["sources"] == []
        assert (found["time_to_fill"]["value"], found["time_to_fill"]["reason"]) == (None, "not_filled")
        assert found["offer_acceptance"]["value"] is None
        assert found["flow"]["value"] is None


def test_the_number_of_queries_does_not_follow_the_number_of_people_or_stages(api: Client, job: Job, stages: dict[str, Stage]) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            stats(api, job, explain=1)
        return len(queries)

    told(job, (CREATED, day(30), stages["New"]))
    measured(job)
    few = asked()
    for number in range(12):
        told(job, (CREATED, day(30 + number), stages["New"]), (MOVED, day(20), stages["Screen"]), (MOVED, day(9), stages["Onsite"]))
    measured(job)

    assert asked() == few


class TestOpenings:
    @pytest.fixture
    def filled_twice(self, job: Job, stages: dict[str, Stage]) -> list[Application]:
        new = stages["New"]
        people = [
            told(job, (CREATED, day(70), new), (EventType.OFFER_ACCEPTED, day(ago), None), (HIRED, day(ago - 1), None)) for ago in (50, 20)
        ]
        for number, (status, ago) in enumerate([("on_hold", 40), ("open", 30)]):
            CandidateEvent.objects.create(
                organization=job.organization, connector=job.connector, provider_event_id=f"hold{number}", job=job, raw_event_id=0,
                event_type=EventType.JOB_STATUS_CHANGED, occurred_at=day(ago), recorded_at=day(ago), metadata={"status": status},
            )  # fmt: skip
        measured(job)
        return people

    def test_each_opening_has_its_own_time_to_fill_without_the_days_on_hold(
        self, api: Client, job: Job, filled_twice: list[Application]
    ) -> None:
        fill = stats(api, job)["time_to_fill"]

        assert [(one["application"], one["days"]) for one in fill["openings"]] == [
            (filled_twice[0].pk, pytest.approx(30, abs=0.01)),
            (filled_twice[1].pk, pytest.approx(50, abs=0.01)),
        ]
        assert (fill["value"], fill["n"], fill["on_hold_days"]) == (pytest.approx(50, abs=0.01), 2, pytest.approx(10, abs=0.01))

    def test_an_evergreen_job_has_none(self, api: Client, job: Job, filled_twice: list[Application]) -> None:
        Job.objects.filter(pk=job.pk).update(evergreen=True)

        fill = stats(api, job)["time_to_fill"]

        assert (fill["value"], fill["n"], fill["reason"], fill["openings"]) == (None, 0, "evergreen_job", [])


class TestWaiting:
    def test_it_tells_who_waits_how_long_and_since_when_nobody_did_anything(self, api: Client, job: Job, stages: dict[str, Stage]) -> None:
        new = stages["New"]
        silent = told(job, (CREATED, day(40), new), (EventType.EMAIL_LOGGED, day(35), None))
        answered = told(job, (CREATED, day(20), new), (EventType.EMAIL_LOGGED, day(3), None))
        CandidateEventFactory(
            application=answered, event_type=EventType.EMAIL_LOGGED, occurred_at=day(1), metadata={"direction": "inbound"}
        )
        fresh = told(job, (CREATED, day(2), new))
        told(job, (CREATED, day(30), new), (REJECTED, day(10), None))
        measured(job)

        (waiting,) = stats(api, job, explain=1)["waiting"]

        assert [waiting[name]["value"] for name in ("open", "arrivals", "exits", "net")] == [3, 4, 1, 3]
        people = {one["application"]: one for one in waiting["explain"]["included"]}
        assert set(people) == {silent.pk, answered.pk, fresh.pk}
        contact = [people[one.pk]["days_since_contact"] for one in (silent, answered, fresh)]
        # what a candidate writes is no message to him, and nothing was ever written to the third
        assert contact == [pytest.approx(35, abs=0.01), pytest.approx(3, abs=0.01), None]
        assert people[answered.pk]["idle_days"] <= 1 < people[silent.pk]["idle_days"]
        assert waiting["since_contact"]["n"] == 2
        assert (waiting["on_time"]["k"], waiting["on_time"]["n"], waiting["on_time"]["target"]) == (1, 3, 5.0)
        assert waiting["pace"]["reason"] == "too_few_exits"

    def test_pace_is_the_share_of_stays_over_by_the_age_of_the_oldest_who_counts_himself(
        self, api: Client, job: Job, stages: dict[str, Stage]
    ) -> None:
        new = stages["New"]
        for number in range(20):
            told(job, (CREATED, day(70), new), (REJECTED, day(69 if number < 15 else 5), None))
        told(job, (CREATED, day(14), new))
        measured(job)

        pace = stats(api, job)["waiting"][0]["pace"]

        assert (pace["value"], pace["baseline_level"], pace["n_exits"]) == (pytest.approx(100 * 15 / 21), "job", 20)
        assert pace["age"] == pytest.approx(10, abs=0.1)


class TestFeedback:
    def test_who_still_owes_it_counts_as_waiting_and_what_was_called_off_is_owed_by_nobody(
        self, api: Client, job: Job, stages: dict[str, Stage]
    ) -> None:
        def interview(number: int, ended: float, *said: tuple[str, float], called_off: bool = False) -> None:
            met = told(job, (CREATED, day(40), stages["Onsite"]))
            about = {"interview_external_id": f"i-{number}", "end": day(ended).isoformat(), "interviewers": ["ann", "bob"]}
            CandidateEventFactory(
                application=met, occurred_at=day(ended + 1), metadata=about,
                event_type=EventType.INTERVIEW_CANCELLED if called_off else EventType.INTERVIEW_SCHEDULED,
            )  # fmt: skip
            for who, ago in said:
                CandidateEventFactory(
                    application=met, event_type=EventType.FEEDBACK_SUBMITTED, occurred_at=day(ago), actor_external_id=who,
                    metadata={"interview_external_id": f"i-{number}", "interviewer_external_id": who},
                )  # fmt: skip

        for number in range(3):
            interview(number, 28, ("ann", 21), ("bob", 14))  # a week and two weeks: 5 and 10 business days
        interview(3, 28)
        interview(4, 28, called_off=True)
        interview(5, -3)  # not over yet
        measured(job)

        feedback = stats(api, job, explain=1)["feedback"]

        assert [feedback["p50"][name] for name in ("n", "n_exits", "n_open", "value")] == [8, 6, 2, pytest.approx(10, abs=0.01)]
        assert (feedback["debt"]["value"], feedback["debt"]["definition_id"], feedback["reason"]) == (2, "M17", None)
        assert {one["interview"] for one in feedback["debt"]["explain"]["included"]} == {"i-3"}

    def test_an_ats_that_tells_of_no_interviews_is_no_debt_but_not_known(self, api: Client, job: Job) -> None:
        feedback = stats(api, job)["feedback"]

        assert (feedback["p50"]["value"], feedback["reason"]) == (None, "no_interviews_known")


class TestDataQuality:
    def test_it_tells_how_entries_are_dated_and_what_is_odd(self, api: Client, job: Job, stages: dict[str, Stage]) -> None:
        new = stages["New"]
        odd = StageFactory(connector=job.connector, name="Talent pool", category=StageCategory.UNMAPPED)
        bounds = [day(20).isoformat(), day(17).isoformat()]
        told(job, (CREATED, day(18.5), new), precision=Precision.BOUNDED, metadata={"bounds": bounds})
        told(job, (CREATED, day(30), new), precision=Precision.UNKNOWN)
        told(job, (CREATED, day(20), new), (MOVED, day(20) + timedelta(seconds=20), odd))
        told(job, (CREATED, day(-1), new))
        measured(job)

        quality = stats(api, job, explain=1)["data_quality"]

        precision = quality["entry_precision"]
        assert [(precision[word]["k"], precision[word]["n"]) for word in ("exact", "bounded", "unknown")] == [(2, 4), (1, 4), (1, 4)]
        assert [stage["name"] for stage in quality["unmapped_stages"]] == ["Talent pool"]
        odd_ones = ("in_unmapped_stages", "entry_gap_over_a_day", "under_a_minute", "entered_in_the_future", "ended_in_bulk")
        assert [quality[name]["value"] for name in odd_ones] == [1, 1, 1, 1, 0]


class TestForecast:
    @pytest.fixture
    def hiring(self, job: Job, stages: dict[str, Stage]) -> list[Application]:
        """For months somebody comes every other day; each is screened after two days and hired or rejected after ten more."""
        new, screen, _ = stages.values()
        people = []
        for number, ago in enumerate(range(2, 78, 2)):
            events = [(CREATED, day(ago), new), (MOVED, day(ago - 2), screen), ((HIRED, REJECTED)[number % 2], day(ago - 12), None)]
            people.append(told(job, *(event for event in events if event[1] <= day(0))))
        measured(job)
        return people

    def test_it_ranges_over_what_the_stages_lately_did(self, api: Client, job: Job, hiring: list[Application]) -> None:
        forecast = stats(api, job)["forecast"]

        fill, hires = forecast["fill"], forecast["hires"]
        assert (fill["definition_id"], fill["unit"], fill["reason"]) == ("F01", "cd", None)
        assert 0 <= fill["low"] <= fill["value"] <= fill["high"] <= 12
        assert fill["dates"]["low"] <= fill["dates"]["value"] <= fill["dates"]["high"]
        assert (hires["definition_id"], hires["per_days"]) == ("F02", 28)
        # ten of twenty in 40 days: 28 / 4 of them, and as many again from those who are here
        assert hires["low"] <= 7 <= hires["high"]
        assert hires["mean"] == pytest.approx(7, abs=2)
        assert forecast["basis"]["people"] == 5
        assert [one["baseline_level"] for one in forecast["basis"]["stages"]] == ["job", "job"]

    def test_what_came_stands_beside_past_forecasts(self, api: Client, job: Job, hiring: list[Application]) -> None:
        forecast = stats(api, job)["forecast"]

        (past,) = forecast["past"]  # 28 days ago; 56 days ago it was too young
        assert past["hires"]["actual"] == 7
        assert past["hires"]["hit"] is (past["hires"]["low"] <= 7 <= past["hires"]["high"])
        rate = forecast["hires"]["hit_rate"]
        assert (rate["value"], rate["n"], rate["reason"], rate["expected"]) == (None, 1, "too_few_past_forecasts", 80)

    def test_the_people_and_stays_behind_it_are_listed(self, api: Client, job: Job, hiring: list[Application]) -> None:
        explain = stats(api, job, explain=1)["forecast"]["explain"]

        assert len(explain["people"]["included"]) == 5
        assert {len(one["included"]) for one in explain["stages"]} == {37, 38}

    def test_other_jobs_teach_what_this_one_has_not_seen(
        self, api: Client, job: Job, stages: dict[str, Stage], hiring: list[Application]
    ) -> None:
        young: Job = JobFactory(connector=job.connector, opened_at=day(5))
        told(young, (CREATED, day(4), stages["New"]))
        measured(young)

        forecast = stats(api, young)["forecast"]

        assert forecast["fill"]["reason"] is None
        assert {one["baseline_level"] for one in forecast["basis"]["stages"]} == {"department"}
        assert 0 < forecast["hires"]["chance_of_a_hire"] < 100

    def test_a_job_that_is_never_filled_has_no_day_of_it(self, api: Client, job: Job, hiring: list[Application]) -> None:
        Job.objects.filter(pk=job.pk).update(evergreen=True)

        forecast = stats(api, job)["forecast"]

        assert (forecast["fill"]["value"], forecast["fill"]["reason"]) == (None, "evergreen_job")
        assert forecast["hires"]["value"] is not None


class TestExplain:
    def test_a_cell_lists_whom_it_counts_and_whom_not_and_why(self, api: Client, job: Job, stages: dict[str, Stage]) -> None:
        new, screen, _ = stages.values()
        counted = told(job, (CREATED, day(30), new), (MOVED, day(25), screen))
        passed = told(job, (CREATED, day(30), new), (MOVED, day(30) + timedelta(seconds=30), screen))
        early = told(job, (CREATED, day(120), new), (MOVED, day(20), screen))
        unknown = told(job, (CREATED, day(40), new), precision=Precision.UNKNOWN)
        bounds = [day(20).isoformat(), day(15).isoformat()]
        unsure = told(job, (CREATED, day(17), new), precision=Precision.BOUNDED, metadata={"bounds": bounds})
        measured(job)

        cell = api.get(f"/ats/jobs/{job.pk}/heatmap", {"explain": 1}).json()["stages"][0]

        assert [one["application"] for one in cell["explain"]["included"]] == [counted.pk]
        assert {one["application"]: one["reason"] for one in cell["explain"]["excluded"]} == {
            passed.pk: "under_a_minute",
            early.pk: "entered_before_window",
            unknown.pk: "entry_unknown",
            unsure.pk: "entry_gap_over_a_day",
        }
        assert cell["p50"]["n"] == 1

    def test_what_is_listed_is_what_was_counted_in_every_cell_on_both_clocks(self, api: Client, job: Job, busy: list[Application]) -> None:
        for clock in ("bd", "cd"):
            for cell in api.get(f"/ats/jobs/{job.pk}/heatmap", {"explain": 1, "clock": clock}).json()["stages"]:
                included = cell["explain"]["included"]
                assert len(included) == cell["p50"]["n"]
                assert sum(one["taken_as"] == "exit" for one in included) == cell["p50"]["n_exits"]
                assert sum(one["taken_as"] == "open" for one in included) == cell["p50"]["n_open"]

    def test_another_organization_s_job_is_not_there(self, api: Client) -> None:
        assert api.get(f"/ats/jobs/{JobFactory().pk}/stats", {"explain": 1}).status_code == 404


def test_worked_example_h() -> None:
    opened, accepted = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 15, tzinfo=UTC)

    assert fill_days(opened, accepted, [(datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 20, tzinfo=UTC))]) == 35


def happened(*events: tuple[str, float], here: bool = True) -> list[Told]:
    return [Told(kind, NOW + timedelta(days=days), here=here) for kind, days in events]


def test_hired_moved_back_and_hired_again_counts_the_last_hire() -> None:
    events = happened((CREATED, 0), (HIRED, 5), (MOVED, 6), (HIRED, 9))

    assert milestones(events).hired_at == NOW + timedelta(days=9)
    assert milestones(events[:3]).hired_at is None


def test_an_acceptance_goes_with_the_hire_that_did_not_stand() -> None:
    events = happened((CREATED, 0), (ACCEPTED, 4), (HIRED, 5), (MOVED, 6), (HIRED, 9))

    assert milestones(events[:3]).hired_at == NOW + timedelta(days=4)
    assert milestones(events[:4]).hired_at is None
    assert milestones(events).hired_at == NOW + timedelta(days=9)
    again = [*events[:4], *happened((ACCEPTED, 8), (HIRED, 9))]
    assert milestones(again).hired_at == NOW + timedelta(days=8)


@pytest.mark.parametrize("vanished", [EventType.APPLICATION_REMOVED, EventType.APPLICATION_CLOSED])
def test_a_hire_put_away_later_stays_one(vanished: EventType) -> None:
    assert milestones(happened((CREATED, 0), (HIRED, 5), (vanished, 30))).hired_at == NOW + timedelta(days=5)
    assert milestones(happened((CREATED, 0), (ACCEPTED, 4), (vanished, 30))).hired_at is None


def test_hired_as_told_twice_is_hired_once() -> None:
    assert milestones(happened((CREATED, 0), (HIRED, 5), (HIRED, 8))).hired_at == NOW + timedelta(days=5)


def test_an_accepted_offer_of_somebody_then_rejected_is_no_hire() -> None:
    events = happened((CREATED, 0), (ACCEPTED, 0), (REJECTED, 1))

    assert milestones(events).hired_at is None
    assert milestones([*events, *happened((EventType.APPLICATION_REOPENED, 2))]).hired_at is None, "that offer is gone"


def test_offers_and_hires_stay_with_their_job() -> None:
    before = happened((CREATED, 0), (EventType.OFFER_SENT, 1), (ACCEPTED, 2), (HIRED, 3))
    elsewhere = happened((EventType.APPLICATION_MOVED, 4), (EventType.OFFER_SENT, 5), (ACCEPTED, 6), (HIRED, 7), here=False)

    left = milestones([*before, *elsewhere])
    assert (left.hired_at, left.sent_at, left.ended_at) == (None, NOW + timedelta(days=1), NOW + timedelta(days=7))
    arrived = milestones([one._replace(here=not one.here) for one in (*before, *elsewhere)])
    assert (arrived.applied_at, arrived.applied_here) == (NOW, False)
    assert (arrived.sent_at, arrived.hired_at) == (NOW + timedelta(days=5), NOW + timedelta(days=6))


def test_worked_example_i() -> None:
    def seen(n: int, stage_id: int, began: float, days: float | None, end: str | None) -> Seen:
        entered = NOW + timedelta(days=began)
        return Seen(n, 1, n, stage_id, entered, entered + timedelta(days=days) if days else None, end, "exact", 0, False, days)

    visits = [seen(1, 1, 0, 2, "advanced"), seen(2, 2, 2, 3, "moved_back"), seen(3, 1, 5, 1, "advanced"), seen(4, 2, 6, None, None)]
    as_of = NOW + timedelta(days=10)

    found = funnel(ways_of(visits, as_of), {1: 1000, 2: 3000}, Window(NOW, as_of), as_of)

    assert [len(found[stage].came_again) for stage in (1, 2)] == [1, 1]
    assert (found[1].counts.first_entries, found[1].counts.advanced) == (1, 1)
    assert (found[2].counts.undecided, found[2].moved_back, len(found[2].ended)) == (1, 1, 1)


def test_holds_are_read_in_pairs(job: Job) -> None:
    for number, status in enumerate(["open", "on_hold", "on_hold", "closed", "on_hold"]):
        CandidateEvent.objects.create(
            organization=job.organization, connector=job.connector, provider_event_id=f"s{number}", job=job, raw_event_id=0,
            event_type=EventType.JOB_STATUS_CHANGED, occurred_at=NOW + timedelta(days=number), recorded_at=NOW, metadata={"status": status},
        )  # fmt: skip

    assert holds_of([job.pk])[job.pk] == [
        (NOW + timedelta(days=1), NOW + timedelta(days=2)),
        (NOW + timedelta(days=2), NOW + timedelta(days=3)),
        (NOW + timedelta(days=4), None),
    ]
