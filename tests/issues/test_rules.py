"""The rules at exactly their limits, in working time. Pure: no clock, no database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.bands import DEFAULT_LIMITS as LIMITS
from analytics.bands import UNMAPPED_LIMIT, Limit, LimitSource
from analytics.clocks import WorkingCalendar, compile_calendar
from issues import severity
from issues.detection import default_limit, judge
from issues.findings import Facts, business_days
from issues.rules import RULES
from issues.rules.idle_candidate import idle_candidate
from issues.rules.stuck import stuck
from tests.oracles.waits import LIMITS as DEFINED
from tests.oracles.waits import Waiting, complaint

UTC_WEEK = compile_calendar(WorkingCalendar(zone="UTC"), date(2025, 1, 1), date(2028, 1, 1))
BERLIN = compile_calendar(WorkingCalendar(zone="Europe/Berlin"), date(2025, 1, 1), date(2028, 1, 1))
#: a Monday morning
MONDAY = datetime(2026, 6, 1, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def facts(**given: Any) -> Facts:
    """Somebody active in a screen since Monday."""
    values: dict[str, Any] = {
        "as_of": MONDAY, "calendar": UTC_WEEK, "application_id": 7, "application_status": "active", "last_activity_at": MONDAY,
        "job_id": 1, "job_status": "open", "visit_id": 9, "visit_key": "e-9", "stage_id": 3, "stage_name": "Phone screen",
        "stage_category": "screen", "entered_at": MONDAY, "entry_precision": "exact",
    }  # fmt: skip
    category = given.get("stage_category", values["stage_category"])
    return Facts(**{**values, "limit": default_limit(category), **given})


# --- idle_candidate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "as_of", "fires"),
    [
        ("2026-06-01T09:00", "2026-06-08T09:00", True),  # Monday to Monday: exactly 5
        ("2026-06-01T09:00", "2026-06-08T08:59:50", False),  # one ten-thousandth of a day before
        ("2026-06-05T18:00", "2026-06-12T18:00", True),  # over a weekend
        ("2026-06-05T18:00", "2026-06-12T17:59:50", False),
        ("2026-06-06T12:00", "2026-06-12T23:59:50", False),  # begun on a Saturday: counts from Monday
        ("2026-06-06T12:00", "2026-06-13T00:00", True),
        ("2026-06-06T12:00", "2026-06-13T12:00", True),  # and a Saturday adds nothing
        ("2026-06-01T09:00", "2026-06-01T08:00", False),  # a clock that runs ahead
    ],
)
def test_idle_is_five_business_days_to_the_second(since: str, as_of: str, fires: bool) -> None:
    began, now = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (since, as_of))

    verdict = idle_candidate(facts(entered_at=began, last_activity_at=began, as_of=now))

    assert (verdict.finding is not None) is fires
    assert (verdict.ask_again_at is None) is fires


def test_the_moment_it_asks_to_be_asked_again_is_the_moment_it_fires() -> None:
    quiet = facts(as_of=MONDAY + timedelta(days=2))

    again = idle_candidate(quiet).ask_again_at
    assert again == MONDAY + timedelta(days=7)
    assert idle_candidate(replace(quiet, as_of=again)).finding is not None
    assert idle_candidate(replace(quiet, as_of=again - timedelta(seconds=10))).finding is None


@pytest.mark.parametrize(
    ("entered", "activity", "fires"),
    [
        (MONDAY, MONDAY + timedelta(days=3), False),  # the newest of both counts
        (MONDAY + timedelta(days=3), MONDAY, False),
        (MONDAY, None, True),
        (MONDAY, MONDAY - timedelta(days=30), True),
    ],
)
def test_idle_counts_from_the_entry_or_the_last_activity_whichever_is_later(
    entered: datetime, activity: datetime | None, fires: bool
) -> None:
    verdict = idle_candidate(facts(entered_at=entered, last_activity_at=activity, as_of=MONDAY + timedelta(days=8)))

    assert (verdict.finding is not None) is fires


def test_a_holiday_elsewhere_is_no_holiday_here_and_days_begin_where_people_are() -> None:
    friday_night = datetime(2026, 6, 5, 22, tzinfo=UTC)  # Saturday in Berlin
    now = friday_night + timedelta(days=7)

    assert idle_candidate(facts(entered_at=friday_night, last_activity_at=friday_night, as_of=now)).finding is not None
    assert idle_candidate(facts(entered_at=friday_night, last_activity_at=friday_night, as_of=now, calendar=BERLIN)).finding is not None
    early = now - timedelta(hours=1)
    assert idle_candidate(facts(entered_at=friday_night, last_activity_at=friday_night, as_of=early)).finding is None
    assert idle_candidate(facts(entered_at=friday_night, last_activity_at=friday_night, as_of=early, calendar=BERLIN)).finding is None


# --- stuck -------------------------------------------------------------------------------------------------------------


def test_the_limits_are_those_of_the_definitions() -> None:
    assert {**LIMITS, "unmapped": UNMAPPED_LIMIT} == DEFINED


@pytest.mark.parametrize("category", [*LIMITS, "unmapped", "something new"])
def test_stuck_is_more_than_twice_the_limit_of_its_category(category: str) -> None:
    limit = LIMITS.get(category, UNMAPPED_LIMIT)
    border = UTC_WEEK.add_business_days(MONDAY, 2 * limit)
    assert border is not None

    at_limit = stuck(facts(stage_category=category, as_of=border))
    assert at_limit.finding is None, "exactly twice is not more than twice"
    past = stuck(facts(stage_category=category, as_of=border + timedelta(seconds=10)))
    assert past.finding is not None
    assert past.finding.pace == pytest.approx(2, abs=0.001)
    assert at_limit.ask_again_at is not None
    assert border < at_limit.ask_again_at <= border + timedelta(seconds=10)


def test_activity_does_not_make_anybody_less_stuck() -> None:
    late = MONDAY + timedelta(days=60)

    assert stuck(facts(as_of=late, last_activity_at=late)).finding is not None


def test_stuck_where_past_stays_took_no_working_time() -> None:
    """With office hours a stage may have a baseline of 0 business days: whoever waits there at all has waited too long."""
    none = Limit(value=0.0, source=LimitSource.BASELINE, n=20)

    assert stuck(facts(limit=none, as_of=MONDAY)).finding is None
    found = stuck(facts(limit=none, as_of=MONDAY + timedelta(hours=3))).finding
    assert found is not None
    assert found.pace == 1.0


# --- what all rules share ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["on_hold", "hired", "rejected", "withdrawn", "closed", "removed"])
def test_nobody_who_is_not_active_is_anybodys_trouble(status: str) -> None:
    judged = judge(facts(application_status=status, as_of=MONDAY + timedelta(days=90)))

    assert (judged.findings, judged.ask_again_at) == ([], None)


@pytest.mark.parametrize("status", ["on_hold", "filled", "closed", "canceled", "draft", "deleted"])
def test_a_job_that_is_not_open_silences_everything(status: str) -> None:
    judged = judge(facts(job_status=status, as_of=MONDAY + timedelta(days=90)))

    assert (judged.findings, judged.ask_again_at) == ([], None)


def test_stuck_hides_idle_and_idle_comes_first() -> None:
    def found(days: int) -> list[str]:
        return [finding.issue_type for finding in judge(facts(as_of=MONDAY + timedelta(days=days))).findings]

    assert [found(days) for days in (3, 8, 30)] == [[], ["idle_candidate"], ["stuck"]]


def test_asked_again_in_time_for_the_first_rule_that_could_change_its_answer() -> None:
    both_silent = judge(facts(as_of=MONDAY + timedelta(days=1)))
    one_fires = judge(facts(as_of=MONDAY + timedelta(days=8)))

    assert both_silent.ask_again_at == MONDAY + timedelta(days=7), "idle after 5 business days"
    assert one_fires.ask_again_at is not None
    assert one_fires.ask_again_at > MONDAY + timedelta(days=17), "stuck after 14"


def test_a_new_stay_has_a_new_identity_and_another_look_at_the_same_stay_the_same() -> None:
    late = MONDAY + timedelta(days=60)
    (one,), (same,), (other,) = (
        judge(facts(as_of=at, visit_key=key)).findings for at, key in ((late, "e-9"), (late + SECOND, "e-9"), (late, "e-10"))
    )

    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_the_sentence_names_the_stage_and_the_numbers_and_no_person() -> None:
    (finding,) = judge(facts(as_of=MONDAY + timedelta(days=30))).findings

    assert finding.sentence == "In Phone screen for 22 business days, more than 2 times the limit of 7 business days."
    assert finding.evidence["age"] == {"value": 22.0, "unit": "bd"}
    assert finding.evidence["limit"] == {"value": 7.0, "unit": "bd", "source": "default"}


@pytest.mark.parametrize(
    ("value", "words"), [(1.0, "1 business day"), (6.5, "6.5 business days"), (0.04, "0 business days"), (10.96, "11 business days")]
)
def test_business_days_are_said_as_people_say_them(value: float, words: str) -> None:
    assert business_days(value) == words


@given(
    entered=st.datetimes(datetime(2026, 1, 1), datetime(2026, 6, 1)),
    active_for=st.floats(0, 90),
    seen_after=st.floats(0, 120),
    category=st.sampled_from(sorted(DEFINED)),
    job_status=st.sampled_from(["open", "on_hold"]),
    status=st.sampled_from(["active", "active", "on_hold"]),
)
def test_the_rules_agree_with_their_definition(
    entered: datetime, active_for: float, seen_after: float, category: str, job_status: str, status: str
) -> None:
    began = entered.replace(microsecond=0, tzinfo=UTC)
    activity, now = began + timedelta(days=int(active_for)), began + timedelta(days=seen_after)
    wanted = complaint(
        Waiting(application="7", status=status, job_status=job_status, category=category, entered_at=began, last_activity_at=activity), now
    )

    judged = judge(
        facts(
            entered_at=began,
            last_activity_at=activity,
            as_of=now,
            stage_category=category,
            job_status=job_status,
            application_status=status,
        )
    )

    if wanted != "border":
        assert [finding.issue_type for finding in judged.findings] == ([wanted] if wanted else [])
    if judged.ask_again_at is not None:
        assert judged.ask_again_at > now


def test_every_rule_has_its_own_name_and_suppresses_only_rules_there_are() -> None:
    names = [rule.name for rule in RULES]

    assert len(set(names)) == len(names)
    assert all(rule.suppresses <= set(names) for rule in RULES)


# --- severity ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "score", "word"),
    [
        ({"pace": 1, "stage_category": "review"}, 3.2, "low"),  # a normal job is worth 8 x 0.4
        ({"pace": 1, "stage_category": "review", "priority": "low"}, 0, "low"),
        ({"pace": 0.5, "stage_category": "review", "priority": "low"}, 0, "low"),
        ({"pace": 4, "stage_category": "review", "priority": "low"}, 50, "medium"),
        ({"pace": 40, "stage_category": "review", "priority": "low"}, 50, "medium"),
        ({"pace": 2.5, "stage_category": "interview"}, 40.2, "medium"),
        ({"pace": 4, "stage_category": "interview", "wait_days": 45}, 77.2, "critical"),
        ({"pace": 1, "stage_category": "offer", "priority": "urgent"}, 28, "low"),
        ({"pace": 1, "stage_category": "review", "priority": "low", "people": 8}, 5, "low"),
        ({"pace": 9, "stage_category": "offer", "priority": "urgent", "people": 64, "wait_days": 90}, 100, "critical"),
        ({"pace": 1, "stage_category": "unmapped", "priority": "odd"}, 3.2, "low"),
    ],
)
def test_severity_by_example(given: dict[str, Any], score: float, word: str) -> None:
    assert (severity.score(**given), severity.word(score)) == (score, word)


@pytest.mark.parametrize(
    ("value", "word"), [(0, "low"), (34.9, "low"), (35, "medium"), (54.9, "medium"), (55, "high"), (75, "critical"), (100, "critical")]
)
def test_the_words_begin_exactly_at_their_scores(value: float, word: str) -> None:
    assert severity.word(value) == word


GROWING = st.fixed_dictionaries(
    {
        "pace": st.floats(0, 20),
        "stage_category": st.sampled_from(list(severity.STAGE_WEIGHT)),
        "priority": st.sampled_from(list(severity.PRIORITY_WEIGHT)),
        "people": st.integers(0, 500),
        "wait_days": st.floats(-1, 400),
    }
)


@given(GROWING, GROWING)
def test_whatever_grows_alone_never_lowers_the_severity(one: dict[str, Any], other: dict[str, Any]) -> None:
    def rank(name: str, value: Any) -> float:
        return {"stage_category": severity.STAGE_WEIGHT, "priority": severity.PRIORITY_WEIGHT}.get(name, {}).get(value, value)

    assert 0 <= severity.score(**one) <= 100
    for name, value in other.items():
        changed = one | {name: value}
        more = rank(name, value) >= rank(name, one[name])
        lower, higher = (one, changed) if more else (changed, one)
        assert severity.score(**lower) <= severity.score(**higher), name


def test_a_later_stage_is_never_less_severe() -> None:
    for pace, (earlier, later) in product((1, 2, 5, 9), zip(LIMITS, list(LIMITS)[1:], strict=False)):
        assert severity.score(pace=pace, stage_category=earlier) <= severity.score(pace=pace, stage_category=later)
