"""The writes: what is to be told goes into the log in the transaction of the change, the hint follows the commit.

A logged Update names its subject (a job, a sync run) and what of it was touched; the state itself is read when it is
told. So a burst that touches a job a hundred times costs a hundred small rows and one reading, and nobody is told of a
moment that has passed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from config import correlation, sql
from config.partitions import PartitionedTable
from connectors.models import Batch, SyncRun
from realtime import hints

#: Applications of one job, touched by one batch, that are told one by one.
MOST_DETAILS = 20
#: A batch that touches more applications than this tells of jobs only.
SMALL_BATCH = 500


@transaction.atomic
def push_batch(batch: Batch) -> None:
    """The last step of the road: tell of every job the batch touched, and of the progress of its run.

    Runs in the transaction that moves the batch on. Twice does no harm: it only adds newer numbers.
    """
    if batch.sync_run_id:
        # before the organization's counter, as everybody takes the two who moves a run on
        SyncRun.objects.select_for_update(of=("self",)).filter(pk=batch.sync_run_id).first()
    with connection.cursor() as cursor:
        sql.pin_plans(cursor)
    push(
        organization_id=batch.organization_id,
        application_ids=batch.application_ids,
        job_ids=batch.job_ids,
        sync_run_ids=[batch.sync_run_id] if batch.sync_run_id else [],
        batch=batch,
    )


def tell(**what: Iterable[int] | int) -> None:
    """``push`` for those below this app, who call it by name: ``flow.tell(organization_id=…, issue_ids=[…])``."""
    push(**what)  # type: ignore[arg-type]


def push(
    *,
    organization_id: int,
    application_ids: Collection[int] = (),
    job_ids: Iterable[int] = (),
    sync_run_ids: Iterable[int] = (),
    issue_ids: Iterable[int] = (),
    task_ids: Iterable[int] = (),
    everything: bool = False,
    batch: Batch | None = None,
) -> int | None:
    """Append Updates in the current transaction; ``everything`` asks all screens to reload.

    Returns the organization's last number, or None if there was nothing to tell. The counter is locked until
    the transaction ends: call it last.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            sql.text("realtime", "append_updates"),
            {
                "organization": organization_id,
                "application_ids": list(application_ids),
                "job_ids": list(job_ids),
                "sync_run_ids": list(sync_run_ids),
                "issue_ids": list(issue_ids),
                "task_ids": list(task_ids),
                "everything": everything,
                "correlation": correlation.current(),
                "batch": batch.pk if batch else None,
                "since": batch.created_at if batch else None,
                "most": MOST_DETAILS if len(application_ids) <= SMALL_BATCH else 0,
            },
        )
        number: int | None = cursor.fetchone()[0]
        if number is not None:
            told = number  # a closure must not see the name rebound
            transaction.on_commit(lambda: hints.send(organization_id, told), robust=True)
    return number


#: the log is partitioned by day
LOG = PartitionedTable(table="realtime_update", column="created_at", width=timedelta(days=1), ahead=timedelta(days=3))


def prune(*, before: datetime, now: datetime | None = None) -> int:
    """Make room for the days to come and forget Updates older than ``before``, whole days at once; who was away for longer
    is told to reload. Returns what was dropped or deleted."""
    LOG.make_ahead(now=now or timezone.now())
    return LOG.forget(before=before)
