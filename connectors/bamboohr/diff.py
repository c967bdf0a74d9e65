"""Two looks at a thing become one observation: what it was, what it is, and when we looked. Pure.

**A change without its detail waits.** Only details tell when a status was set, and the ledger is
append-only: a guessed event could never be replaced by the exact one. So while a detail cannot be read
the record keeps the old state, the next run sees the same difference again, and only after
``PATIENCE`` runs in a row is the change told from the list alone, bounded by the looks around it
(``postponed``, ``out_of_patience``). If a later detail then dates that status before the guess was made,
it is the same change and nothing more is told; if after, the application left and came back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from connectors.bamboohr import moments
from connectors.bamboohr.vocabulary import IN_PLAY, Kind, meaning_of
from connectors.bamboohr.wire import Application, Job, Status
from connectors.base import Observation, Record

#: runs in a row that may miss an application's detail before its change is told without
PATIENCE = 3


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``Record.state`` of an application: what its events so far have told, and the bookkeeping of looks."""

    #: False while nothing was told of it yet: its first detail could not be read
    known: bool = False
    kind: Kind | None = None
    status_id: str | None = None
    #: ``dateChanged`` as written
    status_changed: str | None = None
    #: when a status told without its date was seen: it was set before
    status_before: datetime | None = None
    changed_by: str | None = None
    rating: int | UnsetType | None = UNSET
    comment_count: int | None = None
    email_count: int | None = None
    event_count: int | None = None
    moved_to: tuple[str, ...] = ()
    moved_from: tuple[str, ...] = ()
    job_id: str | None = None
    candidate_id: str | None = None
    #: digests of the person's fields: enough to see a change, no copy of the person
    person: dict[str, str] = {}
    #: the last answered 404 that made us believe it removed still stands
    gone: bool = False
    #: last detail that was read (``Record.detailed_at`` is the last one asked for)
    detail_at: datetime | None = None
    #: runs in a row whose detail could not be read, and the last of them
    failures: int = 0
    failed_in: datetime | None = None
    #: last look that still showed this state, while failures keep a newer one from being told
    unsettled_since: datetime | None = None
    #: the run that last counted it missing, so that a resumed run does not count twice
    missed_in: datetime | None = None

    def facts(self) -> Snapshot:
        """Without the bookkeeping: equal facts mean there is nothing to tell."""
        return msgspec.structs.replace(
            self,
            changed_by=None,
            event_count=None,
            detail_at=None,
            failures=0,
            failed_in=None,
            unsettled_since=None,
            missed_in=None,
        )


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of an application: what came, how, and the interval in which BambooHR looked."""

    application: Application
    detailed: bool
    #: the list showed it in this run
    listed: bool
    asked_at: datetime
    answered_at: datetime


class Sighting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The payload of an ``application`` observation."""

    application: str
    #: start of the run, part of the keys of bounded events
    run: datetime
    observed_at: datetime
    #: None at first sight
    previous: Snapshot | None = None
    #: None: it is gone
    current: Application | None = None
    detailed: bool = False
    #: last looks that showed the previous state; the change lies after them
    status_since: datetime | None = None
    detail_since: datetime | None = None
    #: the statuses involved, so that mapping needs nothing but this payload
    statuses: dict[str, Status] = {}
    #: ``Account.watched_since``
    watched_since: datetime | None = None


class JobSighting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The payload of a ``job`` observation."""

    run: datetime
    observed_at: datetime
    current: Job
    previous: Job | None = None
    #: earliest ``postedDate`` ever seen, as written: posting again moves the date
    first_posted: str | None = None
    since: datetime | None = None


class JobMemory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``Record.state`` of a job."""

    job: Job
    first_posted: str | None = None


def snapshot_of(record: Record | None) -> Snapshot:
    """An unreadable state counts as never seen: keys make telling it again harmless."""
    if record is None:
        return Snapshot()
    try:
        return msgspec.convert(record.state, Snapshot)
    except msgspec.ValidationError:
        return Snapshot()


