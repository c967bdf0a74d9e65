"""The organization's past as an import file: what a customer with an export of their own would bring.

One JSON object per line, in the order things happened, keys exactly those a poll of the same account builds, so that
importing the past and then polling tells nothing twice.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from connectors.events import EventType
from connectors.sandbox.changes import Change, Kind
from connectors.sandbox.office_hours import compact, iso
from connectors.sandbox.people import Person
from connectors.sandbox.state import Application, State
from connectors.sandbox.statuses import JOB_STATUS_WORDS, STATUSES, Role

Row = dict[str, Any]

OUTCOMES = {
    Role.HOLD: EventType.APPLICATION_ON_HOLD,
    Role.HIRED: EventType.APPLICATION_HIRED,
    Role.REJECTED: EventType.APPLICATION_REJECTED,
    Role.WITHDRAWN: EventType.APPLICATION_WITHDRAWN,
    Role.MOVED: EventType.APPLICATION_MOVED,
    Role.DELETED: EventType.APPLICATION_REMOVED,
}
ACTIVITY = {
    Kind.COMMENT: EventType.COMMENT_ADDED,
    Kind.EMAIL: EventType.EMAIL_LOGGED,
    Kind.RATING: EventType.RATING_CHANGED,
}


def created_key(application_id: int) -> str:
    return f"bhr:app:{application_id}:created"


def status_key(application_id: int, status: int, at: int) -> str:
    return f"bhr:app:{application_id}:status:{status}:{compact(at)}"


def event_key(change: Change) -> str | None:
    """The key under which a poll tells of the change; None for what a poll cannot date."""
    if change.kind is Kind.APPLIED:
        return created_key(change.application_id)
    if change.kind is Kind.STATUS and change.status_to is not None:
        return status_key(change.application_id, change.status_to, change.at)
    return None


class Historian:
    """Writes the history down as import rows. ``until`` is the end of the simulated past, where live changes begin."""

    def __init__(self, staff: dict[int, Person], until: int) -> None:
        self._staff = staff
        self._until = until
        self._state = State()
        self._numbers: dict[tuple[int, str], int] = {}

    def rows(self, changes: list[Change]) -> Iterator[Row]:
        """The rows of ``changes``, which must be the whole truth from its beginning."""
        final = _last_known(changes)
        for change in changes:
            before = self._state.applications.get(change.application_id)
            previous = (before.status, before.status_at) if before else None
            # a removed application is gone from the state, but its last row still names the person
            application = final.get(change.application_id)
            if change.kind is Kind.REMOVED and before is not None:
                yield self._removed(change, before)
            self._state.apply(change)
            if change.kind in (Kind.JOB_OPENED, Kind.JOB_STATUS):
                yield self._job_status(change)
            elif application is not None:
                yield from self._application_rows(change, application, previous)

    def _application_rows(self, change: Change, application: Application, previous: tuple[int, int] | None) -> Iterator[Row]:
        if change.kind is Kind.APPLIED:
            yield from self._applied(change, application)
        elif change.kind is Kind.STATUS and previous is not None:
            yield self._status(change, application, *previous)
        elif change.kind in ACTIVITY:
            yield self._activity(change, application)
        elif change.kind is Kind.REASSIGNED and previous is not None:
            yield self._reassigned(change, application, previous[0])

    def _applied(self, change: Change, application: Application) -> Iterator[Row]:
        """The arrival; a date entered by hand differs from that of the first status, which then is a row of its own."""
        status = change.status_to or 1
        row = self._row(EventType.APPLICATION_CREATED, created_key(application.id), change, application)
        row["timestamp"] = iso(application.applied_at)
        if application.moved_from is not None:
            row["metadata"]["moved_from"] = [str(application.moved_from)]
        if application.applied_at == change.at:
            yield row | _stage("to", status)
            return
        row["metadata"]["stage_to_unknown"] = True
        yield row
        entered = self._row(EventType.STAGE_CHANGED, status_key(application.id, status, change.at), change, application)
        entered["metadata"]["stage_from_unknown"] = True
        yield entered | _stage("to", status)

    def _status(self, change: Change, application: Application, status_from: int, since: int) -> Row:
        status = STATUSES[change.status_to or 1]
        was_stage = STATUSES[status_from].role is Role.STAGE
        if status.role is Role.STAGE:
            event_type = EventType.STAGE_CHANGED if was_stage else EventType.APPLICATION_REOPENED
        else:
            event_type = OUTCOMES[status.role]
        row = self._row(event_type, status_key(application.id, status.id, change.at), change, application)
        metadata = row["metadata"]
        if was_stage:
            row |= _stage("from", status_from)
            metadata["duration_in_previous_stage"] = change.at - since
        else:
            metadata["status_from"] = str(status_from)
        if status.role is Role.STAGE:
            return row | _stage("to", status.id)
        metadata |= {"terminal_status_id": str(status.id), "terminal_status_name": status.name}
        if status.role is Role.DELETED:
            metadata["cause"] = "deleted"
        if change.facts and "moved_to" in change.facts:
            metadata["moved_to"] = [str(change.facts["moved_to"])]
        return row

    def _activity(self, change: Change, application: Application) -> Row:
        number = self._numbers[application.id, change.kind] = self._numbers.get((application.id, change.kind), 0) + 1
        row = self._row(ACTIVITY[change.kind], f"bhr:app:{application.id}:{change.kind}:{number}", change, application)
        row["metadata"] |= {"rating": change.value} if change.kind is Kind.RATING else {"count_delta": 1}
        return row

    def _reassigned(self, change: Change, application: Application, status: int) -> Row:
        key = f"bhr:app:{application.id}:job:{change.job_id}:{compact(change.at)}"
        row = self._row(EventType.APPLICATION_MOVED, key, change, application)
        row["metadata"] |= {"job_from": str((change.facts or {}).get("job_from")), "job_to": str(change.job_id)}
        return row | (_stage("from", status) | _stage("to", status) if STATUSES[status].role is Role.STAGE else {})

    def _removed(self, change: Change, application: Application) -> Row:
        key = f"bhr:app:{application.id}:removed:{compact(change.at)}"
        row = self._row(EventType.APPLICATION_REMOVED, key, change, application)
        row["metadata"]["cause"] = "vanished"
        return row | (_stage("from", application.status) if STATUSES[application.status].role is Role.STAGE else {})

    def _job_status(self, change: Change) -> Row:
        status = change.status_to or 1
        job = self._state.jobs[change.job_id]
        return {
            "event_type": EventType.JOB_STATUS_CHANGED.value,
            "provider_event_id": f"bhr:job:{job.id}:status:{status}:{compact(change.at)}",
            "timestamp": iso(change.at),
            "recorded_at": iso(self._recorded_at(change)),
            "job_external_id": str(job.id),
            **self._job_facts(job.id),
            # only these rows tell it: rows of one second would else contradict each other
            "job_status": JOB_STATUS_WORDS[status],
            **self._actor(change),
            "metadata": {"status_from": JOB_STATUS_WORDS[change.status_from]} if change.status_from else {},
        }

    def _row(self, event_type: EventType, key: str, change: Change, application: Application) -> Row:
        row: Row = {
            "event_type": event_type.value,
            "provider_event_id": key,
            "timestamp": iso(change.at),
            "recorded_at": iso(self._recorded_at(change)),
            "application_external_id": str(application.id),
            "candidate_external_id": str(application.applicant_id),
            "job_external_id": str(change.job_id),
            "candidate_name": application.name,
            **self._job_facts(change.job_id),
            **self._actor(change),
            "metadata": {},
        }
        if application.email:
            row["candidate_email"] = application.email
        if application.source:
            row["source"] = application.source
        return row

    def _job_facts(self, job_id: int) -> Row:
        job = self._state.jobs[job_id]
        facts: Row = {"job_title": job.title, "job_opened_at": iso(job.opened_at)}
        return facts | ({"department": job.department} if job.department else {})

    def _actor(self, change: Change) -> Row:
        person = self._staff.get(change.actor or 0)
        return {"actor": person.name, "actor_id": str(person.user_id)} if person else {}

    def _recorded_at(self, change: Change) -> int:
        """The source learned of it within a minute and a half; the lag depends on the change alone, so every export is alike.

        Live changes have none: a row must not claim to be recorded after the moment of the export.
        """
        recorded_at = change.at + 1 + crc32(b"%d" % change.seq) % 90
        return recorded_at if recorded_at <= self._until else change.at


def _last_known(changes: list[Change]) -> dict[int, Application]:
    """Every application as last known, the removed ones included."""
    state = State()
    known: dict[int, Application] = {}
    for change in changes:
        state.apply(change)
        if change.kind is Kind.APPLIED:
            # the same object goes on being changed by later changes
            known[change.application_id] = state.applications[change.application_id]
    return known


def _stage(side: str, status_id: int) -> Row:
    status = STATUSES[status_id]
    return {f"stage_{side}": str(status.id), f"stage_{side}_name": status.name, f"stage_{side}_category": status.category}


_encode = msgspec.json.Encoder().encode


def import_rows(changes: list[Change], staff: dict[int, Person], *, until: int) -> Iterator[Row]:
    """The import rows of ``changes`` (the whole truth so far); ``until`` as in the charter, epoch seconds."""
    return Historian(staff, until).rows(changes)


def write_file(path: Path, rows: Iterable[Row]) -> int:
    """Write rows as JSONL, gzipped if the name ends in ``.gz``; complete or not at all. Returns their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    count = 0
    with gzip.open(partial, "wb", compresslevel=5) if path.suffix == ".gz" else partial.open("wb") as stream:
        for row in rows:
            stream.write(_encode(row) + b"\n")
            count += 1
    partial.replace(path)
    return count
