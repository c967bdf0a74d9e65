"""What if: which issues a rule would have opened in the past with other thresholds, replayed from the ledger.

For every application the moments at which anything changed (a visit, an activity, an interview, the job's status) cut the
past into pieces; within a piece only time passes, so the rules are asked at its first sweep and then at the sweep after
each moment they name. The answer is that of a sweep at each of these times, had every event been told when it happened, with
today's calendars and limits. Medians of the past are not replayed: rules about stages as a whole are not asked.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from accounts.models import Organization
from analytics.bands import Limit, LimitSource
from analytics.models import StageVisit
from ats import appointments
from ats.appointments import NOTHING_TOLD, Appointments, Told
from ats.models import CandidateEvent, Job
from connectors.events import APPOINTMENT_EVENTS, EventType, JobStatus
from issues import cells
from issues.detection import Clocks, default_limit, judge, tellers_of_interviews, within
from issues.findings import ACTIVE, Facts
from issues.models import CellWatch
from issues.rules import CELL_RULES, NAMES
from issues.rules.data_quality import BACKDATED_EDIT, CLOCK_SKEW
from issues.thresholds import RuleBook

#: applications replayed at a time
AT_ONCE = 2_000
SWEEP_EVERY = timedelta(minutes=10)
A_DAY = timedelta(days=1)

#: kinds of events that are nobody's doing (the same as in ``ats/sql/snapshots.sql``)
NO_ACTIVITY = frozenset({EventType.APPLICATION_REMOVED, EventType.CANDIDATE_MERGED, EventType.CANDIDATE_ANONYMIZED, EventType.UNKNOWN})
#: rules whose facts the ledger does not hold, and why
NOT_REPLAYABLE: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys((rule.name for rule in CELL_RULES), "what stages looked like in the past is not replayed"),
        "sync_stale": "how fresh the data was at each past moment is not recorded",
        "poll_gap": "it goes by the runs of a connector, and these are kept for weeks only",
        CLOCK_SKEW: "it goes by when an entry was told, and the replay tells everything when it happened",
        BACKDATED_EDIT: "it goes by when an entry was told, and the replay tells everything when it happened",
    }
)
REPLAYABLE = tuple(name for name in NAMES if name not in NOT_REPLAYABLE)


class NotReplayable(ValueError):
    """The rule's facts are not in the ledger; the message is for a person."""


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


@dataclass(slots=True)
class Past:
    """One application as it was: what each moment's facts are made from."""

    connector_id: int = 0
    visits: list[StageVisit] = field(default_factory=list)
    activity: list[datetime] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)


def backtest(organization: Organization, rule: str, books: Sequence[RuleBook], span: Span, scope: Scope = EVERYWHERE) -> list[Outcome]:
    """What each way of judging (``books``) would have opened in ``scope`` between ``span.since`` and ``span.until``.

    Raises ``NotReplayable``.
    """
    if rule not in REPLAYABLE:
        raise NotReplayable(f"{rule} cannot be replayed: {NOT_REPLAYABLE.get(rule, 'there is no such rule')}.")
    outcomes = [Outcome() for _ in books]
    for ids in _applications(organization, span, scope):
        theatre = _Theatre.of(organization, ids, span)
        for application_id in ids:
            for book, outcome in zip(books, outcomes, strict=True):
                _replay(theatre, application_id, rule, book, outcome)
    for outcome in outcomes:
        outcome.opened = {key: one for key, one in outcome.opened.items() if scope.holds(one.job_id, one.stage_id)}
    return outcomes


def _applications(organization: Organization, span: Span, scope: Scope) -> Iterator[list[int]]:
    """Who was in a stage of the scope at any time of the span, in chunks."""
    visits = StageVisit.objects.filter(organization=organization, entered_at__lt=span.until).exclude(left_at__lte=span.since)
    places = {"job": scope.job_id, "stage": scope.stage_id}
    visits = visits.filter(**{name: pk for name, pk in places.items() if pk is not None})
    ids = sorted(set(visits.order_by().values_list("application_id", flat=True)))
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]


