"""Each rule at exactly its limit, with each condition missing one by one. Pure: no clock, no database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from analytics.bands import Limit, LimitSource
from analytics.clocks import WorkingCalendar, compile_calendar
from analytics.estimators import Unit
from analytics.samples import Summary
from ats.appointments import Told, fold
from issues.detection import default_limit, judge
from issues.findings import CellFacts, Facts, SourceFacts, Verdict
from issues.rules.data_quality import backdated_edit, bulk_change, clock_skew, poll_gap, unmapped_status
from issues.rules.idle_candidate import idle_candidate
from issues.rules.missing_feedback import missing_feedback
from issues.rules.no_exits import no_exits
from issues.rules.offer_pending import offer_pending
from issues.rules.stage_delay import stage_delay
from issues.rules.stuck import stuck
from issues.rules.sync_stale import sync_stale
from issues.rules.waiting_on_us import waiting_on_us
from issues.thresholds import RuleBook, Setting

WEEK = compile_calendar(WorkingCalendar(zone="UTC", holidays=frozenset({date(2026, 6, 10)})), date(2025, 1, 1), date(2028, 1, 1))
#: a Monday morning
MONDAY = datetime(2026, 6, 1, 9, tzinfo=UTC)
DAY, TEN_SECONDS, MINUTE = timedelta(days=1), timedelta(seconds=10), timedelta(minutes=1)


def book(rule: str = "", **values: Any) -> RuleBook:
    return RuleBook([Setting(rule=rule, values=values)])


def person(*events: Told, **given: Any) -> Facts:
    """Somebody active in an interview stage since Monday, with these appointments."""
    values: dict[str, Any] = {
        "as_of": MONDAY, "calendar": WEEK, "application_id": 7, "application_status": "active", "last_activity_at": MONDAY, "job_id": 1,
        "job_status": "open", "visit_id": 9, "visit_key": "e-9", "stage_id": 3, "stage_name": "Interview", "stage_category": "interview",
        "entered_at": MONDAY, "entered_as_told": MONDAY, "entry_precision": "exact", "appointments": fold(events),
    }  # fmt: skip
    return Facts(**{**values, "limit": default_limit("interview"), **given})


def told(event_type: str, at: datetime, **metadata: Any) -> Told:
    return Told(event_type=event_type, at=at, key=f"{event_type}@{at.isoformat()}", actor=None, metadata=metadata)


def interview(end: datetime, *people: str, **more: Any) -> Told:
    start = end - timedelta(hours=1)
    return told(
        "interview_scheduled", MONDAY, interview_external_id="i", start=start.isoformat(), end=end.isoformat(),
        interviewers=list(people), **more,
    )  # fmt: skip


def fires(verdict: Verdict) -> bool:
    return bool(verdict.findings)


def asks_again_when_it_fires(rule: Any, facts: Facts) -> None:
    """Silent now; silent ten seconds before the moment it names, firing at it (or within the rounding of a business day)."""
    again = rule(facts).ask_again_at
    assert again is not None
    assert not fires(rule(replace(facts, as_of=again - TEN_SECONDS - TEN_SECONDS)))
    assert fires(rule(replace(facts, as_of=again + TEN_SECONDS)))


# --- missing_feedback --------------------------------------------------------------------------------------------------
ENDED = MONDAY + timedelta(hours=3)


@pytest.mark.parametrize(
    ("ended", "as_of", "expected"),
    [
        (ENDED, ENDED + DAY, True),  # exactly one business day
        (ENDED, ENDED + DAY - TEN_SECONDS, False),
        (datetime(2026, 6, 5, 18, tzinfo=UTC), datetime(2026, 6, 8, 17, 59, 50, tzinfo=UTC), False),  # over a weekend
        (datetime(2026, 6, 5, 18, tzinfo=UTC), datetime(2026, 6, 8, 18, tzinfo=UTC), True),
        (datetime(2026, 6, 9, 18, tzinfo=UTC), datetime(2026, 6, 11, 17, 59, 50, tzinfo=UTC), False),  # over a holiday
        (datetime(2026, 6, 9, 18, tzinfo=UTC), datetime(2026, 6, 11, 18, tzinfo=UTC), True),
    ],
)
def test_feedback_is_missing_a_business_day_after_the_interview(ended: datetime, as_of: datetime, expected: bool) -> None:
    assert fires(missing_feedback(person(interview(ended, "ann"), as_of=as_of))) is expected


def test_each_interviewer_owes_feedback_of_their_own() -> None:
    late = MONDAY + 5 * DAY
    both = missing_feedback(person(interview(ENDED, "ann", "bo"), as_of=late))
    one = missing_feedback(
        person(
            interview(ENDED, "ann", "bo"),
            told("feedback_submitted", ENDED + DAY, interview_external_id="i", interviewer_external_id="bo"),
            as_of=late,
        )
    )

    assert [finding.evidence["interviewer"] for finding in both.findings] == ["ann", "bo"]
    assert [finding.evidence["interviewer"] for finding in one.findings] == ["ann"]
    assert len({finding.fingerprint for finding in both.findings}) == 2
    assert "ann" not in one.findings[0].sentence


@pytest.mark.parametrize(
    "events",
    [
        [told("interview_cancelled", ENDED, interview_external_id="i")],
        [told("interview_changed", ENDED, interview_external_id="i", status="no_show")],
        [told("feedback_submitted", ENDED, interview_external_id="i", interviewer_external_id="ann")],
        [told("feedback_submitted", ENDED, interviewer_external_id="ann")],  # of no interview by name: the one that had begun
    ],
)
def test_nothing_is_missing_after_a_cancellation_a_no_show_or_the_feedback(events: list[Told]) -> None:
    assert not fires(missing_feedback(person(interview(ENDED, "ann"), *events, as_of=MONDAY + 9 * DAY)))


def test_feedback_taken_back_is_missing_again() -> None:
    given = {"interview_external_id": "i", "interviewer_external_id": "ann", "feedback_external_id": "f"}
    events = interview(ENDED, "ann"), told("feedback_submitted", ENDED, **given), told("feedback_removed", ENDED + MINUTE, **given)

    assert fires(missing_feedback(person(*events, as_of=MONDAY + 9 * DAY)))


def test_without_interviews_it_is_off_or_a_proxy_says_so() -> None:
    lacking = person(tells_interviews=False, as_of=MONDAY + 20 * DAY)
    proxied = replace(lacking, book=book("missing_feedback", proxy=True))

    assert not fires(missing_feedback(lacking))
    (finding,) = missing_feedback(proxied).findings
    assert finding.evidence["inferred"] is True
    assert "Inferred" in finding.sentence
    assert not fires(missing_feedback(replace(proxied, last_activity_at=MONDAY + DAY))), "somebody commented"
    assert not fires(missing_feedback(replace(proxied, as_of=MONDAY + 2 * DAY - TEN_SECONDS)))
    assert fires(missing_feedback(replace(proxied, as_of=MONDAY + 2 * DAY)))


# --- offers and answers -----------------------------------------------------------------------------------------------
SENT = told("offer_sent", MONDAY)


@pytest.mark.parametrize(("as_of", "expected"), [(MONDAY + 7 * DAY - TEN_SECONDS, False), (MONDAY + 7 * DAY, True)])
def test_an_offer_is_pending_after_a_week_of_thinking(as_of: datetime, expected: bool) -> None:
    assert fires(offer_pending(person(SENT, as_of=as_of))) is expected


@pytest.mark.parametrize("answer", ["offer_accepted", "offer_declined", "offer_withdrawn"])
def test_an_answered_offer_is_pending_no_more(answer: str) -> None:
    assert not fires(offer_pending(person(SENT, told(answer, MONDAY + DAY), as_of=MONDAY + 20 * DAY)))


def test_nobody_is_nagged_as_idle_while_a_candidate_thinks_about_an_offer_or_an_interview_lies_ahead() -> None:
    late = MONDAY + 8 * DAY

    assert fires(idle_candidate(person(as_of=late)))
    assert not fires(idle_candidate(person(SENT, as_of=late)))
    assert not fires(idle_candidate(person(interview(late + DAY, "ann"), as_of=late)))
    assert not fires(idle_candidate(person(as_of=late, book=book(waits_for_candidate=True))))
    # once the interview is over, days count from its end
    assert not fires(idle_candidate(person(interview(late - DAY, "ann"), as_of=late)))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([told("email_logged", MONDAY + DAY, direction="inbound")], True),
        ([told("email_logged", MONDAY + DAY, direction="outbound")], False),
        ([told("email_logged", MONDAY + DAY, direction="inbound"), told("email_logged", MONDAY + 2 * DAY, direction="out")], False),
        ([told("email_logged", MONDAY + DAY)], False),  # nobody knows who wrote it
        ([told("interview_ended", MONDAY + DAY)], True),
        ([told("offer_accepted", MONDAY + DAY)], True),
        ([told("interview_ended", MONDAY + DAY), told("offer_sent", MONDAY + 2 * DAY)], False),
    ],
)
def test_a_candidate_waits_for_our_move_after_theirs(events: list[Told], expected: bool) -> None:
    assert fires(waiting_on_us(person(*events, as_of=MONDAY + 9 * DAY))) is expected


def test_an_answer_is_due_after_exactly_three_business_days() -> None:
    wrote = told("email_logged", MONDAY, direction="inbound")

    assert not fires(waiting_on_us(person(wrote, as_of=MONDAY + 3 * DAY - TEN_SECONDS)))
    assert fires(waiting_on_us(person(wrote, as_of=MONDAY + 3 * DAY)))
    moved = person(wrote, entered_at=MONDAY + DAY, as_of=MONDAY + 9 * DAY)
    assert not fires(waiting_on_us(moved)), "being moved on is an answer"


@pytest.mark.parametrize(
    ("rule", "facts"),
    [
        (idle_candidate, person()),
        (stuck, person()),
        (missing_feedback, person(interview(ENDED, "ann"))),
        (offer_pending, person(SENT)),
        (waiting_on_us, person(told("email_logged", MONDAY, direction="inbound"))),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_rule_names_the_moment_it_fires_also_across_holds(rule: Any, facts: Facts) -> None:
    asks_again_when_it_fires(rule, replace(facts, as_of=MONDAY + timedelta(hours=4)))
    held = replace(facts, as_of=MONDAY + timedelta(hours=4), holds=[(MONDAY + timedelta(hours=5), MONDAY + 4 * DAY)])
    asks_again_when_it_fires(rule, held)
    assert rule(held).ask_again_at > rule(replace(held, holds=())).ask_again_at, "time on hold does not count"


@pytest.mark.parametrize("rule", [idle_candidate, stuck, missing_feedback, offer_pending, waiting_on_us])
@pytest.mark.parametrize("wrong", [{"application_status": "rejected"}, {"job_status": "on_hold"}, {"job_status": "closed"}])
def test_nobody_out_of_play_is_anybodys_trouble(rule: Any, wrong: dict[str, str]) -> None:
    events = interview(ENDED, "ann"), told("email_logged", ENDED, direction="inbound"), told("offer_sent", MONDAY)
    assert not fires(rule(person(*events, as_of=MONDAY + 60 * DAY, **wrong)))


def test_a_job_on_hold_hides_everything_and_says_that_it_does() -> None:
    judged = judge(person(as_of=MONDAY + 60 * DAY, job_status="on_hold"))
    assert (judged.findings, judged.on_hold) == ([], True)


def test_stuck_hides_idle_and_tells_whose_issue_it_hides() -> None:
    judged = judge(person(as_of=MONDAY + 60 * DAY))
    assert [finding.issue_type for finding in judged.findings] == ["stuck"]
    assert judged.hidden == {"idle_candidate:7:e-9"}


@pytest.mark.parametrize("days", [2.0, 30.0])
def test_stuck_goes_by_the_stages_limit_and_a_setting_replaces_it(days: float) -> None:
    learnt = Limit(value=days, source=LimitSource.BASELINE, n=25)
    border = WEEK.add_business_days(MONDAY, 2 * days)
    assert border is not None

    assert not fires(stuck(person(limit=learnt, as_of=border)))
    (finding,) = stuck(person(limit=learnt, as_of=border + TEN_SECONDS)).findings
    assert finding.evidence["limit"] == {"value": days, "unit": "bd", "source": "baseline", "n": 25}
    assert fires(stuck(person(limit=learnt, as_of=MONDAY + 3 * DAY, book=book("stuck", business_days=1.0))))


# --- stages ------------------------------------------------------------------------------------------------------------
def recent(p50: float | None, *, low: float | None = None, n_exits: int = 10, longest: float = 9.0) -> Any:
    return Summary(n_exits + 2, n_exits, 2, p50, low if low is not None else p50, None, None, None, longest).median(Unit.BUSINESS_DAYS)


USUAL = Summary(60, 50, 10, 4.0).median(Unit.BUSINESS_DAYS)


def cell(**given: Any) -> CellFacts:
    """A stage of an open job in which five people wait."""
    values: dict[str, Any] = {
        "as_of": MONDAY, "calendar": WEEK, "job_id": 1, "job_status": "open", "stage_id": 3, "stage_name": "Interview",
        "stage_category": "interview", "limit": default_limit("interview"), "open": 5, "recent": recent(4.0), "usual": USUAL,
        "recent_n": 12, "oldest_entered_at": MONDAY - 30 * DAY, "last_exit_at": MONDAY - DAY,
    }  # fmt: skip
    return CellFacts(**{**values, **given})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"recent": recent(6.0, low=4.1)}, True),  # exactly 1.5 times, two days more
        ({"recent": recent(5.99, low=4.1)}, False),
        ({"recent": recent(6.0, low=4.0)}, False),  # the interval reaches down to the usual
        ({"recent": recent(6.0, low=4.1, n_exits=6)}, True),
        ({"recent": recent(6.0, low=4.1, n_exits=5)}, False),
        ({"recent": recent(1.9, low=1.2), "usual": Summary(60, 50, 10, 1.0).median(Unit.BUSINESS_DAYS)}, False),  # not a day more
        ({"recent": recent(2.0, low=1.2), "usual": Summary(60, 50, 10, 1.0).median(Unit.BUSINESS_DAYS)}, True),
        ({"recent": recent(6.0, low=4.1), "job_status": "closed"}, False),
        ({"recent": recent(6.0, low=4.1), "usual": Summary().median(Unit.BUSINESS_DAYS)}, False),
    ],
)
def test_a_stage_is_delayed_when_all_of_it_holds(given: dict[str, Any], expected: bool) -> None:
    assert fires(stage_delay(cell(**given))) is expected


def test_a_delay_is_over_only_on_the_second_calm_sweep() -> None:
    known = cell(recent=recent(4.9)).with_history(calm_since=None)  # 1.225 times the usual

    first = stage_delay(known)
    assert (first.undecided, first.calm_since) == (True, MONDAY)
    again = stage_delay(replace(known, calm_since=MONDAY))
    assert (again.undecided, again.calm_since) == (True, MONDAY), "the same sweep twice is one"
    second = stage_delay(replace(known, calm_since=MONDAY, as_of=MONDAY + timedelta(minutes=10)))
    assert not second.undecided
    assert not second.findings


@pytest.mark.parametrize("p50", [5.0, 5.5])  # 1.25 and 1.375 times the usual
def test_between_the_thresholds_a_delay_neither_opens_nor_clears(p50: float) -> None:
    verdict = stage_delay(cell(recent=recent(p50)).with_history(calm_since=MONDAY))
    assert (verdict.undecided, verdict.calm_since, verdict.findings) == (True, None, [])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"last_exit_at": MONDAY - 14 * DAY}, False),  # exactly ten business days
        ({"last_exit_at": MONDAY - 14 * DAY - TEN_SECONDS}, True),
        ({"last_exit_at": MONDAY - 14 * DAY - TEN_SECONDS, "open": 2}, False),
        ({"last_exit_at": MONDAY - 14 * DAY - TEN_SECONDS, "open": 3}, True),
        ({"last_exit_at": None}, True),  # nobody has ever left, and somebody came a month ago
        ({"last_exit_at": None, "oldest_entered_at": MONDAY - DAY}, False),  # an empty stage did not stand still
        ({"last_exit_at": MONDAY - 40 * DAY, "job_status": "on_hold"}, False),
        ({"last_exit_at": MONDAY - 14 * DAY - TEN_SECONDS, "holds": [(MONDAY - 3 * DAY, MONDAY)]}, False),
    ],
)
def test_a_stage_that_stands_still_fires_although_it_yields_no_durations(given: dict[str, Any], expected: bool) -> None:
    assert fires(no_exits(cell(**given))) is expected


# --- data and connectors -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("ahead", "expected"), [(timedelta(minutes=5), False), (timedelta(minutes=5, seconds=1), True)])
def test_an_entry_in_the_future_is_a_skewed_clock(ahead: timedelta, expected: bool) -> None:
    assert fires(clock_skew(person(entered_as_told=MONDAY + ahead))) is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, False),
        ({"anomaly": "status_date_went_back"}, True),
        ({"entry_recorded_at": MONDAY + 7 * DAY}, True),  # exactly five business days later
        ({"entry_recorded_at": MONDAY + 7 * DAY - TEN_SECONDS}, False),
    ],
)
def test_an_entry_that_was_dated_back_is_told(given: dict[str, Any], expected: bool) -> None:
    assert fires(backdated_edit(person(as_of=MONDAY + 9 * DAY, **given))) is expected


@pytest.mark.parametrize(("category", "people", "expected"), [("unmapped", 1, True), ("unmapped", 0, False), ("review", 9, False)])
def test_a_status_nobody_mapped_is_told_while_people_are_in_it(category: str, people: int, expected: bool) -> None:
    assert fires(unmapped_status(cell(stage_category=category, people_in_stage=people))) is expected


@pytest.mark.parametrize(
    ("minute", "people", "expected"),
    [(MONDAY, 50, True), (MONDAY, 49, False), (MONDAY - 7 * DAY, 90, False), (MONDAY - 7 * DAY + MINUTE, 50, True)],
)
def test_fifty_in_a_minute_are_a_bulk_change_for_a_week(minute: datetime, people: int, expected: bool) -> None:
    assert fires(bulk_change(cell(bulks=[(minute, people)]))) is expected


def source(**given: Any) -> SourceFacts:
    values: dict[str, Any] = {
        "as_of": MONDAY, "calendar": WEEK, "connector_id": 1, "name": "bamboo", "created_at": MONDAY - 90 * DAY, "fresh_at": MONDAY,
        "stale_after": timedelta(minutes=30), "status": "active", "polls": True,
    }  # fmt: skip
    return SourceFacts(**{**values, **given})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"fresh_at": MONDAY - timedelta(minutes=30)}, False),  # exactly as old as it may be
        ({"fresh_at": MONDAY - timedelta(minutes=30, seconds=1)}, True),
        ({"fresh_at": None}, True),
        ({"fresh_at": None, "created_at": MONDAY}, False),
        ({"fresh_at": MONDAY - DAY, "status": "paused"}, False),
        ({"fresh_at": MONDAY - DAY, "status": "broken"}, True),
        ({"fresh_at": MONDAY - DAY, "polls": False}, False),
    ],
)
def test_a_connector_not_read_for_half_an_hour_is_stale(given: dict[str, Any], expected: bool) -> None:
    assert fires(sync_stale(source(**given))) is expected


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (MONDAY - 4 * DAY, MONDAY - 3 * DAY, True),  # Thursday to Friday: exactly one business day
        (MONDAY - 4 * DAY + TEN_SECONDS, MONDAY - 3 * DAY, False),
        (MONDAY - 2 * DAY, MONDAY - DAY, False),  # over a weekend
        (MONDAY - 20 * DAY, MONDAY - 7 * DAY, False),  # told for a week
    ],
)
def test_a_gap_between_runs_is_told_for_a_week(since: datetime, until: datetime, expected: bool) -> None:
    assert fires(poll_gap(source(gaps=[(since, until)]))) is expected


# --- thresholds --------------------------------------------------------------------------------------------------------
def test_the_nearest_setting_wins_field_by_field() -> None:
    settings = [
        Setting(values={"business_days": 9.0, "enabled": False}),
        Setting(rule="idle_candidate", values={"business_days": 8.0}),
        Setting(job_id=1, values={"enabled": True}),
        Setting(rule="idle_candidate", stage_id=3, values={"business_days": 2.0}),
        Setting(rule="idle_candidate", job_id=1, stage_id=3, values={"group_from": 4}),
        Setting(rule="stuck", job_id=1, stage_id=3, values={"business_days": 77.0}),
    ]
    for ordered in (settings, settings[::-1]):
        found = RuleBook(ordered)
        assert (found.of("idle_candidate").business_days, found.of("idle_candidate").enabled) == (8.0, False)
        near = found.of("idle_candidate", 1, 3)
        assert (near.business_days, near.enabled, near.group_from) == (2.0, True, 4)
        assert found.of("idle_candidate", 2, 4).business_days == 8.0
        assert found.of("waiting_on_us", 2, 4).business_days == 9.0


def test_a_rule_that_is_switched_off_says_nothing() -> None:
    judged = judge(person(as_of=MONDAY + 60 * DAY, book=book(enabled=False)))
    assert (judged.findings, judged.ask_again_at) == ([], None)
