"""The twenty edge cases of the definitions, through the real door: a file is imported, and the API is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from analytics import calendars, rebuilding
from analytics.models import StageTarget, StageVisit, WorkingCalendar
from ats.mapping import map_stage
from ats.models import Application, Candidate, CandidateEvent, FormerPlace, Job, Stage
from connectors.events import StageCategory
from connectors.models import Connector
from tests.factories.accounts import member
from tests.walking import bring_in, event_row, file_connector, walk

pytestmark = pytest.mark.django_db

APPLIED, REJECTED, HIRED, REOPENED = "application_created", "application_rejected", "application_hired", "application_reopened"
MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
CATEGORIES = {"new": "review", "screen": "screen", "onsite": "interview", "offer": "offer"}


@pytest.fixture
def connector() -> Connector:
    return file_connector()


@pytest.fixture
def api(connector: Connector) -> Client:
    client = Client()
    client.force_login(member(connector.organization))
    return client


def at(days: float) -> datetime:
    """So many days after a Monday."""
    return MONDAY + timedelta(days=days)


def ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def event(key: str, moment: datetime, stage: str | None = None, *, who: str = "1", **fields: Any) -> dict[str, Any]:
    where = {"stage_to": stage, "stage_to_category": CATEGORIES.get(stage, "")} if stage else {}
    told = {"application_external_id": f"a-{who}", "candidate_external_id": f"c-{who}"} | where | fields
    return event_row(key, moment, **{name: value for name, value in told.items() if value != ""})


def visits(who: str = "1") -> list[tuple[Any, ...]]:
    """(stage, entered, left, exit kind) of an application's visits."""
    rows = StageVisit.objects.filter(application__external_id=f"a-{who}").order_by("n")
    return list(rows.values_list("stage__external_id", "entered_at", "left_at", "exit_kind"))


def cells(api: Client, **parameters: Any) -> dict[str, dict[str, Any]]:
    """The job's cells by stage, computed now, with whom they count."""
    answer = api.get(f"/ats/jobs/{Job.objects.get().pk}/heatmap", {"window": 3000, "explain": 1, **parameters})
    assert answer.status_code == 200, answer.content
    return {Stage.objects.get(pk=cell["stage"]["id"]).external_id: cell for cell in answer.json()["stages"]}


def left_out(cell: dict[str, Any]) -> list[str]:
    return [one["reason"] for one in cell["explain"]["excluded"]]


def test_01_a_visit_in_the_second_of_the_previous_has_no_length_and_follows_the_sources_ids(connector: Connector) -> None:
    bring_in(connector, [event("3", at(2), "onsite"), event("1", at(0), "new", event_type=APPLIED), event("2", at(2), "screen")])

    assert [visit[:3] for visit in visits()] == [("new", at(0), at(2)), ("screen", at(2), at(2)), ("onsite", at(2), None)]


def test_02_an_end_before_the_beginning_never_becomes_a_negative_stay(connector: Connector, api: Client) -> None:
    # the rejection is dated before the application: what happened first comes first, and nothing ends before it begins
    bring_in(connector, [event("1", ago(5), "new", event_type=APPLIED), event("2", ago(9), event_type=REJECTED)])

    assert all(left is None or left >= entered for _, entered, left, _ in visits())
    assert cells(api)["new"]["oldest_age"] >= 0


def test_03_a_renamed_stage_is_the_same_stage(connector: Connector, api: Client) -> None:
    bring_in(connector, [event("1", ago(9), "new", event_type=APPLIED, stage_to_name="New")])
    bring_in(connector, [event("2", ago(3), "new", event_type=APPLIED, who="2", stage_to_name="Inbox")])

    assert set(cells(api)) == {"new"}
    assert cells(api)["new"]["open"] == 2
    assert str(Stage.objects.get()) == "Inbox"


def test_04_a_stage_nobody_uses_any_more_keeps_its_history(connector: Connector, api: Client) -> None:
    bring_in(
        connector,
        [event("1", ago(200), "new", event_type=APPLIED), event("2", ago(190), "screen"), event("3", ago(150), event_type=REJECTED)],
    )
    bring_in(connector, [event("4", ago(3), "new", event_type=APPLIED, who="2")])

    assert visits()[1][3] == "rejected"
    assert cells(api)["screen"]["entered"] == 1