@dataclass(slots=True)
class _Theatre:
    """Everything some applications' past is replayed with."""

    span: Span
    pasts: dict[int, Past]
    clocks: Clocks
    statuses: dict[int, _Statuses]
    limits: dict[tuple[int | None, int], Limit]
    tellers: set[int]

    @classmethod
    def of(cls, organization: Organization, ids: list[int], span: Span) -> _Theatre:
        pasts = _pasts(ids, span)
        jobs = sorted({visit.job_id for past in pasts.values() for visit in past.visits if visit.job_id})
        pairs = sorted({(visit.job_id, visit.stage_id) for past in pasts.values() for visit in past.visits if visit.job_id})
        kept = cells.resolve(organization, pairs, RuleBook(), span.until)
        return cls(
            span=span,
            pasts=pasts,
            clocks=Clocks(organization, jobs, span.until),
            statuses=_statuses(jobs),
            limits={(row.job_id, row.stage_id): _limit(row) for row in kept},
            tellers=tellers_of_interviews(organization.pk),
        )

    def facts(self, application_id: int, at: datetime, book: RuleBook) -> Facts | None:
        """What a sweep at that moment would have seen; None: the person was in no stage."""
        past = self.pasts[application_id]
        visit = next((each for each in past.visits if each.entered_at <= at and (each.left_at is None or each.left_at > at)), None)
        if visit is None:
            return None
        entry, stage, clock = visit.entry_event, visit.stage, self.clocks.of(visit.job_id)
        done = bisect_right(past.activity, at)
        return Facts(
            as_of=at,
            calendar=clock.calendar,
            holds=clock.holds,
            book=book,
            limit=self.limits.get((visit.job_id, visit.stage_id)) or default_limit(stage.category),
            application_id=application_id,
            application_status=ACTIVE,
            last_activity_at=within(past.activity[done - 1], at) if done else None,
            job_id=visit.job_id,
            job_status=self.statuses[visit.job_id].at(at) if visit.job_id else JobStatus.OPEN,
            visit_id=visit.pk,
            visit_key=entry.provider_event_id,
            stage_id=visit.stage_id,
            stage_name=stage.name or "an unnamed stage",
            stage_category=stage.category,
            entered_at=within(visit.entered_at, at),
            entered_as_told=visit.entered_at,
            entry_precision=visit.entry_precision,
            entry_recorded_at=entry.source_recorded_at,
            anomaly=str(entry.metadata.get("anomaly") or ""),
            tells_interviews=past.connector_id in self.tellers,
            appointments=self._appointments(past, at),
        )

    @staticmethod
    def _appointments(past: Past, at: datetime) -> Appointments:
        return appointments.fold(event for event in past.told if event.at <= at) if past.told else NOTHING_TOLD

    def changes(self, application_id: int) -> list[datetime]:
        """Moments at which something other than time changed, within the span."""
        past = self.pasts[application_id]
        moments = {self.span.since, *past.activity, *(event.at for event in past.told)}
        for visit in past.visits:
            moments |= {visit.entered_at, *([visit.left_at] if visit.left_at else ())}
            if visit.job_id:
                moments |= set(self.statuses[visit.job_id].moments)
        return sorted(moment for moment in moments if self.span.since <= moment <= self.span.until)


@dataclass(slots=True)
class _Statuses:
    """A job's statuses by time. Before the first one told it counts as open."""

    moments: list[datetime]
    words: list[str]
    now: str

    def at(self, moment: datetime) -> str:
        if not self.moments:
            return self.now
        known = bisect_right(self.moments, moment)
        return self.words[known - 1] if known else str(JobStatus.OPEN)


def _replay(theatre: _Theatre, application_id: int, rule: str, book: RuleBook, outcome: Outcome) -> None:
    """Ask the rules piece by piece, and note what opens and what clears."""
    span, open_now, before = theatre.span, set[str](), set[str]()
    points = theatre.changes(application_id)
    for number, begins in enumerate(points):
        ends = points[number + 1] if number + 1 < len(points) else span.until + span.step
        at = span.sweep_at_or_after(begins)
        if at >= ends or at > span.until:
            continue  # no sweep saw this piece
        facts = theatre.facts(application_id, at, book)
        while at < ends and at <= span.until:
            judgement = judge(replace(facts, as_of=at)) if facts else None
            found = {each.fingerprint for each in judgement.findings if each.issue_type == rule} if judgement else set()
            for fingerprint in sorted(found - open_now):
                if at == span.since:
                    before.add(fingerprint)
                elif fingerprint not in before and facts:
                    outcome.opened.setdefault(fingerprint, Opening(at, application_id, facts.job_id, facts.stage_id))
            hidden = judgement.hidden if judgement else set()
            gone = set() if judgement and judgement.on_hold else open_now - found - hidden
            for fingerprint in gone & outcome.opened.keys():
                one = outcome.opened[fingerprint]
                one.cleared_at = one.cleared_at or at
            # what is hidden is neither there nor gone by itself
            open_now = found
            again = judgement.ask_again_at if judgement else None
            if again is None:
                break
            at = max(span.sweep_at_or_after(again), at + span.step)


def _limit(row: CellWatch) -> Limit:
    return Limit(value=row.limit_days, source=LimitSource(row.limit_source), n=row.limit_n)


# --- reading ---------------------------------------------------------------------------------------
def _pasts(ids: list[int], span: Span) -> dict[int, Past]:
    pasts = {application_id: Past() for application_id in ids}
    visits = StageVisit.objects.filter(application__in=ids, entered_at__lte=span.until).exclude(left_at__lte=span.since)
    for visit in visits.select_related("stage", "entry_event").order_by("application_id", "n"):
        pasts[visit.application_id].visits.append(visit)
        pasts[visit.application_id].connector_id = visit.entry_event.connector_id
    events = CandidateEvent.objects.filter(application__in=ids, occurred_at__lte=span.until)
    columns = ("application_id", "event_type", "occurred_at", "provider_event_id", "actor_external_id", "metadata")
    for application_id, kind, at, key, actor, metadata in events.order_by("application_id", *CandidateEvent.FOLD_ORDER).values_list(
        *columns
    ):
        past = pasts[application_id]
        if kind not in NO_ACTIVITY:
            past.activity.append(at)
        if kind in APPOINTMENT_EVENTS or (kind == EventType.EMAIL_LOGGED and "direction" in metadata):
            past.told.append(Told(event_type=kind, at=at, key=key, actor=actor, metadata=metadata))
    return pasts


def _statuses(job_ids: Iterable[int]) -> dict[int, _Statuses]:
    now = dict(Job.objects.filter(pk__in=job_ids).values_list("pk", "status"))
    told: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    events = CandidateEvent.objects.filter(job__in=job_ids, event_type=EventType.JOB_STATUS_CHANGED)
    for job_id, at, metadata in events.order_by("job", *CandidateEvent.FOLD_ORDER).values_list("job_id", "occurred_at", "metadata"):
        told[job_id].append((at, metadata.get("status", "")))
    return {pk: _Statuses([at for at, _ in told[pk]], [word for _, word in told[pk]], status) for pk, status in now.items()}