def needs_detail(record: Record | None, listed: Application) -> bool:
    """New, changed as far as a list can show, or owed from an earlier run."""
    then = snapshot_of(record)
    return (
        not then.known
        or then.gone
        or then.failures > 0
        or _told(listed.status_id, then.status_id)
        or _told(listed.job_id, then.job_id)
        or (listed.rating is not UNSET and listed.rating != then.rating)
    )


def compare(
    record: Record | None, look: Look, *, run: datetime, statuses: Mapping[str, Status], watched_since: datetime | None = None
) -> tuple[Observation | None, Record]:
    """What there is to tell (None: nothing) and what to remember."""
    then = snapshot_of(record)
    erased = record is not None and record.erased
    if erased:
        # of the state too: a poll that was under way during the erasure may have written it once more
        then = msgspec.structs.replace(then, person={})
        look = msgspec.structs.replace(look, application=_without_person(look.application))
    now = _settled(then, look, statuses)
    remembered = Record(
        kind="application",
        external_id=look.application.id,
        state=msgspec.to_builtins(now),
        listed_at=max(look.asked_at, run) if look.listed else (record.listed_at if record else None),
        detailed_at=look.asked_at if look.detailed else (record.detailed_at if record else None),
        missing_runs=0 if look.listed or record is None else record.missing_runs,
        watched=now.kind is None or now.kind in IN_PLAY,
        erased=erased,
    )
    if now.facts() == then.facts():
        return None, remembered
    sighting = Sighting(
        application=look.application.id,
        run=run,
        observed_at=look.answered_at,
        previous=then if then.known else None,
        current=look.application,
        detailed=look.detailed,
        status_since=_last_shown(record, then),
        detail_since=then.detail_at,
        statuses=_involved(statuses, look.application, then),
        watched_since=None if then.known else watched_since,
    )
    return _observation(sighting), remembered


def postponed(record: Record | None, look: Look, *, run: datetime) -> Record:
    """The record after a detail that could not be read: nothing learned, one failure more."""
    then = snapshot_of(record)
    failed = msgspec.structs.replace(
        then,
        failures=_failed_runs(then, run),
        failed_in=run,
        unsettled_since=then.unsettled_since or _last_shown(record, then),
    )
    return Record(
        kind="application",
        external_id=look.application.id,
        state=msgspec.to_builtins(failed),
        listed_at=max(look.asked_at, run),
        # as asked, though in vain: an application that always fails must not head the refresh queue for ever
        detailed_at=look.asked_at,
        watched=record.watched if record else False,
        erased=record.erased if record else False,
    )


def out_of_patience(record: Record | None, *, run: datetime) -> bool:
    """Whether a failure in this run is enough to tell the change without its detail."""
    return _failed_runs(snapshot_of(record), run) >= PATIENCE


def _failed_runs(then: Snapshot, run: datetime) -> int:
    """With this run; one that failed, was resumed and failed again counts once."""
    return then.failures + (then.failed_in != run)


def missed(record: Record, *, run: datetime) -> Record:
    """The record after a complete run that did not list it; counted once a run."""
    then = snapshot_of(record)
    if then.missed_in == run:
        return record
    state = msgspec.to_builtins(msgspec.structs.replace(then, missed_in=run))
    return msgspec.structs.replace(record, state=state, missing_runs=record.missing_runs + 1)


def removed(record: Record, *, run: datetime, answered_at: datetime, statuses: Mapping[str, Status]) -> tuple[Observation | None, Record]:
    """Unlisted in two complete runs and its own address answers 404: gone, nobody says why."""
    then = snapshot_of(record)
    gone = msgspec.structs.replace(then, gone=True, failures=0, failed_in=None, unsettled_since=None)
    remembered = msgspec.structs.replace(record, state=msgspec.to_builtins(gone), watched=False)
    if not then.known or then.gone or then.kind is Kind.REMOVED:  # nothing told of it, or its end told already
        return None, remembered
    sighting = Sighting(
        application=record.external_id,
        run=run,
        observed_at=answered_at,
        previous=then,
        status_since=_last_shown(record, then),
        statuses=_involved(statuses, None, then),
    )
    return _observation(sighting), remembered


def forgotten(record: Record) -> Record:
    """The record of an application after its person was erased: where it stands is remembered, the person is not."""
    then = msgspec.structs.replace(snapshot_of(record), person={})
    return msgspec.structs.replace(record, state=msgspec.to_builtins(then), erased=True)


