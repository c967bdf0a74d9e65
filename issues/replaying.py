"""What every replay of the past is made of: sweeps at regular times, how jobs stood, and what came and went."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ats.models import CandidateEvent, Job
from connectors.events import EventType, JobStatus

SWEEP_EVERY = timedelta(minutes=10)
A_DAY = timedelta(days=1)
#: limits and medians are read again this often, and of a long past at no more moments than this
STATISTICS_EVERY = timedelta(hours=1)
MOST_STATISTICS = 90


@dataclass(slots=True)
class Opening:
    """An issue that would have opened: when, about whom and where, and when it would first have cleared by itself."""

    at: datetime
    application_id: int | None
    job_id: int | None
    stage_id: int | None
    cleared_at: datetime | None = None

    @property
    def gone_within_a_day(self) -> bool:
        return self.cleared_at is not None and self.cleared_at - self.at <= A_DAY


@dataclass(slots=True)
class Outcome:
    """Issues one way of judging would have opened, by fingerprint."""

    opened: dict[str, Opening] = field(default_factory=dict)

    @property
    def issues(self) -> int:
        return len(self.opened)

    @property
    def gone_within_a_day(self) -> int:
        return sum(one.gone_within_a_day for one in self.opened.values())


@dataclass(frozen=True, slots=True)
class Scope:
    """Where issues count: a job, a stage, a stage of a job; None for any."""

    job_id: int | None = None
    stage_id: int | None = None

    def holds(self, job_id: int | None, stage_id: int | None) -> bool:
        return self.job_id in (None, job_id) and self.stage_id in (None, stage_id)

    @property
    def filters(self) -> dict[str, int]:
        """The same for a queryset of visits."""
        return {name: pk for name, pk in (("job", self.job_id), ("stage", self.stage_id)) if pk is not None}


EVERYWHERE = Scope()


@dataclass(frozen=True, slots=True)
class Span:
    """The past that is replayed: sweeps at ``since``, and every ``step`` after it up to ``until``.

    What already holds at ``since`` was opened before and does not count.
    """

    since: datetime
    until: datetime
    step: timedelta = SWEEP_EVERY

    def sweep_at_or_after(self, moment: datetime) -> datetime:
        if moment <= self.since:
            return self.since
        return self.since + -((self.since - moment) // self.step) * self.step

    def moments_of_statistics(self) -> list[datetime]:
        """The sweeps at which limits and medians are read again."""
        every = max(STATISTICS_EVERY, (self.until - self.since) / MOST_STATISTICS)
        stride = max(-(-every // self.step), 1) * self.step
        return [self.since + number * stride for number in range((self.until - self.since) // stride + 1)]


@dataclass(slots=True)
class Track:
    """One subject under one way of judging: what is open at the moment, and what was before the span began."""

    span: Span
    outcome: Outcome
    open_now: Set[str] = frozenset()
    before: set[str] = field(default_factory=set)

    def see(self, at: datetime, found: dict[str, Opening], *, undecided: Collection[str] = (), hidden: Collection[str] = ()) -> None:
        """A sweep's findings by fingerprint. What is undecided stays as it is; what is hidden is neither there nor gone."""
        for fingerprint, opening in sorted(found.items()):
            if fingerprint in self.open_now:
                continue
            if at == self.span.since:
                self.before.add(fingerprint)
            elif fingerprint not in self.before:
                self.outcome.opened.setdefault(fingerprint, opening)
        still = found.keys() | (self.open_now & set(undecided))
        for fingerprint in (self.open_now - still - set(hidden)) & self.outcome.opened.keys():
            gone = self.outcome.opened[fingerprint]
            gone.cleared_at = gone.cleared_at or at
        self.open_now = still

    def hide(self) -> None:
        """The job is on hold: nothing can be said."""
        self.open_now = frozenset()


@dataclass(slots=True)
class Statuses:
    """A job's statuses by time. Before the first one told it counts as open."""

    moments: list[datetime]
    words: list[str]
    now: str

    def at(self, moment: datetime) -> str:
        if not self.moments:
            return self.now
        known = bisect_right(self.moments, moment)
        return self.words[known - 1] if known else str(JobStatus.OPEN)


def statuses_of(job_ids: Iterable[int]) -> dict[int, Statuses]:
    now = dict(Job.objects.filter(pk__in=job_ids).values_list("pk", "status"))
    told: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    events = CandidateEvent.objects.filter(job__in=job_ids, event_type=EventType.JOB_STATUS_CHANGED)
    for job_id, at, metadata in events.order_by("job", *CandidateEvent.FOLD_ORDER).values_list("job_id", "occurred_at", "metadata"):
        told[job_id].append((at, metadata.get("status", "")))
    return {pk: Statuses([at for at, _ in told[pk]], [word for _, word in told[pk]], status) for pk, status in now.items()}
