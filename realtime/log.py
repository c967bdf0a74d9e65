"""Reading the log: what changed after a number, told as states that hold now.

One reading serves every socket of an organization, and costs the same number of queries for any number of jobs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec
from django.db import connection
from django.db.models import Count
from django.utils import timezone

from analytics.cells import Question
from analytics.selectors import as_they_stand
from ats.models import Job
from config import sql
from connectors.models import SyncRun
from connectors.selectors import Progress, progress_of_runs
from realtime import details, messages, outlet
from realtime.models import UpdateCounter
from triggers.models import Task

#: Subjects told one by one to whoever follows everything; beyond it a client is quicker fetching it all.
MOST_SUBJECTS = 100
#: Jobs told to those who follow one of them, while those who follow everything reload.
MOST_FOLLOWED = 500
#: Updates of one subject whose details are read.
MOST_UPDATES = 50
#: Subjects looked at; an organization has fewer jobs than this, or its screens reload.
MOST_READ = 5_000
#: Updates looked through for one catch-up.
LONGEST_SPAN = 20_000


@dataclass(frozen=True)
class Told:
    """One encoded message and where it belongs."""

    text: str
    #: update numbers by organization id once this has been heard
    numbers: Mapping[int, int]
    organization: int | None = None
    number: int = 0
    job_id: int | None = None
    type: str = ""
    #: only for those who follow everything
    wide: bool = False
    #: only for those who follow its job
    narrow: bool = False
    #: set for a whole state: whoever has not heard an older message with this key need not hear it any more
    key: tuple[str, int | None] | None = None

    @cached_property
    def frame(self) -> bytes:
        """The text as a WebSocket message, made once for however many take it."""
        return outlet.frame(self.text)


@dataclass(frozen=True)
class Changes:
    """What to tell after a number; ``last`` is the number then reached."""

    last: int
    told: list[Told]
    #: the client has to fetch its state afresh
    reload: bool = False
    #: when the oldest change among them was logged
    since: datetime | None = None


@dataclass(frozen=True)
class Subject:
    """The newest Update of one job, run, or of everything."""

    kind: str
    job_id: int | None
    sync_run_id: int | None
    number: int
    since: datetime
    payloads: list[Mapping[str, Any]] | None
    #: what the newest change came of
    correlation: str | None = None


def last_numbers(organization_ids: Iterable[int]) -> dict[int, int]:
    """The last number given out in each organization; 0 where nothing has been told yet."""
    ids = list(organization_ids)
    known = dict(UpdateCounter.objects.filter(pk__in=ids).values_list("pk", "last_number"))
    return {one: known.get(one, 0) for one in ids}


def read(
    organization_id: int,
    *,
    after: int,
    upto: int | None = None,
    job_id: int | None = None,
    followed: Collection[int] = (),
    most: int = MOST_SUBJECTS,
) -> Changes:
    """Everything that changed after ``after`` (and up to ``upto``), each subject once, as it stands now.

    A log that no longer reaches back to ``after`` becomes one reload. So do too many subjects, but for the jobs that are
    ``followed`` by themselves: whoever looks at one of them is not bothered by what happens to the others.
    """
    first, last, subjects = _subjects(organization_id, after=after, upto=upto, job_id=job_id)
    if last is None:
        if upto is not None and upto > after:
            return _reload(organization_id, upto, "The log no longer reaches back to the resume point.")
        return Changes(last=after, told=[])
    if first != after + 1:
        return _reload(organization_id, last, "The log no longer reaches back to the resume point.")
    if last - first >= LONGEST_SPAN or any(one.kind == "reload" for one in subjects):
        return _reload(organization_id, last, "Much has changed at once.")
    wide = []
    if len(subjects) > most:
        wanted = [one for one in subjects if one.job_id is None or one.job_id in followed]
        if len(subjects) >= MOST_READ or len(wanted) > MOST_FOLLOWED:
            return _reload(organization_id, last, "Much has changed at once.")
        subjects, wide = wanted, [reload(organization_id, last, "Much has changed at once.", wide=True)]
    told = [*_jobs_told(organization_id, subjects), *_sync_runs_told(organization_id, subjects)]
    # the sort is stable: what belongs to one number stays in order
    told = sorted(told, key=lambda one: one.number)
    if wide:
        told = [replace(one, narrow=one.job_id is not None) for one in told]
    since = min((one.since for one in subjects), default=None)
    return Changes(last=last, told=[*told, *wide], reload=bool(wide), since=since)


def _subjects(organization_id: int, *, after: int, upto: int | None, job_id: int | None) -> tuple[int | None, int | None, list[Subject]]:
    with connection.cursor() as cursor:
        cursor.execute(
            sql.text("realtime", "read_changes"),
            {
                "organization": organization_id,
                "after": after,
                "upto": upto,
                "job": job_id,
                "most": MOST_READ,
                "longest": LONGEST_SPAN,
                "details": MOST_UPDATES,
            },
        )
        rows = cursor.fetchall()
    first, last = rows[0][:2]
    return (
        first,
        last,
        [
            Subject(kind=kind, job_id=job, sync_run_id=run, number=number, since=since, payloads=_decoded(payloads), correlation=came_of)
            for _, _, kind, job, run, number, since, payloads, came_of in rows
            if kind is not None
        ],
    )


def _decoded(payloads: str | None) -> list[Mapping[str, Any]] | None:
    return None if payloads is None else msgspec.json.decode(payloads)


def _jobs_told(organization_id: int, subjects: Iterable[Subject]) -> Iterator[Told]:
    """Per job what changed of it one by one, then its cells; and the issues of no job."""
    changed = {one.job_id: one for one in subjects if one.kind in ("job", "issue")}
    touched = {job_id: details.Touched.of(one.payloads) for job_id, one in changed.items()}
    rows = details.read(organization_id, touched.values())
    cells = _cells(organization_id, [job_id for job_id in changed if job_id is not None])
    for job_id, subject in changed.items():
        if job_id is not None and job_id not in cells:
            continue  # gone meanwhile
        parts = details.told(rows, touched[job_id], organization=organization_id, job=job_id, update=subject.number)
        yield from (_told(organization_id, part, number=subject.number, job_id=job_id) for part in parts)
        if job_id is not None:
            whole = messages.JobChanged(
                organization=organization_id,
                number=subject.number,
                complete=touched[job_id].complete,
                correlation_id=subject.correlation,
                **cells[job_id],
            )
            yield _told(organization_id, whole, number=subject.number, job_id=job_id, key=("job", job_id))


def _cells(organization_id: int, job_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The state of jobs as a message tells it, by job id."""
    if not job_ids:
        return {}
    jobs = list(Job.objects.filter(organization=organization_id, pk__in=job_ids).select_related("organization"))
    tasks = open_tasks(job_ids)
    standing = as_they_stand(jobs, Question(as_of=timezone.now()))
    return {job_id: told | {"tasks_open": tasks.get(job_id, 0)} for job_id, told in standing.items()}


