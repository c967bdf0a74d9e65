"""What if: which issues a rule would have opened in the past with other thresholds, replayed from the ledger.

For every application the moments at which anything changed (a visit, an activity, an interview, the job's status, the
stage's limit) cut the past into pieces; within a piece only time passes, so the rules are asked at its first sweep and then
at the sweep after each moment they name. The answer is that of a sweep at each of these times, had every event been told
when it happened, with today's calendars, targets and settings, and with limits learnt from history as they stood then.
Rules about stages are in ``stage_backtesting``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from django.db.models import QuerySet

from accounts.models import Organization
from analytics.models import StageVisit
from ats import appointments
from ats.appointments import NOTHING_TOLD, Appointments, Told
from ats.models import CandidateEvent
from connectors.events import APPOINTMENT_EVENTS, EventType, JobStatus
from issues import stage_backtesting
from issues.detection import Clocks, default_limit, judge, tellers_of_interviews, within
from issues.findings import ACTIVE, Facts
from issues.past_limits import PastLimits, Statistics
from issues.replaying import EVERYWHERE, Opening, Outcome, Scope, Span, Statuses, Track, statuses_of
from issues.rules import NAMES
from issues.rules.data_quality import BACKDATED_EDIT, CLOCK_SKEW, POLL_GAP, UNMAPPED_STATUS
from issues.rules.idle_candidate import NAME as IDLE_CANDIDATE
from issues.rules.stuck import NAME as STUCK
from issues.rules.sync_stale import NAME as SYNC_STALE
from issues.rules.waiting_on_us import NAME as WAITING_ON_US
from issues.thresholds import RuleBook

#: rules about people that go by the limit of their stage, or are silent where one that does says more
BY_LIMITS = frozenset({STUCK, IDLE_CANDIDATE, WAITING_ON_US})
#: applications replayed at a time
AT_ONCE = 2_000

#: kinds of events that are nobody's doing (the same as in ``ats/sql/snapshots.sql``)
NO_ACTIVITY = frozenset({EventType.APPLICATION_REMOVED, EventType.CANDIDATE_MERGED, EventType.CANDIDATE_ANONYMIZED, EventType.UNKNOWN})
#: rules whose facts the ledger does not hold, and why
NOT_REPLAYABLE: Mapping[str, str] = MappingProxyType(
    {
        SYNC_STALE: "how fresh the data was at each past moment is not recorded",
        POLL_GAP: "it goes by the runs of a connector, and these are kept for weeks only",
        UNMAPPED_STATUS: "how statuses were mapped then is not recorded",
        CLOCK_SKEW: "it goes by when an entry was told, and the replay tells everything when it happened",
        BACKDATED_EDIT: "it goes by when an entry was told, and the replay tells everything when it happened",
    }
)
REPLAYABLE = tuple(name for name in NAMES if name not in NOT_REPLAYABLE)


class NotReplayable(ValueError):
    """The rule's facts are not in the ledger; the message is for a person."""


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
    if rule in stage_backtesting.REPLAYED:
        return stage_backtesting.replay_stages(organization, rule, books, span, scope)
    outcomes = [Outcome() for _ in books]
    limits = _limits(organization, span, scope) if rule in BY_LIMITS else PastLimits()
    for ids in _applications(organization, span, scope):
        theatre = _Theatre.of(organization, _pasts(ids, span), limits, span)
        for application_id in ids:
            for book, outcome in zip(books, outcomes, strict=True):
                _replay(theatre, application_id, rule, book, Track(span, outcome))
    for outcome in outcomes:
        outcome.opened = {key: one for key, one in outcome.opened.items() if scope.holds(one.job_id, one.stage_id)}
    return outcomes


def _limits(organization: Organization, span: Span, scope: Scope) -> PastLimits:
    """Of every place where somebody was who was also in the scope: people come from other stages and go to others."""
    there = _in_stages(organization, span).filter(**scope.filters).order_by()
    visits = _in_stages(organization, span).filter(job__isnull=False, application__in=there.values("application")).order_by()
    return Statistics(organization, visits.values_list("job_id", "stage_id").distinct()).limits(span.moments_of_statistics())


def _in_stages(organization: Organization, span: Span) -> QuerySet[StageVisit]:
    return StageVisit.objects.filter(organization=organization, entered_at__lt=span.until).exclude(left_at__lte=span.since)


def _applications(organization: Organization, span: Span, scope: Scope) -> Iterator[list[int]]:
    """Who was in a stage of the scope at any time of the span, in chunks."""
    ids = sorted(set(_in_stages(organization, span).filter(**scope.filters).order_by().values_list("application_id", flat=True)))
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]


@dataclass(slots=True)
class _Theatre:
    """Everything some applications' past is replayed with."""

    span: Span
    pasts: dict[int, Past]
    clocks: Clocks
    statuses: dict[int, Statuses]
    limits: PastLimits
    tellers: set[int]

    @classmethod
    def of(cls, organization: Organization, pasts: dict[int, Past], limits: PastLimits, span: Span) -> _Theatre:
        jobs = sorted({visit.job_id for past in pasts.values() for visit in past.visits if visit.job_id})
        return cls(
            span=span,
            pasts=pasts,
            clocks=Clocks(organization, jobs, span.until),
            statuses=statuses_of(jobs),
            limits=limits,
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
            limit=(self.limits.at((visit.job_id, visit.stage_id), at) if visit.job_id else None) or default_limit(stage.category),
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
                moments |= {*self.statuses[visit.job_id].moments, *self.limits.changes((visit.job_id, visit.stage_id))}
        return sorted(moment for moment in moments if self.span.since <= moment <= self.span.until)


def _replay(theatre: _Theatre, application_id: int, rule: str, book: RuleBook, track: Track) -> None:
    """Ask the rules piece by piece."""
    span, points = theatre.span, theatre.changes(application_id)
    for number, begins in enumerate(points):
        ends = points[number + 1] if number + 1 < len(points) else span.until + span.step
        at = span.sweep_at_or_after(begins)
        if at >= ends or at > span.until:
            continue  # no sweep saw this piece
        facts = theatre.facts(application_id, at, book)
        while at < ends and at <= span.until:
            again = _judge(replace(facts, as_of=at) if facts else None, rule, track, at)
            if again is None:
                break
            at = max(span.sweep_at_or_after(again), at + span.step)


def _judge(facts: Facts | None, rule: str, track: Track, at: datetime) -> datetime | None:
    """One sweep's look at one application; returns when to look again without an event."""
    if facts is None:
        track.see(at, {})
        return None
    judgement = judge(facts)
    if judgement.on_hold:
        track.hide()
    else:
        found = [each.fingerprint for each in judgement.findings if each.issue_type == rule]
        place = (facts.application_id, facts.job_id, facts.stage_id)
        track.see(at, {fingerprint: Opening(at, *place) for fingerprint in found}, hidden=judgement.hidden)
    return judgement.ask_again_at


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