def ends() -> list[str | None]:
    """How everybody's first visit ended, in the order of the applications."""
    return list(StageVisit.objects.filter(n=1).order_by("application__external_id").values_list("exit_kind", flat=True))


def test_05_after_a_pipeline_was_changed_a_move_counts_by_the_order_it_was_made_in(connector: Connector) -> None:
    bring_in(
        connector,
        [
            event("1", at(0), "screen", event_type=APPLIED),
            event("2", at(2), "onsite"),
            event("3", at(6), "screen", event_type=APPLIED, who="2"),
            event("4", at(8), "onsite", who="2"),
        ],
    )

    map_stage(stage=Stage.objects.get(external_id="onsite"), category=StageCategory.REVIEW, position=0, since=at(5))
    walk()
    assert ends() == ["advanced", "moved_back"]

    map_stage(stage=Stage.objects.get(external_id="onsite"), category=StageCategory.OFFER, position=0, since=at(7))
    walk()
    assert ends() == ["advanced", "advanced"]
    assert list(FormerPlace.objects.values_list("until", "category")) == [(at(5), "interview"), (at(7), "review")]

    map_stage(stage=Stage.objects.get(external_id="onsite"), category=StageCategory.REVIEW, position=0, since=at(1))
    walk()
    assert ends() == ["moved_back", "moved_back"]
    assert list(FormerPlace.objects.values_list("until", "category")) == [(at(1), "interview")]
    assert not rebuilding.rebuild(organization_id=connector.organization_id, check=True)


def test_05_whoever_corrects_a_stages_place_corrects_the_past_with_it(connector: Connector) -> None:
    bring_in(connector, [event("1", at(0), "screen", event_type=APPLIED), event("2", at(2), "onsite")])
    assert visits()[0][3] == "advanced"

    map_stage(stage=Stage.objects.get(external_id="onsite"), category=StageCategory.REVIEW, position=0)
    walk()

    assert visits()[0][3] == "moved_back"


def test_06_somebody_taken_back_has_a_new_visit_and_the_time_between_is_in_no_stage(connector: Connector) -> None:
    bring_in(
        connector,
        [
            event("1", at(0), "new", event_type=APPLIED),
            event("2", at(1), event_type=REJECTED),
            event("3", at(4), "new", event_type=REOPENED),
        ],
    )

    assert visits() == [("new", at(0), at(1), "rejected"), ("new", at(4), None, None)]


def test_07_a_bulk_move_of_fifty_in_a_minute_counts_and_is_marked(connector: Connector, api: Client) -> None:
    rows = [event(f"in{n}", ago(9), "new", event_type=APPLIED, who=str(n)) for n in range(51)]
    rows += [event(f"out{n}", ago(2) + timedelta(seconds=n), event_type=REJECTED, who=str(n)) for n in range(50)]
    bring_in(connector, rows)

    cell = cells(api)["new"]
    assert (cell["exited"], cell["p50"]["n_exits"]) == (50, 50)
    assert sum(one.get("bulk", False) for one in cell["explain"]["included"]) == 50


def test_08_an_application_dated_back_is_derived_anew_and_both_tellings_stay_on_record(connector: Connector) -> None:
    bring_in(connector, [event("1", at(5), "new", event_type=APPLIED), event("2", at(7), "screen")])
    before = visits()[0]
    bring_in(connector, [event("1b", at(1), "new", event_type=APPLIED, metadata={"reason": "applied date edited"})])

    assert (before[1], visits()[0][1]) == (at(5), at(1))
    told = CandidateEvent.objects.filter(event_type=APPLIED).order_by("occurred_at").values_list("occurred_at", "metadata__reason")
    assert list(told) == [(at(1), "applied date edited"), (at(5), None)]


def test_09_the_same_status_told_twice_is_one_visit(connector: Connector) -> None:
    bring_in(connector, [event("1", at(0), "new", event_type=APPLIED), event("2", at(2), "new"), event("3", at(3), "new")])

    assert visits() == [("new", at(0), None, None)]


