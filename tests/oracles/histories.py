"""Random hiring histories with everything that goes wrong in real ones, as events of the contract.

One generator, two doors: ``histories()`` for Hypothesis (which shrinks), ``seeded_history(seed)`` for tests on a
database, which need few, whole and repeatable histories.

A history is a walk per application (apply, move on and back, mis-click, park, reject, come back, change job,
vanish), or, now and then, moving events without any sense. Times step by lengths that lie on the borders of the
rules. ``arrivals`` is what a connector would deliver: late, out of order, some of it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from hypothesis import strategies as st

from connectors.events import Actor, EventType, JobStatus, NormalizedEvent, Precision

PROVIDER = "histories"
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
STAGES = ("s-review", "s-screen", "s-interview", "s-offer", "s-unplaced")
#: The last stage has no place in the pipeline: moves from and to it are lateral. Two stages share a place.
STAGE_ORDER: dict[str, int | None] = {"s-review": 1, "s-screen": 2, "s-interview": 3, "s-offer": 3, "s-unplaced": None}
#: (stage, until, order): twice the pipeline was changed on the way, the second time for two stages at once
REORDERS: tuple[tuple[str, datetime, int | None], ...] = (
    ("s-screen", START + timedelta(days=2), 4),
    ("s-screen", START + timedelta(days=9), None),
    ("s-unplaced", START + timedelta(days=9), 0),
)
JOBS = ("j-1", "j-2", "j-3")

#: Seconds between events: none at all, and both sides of a pass-through (60 s) and a mis-click (600 s).
SHORT_STEPS = (0, 0, 1, 30, 59, 60, 61, 300, 599, 600, 601)
LONG_STEPS = (3_600, 20_000, 86_399, 86_400, 86_401, 200_000, 900_000, 3_000_000)

ACTIVITY = (
    EventType.COMMENT_ADDED,
    EventType.EMAIL_LOGGED,
    EventType.RATING_CHANGED,
    EventType.INTERVIEW_SCHEDULED,
    EventType.INTERVIEW_CANCELLED,
    EventType.INTERVIEW_ENDED,
    EventType.FEEDBACK_SUBMITTED,
    EventType.OFFER_SENT,
    EventType.OFFER_ACCEPTED,
    EventType.CANDIDATE_MERGED,
    EventType.UNKNOWN,
)
GOING = (EventType.APPLICATION_CREATED, EventType.STAGE_CHANGED, EventType.APPLICATION_REOPENED, EventType.APPLICATION_MOVED)
ENDINGS = (
    EventType.APPLICATION_REJECTED,
    EventType.APPLICATION_REJECTED,
    EventType.APPLICATION_WITHDRAWN,
    EventType.APPLICATION_HIRED,
    EventType.APPLICATION_CLOSED,
    EventType.APPLICATION_ON_HOLD,
    EventType.APPLICATION_REMOVED,
)


@dataclass(frozen=True)
class History:
    """``events``: the distinct facts. ``arrivals``: how they come in, every fact at least once."""

    events: tuple[NormalizedEvent, ...]
    arrivals: tuple[NormalizedEvent, ...]

    def batches(self, size: int) -> list[tuple[NormalizedEvent, ...]]:
        return [self.arrivals[start : start + size] for start in range(0, len(self.arrivals), size)]


def histories(*, max_applications: int = 4, max_steps: int = 12) -> st.SearchStrategy[History]:
    """Histories that Hypothesis can shrink."""
    return st.builds(
        random_history,
        st.randoms(use_true_random=False),
        applications=st.integers(1, max_applications),
        steps=st.integers(0, max_steps),
    )


def seeded_history(seed: int, *, applications: int = 40, steps: int = 14) -> History:
    """The history of a seed: the same on every machine."""
    return random_history(Random(seed), applications=applications, steps=steps)


def random_history(rng: Random, *, applications: int, steps: int) -> History:
    """Events of ``applications`` applications of up to ``steps`` steps each, and of the jobs' status changes."""
    events: list[NormalizedEvent] = []
    for number in range(applications):
        scribe = _Scribe(rng, application=f"a-{number}", candidate=f"c-{number // 2}", job=rng.choice(JOBS))
        wild = rng.random() < 0.25
        for _ in range(rng.randint(0, steps)):
            scribe.anything() if wild else scribe.step()
        events += scribe.events
    events += _job_events(rng)
    return History(tuple(events), tuple(_arrivals(rng, events)))


