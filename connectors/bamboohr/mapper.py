"""What one observation means, in everybody's words. Pure: the payload holds all that is needed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from connectors.bamboohr import moments, webhooks
from connectors.bamboohr.diff import JobSighting, Sighting
from connectors.bamboohr.transitions import PROVIDER, application_events, between, candidate_id
from connectors.bamboohr.vocabulary import Kind, job_status_of, meaning_of
from connectors.bamboohr.wire import Job, Status
from connectors.events import Actor, CandidateFacts, EventType, JobFacts, Mapped, NormalizedEvent, StageFacts
from connectors.exceptions import PayloadNotUnderstood

T = TypeVar("T")


class StatusSighting(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of a ``statuses`` observation: those that are new or differ."""

    observed_at: datetime
    statuses: list[Status]


def map_observation(kind: str, payload: dict[str, Any]) -> Mapped:
    """Raises ``PayloadNotUnderstood`` for a kind or shape this provider never stored."""
    reader = READERS.get(kind)
    if reader is None:
        raise PayloadNotUnderstood(f"bamboohr stores no observations of kind {kind!r}.")
    return reader(payload)


def _statuses(payload: dict[str, Any]) -> Mapped:
    sighting = _read(payload, StatusSighting)
    return Mapped(observed_at=sighting.observed_at, stages=_stage_facts(sighting.statuses))


def _job(payload: dict[str, Any]) -> Mapped:
    sighting = _read(payload, JobSighting)
    job, opened = sighting.current, moments.read(sighting.first_posted)
    facts = JobFacts(
        external_id=job.id,
        title=job.title,
        department=job.department,
        location=job.location,
        status=job_status_of(job),
        opened_at=opened.at if opened else None,
        hiring_lead=Actor(external_id=job.lead.id, name=job.lead.name) if job.lead else None,
    )
    return Mapped(observed_at=sighting.observed_at, jobs=(facts,), events=_job_events(sighting))


def _job_events(sighting: JobSighting) -> tuple[NormalizedEvent, ...]:
    """A job's status carries no date: the change lies between the two looks. First sight tells no change."""
    then, now = sighting.previous, sighting.current
    if then is None or _status_word(now) is None or _status_word(now) == _status_word(then):
        return ()
    when = between(sighting.since, sighting.observed_at)
    metadata = {
        "origin": "diff",
        "status_from": job_status_of(then),
        "status": job_status_of(now),
        "status_from_name": then.status_label,
        "status_name": now.status_label,
        "bounds": [at.isoformat() for at in when.bounds] if when.bounds else None,
    }
    event = NormalizedEvent(
        event_type=EventType.JOB_STATUS_CHANGED,
        provider_event_id=f"bhr:job:{now.id}:status:{_status_word(now)}:seen:{moments.compact(sighting.run)}",
        provider=PROVIDER,
        application_external_id=None,
        candidate_external_id=None,
        job_external_id=now.id,
        timestamp=when.at,
        precision=when.precision,
        metadata={name: value for name, value in metadata.items() if value is not None},
    )
    return (event,)


def _status_word(job: Job) -> str | None:
    """The id; where older answers give a label only, our word for it. Never the label itself: it is translated."""
    return job.status_id or job_status_of(job)


def _application(payload: dict[str, Any]) -> Mapped:
    sighting = _read(payload, Sighting)
    now = sighting.current
    mapped = Mapped(
        observed_at=sighting.observed_at,
        events=application_events(sighting),
        stages=_stage_facts(list(sighting.statuses.values())),
    )
    if now is None:
        return mapped
    person = CandidateFacts(
        external_id=candidate_id(sighting),
        name=now.candidate_name,
        email=now.candidate_email,
        source=now.candidate_source,
    )
    jobs = (JobFacts(external_id=now.job_id, title=now.job_title),) if now.job_id else ()
    return msgspec.structs.replace(mapped, candidates=(person,), jobs=jobs)


def _stage_facts(statuses: list[Status]) -> tuple[StageFacts, ...]:
    """Only statuses that are stages: outcomes and hold end a visit and have no column."""
    meanings = ((status, meaning_of(status)) for status in statuses)
    return tuple(
        StageFacts(external_id=status.id, name=status.name, category=meaning.category, position=meaning.position)
        for status, meaning in meanings
        if meaning.kind is Kind.STAGE
    )


def _read(payload: dict[str, Any], shape: type[T]) -> T:
    try:
        return msgspec.convert(payload, shape)
    except msgspec.ValidationError as error:
        # msgspec names types and paths in its message, never values
        raise PayloadNotUnderstood(f"This bamboohr observation cannot be read: {error}.") from None


READERS: dict[str, Callable[[dict[str, Any]], Mapped]] = {
    "statuses": _statuses,
    "job": _job,
    "application": _application,
    webhooks.KIND: webhooks.map_hint,
}