def test_10_an_entry_known_to_three_days_is_counted_and_in_no_estimate(connector: Connector, api: Client) -> None:
    bounds = [ago(12).isoformat(), ago(9).isoformat()]
    bring_in(connector, [event("1", ago(10.5), "new", event_type=APPLIED, precision="bounded", metadata={"bounds": bounds})])

    cell = cells(api)["new"]
    assert (cell["open"], cell["entered"], cell["p50"]["n"], left_out(cell)) == (1, 1, 0, ["entry_gap_over_a_day"])


@pytest.mark.parametrize(
    ("bounds", "business_days"),
    [
        ([at(4.75), at(7.5)], 0.75),  # Friday 18:00 to Monday 12:00
        ([at(4.5), at(7.5)], 1.0),  # Friday noon to Monday noon
        ([at(4.5), at(7.5) + timedelta(minutes=1)], 1.0007),
        ([at(1), at(2.5)], 1.5),  # Tuesday to Wednesday noon: 36 hours, all of them working time
        ([at(8), at(16)], 0.5),  # the job was on hold from Tuesday to the Wednesday after, but for half a day
        (None, float("inf")),
    ],
)
def test_10_a_bounded_entry_is_as_good_as_the_business_days_between_its_looks(
    connector: Connector, api: Client, bounds: list[datetime] | None, business_days: float
) -> None:
    told = {"metadata": {"bounds": [bound.isoformat() for bound in bounds]}} if bounds else {}
    moment = bounds[0] + (bounds[1] - bounds[0]) / 2 if bounds else at(4)
    job = {"application_external_id": "", "candidate_external_id": "", "event_type": "job_status_changed"}
    bring_in(
        connector,
        [
            event("1", moment, "new", event_type=APPLIED, precision="bounded", **told),
            event("2", at(21), "screen"),
            event("h1", at(8.5), **job, metadata={"status": "on_hold"}),
            event("h2", at(16), **job, metadata={"status": "open"}),
        ],
    )

    assert StageVisit.objects.get(n=1).entry_gap == business_days * 86_400
    cell = cells(api)["new"]
    assert (cell["p50"]["n"], left_out(cell)) == ((1, []) if business_days <= 1 else (0, ["entry_gap_over_a_day"]))


def test_11_an_entry_in_the_future_has_age_0(connector: Connector, api: Client) -> None:
    bring_in(connector, [event("1", ago(-0.5), "new", event_type=APPLIED)])

    cell = cells(api)["new"]
    assert (cell["open"], cell["oldest_age"], cell["bands"]["fresh"], cell["p50"]["n"]) == (1, 0.0, 1, 0)
    stats = api.get(f"/ats/jobs/{Job.objects.get().pk}/stats").json()
    assert stats["data_quality"]["entered_in_the_future"]["value"] == 1


def test_12_merged_candidates_keep_separate_applications(connector: Connector, api: Client) -> None:
    bring_in(connector, [event("1", ago(5), "new", event_type=APPLIED), event("2", ago(4), "new", event_type=APPLIED, who="2")])
    bring_in(connector, [event("3", ago(1), event_type="candidate_merged", metadata={"into": "c-2"})])

    assert Application.objects.count() == 2
    assert cells(api)["new"]["open"] == 2


def test_13_of_two_hires_the_last_counts(connector: Connector, api: Client) -> None:
    bring_in(
        connector,
        [
            event("1", ago(30), "new", event_type=APPLIED),
            event("2", ago(20), event_type=HIRED),
            event("3", ago(18), "offer", event_type=REOPENED),
            event("4", ago(10), event_type=HIRED),
        ],
    )

    stats = api.get(f"/ats/jobs/{Job.objects.get().pk}/stats", {"explain": 1}).json()
    (hire,) = stats["time_to_hire"]["explain"]["included"]
    assert hire["days"] == pytest.approx(20, abs=0.001)
    assert stats["throughput"]["hires"]["n"] == 1


def test_14_of_an_erased_person_the_counts_stay(connector: Connector, api: Client) -> None:
    bring_in(connector, [event("1", ago(30), "new", event_type=APPLIED, candidate_name="Ada"), event("2", ago(20), event_type=REJECTED)])
    bring_in(connector, [event("3", ago(9), "new", event_type=APPLIED, who="2")])
    counted = [cells(api)["new"][name] for name in ("entered", "exited", "avg_duration_hours")]

    call_command("erase_candidate", str(Candidate.objects.get(external_id="c-1").pk), "--reason", "asked for", "--yes")

    assert Candidate.objects.get(external_id="c-1").name == ""
    assert [cells(api)["new"][name] for name in ("entered", "exited", "avg_duration_hours")] == counted


