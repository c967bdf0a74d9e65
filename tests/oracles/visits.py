"""Visits, snapshot and counters of an application, folded one event at a time: slow, plain, and written apart
from the SQL that it judges. Nothing here is imported by the product, and nothing of the product but the event
contract is imported here.

The rules, where a sentence of the definitions leaves room:

- Events are folded by (occurred_at, source_recorded_at with None first, provider_event_id).
- The last moving event that names a job sets the current job, also one that ends the visit. For the snapshot, if no moving
  event names one, the last event of any kind that does.
- "Already there" (same job and stage, visit running) holds for every moving event that goes somewhere,
  ``application_moved`` too: no new visit, unless ``metadata.gap`` is true.
- A short B between two visits to A is absorbed by the visit before it, all such B of a pass at once. In a run
  A B A B of which the middle two are short, the first A goes on until the last B begins, as it would if the
  corrections were made one after the other. B must differ from A: what lies between two gaps is no mis-click.
- Contiguous means that one move led from the one visit straight into the other. An application rejected and
  reopened in one and the same second has two visits, though no time lies between them.
- A gap tells of something unseen between two events that name the same place. If a late event fills it in
  (A, B, A flagged as gap), what it tells counts, and the flag no longer does.
- "Within one business day" counts Mondays to Fridays in UTC, to four decimals; holds count as any time.
- What a bounded entry may be off by counts like a duration: Mondays to Fridays in UTC outside the job's holds, to four
  decimals of a day. Without bounds it may be off by anything.
- A job that is not known to be anything else is open. Each change from open to any other status is a moment at
  which it left the open state.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.events import EventType, NormalizedEvent

#: Moving events that put an application into a stage (or, without a stage, somewhere unknown) ...
GOING = {"application_created", "stage_changed", "application_reopened", "application_moved"}
#: ... and those that take it out of all stages, with the status they leave it in, which is also the exit kind.
LEAVING = {
    "application_rejected": "rejected",
    "application_withdrawn": "withdrawn",
    "application_hired": "hired",
    "application_closed": "closed",
    "application_on_hold": "on_hold",
    "application_removed": "removed",
}
HUMAN_PREFIXES = ("comment_", "email_", "rating_", "interview_", "feedback_", "offer_")

EXITS = {"advanced", "moved_back", "lateral", "rejected", "withdrawn", "hired", "transferred"}
MISCLICK = timedelta(seconds=600)
PASS_THROUGH = timedelta(seconds=60)

Place = tuple[str | None, str]
JobHistory = Mapping[str, Sequence[tuple[datetime, str]]]
StageOrder = Mapping[str, int | None]
#: (stage, until, order): where a stage stood until a pipeline was changed
Reorders = Sequence[tuple[str, datetime, int | None]]


@dataclass(frozen=True)
class LedgerEvent:
    """One row of the ledger, in the words of the fold."""

    event_type: str
    occurred_at: datetime
    provider_event_id: str
    job: str | None = None
    stage_from: str | None = None
    stage_to: str | None = None
    source_recorded_at: datetime | None = None
    precision: str = "exact"
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def moves(self) -> bool:
        return self.event_type in GOING or self.event_type in LEAVING

    @property
    def is_human(self) -> bool:
        if self.moves:
            return self.event_type != "application_removed"
        return self.event_type.startswith(HUMAN_PREFIXES)


@dataclass(frozen=True)
class Visit:
    """One unbroken stay. ``entry_gap``: working seconds a bounded entry is uncertain by."""

    n: int
    entry_event_id: str
    job: str | None
    stage: str
    entered_at: datetime
    left_at: datetime | None
    exit_kind: str | None
    entry_precision: str
    exit_precision: str | None
    entry_gap: float = 0.0
    #: began before anybody watched, and nothing of its application before it is known
    survivor: bool = False
    #: entered straight from the visit before, not from nowhere; only the fold itself asks
    is_straight: bool = field(default=False, compare=False)

    @property
    def seconds(self) -> float | None:
        return None if self.left_at is None else (self.left_at - self.entered_at).total_seconds()

    @property
    def pass_through(self) -> bool:
        return self.left_at is not None and self.left_at - self.entered_at < PASS_THROUGH

    @property
    def place(self) -> Place:
        return self.job, self.stage


@dataclass(frozen=True)
class Snapshot:
    job: str | None
    stage: str | None
    status: str
    stage_entered_at: datetime | None
    applied_at: datetime | None
    last_event_at: datetime | None
    last_activity_at: datetime | None


@dataclass(frozen=True)
class Cell:
    """Counters of one (job, stage)."""

    entered: int = 0
    exited: int = 0
    open: int = 0
    completed: int = 0
    completed_seconds: float = 0.0


@dataclass(frozen=True)
class Folded:
    visits: tuple[Visit, ...]
    snapshot: Snapshot


def fold(
    events: Iterable[LedgerEvent],
    *,
    stage_order: StageOrder | None = None,
    reorders: Reorders = (),
    job_statuses: JobHistory | None = None,
    job_closed_within: float = 1.0,
) -> Folded:
    """The visits and the snapshot of one application, as a function of the set of its events."""
    ordered = in_fold_order(events)
    visits = _corrected(_walk([event for event in ordered if event.moves], stage_order or {}, reorders, job_statuses or {}))
    visits = [_cleaned_up(visit, job_statuses or {}, job_closed_within) for visit in visits]
    visits = [replace(visit, n=n, survivor=visit.survivor and n == 1) for n, visit in enumerate(visits, start=1)]
    return Folded(tuple(visits), _snapshot(ordered, visits))


def in_fold_order(events: Iterable[LedgerEvent]) -> list[LedgerEvent]:
    """(occurred_at, source_recorded_at with None first, provider_event_id)."""
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(events, key=lambda event: (event.occurred_at, event.source_recorded_at or never, event.provider_event_id))


def cells(visits: Iterable[Visit]) -> dict[tuple[str | None, str], Cell]:
    """The counters of every (job, stage) that was ever entered."""
    found: dict[tuple[str | None, str], Cell] = {}
    for visit in visits:
        cell = found.get(visit.place, Cell())
        cell = replace(cell, entered=cell.entered + 1)
        if visit.seconds is None:
            cell = replace(cell, open=cell.open + 1)
        else:
            cell = replace(cell, exited=cell.exited + 1)
            if visit.exit_kind in EXITS and not visit.pass_through:
                cell = replace(cell, completed=cell.completed + 1, completed_seconds=cell.completed_seconds + visit.seconds)
        found[visit.place] = cell
    return found


# --- from the contract's events ------------------------------------------------------------------------------------------


def ledgers(events: Iterable[NormalizedEvent]) -> dict[str, list[LedgerEvent]]:
    """The ledger of each application: every distinct fact once, in whatever order and however often it came."""
    by_id = {event.provider_event_id: event for event in events}
    found: dict[str, list[LedgerEvent]] = {}
    for event in by_id.values():
        if event.application_external_id is not None:
            found.setdefault(event.application_external_id, []).append(_from_normalized(event))
    return found


def job_histories(events: Iterable[NormalizedEvent]) -> dict[str, list[tuple[datetime, str]]]:
    """Per job its status changes in fold order, from ``metadata.status`` (or ``status_to``) of the events."""
    by_id = {event.provider_event_id: event for event in events if event.event_type == EventType.JOB_STATUS_CHANGED}
    found: dict[str, list[tuple[datetime, str]]] = {}
    for job in {event.job_external_id for event in by_id.values() if event.job_external_id}:
        changes = in_fold_order(_from_normalized(event) for event in by_id.values() if event.job_external_id == job)
        told = [(change.occurred_at, change.metadata.get("status") or change.metadata.get("status_to")) for change in changes]
        found[job] = [(at, status) for at, status in told if status]
    return found


def _from_normalized(event: NormalizedEvent) -> LedgerEvent:
    return LedgerEvent(
        event_type=str(event.event_type),
        occurred_at=event.timestamp,
        provider_event_id=event.provider_event_id,
        job=event.job_external_id,
        stage_from=event.stage_from,
        stage_to=event.stage_to,
        source_recorded_at=event.recorded_at,
        precision=str(event.precision),
        metadata=event.metadata,
    )


# --- the fold ----------------------------------------------------------------------------------------------------------


def _walk(moving: Sequence[LedgerEvent], stage_order: StageOrder, reorders: Reorders, job_statuses: JobHistory) -> list[Visit]:
    """Every stay between two moving events, before any correction."""
    done: list[Visit] = []
    running: Visit | None = None
    job: str | None = None
    for event in moving:
        job = _job_after(event, job)
        if event.event_type in LEAVING:
            if running is not None:
                done.append(_ended(running, event, LEAVING[event.event_type]))
            running = None
            continue
        if running is not None and event.stage_to is not None and running.place == (job, event.stage_to):
            if event.metadata.get("gap") is not True:
                continue
            done.append(_ended(running, event, "gap"))
        elif running is not None:
            done.append(_ended(running, event, _exit_kind(running, event, job, _order_at(event.occurred_at, stage_order, reorders))))
        gap = _gap(event, job_statuses.get(job or "", ()))
        running = None if event.stage_to is None else _begun(event, job, event.stage_to, gap=gap, is_straight=running is not None)
    return done if running is None else [*done, running]


def _job_after(event: LedgerEvent, job: str | None) -> str | None:
    moved_to = event.metadata.get("job_to") if event.event_type == "application_moved" else None
    return moved_to or event.job or job


def _order_at(moment: datetime, now: StageOrder, reorders: Reorders) -> StageOrder:
    """The order at a moment: today's, with every change since taken back, the latest first."""
    order = dict(now)
    for stage, until, before in sorted(reorders, key=lambda one: one[1], reverse=True):
        if moment < until:
            order[stage] = before
    return order