def compare_job(
    record: Record | None, job: Job, *, run: datetime, asked_at: datetime, answered_at: datetime
) -> tuple[Observation | None, Record]:
    """A job is told when anything kept of it differs from the last look."""
    then = _job_memory(record)
    first_posted = _earlier(then.first_posted if then else None, job.posted)
    now = JobMemory(job=job, first_posted=first_posted)
    remembered = Record(kind="job", external_id=job.id, state=msgspec.to_builtins(now), listed_at=max(asked_at, run))
    if now == then:
        return None, remembered
    sighting = JobSighting(
        run=run,
        observed_at=answered_at,
        current=job,
        previous=then.job if then else None,
        first_posted=first_posted,
        since=record.listed_at if record else None,
    )
    return Observation(kind="job", payload=msgspec.to_builtins(sighting), key=f"job:{job.id}"), remembered


def _settled(then: Snapshot, look: Look, statuses: Mapping[str, Status]) -> Snapshot:
    """The state once this look is told; what the look does not tell stays as it was."""
    app = look.application
    status_id = app.status_id or then.status_id
    changed, before = then.status_changed, then.status_before
    if app.status_id is not None and look.detailed and moments.read(app.status_changed):
        changed, before = app.status_changed, None
    elif status_id != then.status_id:
        changed, before = None, look.answered_at
    return Snapshot(
        known=True,
        kind=meaning_of(statuses.get(status_id) or Status(id=status_id)).kind if status_id else None,
        status_id=status_id,
        status_changed=changed,
        status_before=before,
        changed_by=(app.changed_by.id if app.changed_by else None) if look.detailed else then.changed_by,
        rating=then.rating if app.rating is UNSET else app.rating,
        comment_count=_newer(app.comment_count, then.comment_count),
        email_count=_newer(app.email_count, then.email_count),
        event_count=_newer(app.event_count, then.event_count),
        moved_to=_newer(app.moved_to, then.moved_to),
        moved_from=_newer(app.moved_from, then.moved_from),
        job_id=app.job_id or then.job_id,
        candidate_id=app.candidate_id or then.candidate_id,
        person={**then.person, **_person_digests(app)},
        detail_at=look.asked_at if look.detailed else then.detail_at,
    )


def _last_shown(record: Record | None, then: Snapshot) -> datetime | None:
    if then.unsettled_since is not None or record is None:
        return then.unsettled_since
    return max((at for at in (record.listed_at, then.detail_at) if at is not None), default=None)


def _involved(statuses: Mapping[str, Status], app: Application | None, then: Snapshot) -> dict[str, Status]:
    """The statuses on both sides of a change, under the label the application gives where none is listed."""
    involved = {}
    labels = {then.status_id: None} | ({app.status_id: app.status_label} if app else {})
    for status_id, label in labels.items():
        if status_id is not None:
            listed = statuses.get(status_id, Status(id=status_id))
            involved[status_id] = listed if listed.name else msgspec.structs.replace(listed, name=label)
    return involved


def _observation(sighting: Sighting) -> Observation:
    return Observation(kind="application", payload=msgspec.to_builtins(sighting), key=sighting.application)


def _told(told: str | None, then: str | None) -> bool:
    return told is not None and told != then


def _newer(told: Any, then: Any) -> Any:
    return then if told is None else told


def _person_digests(app: Application) -> dict[str, str]:
    fields = {"name": app.candidate_name, "email": app.candidate_email, "source": app.candidate_source}
    return {name: hashlib.sha256(value.encode()).hexdigest()[:16] for name, value in fields.items() if value}


def _without_person(app: Application) -> Application:
    return msgspec.structs.replace(app, candidate_name=None, candidate_email=None, candidate_source=None)


def _job_memory(record: Record | None) -> JobMemory | None:
    try:
        return msgspec.convert(record.state, JobMemory) if record else None
    except msgspec.ValidationError:
        return None


def _earlier(one: str | None, other: str | None) -> str | None:
    dated = [(moment.at, text) for text in (one, other) if text and (moment := moments.read(text))]
    return min(dated)[1] if dated else None
