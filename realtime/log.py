"""Reading the log: what changed after a number, told as states that hold now.

One reading serves every socket of an organization, and costs the same number of queries for any number of jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count
from django.utils import timezone

from analytics.cells import CellReader, Question, stage_ref
from analytics.selectors import org_heatmap
from ats.models import Job
from config import sql
from connectors.models import SyncRun
from connectors.selectors import Progress, progress_of_runs
from realtime import messages
from realtime.models import UpdateCounter
from triggers.models import Task

#: Subjects told one by one; beyond it a client is quicker fetching everything.
MOST_SUBJECTS = 100
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
    #: set for a whole state: whoever has not heard an older message with this key need not hear it any more
    key: tuple[str, int | None] | None = None


@dataclass(frozen=True)
class Changes:
    """What to tell after a number; ``last`` is the number then reached."""

    last: int
    told: list[Told]
    #: the client has to fetch its state afresh
    reload: bool = False


@dataclass(frozen=True)
class Subject:
    """The newest Update of one job, run, or of everything."""

    kind: str
    job_id: int | None
    sync_run_id: int | None
    number: int


def last_numbers(organization_ids: Iterable[int]) -> dict[int, int]:
    """The last number given out in each organization; 0 where nothing has been told yet."""
    ids = list(organization_ids)
    known = dict(UpdateCounter.objects.filter(pk__in=ids).values_list("pk", "last_number"))
    return {one: known.get(one, 0) for one in ids}


def read(organization_id: int, *, after: int, upto: int | None = None, job_id: int | None = None) -> Changes:
    """Everything that changed after ``after`` (and up to ``upto``), each subject once, as it stands now.

    A log that no longer reaches back to ``after``, or too many subjects, becomes one reload.
    """
    first, last, subjects = _subjects(organization_id, after=after, upto=upto, job_id=job_id)
    if last is None:
        if upto is not None and upto > after:
            return _reload(organization_id, upto, "The log no longer reaches back to the resume point.")
        return Changes(last=after, told=[])
    if first != after + 1:
        return _reload(organization_id, last, "The log no longer reaches back to the resume point.")
    if last - first >= LONGEST_SPAN or len(subjects) > MOST_SUBJECTS or any(one.kind == "reload" for one in subjects):
        return _reload(organization_id, last, "Much has changed at once.")
    told = [*_jobs_told(organization_id, subjects), *_sync_runs_told(organization_id, subjects)]
    return Changes(last=last, told=sorted(told, key=lambda one: one.number))


def _subjects(organization_id: int, *, after: int, upto: int | None, job_id: int | None) -> tuple[int | None, int | None, list[Subject]]:
    with connection.cursor() as cursor:
        cursor.execute(
            sql.text("realtime", "read_changes"),
            {
                "organization": organization_id,
                "after": after,
                "upto": upto,
                "job": job_id,
                "most": MOST_SUBJECTS + 1,
                "longest": LONGEST_SPAN,
            },
        )
        rows = cursor.fetchall()
    first, last = rows[0][:2]
    return first, last, [Subject(*row[2:]) for row in rows if row[2] is not None]


def _jobs_told(organization_id: int, subjects: Iterable[Subject]) -> list[Told]:
    numbers = {one.job_id: one.number for one in subjects if one.kind == "job" and one.job_id is not None}
    if not numbers:
        return []
    question = Question(as_of=timezone.now())
    jobs = Job.objects.filter(organization=organization_id, pk__in=numbers).select_related("organization")
    heatmap = org_heatmap(organization_ids=[organization_id], question=question, jobs=jobs)
    stages = CellReader(list(jobs), question, stage_ref).read()
    tasks = open_tasks(numbers)
    return [
        _told(
            organization_id,
            messages.JobChanged(
                organization=organization_id,
                number=numbers[row["job"]["id"]],
                as_of=heatmap["as_of"],
                job=row["job"],
                open=row["open"],
                overdue_days=row["overdue_days"],
                issues_open=row["issues_open"],
                tasks_open=tasks.get(row["job"]["id"], 0),
                cells=row["cells"],
                stages=stages.get(row["job"]["id"], []),
            ),
            job_id=row["job"]["id"],
        )
        for row in heatmap["rows"]
    ]


def open_tasks(job_ids: Iterable[int]) -> dict[int, int]:
    """Unfinished tasks by job id."""
    unfinished = Task.objects.filter(issue__job__in=list(job_ids)).exclude(status__in=Task.ENDED)
    return dict(unfinished.order_by().values_list("issue__job").annotate(Count("pk")))


def _sync_runs_told(organization_id: int, subjects: Iterable[Subject]) -> list[Told]:
    numbers = {one.sync_run_id: one.number for one in subjects if one.sync_run_id is not None}
    if not numbers:
        return []
    runs = SyncRun.objects.filter(pk__in=numbers).select_related("connector")
    progress = progress_of_runs(list(numbers))
    return [_told(organization_id, sync_message(run, numbers[run.pk], progress.get(run.pk, Progress()))) for run in runs]


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
    )


def _told(organization_id: int, message: messages.JobChanged | messages.SyncChanged, *, job_id: int | None = None) -> Told:
    return Told(
        text=messages.encode(message),
        numbers={organization_id: message.number},
        organization=organization_id,
        number=message.number,
        job_id=job_id,
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


def reload(organization_id: int, number: int, reason: str) -> Told:
    text = messages.encode(messages.Reload(organization=organization_id, number=number, reason=reason))
    return Told(text=text, numbers={organization_id: number}, organization=organization_id, number=number)
