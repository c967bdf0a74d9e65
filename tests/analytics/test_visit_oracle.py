"""The oracles themselves: the edge cases and example I of the definitions, told as short histories.

What judges the product must be right first; these tests need neither database nor product code.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.estimators import EXIT_KINDS, Curve
from connectors.events import MOVING_EVENTS
from tests.oracles.curves import cell_percentiles
from tests.oracles.histories import STAGE_ORDER, History, histories, seeded_history
from tests.oracles.visits import (
    EXITS,
    GOING,
    LEAVING,
    Cell,
    Folded,
    LedgerEvent,
    Snapshot,
    Visit,
    cells,
    fold,
    in_fold_order,
    job_histories,
    ledgers,
)

MONDAY = datetime(2026, 6, 1, 9, tzinfo=UTC)
ORDER = {"review": 1, "screen": 2, "interview": 3, "offer": 4, "twin": 3}
DAY = 86_400
Row = tuple[str, str, int, int | None, str | None]


def at(seconds: float) -> datetime:
    return MONDAY + timedelta(seconds=seconds)


class Story:
    """Events told one after the other; times in seconds after Monday."""

    def __init__(self) -> None:
        self.events: list[LedgerEvent] = []

    def tell(self, seconds: float, event_type: str, stage_to: str | None = None, *, job: str | None = "j", **more: Any) -> Story:
        event_id = more.pop("event_id", f"e{len(self.events):02d}")
        self.events.append(LedgerEvent(event_type, at(seconds), event_id, job=job, stage_to=stage_to, **more))
        return self

    def applied(self, stage: str | None = "review", seconds: float = 0, **more: Any) -> Story:
        return self.tell(seconds, "application_created", stage, **more)

    def moved(self, seconds: float, stage: str | None, **more: Any) -> Story:
        return self.tell(seconds, "stage_changed", stage, **more)

    def fold(self, **options: Any) -> Folded:
        return fold(self.events, stage_order=ORDER, **options)

    def rows(self, **options: Any) -> list[Row]:
        """(job, stage, entered, left, exit kind) of each visit, times in seconds after Monday."""
        return [
            (
                v.job,
                v.stage,
                (v.entered_at - MONDAY) // timedelta(seconds=1),
                None if v.left_at is None else (v.left_at - MONDAY) // timedelta(seconds=1),
                v.exit_kind,
            )
            for v in self.fold(**options).visits
        ]


def story() -> Story:
    return Story()


# --- example I -----------------------------------------------------------------------------------------------------------


def test_a_candidate_who_comes_back_has_a_visit_each_time() -> None:
    told = story().applied("screen").moved(2 * DAY, "interview").moved(5 * DAY, "screen").moved(6 * DAY, "interview")
    assert told.rows() == [
        ("j", "screen", 0, 2 * DAY, "advanced"),
        ("j", "interview", 2 * DAY, 5 * DAY, "moved_back"),
        ("j", "screen", 5 * DAY, 6 * DAY, "advanced"),
        ("j", "interview", 6 * DAY, None, None),
    ]
    visits = told.fold().visits
    assert [visit.n for visit in visits] == [1, 2, 3, 4]
    assert cells(visits) == {
        ("j", "screen"): Cell(entered=2, exited=2, open=0, completed=2, completed_seconds=3.0 * DAY),
        ("j", "interview"): Cell(entered=2, exited=1, open=1, completed=1, completed_seconds=3.0 * DAY),
    }


# --- where an application goes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "kind"),
    [("offer", "advanced"), ("screen", "moved_back"), ("twin", "lateral"), ("unheard-of", "lateral"), (None, "unknown")],
)
def test_an_exit_is_named_by_the_order_of_the_stages(stage: str | None, kind: str) -> None:
    assert story().applied("interview").moved(DAY, stage).rows()[0] == ("j", "interview", 0, DAY, kind)


def test_without_an_order_every_move_is_lateral() -> None:
    told = story().applied("review").moved(DAY, "screen")
    assert fold(told.events).visits[0].exit_kind == "lateral"


@pytest.mark.parametrize(("event_type", "kind"), sorted(LEAVING.items()))
def test_leaving_all_stages_ends_the_visit_and_begins_none(event_type: str, kind: str) -> None:
    folded = story().applied().tell(DAY, event_type).fold()
    assert [(visit.left_at, visit.exit_kind) for visit in folded.visits] == [(at(DAY), kind)]
    assert (folded.snapshot.status, folded.snapshot.stage, folded.snapshot.stage_entered_at) == (kind, None, None)


def test_an_un_reject_is_a_new_visit_and_the_time_between_in_no_stage() -> None:
    told = story().applied().tell(DAY, "application_rejected").tell(3 * DAY, "application_reopened", "review")
    assert told.rows() == [("j", "review", 0, DAY, "rejected"), ("j", "review", 3 * DAY, None, None)]
    assert told.fold().snapshot.status == "active"


def test_hired_moved_back_and_hired_again_ends_hired() -> None:
    told = story().applied("offer").tell(DAY, "application_hired").moved(2 * DAY, "offer").tell(3 * DAY, "application_hired")
    assert told.rows() == [("j", "offer", 0, DAY, "hired"), ("j", "offer", 2 * DAY, 3 * DAY, "hired")]
    assert told.fold().snapshot.status == "hired"


def test_coming_back_from_hold_is_a_new_visit() -> None:
    told = story().applied().tell(DAY, "application_on_hold").tell(9 * DAY, "application_reopened", "review")
    assert [row[2:] for row in told.rows()] == [(0, DAY, "on_hold"), (9 * DAY, None, None)]


def test_an_application_without_a_known_stage_is_active_and_nowhere() -> None:
    folded = story().applied(None).fold()
    assert folded.visits == ()
    assert folded.snapshot == Snapshot("j", None, "active", None, at(0), at(0), at(0))


def test_being_moved_to_another_job_is_a_transfer() -> None:
    told = story().applied("screen").tell(DAY, "application_moved", "review", job="k", metadata={"job_from": "j", "job_to": "k"})
    assert told.rows() == [("j", "screen", 0, DAY, "transferred"), ("k", "review", DAY, None, None)]
    assert told.fold().snapshot.job == "k"


def test_the_job_moved_to_wins_over_the_job_of_the_event() -> None:
    told = story().applied("screen").tell(DAY, "application_moved", "screen", job="j", metadata={"job_to": "k"})
    assert told.rows()[1] == ("k", "screen", DAY, None, None)
    # ... and later events that name no job stay there.
    told.moved(2 * DAY, "offer", job=None)
    assert told.rows()[2] == ("k", "offer", 2 * DAY, None, None)


def test_a_move_to_another_job_without_a_stage_leads_nowhere() -> None:
    told = story().applied("screen").tell(DAY, "application_moved", None, job="k")
    assert told.rows() == [("j", "screen", 0, DAY, "transferred")]
    assert (told.fold().snapshot.status, told.fold().snapshot.job) == ("active", "k")


def test_an_event_of_another_job_is_a_transfer_even_into_the_same_stage() -> None:
    told = story().applied("screen").moved(DAY, "screen", job="k")
    assert told.rows() == [("j", "screen", 0, DAY, "transferred"), ("k", "screen", DAY, None, None)]


# --- the same place again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event_type", sorted(GOING))
def test_the_same_place_told_twice_is_one_visit(event_type: str) -> None:
    told = story().applied().tell(DAY, event_type, "review")
    assert told.rows() == [("j", "review", 0, None, None)]


def test_only_a_true_gap_is_one() -> None:
    told = story().applied().moved(DAY, "review", metadata={"gap": False})
    assert told.rows() == [("j", "review", 0, None, None)]


def test_a_gap_ends_the_visit_and_begins_another() -> None:
    told = story().applied().moved(DAY, "review", metadata={"gap": True})
    assert told.rows() == [("j", "review", 0, DAY, "gap"), ("j", "review", DAY, None, None)]
    assert told.fold().visits[0].exit_precision == "unknown"


def test_short_stays_between_two_gaps_are_no_misclick() -> None:
    gap = {"metadata": {"gap": True}}
    told = story().applied().moved(DAY, "review", **gap).moved(DAY + 60, "review", **gap)
    assert [row[2:] for row in told.rows()] == [(0, DAY, "gap"), (DAY, DAY + 60, "gap"), (DAY + 60, None, None)]


def test_activity_moves_nothing() -> None:
    told = story().applied().tell(60, "comment_added").tell(DAY, "interview_scheduled", "offer")
    assert told.rows() == [("j", "review", 0, None, None)]


# --- order and time ------------------------------------------------------------------------------------------------------------


def test_events_of_one_second_are_folded_by_id_and_leave_a_visit_of_no_length() -> None:
    told = story().applied("review").moved(DAY, "offer", event_id="b").moved(DAY, "screen", event_id="a")
    assert told.rows() == [
        ("j", "review", 0, DAY, "advanced"),
        ("j", "screen", DAY, DAY, "advanced"),
        ("j", "offer", DAY, None, None),
    ]
    assert told.fold().visits[1].pass_through


def test_what_the_source_recorded_first_comes_first_and_no_time_before_any() -> None:
    ids = [("z", None), ("a", at(9)), ("b", at(8))]
    events = [LedgerEvent("stage_changed", at(0), event_id, source_recorded_at=recorded) for event_id, recorded in ids]
    for shuffled in (events, events[::-1]):
        assert [event.provider_event_id for event in in_fold_order(shuffled)] == ["z", "b", "a"]


def test_an_application_dated_back_moves_its_first_entry() -> None:
    told = story().applied("review", seconds=DAY, event_id="first").moved(2 * DAY, "screen")
    told.applied("review", seconds=0, event_id="edited")
    assert told.rows()[0] == ("j", "review", 0, 2 * DAY, "advanced")
    assert told.fold().visits[0].entry_event_id == "edited"
    assert told.fold().snapshot.applied_at == at(0)


def test_a_late_event_does_not_take_a_snapshot_back() -> None:
    told = story().applied().moved(5 * DAY, "offer")
    before = told.fold().snapshot
    after = told.moved(2 * DAY, "screen").fold().snapshot
    assert after == before


# --- mis-clicks ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "visits"), [(0, 1), (599, 1), (600, 3)])
def test_there_and_back_in_under_ten_minutes_never_happened(seconds: int, visits: int) -> None:
    told = story().applied().moved(DAY, "offer").moved(DAY + seconds, "review").moved(2 * DAY, "screen")
    rows = told.rows()
    assert len(rows) == visits + 1
    if visits == 1:
        assert rows == [("j", "review", 0, 2 * DAY, "advanced"), ("j", "screen", 2 * DAY, None, None)]
        assert told.fold().visits[0].entry_event_id == "e00"
        assert [visit.n for visit in told.fold().visits] == [1, 2]


def test_a_misclick_at_the_end_leaves_the_visit_open() -> None:
    told = story().applied().moved(DAY, "offer").moved(DAY + 30, "review")
    assert told.rows() == [("j", "review", 0, None, None)]
    assert told.fold().snapshot.stage_entered_at == at(0)


def test_a_short_stay_on_the_way_to_somewhere_else_is_kept() -> None:
    told = story().applied().moved(DAY, "screen").moved(DAY + 30, "offer")
    assert [row[1] for row in told.rows()] == ["review", "screen", "offer"]
    assert told.fold().visits[1].pass_through


def test_a_short_stay_after_a_rejection_is_no_misclick() -> None:
    # Rejected at once from the stage it was moved to, and reopened in the old one: nothing is contiguous.
    told = story().applied().moved(DAY, "offer").tell(DAY + 30, "application_rejected").moved(DAY + 60, "review")
    assert [row[4] for row in told.rows()] == ["advanced", "rejected", None]
    told = story().applied().tell(DAY, "application_rejected").moved(DAY + 60, "offer").moved(DAY + 120, "review")
    assert [row[4] for row in told.rows()] == ["rejected", "moved_back", None]


def test_misclicks_next_to_each_other_go_in_one_pass() -> None:
    told = story().applied().moved(DAY, "offer").moved(DAY + 60, "review").moved(DAY + 120, "offer").moved(DAY + 180, "review")
    assert told.rows() == [("j", "review", 0, None, None)]


def test_of_back_and_forth_the_first_stage_goes_on_until_the_last_begins() -> None:
    told = story().applied().moved(DAY, "offer").moved(DAY + 60, "review").moved(DAY + 120, "offer")
    assert told.rows() == [("j", "review", 0, DAY + 120, "advanced"), ("j", "offer", DAY + 120, None, None)]


def test_a_correction_can_uncover_another() -> None:
    # screen 300 s, in it offer 100 s: first the offer goes, then the screen that goes on as one visit of 500 s.
    told = story().applied().moved(DAY, "screen").moved(DAY + 300, "offer").moved(DAY + 400, "screen").moved(DAY + 500, "review")
    assert told.rows() == [("j", "review", 0, None, None)]


def test_there_and_back_through_another_job_is_no_misclick() -> None:
    told = story().applied().moved(DAY, "offer", job="k").moved(DAY + 60, "review")
    assert [row[4] for row in told.rows()] == ["transferred", "transferred", None]


def test_rejected_and_reopened_in_one_second_are_two_visits() -> None:
    told = story().applied().tell(DAY, "application_rejected").tell(DAY, "application_reopened", "review")
    assert told.rows() == [("j", "review", 0, DAY, "rejected"), ("j", "review", DAY, None, None)]
    # Nor is a stay of no length after it a mis-click: the rejection stands between.
    told = story().applied().tell(DAY, "application_rejected").moved(DAY, "offer").moved(DAY, "review")
    assert [row[4] for row in told.rows()] == ["rejected", "moved_back", None]


def test_a_gap_that_a_late_event_fills_in_is_no_gap() -> None:
    gap = {"metadata": {"gap": True}}
    told = story().applied().moved(2 * DAY, "review", **gap)
    assert [row[4] for row in told.rows()] == ["gap", None]
    assert [row[4] for row in told.moved(DAY, "screen").rows()] == ["advanced", "moved_back", None]
    # Filled in with a mis-click, nothing is left of it.
    told = story().applied().moved(2 * DAY, "review", **gap).moved(2 * DAY - 60, "screen")
    assert told.rows() == [("j", "review", 0, None, None)]


# --- precision -----------------------------------------------------------------------------------------------------------------


def test_precision_is_that_of_the_event_that_began_or_ended_the_visit() -> None:
    bounds = {"bounds": [at(0).isoformat(), at(3 * DAY).isoformat()]}
    told = story().applied(precision="unknown").moved(DAY, "screen", precision="bounded", metadata=bounds).moved(2 * DAY, "offer")
    assert [(v.entry_precision, v.exit_precision, v.entry_gap) for v in told.fold().visits] == [
        ("unknown", "bounded", 0.0),
        ("bounded", "exact", 3.0 * DAY),
        ("exact", None, 0.0),
    ]


@pytest.mark.parametrize(("seconds", "is_pass_through", "completed"), [(59, True, 0), (60, False, 1)])
def test_under_a_minute_is_reached_but_not_timed(seconds: int, is_pass_through: bool, completed: int) -> None:
    visits = story().applied().moved(seconds, "screen").fold().visits
    assert visits[0].pass_through is is_pass_through
    cell = cells(visits)[("j", "review")]
    assert (cell.entered, cell.exited, cell.completed) == (1, 1, completed)


@pytest.mark.parametrize("kind", sorted(set(LEAVING.values()) | {"unknown", "gap"}))
def test_cut_off_visits_are_exited_but_not_completed(kind: str) -> None:
    told = story().applied()
    if kind in LEAVING.values():
        told.tell(DAY, next(event_type for event_type, word in LEAVING.items() if word == kind))
    else:
        told.moved(DAY, None if kind == "unknown" else "review", metadata={"gap": kind == "gap"})
    cell = cells(told.fold().visits)[("j", "review")]
    assert cell.exited == 1
    assert cell.completed == (kind in {"rejected", "withdrawn", "hired"})


# --- clean-ups -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("closed_at", "kind"), [(DAY + 1, "rejected"), (DAY, "job_closed"), (0, "job_closed"), (-5, "rejected")])
def test_a_rejection_within_a_business_day_of_the_jobs_closing_is_a_clean_up(closed_at: int, kind: str) -> None:
    told = story().applied(seconds=-9 * DAY).tell(DAY, "application_rejected")
    assert told.rows(job_statuses={"j": [(at(closed_at), "closed")]})[0][4] == kind
    assert told.fold(job_statuses={"j": [(at(closed_at), "closed")]}).snapshot.status == "rejected"


def test_a_weekend_is_no_business_day() -> None:
    friday = 4 * DAY
    closed = {"j": [(at(friday), "closed")]}
    for late, kind in ((3 * DAY, "job_closed"), (3 * DAY + 5, "rejected")):
        told = story().applied().tell(friday + late, "application_rejected")
        assert told.rows(job_statuses=closed)[0][4] == kind


def test_only_leaving_the_open_state_counts_as_closing() -> None:
    told = story().applied(seconds=-9 * DAY).tell(DAY, "application_rejected")
    closed_long_ago = [(at(-5 * DAY), "on_hold"), (at(DAY - 60), "closed")]
    assert told.rows(job_statuses={"j": closed_long_ago})[0][4] == "rejected"
    reopened = [(at(-5 * DAY), "on_hold"), (at(-DAY), "open"), (at(DAY - 60), "filled")]
    assert told.rows(job_statuses={"j": reopened})[0][4] == "job_closed"
    assert told.rows(job_statuses={"k": reopened})[0][4] == "rejected"
    assert told.rows(job_statuses={"j": reopened}, job_closed_within=0.0001)[0][4] == "rejected"


def test_only_rejections_are_clean_ups() -> None:
    told = story().applied().tell(DAY, "application_withdrawn")
    assert told.rows(job_statuses={"j": [(at(DAY), "closed")]})[0][4] == "withdrawn"


# --- snapshot ----------------------------------------------------------------------------------------------------------------------


def test_activity_is_what_people_do() -> None:
    told = story().applied().tell(DAY, "comment_added").tell(2 * DAY, "candidate_merged").tell(3 * DAY, "unknown")
    snapshot = told.fold().snapshot
    assert (snapshot.last_activity_at, snapshot.last_event_at) == (at(DAY), at(3 * DAY))
    removed = told.tell(4 * DAY, "application_removed").fold().snapshot
    assert (removed.last_activity_at, removed.last_event_at, removed.status) == (at(DAY), at(4 * DAY), "removed")


def test_events_without_any_move_leave_an_active_application_nowhere() -> None:
    folded = story().tell(0, "comment_added", job=None).fold()
    assert folded == Folded((), Snapshot(None, None, "active", None, None, at(0), at(0)))
    assert fold([]) == Folded((), Snapshot(None, None, "active", None, None, None, None))


def test_the_oracle_knows_every_moving_event_of_the_contract() -> None:
    assert {str(each) for each in MOVING_EVENTS} == GOING | set(LEAVING)
    assert EXITS == EXIT_KINDS


# --- laws over random histories ---------------------------------------------------------------------------------------------------


def folded(history: History) -> dict[str, Folded]:
    statuses = job_histories(history.arrivals)
    return {
        application: fold(events, stage_order=STAGE_ORDER, job_statuses=statuses)
        for application, events in ledgers(history.arrivals).items()
    }


@settings(max_examples=100, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_arrival_order_and_repeats_change_nothing(history: History, random: Random) -> None:
    in_order = History(history.events, history.events)
    shuffled = History(history.events, tuple(random.sample(history.events, len(history.events))))
    assert folded(history) == folded(in_order) == folded(shuffled)


@settings(max_examples=150, deadline=None)
@given(histories())
def test_visits_follow_one_another_and_only_the_last_is_open(history: History) -> None:
    for each in folded(history).values():
        visits = each.visits
        assert [visit.n for visit in visits] == list(range(1, len(visits) + 1))
        assert len({visit.entry_event_id for visit in visits}) == len(visits)
        for visit, following in pairwise(visits):
            assert visit.left_at is not None
            assert visit.entered_at <= visit.left_at <= following.entered_at
            assert not (following.is_straight and visit.place == following.place and visit.exit_kind != "gap")
            assert visit.left_at == following.entered_at or not following.is_straight
        for visit in visits:
            assert (visit.left_at is None) == (visit.exit_kind is None) == (visit.exit_precision is None)
        is_open = bool(visits) and visits[-1].left_at is None
        assert (each.snapshot.stage is not None) == is_open
        assert not is_open or each.snapshot.status == "active"


@settings(max_examples=150, deadline=None)
@given(histories())
def test_no_misclick_is_left(history: History) -> None:
    for each in folded(history).values():
        for before, visit, after in zip(each.visits, each.visits[1:], each.visits[2:], strict=False):
            touching = visit.is_straight and after.is_straight
            same_job = before.job == visit.job == after.job
            back = before.stage == after.stage != visit.stage
            assert not (touching and same_job and back and visit.seconds < 600)


@settings(max_examples=100, deadline=None)
@given(histories())
def test_counters_add_up(history: History) -> None:
    visits = [visit for each in folded(history).values() for visit in each.visits]
    found = cells(visits)
    assert sum(cell.entered for cell in found.values()) == len(visits)
    for cell in found.values():
        assert cell.entered == cell.exited + cell.open
        assert cell.completed <= cell.exited
        assert cell.completed_seconds >= 60 * cell.completed


def test_a_seed_always_tells_the_same_history() -> None:
    assert seeded_history(7) == seeded_history(7)
    assert seeded_history(7) != seeded_history(8)
    assert {event.provider_event_id for event in seeded_history(7).arrivals} == {
        event.provider_event_id for event in seeded_history(7).events
    }


def test_random_histories_hold_every_kind_of_ending() -> None:
    kinds = {visit.exit_kind for seed in range(30) for each in folded(seeded_history(seed)).values() for visit in each.visits}
    assert kinds == EXITS | {None, "job_closed", "on_hold", "closed", "removed", "gap", "unknown"}


# --- the curve oracle ---------------------------------------------------------------------------------------------------------------


def visit(days: float, exit_kind: str | None = "advanced", *, entered: float = 0, **more: Any) -> Visit:
    entered_at = at(entered * DAY)
    left_at = None if exit_kind is None else entered_at + timedelta(days=days)
    options = {"entry_precision": "exact", "exit_precision": exit_kind and "exact"} | more
    return Visit(1, "e", "j", "screen", entered_at, left_at, exit_kind, **options)


WINDOW = {"since": at(0), "until": at(90 * DAY), "as_of": at(90 * DAY)}


def test_the_curve_of_example_a_in_calendar_days() -> None:
    done = [visit(days) for days in (2, 3, 3, 5, 8, 10)]
    waiting = [visit(0, None, entered=90 - days) for days in (1, 4, 6, 9, 12)]
    found = cell_percentiles([*done, *waiting], **(WINDOW | {"until": at(91 * DAY)}))
    assert (found.n, found.n_exits, found.n_open) == (11, 6, 5)
    assert (found.p50, found.p85, found.longest) == (8, None, 12)


def test_small_samples_show_nothing() -> None:
    assert cell_percentiles([visit(day) for day in range(1, 6)], **WINDOW).p50 is None
    assert cell_percentiles([visit(day) for day in range(1, 6)], **WINDOW).p50_any == 3
    found = cell_percentiles([visit(day) for day in range(1, 21)], **WINDOW)
    assert (found.p50, found.p85) == (10, 17)


@pytest.mark.parametrize(
    ("left_out", "reason"),
    [
        (visit(3, entered=-1), "entered before the window"),
        (visit(3, entered=90), "entered after the window"),
        (visit(3, entry_precision="unknown"), "nobody knows since when"),
        (visit(3, entry_precision="bounded", entry_gap=DAY + 1.0), "known to within more than a day"),
        (visit(3, entry_precision="bounded", entry_gap=math.inf), "known to within nobody says what"),
        (visit(59 / DAY), "only passing through"),
    ],
)
def test_visits_that_tell_no_duration_stay_out(left_out: Visit, reason: str) -> None:
    assert cell_percentiles([left_out], **WINDOW).n == 0, reason


def test_visits_from_before_the_tracking_are_survivors_and_stay_out() -> None:
    found = cell_percentiles([visit(3), visit(3, entered=10)], tracked_since=at(5 * DAY), **WINDOW)
    assert found.n == 1


def test_an_entry_known_to_within_a_day_counts() -> None:
    assert cell_percentiles([visit(3, entry_precision="bounded", entry_gap=float(DAY))], **WINDOW).n_exits == 1
    assert cell_percentiles([visit(60 / DAY)], **WINDOW).n_exits == 1


def test_a_replay_takes_later_exits_as_still_waiting() -> None:
    found = cell_percentiles([visit(3), visit(30)], **(WINDOW | {"as_of": at(10 * DAY)}))
    assert (found.n, found.n_exits, found.n_open, found.longest) == (2, 1, 1, 10)


@settings(max_examples=80, deadline=None)
@given(histories(max_applications=8, max_steps=16), st.integers(0, 100))
def test_the_two_curves_agree_on_random_histories(history: History, day: int) -> None:
    """The fraction oracle and the estimators were written apart; both read the same visits."""
    as_of = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(days=day)
    since = datetime(2026, 1, 1, tzinfo=UTC)
    visits = [v for each in folded(history).values() for v in each.visits if v.stage == "s-review"]
    judged = cell_percentiles(visits, since=since, until=as_of, as_of=as_of)
    exits: list[float] = []
    cut_off: list[float] = []
    for v in visits:
        if v.entered_at >= as_of or v.entry_precision == "unknown" or v.survivor or v.entry_gap > DAY:
            continue
        seconds = (min(v.left_at or as_of, as_of) - v.entered_at).total_seconds()
        if seconds >= 60:
            ended = v.left_at is not None and v.left_at <= as_of and v.exit_kind in EXIT_KINDS
            (exits if ended else cut_off).append(seconds / DAY)
    curve = Curve.of(exits=exits, cut_off=cut_off)
    assert (judged.n, judged.n_exits) == (curve.n, curve.n_exits)
    assert (judged.p50_any, judged.p85_any) == (pytest.approx(curve.quantile(0.5)), pytest.approx(curve.quantile(0.85)))
