"""How a batch is carried along the main road: claimed, worked on, moved on, and offered again when it stands still.

The promise of ``carry``: the step's work and the batch's progress commit together or not at all. Everything the
broker may do wrong (lose, double, delay a message) therefore changes speed and nothing else.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from django.db import DatabaseError, DataError, OperationalError, connection, transaction
from django.db.models import Value
from django.db.models.functions import Greatest
from django.utils import timezone

from config import correlation, flow, telemetry, tracing
from connectors.models import Batch, Connector, SyncRun

logger = logging.getLogger(__name__)

#: A message not acted on for this long counts as lost; also the lease of a step whose process died.
OFFER_AGAIN = timedelta(seconds=30)
#: Starts of one step before it is given up and a person has to look.
MAX_ATTEMPTS = 5
#: Deadlocks and serialization failures are tried again at once: the other side has finished by then.
RETRYABLE_AT_ONCE = {"40P01", "40001"}

TOUCHED = ("application_ids", "job_ids")
PROGRESS = (
    *("step", "attempts", "claimed_by", "next_attempt_at", "finished_at"),
    *("raw_count", "created_count", "skipped_count", "failed_count"),
)

#: A step's work. True: there is more of the same to do, stay at this step.
Work = Callable[[Batch], bool | None]


def carry(batch_id: int, step: str, work: Work, *, worker: str = "") -> bool:
    """Do ``step``'s work on a batch in one transaction with its progress. False: it was not ours to do."""
    with telemetry.timed_step(step) as outcome:
        identity = _claim(batch_id, step, worker)
        if identity is None:
            outcome.word = "not_ours"
            return False
        with correlation.bound(identity):
            tracing.mark(identity)
            try:
                done = _work_and_advance(batch_id, step, work)
            except Exception as error:
                _postpone(batch_id, step, error)
                raise
        outcome.word = "done" if done else "not_ours"
        return done


