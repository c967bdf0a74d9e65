"""Import files of any size and one shape, for load tests: streamed, seeded, in nearly constant memory.

About four events per application over 18 months. The only things held are the applications in play at one simulated
moment (in time order) or a pool of rows (in random order). Files with different ``start_id`` share jobs and stages and
no application, so one can be loaded on top of another.
"""

from __future__ import annotations

import gzip
import heapq
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from random import Random

from connectors.sandbox.organization import DAY, DEPARTMENTS

ORDERS = ("time", "application", "random")
PERIOD = 548 * DAY
#: fixed, so that the same arguments give the same file on any day
DEFAULT_UNTIL = int(datetime(2026, 7, 1, tzinfo=UTC).timestamp())
CATEGORIES = ("review", "review", "screen", "screen", "assessment", "interview", "decision", "offer")
ADVANCE, REJECT = 0.69, 0.27  # what is left withdraws
#: rows drawn from when the order is random
POOL = 100_000
CHUNK = 4_000

#: (moment, application, its number among the application's rows, the row without its line end)
Event = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the file looks like. ``start_id`` is the first application's id."""

    events: int
    jobs: int = 200
    stages: int = 8
    seed: int = 1
    start_id: int = 1
    order: str = "time"
    until: int = DEFAULT_UNTIL

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"unknown order {self.order!r}; use one of {', '.join(ORDERS)}")
        if min(self.events, self.jobs, self.stages) < 1:
            raise ValueError("events, jobs and stages must be at least 1")

    @property
    def events_per_application(self) -> float:
        """The arrival, and one row for leaving each stage reached."""
        return 1 + sum(ADVANCE**n for n in range(self.stages))

    @property
    def spacing(self) -> float:
        """Seconds between two arrivals, so that the file spans the period."""
        return PERIOD * self.events_per_application / self.events


class Texts:
    """Parts of rows that repeat, rendered once; only ASCII without quotes, so no escaping is needed."""

    def __init__(self, shape: Shape) -> None:
        self.stages = [
            f'"stage_{{side}}":"stage-{n}","stage_{{side}}_name":"Stage {n}",'
            f'"stage_{{side}}_category":"{CATEGORIES[(n - 1) * len(CATEGORIES) // shape.stages]}"'
            for n in range(1, shape.stages + 1)
        ]
        self.entering = [text.replace("{side}", "to") for text in self.stages]
        self.leaving = [text.replace("{side}", "from") for text in self.stages]
        self.jobs = [
            f'"job_external_id":"job-{n}","job_title":"Position {n}","department":"{DEPARTMENTS[n % len(DEPARTMENTS)].name}"'
            for n in range(1, shape.jobs + 1)
        ]
        self.actors = [f'"actor":"Recruiter {n}","actor_id":"user-{n}"' for n in range(1, 41)]
        self._days: dict[int, str] = {}

    def moment(self, at: int) -> str:
        day, second = divmod(at, DAY)
        text = self._days.get(day)
        if text is None:
            text = self._days[day] = datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%dT")
        minute, second = divmod(second, 60)
        return f"{text}{minute // 60:02d}:{minute % 60:02d}:{second:02d}+00:00"


