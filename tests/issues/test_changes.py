"""People and rules take turns: whatever their order, the lifecycle stays legal and a person's word stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import User
from connectors.models import Connector
from issues import services
from issues.decisions import decide, decide_all
from issues.lifecycle import Action, IllegalAction
from issues.models import Issue, IssueTransition, RuleSetting
from tests.factories.accounts import member
from tests.walking import bring_in, event_row, file_connector, walk

pytestmark = pytest.mark.django_db

#: a Monday
T = datetime(2026, 6, 1, 9, tzinfo=UTC)
#: status before → after, by the machine
MACHINE = {
    ("", "open"), ("open", "resolved"), ("acknowledged", "resolved"), ("snoozed", "resolved"), ("snoozed", "open"),
    ("resolved", "open"), ("resolved", "acknowledged"), ("resolved", "snoozed"),
}  # fmt: skip


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = T
        monkeypatch.setattr(timezone, "now", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def applied(*names: str, at: datetime = T) -> list[dict[str, Any]]:
    told = {"event_type": "application_created", "stage_to": "s-1", "stage_to_category": "review", "stage_to_name": "Review"}
    return [event_row(f"{name}:0", at, application_external_id=name, candidate_external_id=name, **told) for name in names]


def comment(key: str, at: datetime) -> dict[str, Any]:
    return event_row(key, at, event_type="comment_added", application_external_id="a-1", candidate_external_id="a-1")


def swept(connector: Connector, at: datetime) -> None:
    Connector.objects.filter(pk=connector.pk).update(fresh_at=at)
    services.sweep(now=at)
    walk()


def lines(issue: Issue) -> list[tuple[str, str]]:
    return [(row.status_from, row.status_to) for row in issue.transitions.order_by("pk")]


@dataclass(frozen=True)
class Decided:
    """Somebody decides on one of the issues there are, or on all of them at once; a snooze without hours is until a change."""

    which: int
    action: Action
    hours: float | None
    at_once: bool


@dataclass(frozen=True)
class Happened:
    kind: str
    who: str
    to: str


@dataclass(frozen=True)
class Swept:
    """The ten-minute look."""


DECIDED = st.builds(
    Decided, which=st.integers(0, 7), action=st.sampled_from(Action), hours=st.sampled_from((None, 3.0, 60.0)), at_once=st.booleans()
)
HAPPENED = st.builds(
    Happened,
    kind=st.sampled_from(("comment_added", "stage_changed", "on_hold", "open", "application_rejected")),
    who=st.sampled_from(("a-1", "a-2")),
    to=st.sampled_from(("s-1", "s-2")),
)
TURNS = st.lists(st.tuples(st.sampled_from((1, 5, 20, 40, 100)), st.one_of(DECIDED, HAPPENED, st.builds(Swept))), min_size=12, max_size=30)


def test_any_interleaving_of_people_and_rules_keeps_the_lifecycle_legal_and_the_persons_word(clock: Clock) -> None:
    moves: Counter[tuple[str, str, bool]] = Counter()

    @settings(max_examples=14, deadline=None, derandomize=True)
    @given(turns=TURNS)
    def holds(turns: list[tuple[int, Decided | Happened | Swept]]) -> None:
        with transaction.atomic():
            interleave(turns, clock)
            lines = IssueTransition.objects.values_list("status_from", "status_to", "actor")
            moves.update((before, after, actor is not None) for before, after, actor in lines)
            transaction.set_rollback(True)

    holds()
    by_people, by_rules = (len({move for move in moves if move[2] is person}) for person in (True, False))
    assert min(by_people, by_rules) > 3, "else it would prove little"


def interleave(turns: list[tuple[int, Decided | Happened | Swept]], clock: Clock) -> None:
    clock.now = T
    connector = file_connector()
    alice = member(connector.organization)
    RuleSetting.objects.create(organization=connector.organization, rule="idle_candidate", business_days=0.5)
    RuleSetting.objects.create(organization=connector.organization, rule="stuck", factor=0.4)
    bring_in(connector, applied("a-1", "a-2"))
    detected: dict[int, datetime] = {}
    for number, (hours, turn) in enumerate(turns):
        clock.now += timedelta(hours=hours)
        said = list(Issue.objects.all())
        if isinstance(turn, Decided):
            somebody_decides(turn, alice, clock.now)
        elif isinstance(turn, Happened):
            bring_in(connector, [something_happens(turn, number, clock.now)])
            the_word_stands(said, clock.now)
        else:
            swept(connector, clock.now)
            the_word_stands(said, clock.now)
        for issue in Issue.objects.all():
            assert detected.setdefault(issue.pk, issue.detected_at) == issue.detected_at, "detection never moves"
    the_trail_is_legal()


def somebody_decides(turn: Decided, alice: User, now: datetime) -> None:
    there = list(Issue.objects.order_by("pk").values_list("pk", flat=True))
    if not there:
        return
    snooze: dict[str, Any] = {}
    if turn.action is Action.SNOOZE:
        snooze = {"until": now + timedelta(hours=turn.hours)} if turn.hours else {"until_change": True}
    if turn.at_once:
        decide_all(issue_ids=there, action=turn.action, actor=alice, now=now, **snooze)
    else:
        with suppress(IllegalAction):
            decide(issue_id=there[turn.which % len(there)], action=turn.action, actor=alice, now=now, **snooze)
    walk()


def something_happens(turn: Happened, number: int, now: datetime) -> dict[str, Any]:
    if turn.kind in ("on_hold", "open"):
        nobody = {"application_external_id": None, "candidate_external_id": None}
        return event_row(f"t{number}", now, event_type="job_status_changed", job_status=turn.kind, **nobody)
    moved = {"stage_to": turn.to, "stage_to_category": "review"} if turn.kind == "stage_changed" else {}
    return event_row(f"t{number}", now, event_type=turn.kind, application_external_id=turn.who, candidate_external_id=turn.who, **moved)


def the_word_stands(said: Iterable[Issue], now: datetime) -> None:
    """After a turn of the machine: what people resolved is resolved, and who was sent to sleep sleeps on or is over."""
    for before in said:
        issue = Issue.objects.get(pk=before.pk)
        about_a_person = issue.application_id is not None
        if before.status == "resolved" and before.resolved_by == "person" and about_a_person:
            assert (issue.status, issue.resolved_by, issue.version) == ("resolved", "person", before.version)
        asleep = before.status == "snoozed" and not before.snoozed_at_state and before.snoozed_until and before.snoozed_until > now
        if asleep:
            assert issue.status in ("snoozed", "resolved")
        if before.status == "acknowledged":
            assert issue.status in ("acknowledged", "resolved"), "a sweep does not open what somebody looks after"


def the_trail_is_legal() -> None:
    """One line per transition, each beginning where the last one ended; the machine makes only its own moves."""
    for issue in Issue.objects.all():
        status = ""
        for line in issue.transitions.order_by("pk"):
            assert line.status_from == status
            if line.actor_id is None:
                assert (line.status_from, line.status_to) in MACHINE
            status = line.status_to
        assert status == issue.status
        assert issue.version == issue.transitions.count()


def test_what_was_acknowledged_comes_back_acknowledged_after_a_hold(clock: Clock) -> None:
    connector = file_connector()
    bring_in(connector, applied("a-1"))
    clock.now = T + timedelta(days=9)
    swept(connector, clock.now)
    issue = Issue.objects.get(issue_type="idle_candidate")
    decide(issue_id=issue.pk, action=Action.ACKNOWLEDGE, actor=member(connector.organization), now=clock.now)
    walk()
    on_job = {"event_type": "job_status_changed", "application_external_id": None, "candidate_external_id": None}

    bring_in(connector, [event_row("hold", clock.now, job_status="on_hold", **on_job)])
    issue.refresh_from_db()
    assert (issue.status, issue.resolved_by) == ("resolved", "hidden")
    clock.now += timedelta(hours=2)
    bring_in(connector, [event_row("open", clock.now, job_status="open", **on_job)])

    issue.refresh_from_db()
    assert issue.status == "acknowledged"
    assert lines(issue) == [("", "open"), ("open", "acknowledged"), ("acknowledged", "resolved"), ("resolved", "acknowledged")]


def test_snoozed_until_something_changes_ends_with_an_event_and_not_with_time(clock: Clock) -> None:
    connector = file_connector()
    RuleSetting.objects.create(organization=connector.organization, rule="stuck", factor=0.2)
    bring_in(connector, applied("a-1"))
    clock.now = T + timedelta(days=2)
    swept(connector, clock.now)
    issue = Issue.objects.get(issue_type="stuck")
    decide(issue_id=issue.pk, action=Action.SNOOZE, actor=member(connector.organization), now=clock.now, until_change=True)
    walk()

    clock.now += timedelta(hours=5)
    swept(connector, clock.now)
    issue.refresh_from_db()
    assert (issue.status, issue.snoozed_until) == ("snoozed", None)

    bring_in(
        connector, [event_row("note", clock.now, event_type="comment_added", application_external_id="a-1", candidate_external_id="a-1")]
    )
    issue.refresh_from_db()
    assert issue.status == "open"


def test_many_with_one_trouble_in_one_stage_make_one_group_issue(clock: Clock) -> None:
    connector = file_connector()
    RuleSetting.objects.create(organization=connector.organization, rule="idle_candidate", group_from=4)
    bring_in(connector, applied("a-1", "a-2", "a-3"), applied("a-4", at=T + timedelta(days=2)))
    clock.now = T + timedelta(days=7)
    swept(connector, clock.now)
    assert not Issue.objects.filter(is_group=True).exists(), "three are not four"

    clock.now = T + timedelta(days=9)
    swept(connector, clock.now)
    group = Issue.objects.get(is_group=True)
    assert (group.issue_type, group.application, group.evidence["people"], group.members.count()) == ("idle_candidate", None, 4, 4)
    assert list(Issue.objects.filter(group=group, tasks__status__in=["open", "in_progress"])) == [], "the group has the task"
    assert group.tasks.filter(status="open").count() == 1

    decide(issue_id=group.pk, action=Action.ACKNOWLEDGE, actor=member(connector.organization), now=clock.now)
    assert set(group.members.values_list("status", flat=True)) == {"acknowledged"}, "what is decided of a group is decided of its members"
    walk()

    clock.now += timedelta(hours=1)
    bring_in(
        connector, [event_row("hi", clock.now, event_type="comment_added", application_external_id="a-1", candidate_external_id="a-1")]
    )
    group.refresh_from_db()
    assert (group.status, group.resolved_by, group.members.count()) == ("resolved", "rule", 0)


def test_a_lowered_limit_counts_for_who_already_waits_from_the_next_sweep_on(clock: Clock) -> None:
    connector = file_connector()
    bring_in(connector, applied("a-1", "a-2"))
    clock.now = T + timedelta(days=3)
    swept(connector, clock.now)
    assert not Issue.objects.exists()

    RuleSetting.objects.create(organization=connector.organization, rule="idle_candidate", business_days=2)
    clock.now += timedelta(minutes=10)
    swept(connector, clock.now)
    assert Issue.objects.filter(status="open", issue_type="idle_candidate").count() == 2

    RuleSetting.objects.update(business_days=8)
    clock.now += timedelta(minutes=10)
    swept(connector, clock.now)
    assert not Issue.objects.filter(status="open").exists(), "and a raised one clears what it would not have opened"