def _claim(batch_id: int, step: str, worker: str) -> str | None:
    """Count the attempt in a transaction of its own, before the work: a counter that dies with the process never rises.

    A row locked by a running copy of the step is skipped, not waited for. Returns the batch's correlation id; None: not ours.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # kept through the death of any process; only that of the whole machine could forget an attempt
        cursor.execute("set local synchronous_commit = off")
        cursor.execute(
            """update connectors_batch set attempts = attempts + 1, claimed_by = %(worker)s,
                      next_attempt_at = statement_timestamp() + make_interval(secs => %(lease)s)
               where id = (select id from connectors_batch where id = %(id)s and step = %(step)s
                           and finished_at is null and failed_at is null for update skip locked)
               returning correlation_id""",
            {"id": batch_id, "step": step, "worker": worker, "lease": OFFER_AGAIN.total_seconds()},
        )
        claimed = cursor.fetchone()
        return str(claimed[0]) if claimed else None


def _work_and_advance(batch_id: int, step: str, work: Work) -> bool:
    for remaining in (2, 1, 0):
        try:
            with transaction.atomic():
                if step in flow.RECOMPUTABLE:
                    connection.cursor().execute("set local synchronous_commit = off")
                batch = (
                    Batch.objects.select_for_update(skip_locked=True)
                    .filter(pk=batch_id, step=step, finished_at=None, failed_at=None)
                    .first()
                )
                if batch is None:
                    return False
                before = (batch.application_ids, batch.job_ids)
                stays = work(batch)
                # the ids are large: written only by the steps that change them
                fields = PROGRESS if before == (batch.application_ids, batch.job_ids) else (*PROGRESS, *TOUCHED)
                if stays:
                    _stay(batch, fields)
                else:
                    _advance(batch, fields)
            return True
        except OperationalError as error:
            if not remaining or _sqlstate(error) not in RETRYABLE_AT_ONCE:
                raise
            logger.info("step collided with another, trying again", extra={"action": "step_collided", "step": step})
            threading.Event().wait(random.uniform(0, 0.05))  # noqa: S311 (jitter, no secret)
    return False


def _stay(batch: Batch, fields: Sequence[str]) -> None:
    batch.attempts, batch.claimed_by = 0, ""
    batch.save(update_fields=fields)
    flow.run_after_commit(batch.pk, start=batch.step)


def _advance(batch: Batch, fields: Sequence[str]) -> None:
    now = timezone.now()
    if batch.step == flow.NORMALIZE:
        _count_events(batch)
    batch.step = flow.after(batch.step)
    batch.attempts = 0
    batch.claimed_by = ""
    batch.next_attempt_at = now + OFFER_AGAIN
    if batch.step == flow.DONE:
        batch.finished_at = now
        batch.application_ids, batch.job_ids = [], []
        fields = (*PROGRESS, *TOUCHED)
        if batch.kind == Batch.Kind.EVENTS:
            seconds = (now - batch.created_at).total_seconds()
            transaction.on_commit(lambda: telemetry.END_TO_END_SECONDS.observe(seconds), robust=True)
    batch.save(update_fields=fields)
    if batch.finished_at and batch.sync_run_id:
        close_if_complete(batch.sync_run_id)


def _count_events(batch: Batch) -> None:
    counts = {"created": batch.created_count, "skipped": batch.skipped_count, "dead": batch.failed_count}
    for result, count in counts.items():
        telemetry.count_after_commit(telemetry.EVENTS, count, result=result)


def _postpone(batch_id: int, step: str, error: Exception) -> None:
    """Back off, or give up after ``MAX_ATTEMPTS``: the batch then waits for a person, its neighbours go on."""
    reason = describe(error)
    logger.warning("step failed", extra={"action": "step_failed", "step": step, "batch": batch_id, "error": reason})
    with transaction.atomic():
        batch = Batch.objects.select_for_update().filter(pk=batch_id, step=step, finished_at=None, failed_at=None).first()
        if batch is None:
            return
        if batch.attempts >= MAX_ATTEMPTS:
            _give_up(batch, reason, counted_as="failed")
        else:
            batch.error, batch.claimed_by = reason, ""  # nobody's: a batch in somebody's hands past its time means a death
            batch.next_attempt_at = timezone.now() + timedelta(seconds=2**batch.attempts)
            batch.save(update_fields=["error", "claimed_by", "next_attempt_at"])


def _give_up(batch: Batch, reason: str, *, counted_as: str) -> None:
    batch.error, batch.failed_at = reason, timezone.now()
    batch.save(update_fields=["error", "failed_at"])
    telemetry.count_after_commit(telemetry.GIVEN_UP, step=batch.step, reason=counted_as)
    if batch.sync_run_id:
        close_if_complete(batch.sync_run_id)


def offer_due(*, now: datetime | None = None) -> int:
    """The sweep: offer every batch again whose message must have been lost or whose backoff is over."""
    now = now or timezone.now()
    _give_up_deadly(now)
    with connection.cursor() as cursor:
        cursor.execute(
            """update connectors_batch set next_attempt_at = %(again)s
               where id in (select id from connectors_batch
                            where finished_at is null and failed_at is null and next_attempt_at <= %(now)s
                            order by next_attempt_at limit 1000 for update skip locked)
               returning id, step, attempts, claimed_by, correlation_id""",
            {"again": now + OFFER_AGAIN, "now": now},
        )
        due = cursor.fetchall()
    for batch_id, step, attempts, claimed_by, identity in due:
        telemetry.OFFERS.labels(kind="batch", reason=why_again(attempts, claimed_by)).inc()
        with correlation.bound(identity):
            flow.run(batch_id, start=step)
    return len(due)


def why_again(attempts: int, claimed_by: str) -> str:
    """In a bounded word: why something stands still past its time."""
    if claimed_by:
        return "lease_expired"
    return "retry" if attempts else "message_lost"


def _give_up_deadly(now: datetime) -> None:
    """A step that kills its process leaves no error behind, only its count: it must not take workers down for ever."""
    with transaction.atomic():
        standing = Batch.objects.filter(finished_at=None, failed_at=None, next_attempt_at__lte=now, attempts__gte=MAX_ATTEMPTS)
        for batch in standing.order_by("pk").select_for_update(skip_locked=True):
            logger.error("step kills its process", extra={"action": "step_deadly", "step": batch.step, "batch": batch.pk})
            reason = f"The process died {batch.attempts} times at this step; the log of the worker may say why."
            _give_up(batch, reason, counted_as="deadly")


def start(
    *,
    organization_id: int,
    step: str,
    connector_id: int | None = None,
    sync_run_id: int | None = None,
    kind: str = Batch.Kind.RECHECK,
    application_ids: Iterable[int] = (),
    job_ids: Iterable[int] = (),
) -> Batch:
    """Put a batch on the road at ``step``; it is offered to the workers when the transaction commits."""
    batch = Batch.objects.create(
        organization_id=organization_id,
        connector_id=connector_id,
        sync_run_id=sync_run_id,
        kind=kind,
        step=step,
        application_ids=list(application_ids),
        job_ids=list(job_ids),
        next_attempt_at=timezone.now() + OFFER_AGAIN,
    )
    flow.run_after_commit(batch.pk, start=step)
    return batch


def close_if_complete(sync_run_id: int) -> None:
    """Move a run on when its last batch is through: flowing → settling → succeeded (or failed).

    The run's row lock makes one of two batches that finish together the last. Called inside their transactions.
    """
    run = SyncRun.objects.select_for_update().get(pk=sync_run_id)
    if run.state not in (SyncRun.State.FLOWING, SyncRun.State.SETTLING):
        return
    batches = Batch.objects.filter(sync_run_id=sync_run_id)
    if batches.filter(finished_at=None, failed_at=None).exists():
        return
    given_up = batches.exclude(failed_at=None).values_list("step", flat=True)
    if given_up:
        _fail(run, f"{len(given_up)} of its batches gave up at {', '.join(sorted(set(given_up)))}; see the batches in the admin.")
    elif run.state == SyncRun.State.FLOWING:
        _settle(run)
    else:
        run.state, run.finished_at = SyncRun.State.SUCCEEDED, timezone.now()
        run.save(update_fields=["state", "finished_at"])
        _tell(run)


def _settle(run: SyncRun) -> None:
    """Everything fetched is in the ledger: from now on rules may trust it, and look once at what is due."""
    Connector.objects.filter(pk=run.connector_id).update(fresh_at=Greatest("fresh_at", Value(run.fetched_at)))
    run.state = SyncRun.State.SETTLING
    run.save(update_fields=["state"])
    start(
        organization_id=run.connector.organization_id,
        connector_id=run.connector_id,
        sync_run_id=run.pk,
        kind=Batch.Kind.DUE,
        step=flow.MEASURE,
    )
    _tell(run)


def _fail(run: SyncRun, reason: str) -> None:
    run.state, run.finished_at = SyncRun.State.FAILED, timezone.now()
    run.error_code, run.error = "flow_failed", reason
    run.save(update_fields=["state", "finished_at", "error_code", "error"])
    _tell(run)


def _tell(run: SyncRun) -> None:
    flow.tell(organization_id=run.connector.organization_id, sync_run_ids=[run.pk])


def describe(error: Exception) -> str:
    """An error in words that hold no row values: PostgreSQL quotes keys and rows in its details."""
    if isinstance(error, DatabaseError):
        diagnostic = getattr(error.__cause__, "diag", None)
        primary = getattr(diagnostic, "message_primary", None) or "no message"
        if isinstance(error, DataError):
            primary = primary.partition(': "')[0]  # invalid input syntax for type …: "the value itself"
        return f"{type(error).__name__} {_sqlstate(error) or ''}: {primary}"
    return type(error).__name__


def _sqlstate(error: BaseException) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)