def _exit_kind(running: Visit, event: LedgerEvent, job: str | None, stage_order: StageOrder) -> str:
    if event.event_type == "application_moved":
        return "transferred"
    if event.stage_to is None:
        return "unknown"
    if running.job != job:
        return "transferred"
    before, after = stage_order.get(running.stage), stage_order.get(event.stage_to)
    if before is None or after is None or before == after:
        return "lateral"
    return "advanced" if after > before else "moved_back"


def _begun(event: LedgerEvent, job: str | None, stage: str, *, gap: float, is_straight: bool) -> Visit:
    return Visit(
        n=0,
        entry_event_id=event.provider_event_id,
        job=job,
        stage=stage,
        entered_at=event.occurred_at,
        left_at=None,
        exit_kind=None,
        entry_precision=event.precision,
        exit_precision=None,
        entry_gap=gap,
        survivor=event.metadata.get("already_running") is True,
        is_straight=is_straight,
    )


def _gap(event: LedgerEvent, job_history: Sequence[tuple[datetime, str]]) -> float:
    if event.precision != "bounded":
        return 0.0
    bounds = event.metadata.get("bounds")
    if not bounds:
        return math.inf
    earliest, latest = (datetime.fromisoformat(bound).astimezone(UTC) for bound in bounds)
    seconds = _working_seconds(earliest, latest)
    for number, (at, status) in enumerate(job_history):
        if status == "on_hold":
            until = job_history[number + 1][0] if number + 1 < len(job_history) else latest
            if at < latest and until > earliest:
                seconds -= _working_seconds(max(at, earliest), min(until, latest))
    return round(seconds / 86_400, 4) * 86_400