def open_tasks(job_ids: Iterable[int]) -> dict[int, int]:
    """Unfinished tasks by job id."""
    unfinished = Task.objects.filter(issue__job__in=list(job_ids)).exclude(status__in=Task.ENDED)
    return dict(unfinished.order_by().values_list("issue__job").annotate(Count("pk")))


def _sync_runs_told(organization_id: int, subjects: Iterable[Subject]) -> Iterator[Told]:
    numbers = {one.sync_run_id: one.number for one in subjects if one.sync_run_id is not None}
    if not numbers:
        return
    progress = progress_of_runs(list(numbers))
    for run in SyncRun.objects.filter(pk__in=numbers).select_related("connector"):
        message = sync_message(run, numbers[run.pk], progress.get(run.pk, Progress()))
        yield _told(organization_id, message, number=message.number, key=("sync", run.pk))


def sync_message(run: SyncRun, number: int, progress: Progress) -> messages.SyncChanged:
    return messages.SyncChanged(
        organization=run.connector.organization_id,
        number=number,
        connector=run.connector_id,
        name=run.connector.name,
        fresh_at=run.connector.fresh_at,
        sync_run=run.pk,
        mode=run.mode,
        state=run.state,
        fetched=run.fetched,
        created=progress.created,
        skipped=progress.skipped,
        failed=progress.failed,
        in_flow=progress.in_flow,
        correlation_id=run.correlation_id or None,
    )


def _told(
    organization_id: int,
    message: messages.JobChanged | messages.SyncChanged | messages.Detail,
    *,
    number: int,
    job_id: int | None = None,
    key: tuple[str, int | None] | None = None,
) -> Told:
    return Told(
        text=messages.encode(message),
        # a part of an update is no point to resume after
        numbers={} if message.number is None else {organization_id: message.number},
        organization=organization_id,
        number=number,
        job_id=job_id,
        type=str(message.__struct_config__.tag),
        key=key,
    )


def _reload(organization_id: int, last: int, reason: str) -> Changes:
    return Changes(last=last, told=[reload(organization_id, last, reason)], reload=True)


# --- messages that are about the stream itself -------------------------------------------------------
def hello(numbers: Mapping[int, int], *, heartbeat: float) -> Told:
    only = next(iter(numbers.values())) if len(numbers) == 1 else None
    text = messages.encode(messages.Hello(number=only, numbers=dict(numbers), heartbeat=heartbeat))
    return Told(text=text, numbers=numbers)


def ping(numbers: Mapping[int, int]) -> Told:
    return Told(text=messages.encode(messages.Ping(numbers=dict(numbers))), numbers=numbers)


def reload(organization_id: int, number: int, reason: str, *, wide: bool = False) -> Told:
    text = messages.encode(messages.Reload(organization=organization_id, number=number, reason=reason))
    return Told(text=text, numbers={organization_id: number}, organization=organization_id, number=number, wide=wide)