def test_15_a_new_time_zone_has_stored_business_days_counted_anew(connector: Connector) -> None:
    organization = connector.organization
    calendars.save_calendar(WorkingCalendar(organization=organization, zone="Europe/Berlin"))
    entered, left = datetime(2026, 6, 5, 22, tzinfo=UTC), datetime(2026, 6, 8, 6, tzinfo=UTC)
    bring_in(connector, [event("1", entered, "new", event_type=APPLIED), event("2", left, event_type=REJECTED)])
    assert StageVisit.objects.get().bd == 0.3333

    row = WorkingCalendar.objects.get(organization=organization)
    row.zone = "America/Los_Angeles"
    calendars.save_calendar(row)
    walk()

    assert StageVisit.objects.get().bd == 0.375


@pytest.mark.parametrize(("after", "kind"), [(0.4, "job_closed"), (2.9, "job_closed"), (3.2, "rejected")])
def test_16_all_exits_of_the_closing_day_are_a_clean_up_and_there_is_no_median(
    connector: Connector, api: Client, after: float, kind: str
) -> None:
    """The job closes on a Friday at noon: until Monday noon is one business day."""
    friday = at(4.5)
    rows = [event(f"in{n}", at(0), "new", event_type=APPLIED, who=str(n)) for n in range(8)]
    rows += [event(f"out{n}", friday + timedelta(days=after), event_type=REJECTED, who=str(n)) for n in range(8)]
    closed = {"event_type": "job_status_changed", "provider_event_id": "closed", "timestamp": friday.isoformat(), "job_external_id": "j-1"}
    bring_in(connector, [*rows, {**closed, "job_status": "closed"}])

    cell = cells(api)["new"]
    assert {visit[3] for n in range(8) for visit in visits(str(n))} == {kind}
    assert (cell["exited"], cell["p50"]["n"], cell["p50"]["n_exits"]) == (8, 8, 0 if kind == "job_closed" else 8)
    assert (cell["p50"]["value"] is None) == (kind == "job_closed")


def test_17_who_was_there_before_we_watched_is_open_and_in_no_percentile(connector: Connector, api: Client) -> None:
    bring_in(connector, [event("1", ago(9), "new", event_type=APPLIED, precision="unknown")])

    cell = cells(api)["new"]
    assert (cell["open"], cell["p50"]["n"], left_out(cell)) == (1, 0, ["entry_unknown"])
    listed = api.get(f"/ats/jobs/{Job.objects.get().pk}/stage/review/candidates").json()["results"]
    assert [one["age_is_lower_bound"] for one in listed] == [True]


def test_18_a_rejection_on_a_sunday_ends_at_the_friday_midnight_value(connector: Connector) -> None:
    bring_in(
        connector,
        [
            event("1", at(3.5), "new", event_type=APPLIED, who="1"), event("2", at(6.6), event_type=REJECTED, who="1"),
            event("3", at(3.5), "new", event_type=APPLIED, who="2"), event("4", at(5), event_type=REJECTED, who="2"),
        ],
    )  # fmt: skip

    assert set(StageVisit.objects.values_list("bd", flat=True)) == {1.5}


def test_19_where_all_are_stuck_there_is_no_median_and_the_heat_is_critical(connector: Connector, api: Client) -> None:
    bring_in(connector, [event(f"in{n}", ago(60 + n), "new", event_type=APPLIED, who=str(n)) for n in range(7)])

    cell = cells(api)["new"]
    assert (cell["p50"]["value"], cell["p50"]["n_exits"], cell["heat"], cell["bands"]["critical"]) == (None, 0, "critical", 7)


def test_20_a_lowered_limit_applies_to_those_who_already_wait(connector: Connector, api: Client) -> None:
    bring_in(connector, [event("1", ago(60), "new", event_type=APPLIED)])
    StageTarget.objects.create(organization=connector.organization, category="review", business_days=500)
    assert cells(api)["new"]["heat"] == "fresh"

    StageTarget.objects.update(business_days=10)

    cell = cells(api)["new"]
    assert (cell["heat"], cell["limit"]["value"], cell["limit"]["source"]) == ("critical", 10.0, "target")