def application_rows(shape: Shape, texts: Texts, rng: Random, number: int, arrived: int) -> Iterator[Event]:
    """One application's rows in their order: the arrival, the stages, the end."""
    random, moment = rng.random, texts.moment
    job = texts.jobs[int(random() * random() * len(texts.jobs))]
    actor = texts.actors[number % len(texts.actors)]
    identity = f'"application_external_id":"{number}","candidate_external_id":"c{number}",{job}'
    when = moment(arrived)
    yield (
        arrived,
        number,
        f'{{"event_type":"application_created","provider_event_id":"bench:{number}:0","timestamp":"{when}","recorded_at":"{when}",'
        f'{identity},{texts.entering[0]},"candidate_name":"Candidate {number}","candidate_email":"c{number}@example.org"}}',
    )
    at, last = arrived, shape.stages - 1
    for stage in range(shape.stages):
        waited = 600 + int(rng.expovariate(1 / (2.5 * DAY)))
        at += waited
        when, luck = moment(at), random()
        if luck < ADVANCE:
            what = "application_hired" if stage == last else "stage_changed"
        else:
            what = "application_rejected" if luck < ADVANCE + REJECT else "application_withdrawn"
        entering = f",{texts.entering[stage + 1]}" if what == "stage_changed" else ""
        yield (
            at,
            number,
            f'{{"event_type":"{what}","provider_event_id":"bench:{number}:{stage + 1}","timestamp":"{when}","recorded_at":"{when}",'
            f'{identity},{texts.leaving[stage]}{entering},{actor},"metadata":{{"duration_in_previous_stage":{waited}}}}}',
        )
        if what != "stage_changed":
            return


def rows(shape: Shape) -> Iterator[str]:
    """Exactly ``shape.events`` rows as JSON texts, in the asked order."""
    arranged = {"time": _by_time, "application": _by_application, "random": _at_random}[shape.order]
    return islice(arranged(shape), shape.events)


def _by_application(shape: Shape) -> Iterator[str]:
    rng, texts, start = Random(f"bench:{shape.seed}:{shape.start_id}"), Texts(shape), shape.until - PERIOD
    for n in count():
        for event in application_rows(shape, texts, rng, shape.start_id + n, start + int(n * shape.spacing)):
            yield event[2]


def _by_time(shape: Shape) -> Iterator[str]:
    """Merge the applications in play: each has only its next row in the queue."""
    rng, texts, start = Random(f"bench:{shape.seed}:{shape.start_id}"), Texts(shape), shape.until - PERIOD
    queue: list[tuple[Event, Iterator[Event]]] = []
    pop_push, push, pop = heapq.heapreplace, heapq.heappush, heapq.heappop
    for n in count():
        arrived = start + int(n * shape.spacing)
        while queue and queue[0][0][0] < arrived:
            event, rest = queue[0]
            yield event[2]
            following = next(rest, None)
            if following is None:
                pop(queue)
            else:
                pop_push(queue, (following, rest))
        fresh = application_rows(shape, texts, rng, shape.start_id + n, arrived)
        push(queue, (next(fresh), fresh))


def _at_random(shape: Shape) -> Iterator[str]:
    """Applications in scattered order, then each row drawn from a pool: early and late, created and closed get mixed."""
    rng, texts, start = Random(f"bench:{shape.seed}:{shape.start_id}"), Texts(shape), shape.until - PERIOD
    total = max(int(shape.events / shape.events_per_application), 1)
    # an odd step that shares no factor with the total visits every application once
    step = next(step for step in count(int(total * 0.618) | 1, 2) if _coprime(step, total))
    pool: list[str] = []
    for n in count():
        slot = n if n >= total else n * step % total
        for event in application_rows(shape, texts, rng, shape.start_id + slot, start + int(slot * shape.spacing)):
            if len(pool) < min(POOL, shape.events):
                pool.append(event[2])
                continue
            index = int(rng.random() * len(pool))
            pool[index], row = event[2], pool[index]
            yield row
        if n >= total and len(pool) >= min(POOL, shape.events):
            break
    rng.shuffle(pool)
    yield from pool


def _coprime(a: int, b: int) -> bool:
    while b:
        a, b = b, a % b
    return a == 1


def write_file(shape: Shape, path: Path) -> float:
    """Write the file, gzipped if the name ends in ``.gz``. Returns the rows per second."""
    began = time.perf_counter()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with gzip.open(partial, "wb", compresslevel=1) if path.suffix == ".gz" else partial.open("wb") as stream:
        for chunk in _chunks(rows(shape)):
            stream.write(("\n".join(chunk) + "\n").encode("ascii"))
    partial.replace(path)
    return shape.events / (time.perf_counter() - began)


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(texts)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