def _ended(visit: Visit, event: LedgerEvent, exit_kind: str) -> Visit:
    precision = "unknown" if exit_kind == "gap" else event.precision
    return replace(visit, left_at=event.occurred_at, exit_kind=exit_kind, exit_precision=precision)


def _corrected(visits: list[Visit]) -> list[Visit]:
    """Without mis-clicks: passes until one changes nothing."""
    while True:
        after = _merged(_absorbed(visits))
        if after == visits:
            return visits
        visits = after


def _absorbed(visits: list[Visit]) -> list[Visit]:
    """One pass: mis-clicks are found first, all on the same list, then each goes on as part of the visit before."""
    dropped = {index for index in range(1, len(visits) - 1) if _is_misclick(*visits[index - 1 : index + 2])}
    kept: list[Visit] = []
    for index, visit in enumerate(visits):
        if index in dropped:
            kept[-1] = _joined(kept[-1], visit)
        else:
            kept.append(visit)
    return kept


def _is_misclick(before: Visit, visit: Visit, after: Visit) -> bool:
    return (
        visit.is_straight
        and after.is_straight
        and before.place == after.place
        and before.job == visit.job
        and before.stage != visit.stage
        and after.entered_at - visit.entered_at < MISCLICK
    )


def _merged(visits: list[Visit]) -> list[Visit]:
    """Contiguous visits to one place are one visit, unless something unseen happened between them."""
    kept: list[Visit] = []
    for visit in visits:
        last = kept[-1] if kept else None
        if last is not None and visit.is_straight and last.place == visit.place and last.exit_kind != "gap":
            kept[-1] = _joined(last, visit)
        else:
            kept.append(visit)
    return kept


def _joined(first: Visit, second: Visit) -> Visit:
    return replace(first, left_at=second.left_at, exit_kind=second.exit_kind, exit_precision=second.exit_precision)


def _cleaned_up(visit: Visit, job_statuses: JobHistory, within: float) -> Visit:
    """A rejection within so many business days after the job left the open state is a clean-up, not a decision."""
    if visit.exit_kind != "rejected" or visit.job is None or visit.left_at is None:
        return visit
    for closed_at in _left_open(job_statuses.get(visit.job, ())):
        if closed_at <= visit.left_at and round(_working_seconds(closed_at, visit.left_at) / 86_400, 4) <= within:
            return replace(visit, exit_kind="job_closed")
    return visit


def _working_seconds(a: datetime, b: datetime) -> float:
    """Seconds between two moments on Mondays to Fridays in UTC: the calendar that the histories are told in."""
    total, day = timedelta(0), a.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < b:
        if day.weekday() < 5:
            total += min(b, day + timedelta(days=1)) - max(a, day)
        day += timedelta(days=1)
    return total.total_seconds()


def _left_open(history: Iterable[tuple[datetime, str]]) -> list[datetime]:
    found, status = [], "open"
    for at, told in history:
        if status == "open" and told != "open":
            found.append(at)
        status = told
    return found


def _snapshot(ordered: Sequence[LedgerEvent], visits: Sequence[Visit]) -> Snapshot:
    job, status, mentioned = None, "active", None
    for event in ordered:
        mentioned = event.job or mentioned
        if event.moves:
            job = _job_after(event, job)
            status = LEAVING.get(event.event_type, "active")
    current = visits[-1] if visits and visits[-1].left_at is None else None
    return Snapshot(
        job=job or mentioned,
        stage=current.stage if current else None,
        status=status,
        stage_entered_at=current.entered_at if current else None,
        applied_at=min((event.occurred_at for event in ordered if event.event_type == "application_created"), default=None),
        last_event_at=ordered[-1].occurred_at if ordered else None,
        last_activity_at=max((event.occurred_at for event in ordered if event.is_human), default=None),
    )