class _Scribe:
    """Walks one application through its pipeline and writes down what happens."""

    def __init__(self, rng: Random, *, application: str, candidate: str, job: str) -> None:
        self.rng = rng
        self.application = application
        self.candidate = candidate
        self.job = job
        self.stage: str | None = None
        self.now = START + timedelta(seconds=rng.choice((0, 1, 3_600, 86_400)))
        self.events: list[NormalizedEvent] = []

    def step(self) -> None:
        """One sensible step; the first is always the application itself."""
        if not self.events:
            self.go(EventType.APPLICATION_CREATED, self.rng.choice((STAGES[0], STAGES[0], STAGES[1], None)))
            return
        actions: tuple[Callable[[], None], ...]
        if self.stage is None:
            actions = (self.come_back, self.come_back, self.act, self.finish, self.change_job)
        else:
            actions = (
                self.move, self.move, self.move, self.move, self.misclick, self.misclick, self.stutter, self.act, self.act,
                self.repeat, self.gap, self.finish, self.finish, self.change_job, self.lose_sight,
            )  # fmt: skip
        self.rng.choice(actions)()

    def anything(self) -> None:
        """One event without regard to what came before."""
        kind = self.rng.choice((*GOING, *GOING, *ENDINGS, *ACTIVITY))
        self.tick()
        if kind in GOING:
            self.job = self.rng.choice(JOBS)
            self.go(kind, self.rng.choice((*STAGES, None)), gap=self.rng.random() < 0.2)
        else:
            self.write(kind)

    def move(self) -> None:
        self.tick()
        self.go(EventType.STAGE_CHANGED, self.rng.choice(STAGES))

    def misclick(self) -> None:
        """There and, mostly in under ten minutes, back; sometimes several times over."""
        here = self.stage
        self.tick()
        for _ in range(self.rng.randint(1, 3)):
            self.go(EventType.STAGE_CHANGED, self.rng.choice(STAGES))
            self.tick(SHORT_STEPS)
            self.go(EventType.STAGE_CHANGED, here)
            self.tick(SHORT_STEPS)

    def stutter(self) -> None:
        """Several moves in one and the same second."""
        for _ in range(self.rng.randint(2, 4)):
            self.go(EventType.STAGE_CHANGED, self.rng.choice(STAGES))

    def repeat(self) -> None:
        """The same place told again, which is no move."""
        self.tick()
        self.go(self.rng.choice((EventType.STAGE_CHANGED, EventType.APPLICATION_REOPENED)), self.stage)

    def gap(self) -> None:
        """Gone and back between two looks, and seen only afterwards."""
        self.tick()
        self.go(EventType.STAGE_CHANGED, self.stage, gap=True)

    def lose_sight(self) -> None:
        self.tick()
        self.go(EventType.STAGE_CHANGED, None)

    def finish(self) -> None:
        self.tick()
        self.write(self.rng.choice(ENDINGS))
        self.stage = None

    def come_back(self) -> None:
        self.tick()
        self.go(self.rng.choice((EventType.APPLICATION_REOPENED, EventType.STAGE_CHANGED)), self.rng.choice(STAGES))

    def change_job(self) -> None:
        self.tick()
        job_from, self.job = self.job, self.rng.choice(JOBS)
        if self.rng.random() < 0.7:
            stage = self.rng.choice((self.stage, STAGES[0], None))
            self.go(EventType.APPLICATION_MOVED, stage, job_from=job_from, job_to=self.job)
        else:  # some providers only show the new job, on the next event
            self.go(EventType.STAGE_CHANGED, self.rng.choice((self.stage, STAGES[0])))

    def act(self) -> None:
        self.tick()
        self.write(self.rng.choice(ACTIVITY))

    def tick(self, steps: Sequence[int] = SHORT_STEPS + LONG_STEPS) -> None:
        self.now += timedelta(seconds=self.rng.choice(steps))

    def go(self, kind: EventType, stage: str | None, *, gap: bool = False, **extra: Any) -> None:
        self.write(kind, stage_from=self.stage, stage_to=stage, **({"gap": True} if gap else {}), **extra)
        self.stage = stage

    def write(self, kind: EventType, *, stage_from: str | None = None, stage_to: str | None = None, **metadata: Any) -> None:
        precision = self.rng.choice((Precision.EXACT,) * 6 + (Precision.BOUNDED, Precision.UNKNOWN))
        if stage_to is not None and self.rng.random() < 0.15:
            metadata["already_running"] = True
        if precision is Precision.BOUNDED:
            half = timedelta(seconds=self.rng.choice((30, 43_199, 43_200, 43_201, 130_000)))
            metadata["bounds"] = [(self.now - half).isoformat(), (self.now + half).isoformat()]
        self.events.append(
            NormalizedEvent(
                event_type=kind,
                # Random in front: ids must not follow time, or a fold by id would pass.
                provider_event_id=f"{self.rng.randrange(1_000):03d}:{self.application}:{len(self.events)}",
                provider=PROVIDER,
                application_external_id=self.application,
                candidate_external_id=self.candidate,
                job_external_id=self.job,
                stage_from=stage_from,
                stage_to=stage_to,
                actor=Actor(external_id="u-1", name="Alice") if self.rng.random() < 0.5 else None,
                timestamp=self.now,
                recorded_at=self.rng.choice((None, None, self.now, self.now + timedelta(seconds=self.rng.choice(LONG_STEPS)))),
                precision=precision,
                metadata=metadata,
            )
        )


def _job_events(rng: Random) -> list[NormalizedEvent]:
    """Jobs that close, pause and open again, some of them on the border of the clean-up rule."""
    events: list[NormalizedEvent] = []
    for job in JOBS:
        now = START
        for number in range(rng.choice((0, 0, 1, 2, 4))):
            now += timedelta(seconds=rng.choice(LONG_STEPS))
            events.append(
                NormalizedEvent(
                    event_type=EventType.JOB_STATUS_CHANGED,
                    provider_event_id=f"{rng.randrange(1_000):03d}:{job}:{number}",
                    provider=PROVIDER,
                    application_external_id=None,
                    candidate_external_id=None,
                    job_external_id=job,
                    timestamp=now,
                    metadata={"status": str(rng.choice((JobStatus.OPEN, JobStatus.CLOSED, JobStatus.ON_HOLD, JobStatus.FILLED)))},
                )
            )
    return events


def _arrivals(rng: Random, events: Sequence[NormalizedEvent]) -> list[NormalizedEvent]:
    """In order, slightly late, or in no order at all; about a fifth of the facts arrives twice."""
    again = [event for event in events if rng.random() < 0.2]
    arrivals = [*events, *again]
    disorder = rng.choice((0, 3, len(arrivals)))
    lateness = [position + rng.randint(0, disorder) for position in range(len(arrivals))]
    return [arrivals[position] for position in sorted(range(len(arrivals)), key=lateness.__getitem__)]
