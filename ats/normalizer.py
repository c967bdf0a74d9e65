"""From raw payloads to what the ledger needs: pure, one pass, one row per event id, poison set aside.

Nothing here touches the database. ``ats.services.normalize`` writes what ``gather`` found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from connectors.events import (
    JOB_EVENTS,
    CandidateFacts,
    EventType,
    JobFacts,
    JobStatus,
    Mapped,
    NormalizedEvent,
    Precision,
    StageFacts,
    are_bounds,
)
from connectors.exceptions import PayloadNotUnderstood

Facts = TypeVar("Facts", JobFacts, StageFacts, CandidateFacts)

_encode = msgspec.json.Encoder().encode
_JOB_STATUSES = frozenset(JobStatus)

#: A moment to date facts by when nothing else is told.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


#: An inbox row: id, kind, payload as JSON text, and when it was received, as PostgreSQL wrote it.
Raw = tuple[int, str, str, str]

#: An event on its way into the ledger, with the id and the receipt time of its raw event.
Staged = tuple[NormalizedEvent, int, str]


@dataclass(slots=True)
class Dated:
    """The newest telling of one thing, and when it was told."""

    facts: JobFacts | StageFacts | CandidateFacts
    at: datetime


@dataclass
class Gathered:
    """What a batch of raw payloads says, each thing once."""

    events: dict[str, Staged] = field(default_factory=dict)
    #: events whose id occurred earlier in the same batch
    repeats: int = 0
    jobs: dict[str, Dated] = field(default_factory=dict)
    stages: dict[str, Dated] = field(default_factory=dict)
    candidates: dict[str, Dated] = field(default_factory=dict)
    #: job → (when the status was known to hold, status): the newest wins, whatever order it arrives in
    job_statuses: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    #: application → (candidate, job or None), as first named
    applications: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    #: raw id → why it cannot be understood
    dead: dict[int, str] = field(default_factory=dict)


def gather(raws: Iterable[Raw], map_raw: Callable[[str, str], Mapped]) -> Gathered:
    """Map every payload; a payload that cannot be mapped or checked becomes a dead letter and stops nobody."""
    found = Gathered()
    for raw_id, kind, payload, received_at in raws:
        try:
            mapped = map_raw(kind, payload)
            for event in mapped.events:
                check(event)
        except PayloadNotUnderstood as error:
            found.dead[raw_id] = str(error)
            continue
        _add(found, raw_id, received_at, mapped)
    return found


def check(event: NormalizedEvent) -> None:
    """What every event must have, whoever mapped it. Raises ``PayloadNotUnderstood``."""
    if not event.provider_event_id:
        raise PayloadNotUnderstood("An event has no provider_event_id, so it could not be told from its repeats.")
    if event.timestamp.tzinfo is None:
        raise PayloadNotUnderstood("An event's timestamp has no time zone.")
    if not 1970 <= event.timestamp.year <= 2200:
        raise PayloadNotUnderstood(f"An event's timestamp lies in the year {event.timestamp.year}; expected 1970 to 2200.")
    if event.precision is Precision.BOUNDED and "bounds" in event.metadata and not are_bounds(event.metadata["bounds"]):
        raise PayloadNotUnderstood("An event's metadata.bounds are not two moments like 2026-10-14T13:30:05+00:00, the earlier one first.")
    if event.event_type in JOB_EVENTS:
        if not event.job_external_id:
            raise PayloadNotUnderstood(f"A {event.event_type} event names no job.")
    elif not (event.application_external_id and event.candidate_external_id):
        raise PayloadNotUnderstood(f"A {event.event_type} event names no application or no candidate.")


def job_of(event: NormalizedEvent) -> str | None:
    """The job an event puts its application on: for a move between jobs the one it went to."""
    if event.event_type == EventType.APPLICATION_MOVED:
        job_to = event.metadata.get("job_to")
        if job_to:
            return str(job_to)
    return event.job_external_id


def metadata_json(event: NormalizedEvent) -> str:
    """What the ledger keeps beside the columns: labels, flags, bounds, the moved application's other job."""
    return _encode(event.metadata).decode() if event.metadata else "{}"


def _add(found: Gathered, raw_id: int, received_at: str, mapped: Mapped) -> None:
    for job in mapped.jobs:
        _merge(found.jobs, job, mapped.observed_at)
        if job.status is not None:
            _know_status(found, job.external_id, mapped.observed_at, job.status)
    for stage in mapped.stages:
        _merge(found.stages, stage, mapped.observed_at)
    for candidate in mapped.candidates:
        _merge(found.candidates, candidate, mapped.observed_at)
    for event in mapped.events:
        _add_event(found, (event, raw_id, received_at))


def _add_event(found: Gathered, staged: Staged) -> None:
    event = staged[0]
    if event.provider_event_id in found.events:
        found.repeats += 1
        return
    found.events[event.provider_event_id] = staged
    job = job_of(event)
    if job and job not in found.jobs:
        found.jobs[job] = Dated(JobFacts(external_id=job), NEVER)
    for stage in (event.stage_from, event.stage_to):
        if stage and stage not in found.stages:
            found.stages[stage] = Dated(StageFacts(external_id=stage), NEVER)
    if event.application_external_id and event.candidate_external_id:
        known = found.applications.get(event.application_external_id)
        if known is None or (known[1] is None and job):
            candidate = known[0] if known else event.candidate_external_id
            found.applications[event.application_external_id] = (candidate, job)
        if event.candidate_external_id not in found.candidates:
            found.candidates[event.candidate_external_id] = Dated(CandidateFacts(external_id=event.candidate_external_id), NEVER)
    if event.event_type == EventType.JOB_STATUS_CHANGED and event.job_external_id:
        status = event.metadata.get("status")
        if isinstance(status, str) and status in _JOB_STATUSES:
            _know_status(found, event.job_external_id, event.timestamp, status)


def _know_status(found: Gathered, job: str, at: datetime, status: str) -> None:
    known = found.job_statuses.get(job)
    if known is None or known < (at, str(status)):
        found.job_statuses[job] = (at, str(status))


def _merge(known: dict[str, Dated], told: Facts, at: datetime) -> None:
    """Of two tellings the later one wins, field by field; what it leaves out the earlier one fills."""
    before = known.get(told.external_id)
    if before is None:
        known[told.external_id] = Dated(told, at)
        return
    if before.facts is told or before.facts == told:
        before.at = max(before.at, at)
        return
    newer, older = (told, before.facts) if at >= before.at else (before.facts, told)
    gaps = {name: value for name, value in msgspec.structs.asdict(older).items() if getattr(newer, name) is None}
    known[told.external_id] = Dated(msgspec.structs.replace(newer, **gaps), max(at, before.at))
