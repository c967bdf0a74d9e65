"""Random histories polled at random moments: whatever happens between two looks, a poll tells only what was,
tells it once, and ends where the account stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import SyncMode
from connectors.events import EventType, NormalizedEvent, Precision
from tests.connectors.bamboohr.harness import RUN_1, Bamboo, Desk, Reply, StoppedClock

PATIENT = settings(
    max_examples=60,
    deadline=None,
    # each example has a server of its own: real, and slow to start
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
STATUSES = [1, 2, 5, 6, 7, 8, 10, 11, 15, 16, 27]
STAGES = {"1", "2", "5", "6", "8", "16", "27"}
APPLICATIONS = [1, 2, 3]

gap = st.integers(1, 40_000)
number = st.sampled_from(APPLICATIONS)
move = st.tuples(st.just("move"), number, st.sampled_from(STATUSES), gap)
change = st.one_of(
    move,
    move,
    st.tuples(st.just("comment"), number, st.just(0), gap),
    st.tuples(st.just("rate"), number, st.integers(1, 5), gap),
    st.tuples(st.just("delete"), number, st.just(0), gap),
)
fault = st.tuples(st.just("fail"), number, st.integers(1, 4), gap)
poll = st.tuples(st.just("poll"), st.just(0), st.integers(0, 4), gap)


@dataclass
class World:
    """An account whose true history is known, and the connectors that look at it."""

    clock: StoppedClock = field(default_factory=StoppedClock)
    truth: dict[str, list[tuple[str, datetime]]] = field(default_factory=dict)
    told: list[NormalizedEvent] = field(default_factory=list)
    replayed: list[NormalizedEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bamboo = Bamboo(self.clock)
        for each in APPLICATIONS:
            at = RUN_1 - timedelta(days=each)
            self.bamboo.apply(each, at=at)
            self.truth[str(each)] = [("1", at)]
        self.desk = Desk(self.bamboo, refresh_budget=2)

    def step(self, kind: str, who: int, what: int, seconds: int) -> None:
        self.clock.at = (self.clock.at + timedelta(seconds=seconds)).replace(microsecond=0)
        if kind == "poll":
            # every fifth run looks at everything
            self.poll(SyncMode.FULL if what == 0 else SyncMode.DELTA)
        elif who in self.bamboo.applications:
            getattr(self, kind)(who, what)

    def move(self, who: int, status: int) -> None:
        self.bamboo.move(who, status, at=self.clock.at)
        self.truth[str(who)].append((str(status), self.clock.at))

    def comment(self, who: int, _: int) -> None:
        self.bamboo.applications[who]["commentCount"] += 1
        self.bamboo.applications[who]["eventCount"] += 1

    def rate(self, who: int, rating: int) -> None:
        self.bamboo.applications[who]["rating"] = rating

    def delete(self, who: int, _: int) -> None:
        del self.bamboo.applications[who]

    def fail(self, who: int, times: int) -> None:
        self.bamboo.faults[self.bamboo.path(f"applications/{who}")] += [Reply(b"<html>")] * times

    def poll(self, mode: SyncMode = SyncMode.DELTA) -> list[NormalizedEvent]:
        run = self.desk.sync(mode, run=self.clock.at)
        self.told += run.events
        for seen in run.observations:
            self.replayed += self.desk.provider.map(seen.kind, seen.payload).events
        self.clock.at = (self.clock.at + timedelta(seconds=1)).replace(microsecond=0)
        return run.events


def run_history(steps: list[tuple[Any, ...]]) -> World:
    world = World()
    try:
        for step in steps:
            world.step(*step)
        # whatever was owed: faults are over, and two complete runs settle absences
        world.bamboo.faults.clear()
        for _ in range(3):
            world.poll(SyncMode.FULL)
        assert world.poll(SyncMode.FULL) == [], "a quiet account has nothing left to tell"
    finally:
        world.bamboo.server.stop()
    return world


def status_told(event: NormalizedEvent) -> str | None:
    told: str | None = event.stage_to or event.metadata.get("terminal_status_id")
    return told


def folded(events: list[NormalizedEvent]) -> list[NormalizedEvent]:
    return sorted(events, key=lambda event: (event.timestamp, event.provider_event_id))


@PATIENT
@given(st.lists(st.one_of(change, change, poll, fault), max_size=25))
def test_keys_are_unique_and_replays_give_the_same_events(steps: list[tuple[Any, ...]]) -> None:
    world = run_history(steps)

    keys = [event.provider_event_id for event in world.told]
    assert len(keys) == len(set(keys))
    assert world.replayed == world.told


@PATIENT
@given(st.lists(st.one_of(change, change, poll, fault), max_size=25))
def test_a_poll_never_invents_a_status_a_time_or_an_actor(steps: list[tuple[Any, ...]]) -> None:
    world = run_history(steps)

    for event in world.told:
        history = world.truth[event.application_external_id or ""]
        status = status_told(event)
        if status is None:
            continue
        times = [at for known, at in history if known == status]
        assert times, f"{event} tells a status that never was"
        if event.precision is Precision.EXACT:
            assert event.timestamp in times
        elif event.precision is Precision.BOUNDED:
            lower, upper = (datetime.fromisoformat(bound) for bound in event.metadata["bounds"])
            assert lower <= event.timestamp <= upper
            assert any(lower <= at <= upper for at in times)
        assert event.stage_from is None or event.stage_from in {known for known, _ in history}
        assert event.actor is None or event.actor.external_id == "2412"
        if event.stage_to is not None:
            assert event.stage_to in STAGES


@PATIENT
@given(st.lists(st.one_of(change, change, poll, fault), max_size=25))
def test_in_the_end_everybody_is_where_the_account_has_them(steps: list[tuple[Any, ...]]) -> None:
    world = run_history(steps)

    for each in APPLICATIONS:
        events = folded([event for event in world.told if event.application_external_id == str(each)])
        moving = [event for event in events if status_told(event) or event.event_type is EventType.APPLICATION_REMOVED]
        if each in world.bamboo.applications:
            assert status_told(moving[-1]) == world.truth[str(each)][-1][0]
            assert events[0].event_type is EventType.APPLICATION_CREATED
        elif events:
            assert moving[-1].event_type is EventType.APPLICATION_REMOVED


@PATIENT
@given(st.lists(move, max_size=15))
def test_polled_after_every_change_the_whole_history_is_told(steps: list[tuple[Any, ...]]) -> None:
    polled = [("poll", 0, 0, 1)] + [part for step in steps for part in (step, ("poll", 0, 0, 5))]

    world = run_history(polled)

    for each, history in world.truth.items():
        told = folded([event for event in world.told if event.application_external_id == each])
        assert [(status_told(event), event.timestamp) for event in told] == history
        before = None
        for event in told:
            if "gap" not in event.metadata:
                assert event.stage_from == (before if before in STAGES else None)
            if "duration_in_previous_stage" in event.metadata:
                at = [at for status, at in history if at < event.timestamp][-1]
                assert event.metadata["duration_in_previous_stage"] == (event.timestamp - at).total_seconds()
            before = status_told(event)


@PATIENT
@given(st.lists(st.one_of(change, poll), max_size=20))
def test_another_connector_that_looks_at_other_times_gives_the_same_facts_the_same_keys(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    late = Desk(world.bamboo)
    try:
        for step in steps:
            world.step(*step)
        world.poll(SyncMode.FULL)
        others = late.sync(SyncMode.FULL, run=datetime(2027, 1, 1, tzinfo=UTC)).events
    finally:
        world.bamboo.server.stop()

    ours = {event.provider_event_id: event for event in world.told}
    for event in others:
        if event.event_type is EventType.APPLICATION_CREATED:
            assert event.provider_event_id in ours
        elif event.precision is Precision.EXACT:
            same = ours[event.provider_event_id]
            assert (same.timestamp, status_told(same), same.actor) == (event.timestamp, status_told(event), event.actor)
