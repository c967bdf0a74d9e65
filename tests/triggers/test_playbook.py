"""Which task follows from an issue, for whom and until when. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from analytics.clocks import WorkingCalendar, compile_calendar
from triggers.playbook import DEFAULT, SEVERITIES, Away, Play, Rung, Staff, Subject, fill, next_rung_at, retold, task_for

WEEK = compile_calendar(WorkingCalendar(zone="UTC"), date(2026, 1, 1), date(2027, 1, 1))
FRIDAY = datetime(2026, 6, 5, 15, tzinfo=UTC)


def subject(**fields: Any) -> Subject:
    values: dict[str, Any] = {
        "issue_id": 1, "issue_type": "stuck", "severity": "high", "sentence": "Too long.", "job_id": 4, "job": "Engineer",
        "stage": "Screen",
    }  # fmt: skip
    return Subject(**{**values, **fields})


def staff(people: dict[str, list[int]] | None = None, names: dict[int, str] | None = None, **away: Away) -> Staff:
    """``away``: by ``u`` and the id."""
    everybody = {one: "" for ids in (people or {}).values() for one in ids} | (names or {})
    return Staff(by_role=people or {}, names=everybody, away={int(key[1:]): absence for key, absence in away.items()})


def task(*plays: Play, people: dict[str, list[int]] | None = None, names: dict[int, str] | None = None, **fields: Any) -> Any:
    return task_for(subject(**fields), plays, staff=staff(people, names), as_of=FRIDAY, calendar=WEEK)


@pytest.mark.parametrize("least", SEVERITIES)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_play_is_for_its_severity_and_above(least: str, severity: str) -> None:
    assert (task(Play(min_severity=least), severity=severity) is not None) == (SEVERITIES.index(severity) >= SEVERITIES.index(least))


@pytest.mark.parametrize(("issue_type", "fits"), [("", True), ("stuck", True), ("idle_candidate", False)])
def test_a_play_is_for_its_type_or_for_all(issue_type: str, fits: bool) -> None:
    assert (task(Play(issue_type=issue_type)) is not None) is fits


def test_the_first_play_that_fits_is_played() -> None:
    plays = Play(issue_type="idle_candidate", title_template="a"), Play(issue_type="stuck", title_template="b"), Play(title_template="c")

    assert task(*plays).title == "b"
    assert task(*plays, issue_type="something").title == "c"
    assert task(issue_type="stuck") is None


def test_the_task_is_due_in_working_time_and_as_urgent_as_its_issue() -> None:
    made = task(Play(due_in_business_days=1))

    assert made.due_at == FRIDAY + timedelta(days=3), "Friday afternoon plus a day is Monday afternoon"
    assert made.priority == "high"


def test_one_jobs_tasks_go_to_the_same_person_of_the_role_and_different_jobs_share_the_load() -> None:
    people = {"recruiter": [10, 20, 30], "viewer": [40]}

    asked = {job: {task(DEFAULT, people=people, job_id=job, issue_id=issue).assignee_id for issue in range(3)} for job in range(3)}

    assert all(len(who) == 1 for who in asked.values())
    assert set().union(*asked.values()) == {10, 20, 30}


def test_nobody_of_the_role_leaves_the_task_to_whoever_takes_it() -> None:
    assert task(DEFAULT, people={"viewer": [40]}).assignee_id is None
    assert task(DEFAULT, people={"recruiter": [7]}, job_id=None).assignee_id == 7


@pytest.mark.parametrize(
    ("template", "title"),
    [
        ("{job}: {sentence}", "Engineer: Too long."),
        ("{issue_type} in {stage}", "stuck in Screen"),
        ("{candidate} {0} {} {{job}}", "{candidate} {0} {} {Engineer}"),
        ("no words", "no words"),
    ],
)
def test_templates_know_four_words_and_leave_the_rest_alone(template: str, title: str) -> None:
    assert fill(template, subject()) == title


def test_a_template_cannot_reach_into_the_program() -> None:
    assert fill("{sentence.__class__} {job!r:>99}", subject()) == "{sentence.__class__} {job!r:>99}"


@pytest.mark.parametrize(
    ("opened_as", "template", "now"),
    [
        ("Engineer: Waits 5 days.", "{job}: {sentence}", "Engineer: Too long."),
        ("Waits 5 days.", "{sentence}", "Too long."),
        ("Waits 5 days. Call Screen", "{sentence} Call {stage}", "Too long. Call Screen"),
        ("Call them", "Call them", "Call them"),
        ("Old name: Waits 5 days.", "{job}: {sentence}", "Old name: Waits 5 days."),
        ("Call them: Waits 5 days.", "Please: {sentence}", "Call them: Waits 5 days."),
    ],
)
def test_a_title_is_retold_where_its_template_still_fits(opened_as: str, template: str, now: str) -> None:
    assert retold(opened_as, template, subject()) == now


def test_a_long_title_is_cut_to_its_column() -> None:
    assert len(task(DEFAULT, job="x" * 400).title) == 300


@pytest.mark.parametrize(
    ("conditions", "fields", "fits"),
    [
        ({"min_score": 70.0}, {"score": 70.0}, True),
        ({"min_score": 70.0}, {"score": 69.9}, False),
        ({"job_id": 4}, {"job_id": 4}, True),
        ({"job_id": 4}, {"job_id": None}, False),
        ({"department": "Sales"}, {"department": "sales"}, True),
        ({"department": "Sales"}, {"department": ""}, False),
        ({"stage_category": "offer"}, {"stage_category": "offer"}, True),
        ({"stage_category": "offer"}, {"stage_category": "review"}, False),
        ({"stage_category": "offer", "min_score": 70.0}, {"stage_category": "offer", "score": 1.0}, False),
    ],
)
def test_a_play_is_for_issues_all_its_conditions_hold_for(conditions: dict[str, Any], fields: dict[str, Any], fits: bool) -> None:
    assert (task(Play(**conditions), **fields) is not None) is fits


def test_a_play_s_own_priority_does_not_follow_the_issue() -> None:
    assert (task(Play()).priority, task(Play()).follows_severity) == ("high", True)
    assert (task(Play(priority="low")).priority, task(Play(priority="low")).follows_severity) == ("low", False)


def test_the_ats_s_hiring_lead_gets_the_hiring_manager_s_tasks() -> None:
    play = Play(assignee_role="hiring_manager")
    people, names = {"hiring_manager": [1, 2, 3], "recruiter": [9]}, {2: "Ada Byron", 9: "Grace Hopper"}

    assert task(play, people=people, names=names, lead="ada byron").assignee_id == 2
    assert task(play, people=people, names=names, lead="Grace Hopper", job_id=0).assignee_id == 1, "a recruiter is no hiring manager"


DAY = date(2026, 6, 5)


@pytest.mark.parametrize(
    ("away", "takes_it"),
    [
        ({}, 1),
        ({"u1": Away(last_day=DAY)}, 2),
        ({"u1": Away(last_day=DAY, substitute_id=3)}, 3),
        ({"u1": Away(last_day=DAY, substitute_id=3), "u3": Away(last_day=DAY, substitute_id=7)}, 7),
        ({"u1": Away(last_day=DAY, substitute_id=3), "u3": Away(last_day=DAY, substitute_id=1)}, 2),
        ({"u1": Away(last_day=DAY, substitute_id=99)}, 2),
        ({f"u{n}": Away(last_day=DAY) for n in (1, 2, 3)}, 1),
    ],
    ids=["present", "colleague", "substitute", "substitute's", "each other's", "substitute has left", "all away"],
)
def test_somebody_stands_in_for_who_is_away(away: dict[str, Away], takes_it: int) -> None:
    here = staff({"recruiter": [1, 2, 3], "coordinator": [7]}, **away)

    assert here.person_for("recruiter", job_id=None) == takes_it


def test_rungs_are_counted_in_business_days_from_the_opening() -> None:
    ladder = Rung(after_business_days=1, role="recruiter"), Rung(after_business_days=3, role="hiring_manager")

    due = [next_rung_at(ladder, level=level, opened_at=FRIDAY, calendar=WEEK) for level in range(3)]

    assert due == [FRIDAY + timedelta(days=3), FRIDAY + timedelta(days=5), None]
    assert task(Play(ladder=ladder)).escalate_at == due[0]
    assert task(Play()).escalate_at is None
