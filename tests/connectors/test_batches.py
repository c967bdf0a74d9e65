"""How a batch is carried: claimed, worked on, moved on together with its work, offered again, given up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from ats.models import Job
from config import flow
from connectors import batches
from connectors.batches import MAX_ATTEMPTS, OFFER_AGAIN, carry, close_if_complete, describe, offer_due
from connectors.models import Batch, Connector, SyncRun
from tests.factories.ats import JobFactory
from tests.factories.connectors import BatchFactory, ConnectorFactory, SyncRunFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """What was offered to the workers: batch ids and the steps to begin at."""
    calls: list[tuple[int, str]] = []
    monkeypatch.setattr(flow, "run", lambda batch_id, *, start=flow.NORMALIZE: calls.append((batch_id, start)))
    return calls


def batch_at(step: str = flow.MEASURE, **fields: object) -> Batch:
    made: Batch = BatchFactory(step=step, **fields)
    return made


def flowing(**fields: object) -> SyncRun:
    made: SyncRun = SyncRunFactory(**{"state": SyncRun.State.FLOWING, "fetched_at": timezone.now(), **fields})
    return made


def failing(error: Exception) -> Callable[[Batch], None]:
    def work(batch: Batch) -> None:
        raise error

    return work


def database_error(cause: type[psycopg.Error]) -> OperationalError:
    error = OperationalError("as Django wraps it")
    error.__cause__ = cause()
    return error


# --- carrying ----------------------------------------------------------------------------------------------------------


def test_work_and_progress_are_one(offered: list[tuple[int, str]]) -> None:
    batch = batch_at()

    assert carry(batch.pk, flow.MEASURE, lambda batch: JobFactory(external_id="made") and None, worker="me")

    batch.refresh_from_db()
    assert (batch.step, batch.attempts, batch.claimed_by, batch.finished_at) == (flow.DETECT, 0, "", None)
    assert timedelta(0) < batch.next_attempt_at - timezone.now() <= OFFER_AGAIN
    assert Job.objects.filter(external_id="made").exists()


def test_work_that_fails_leaves_nothing_but_its_count_and_its_reason() -> None:
    batch = batch_at()

    def work(batch: Batch) -> None:
        JobFactory(external_id="made")
        raise ValueError("Alice Miller")

    with pytest.raises(ValueError):
        carry(batch.pk, flow.MEASURE, work)

    batch.refresh_from_db()
    assert (batch.step, batch.attempts, batch.error) == (flow.MEASURE, 1, "ValueError")
    assert not Job.objects.filter(external_id="made").exists()


def test_the_attempt_is_counted_before_the_work() -> None:
    batch = batch_at()
    seen: list[int] = []

    carry(batch.pk, flow.MEASURE, lambda batch: seen.append(Batch.objects.get(pk=batch.pk).attempts))

    assert seen == [1]


@pytest.mark.parametrize(
    "fields",
    [{"step": flow.DETECT}, {"finished_at": timezone.now()}, {"failed_at": timezone.now()}],
    ids=["at another step", "through", "given up"],
)
def test_a_doubled_late_or_mistaken_message_does_nothing(fields: dict[str, object]) -> None:
    batch = batch_at(**{"step": flow.MEASURE, **fields})

    assert not carry(batch.pk, flow.MEASURE, failing(AssertionError("must not be called")))

    assert Batch.objects.get(pk=batch.pk).attempts == 0
    assert not carry(10**9, flow.MEASURE, failing(AssertionError("must not be called")))


def test_the_last_step_ends_the_batch_and_lets_its_ids_go() -> None:
    batch = batch_at(flow.PUSH, application_ids=[1, 2], job_ids=[3])

    carry(batch.pk, flow.PUSH, lambda batch: None)

    batch.refresh_from_db()
    assert (batch.step, batch.application_ids, batch.job_ids) == (flow.DONE, [], [])
    assert batch.finished_at is not None


def test_what_a_step_finds_touched_travels_on_and_what_it_counts_is_kept() -> None:
    batch = batch_at(flow.NORMALIZE)

    def work(batch: Batch) -> None:
        batch.application_ids, batch.created_count = [7, 8], 2

    carry(batch.pk, flow.NORMALIZE, work)

    batch.refresh_from_db()
    assert (batch.application_ids, batch.created_count) == ([7, 8], 2)


def test_a_step_with_more_to_do_stays_and_is_offered_again(
    offered: list[tuple[int, str]], django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    batch = batch_at(attempts=2)

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        carry(batch.pk, flow.MEASURE, lambda batch: True)

    batch.refresh_from_db()
    assert (batch.step, batch.attempts, batch.finished_at) == (flow.MEASURE, 0, None)
    assert offered == [(batch.pk, flow.MEASURE)]


@pytest.mark.parametrize("cause", [psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure])
def test_a_collision_is_tried_again_at_once(cause: type[psycopg.Error]) -> None:
    batch, calls = batch_at(), []

    def work(batch: Batch) -> None:
        calls.append(batch)
        if len(calls) < 3:
            raise database_error(cause)

    assert carry(batch.pk, flow.MEASURE, work)

    assert len(calls) == 3
    assert Batch.objects.get(pk=batch.pk).step == flow.DETECT


def test_collisions_without_end_back_off_like_any_other_failure() -> None:
    batch, calls = batch_at(), []

    def work(batch: Batch) -> None:
        calls.append(batch)
        raise database_error(psycopg.errors.DeadlockDetected)

    with pytest.raises(OperationalError):
        carry(batch.pk, flow.MEASURE, work)

    assert len(calls) == 3
    assert Batch.objects.get(pk=batch.pk).attempts == 1


@pytest.mark.parametrize("cause", [psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable])
def test_what_only_time_can_mend_is_not_tried_again_at_once(cause: type[psycopg.Error]) -> None:
    batch, calls = batch_at(), []

    def work(batch: Batch) -> None:
        calls.append(batch)
        raise database_error(cause)

    with pytest.raises(OperationalError):
        carry(batch.pk, flow.MEASURE, work)

    assert len(calls) == 1


def test_each_failure_waits_longer_and_the_last_gives_up_and_says_where() -> None:
    run = flowing()
    batch = batch_at(connector=run.connector, sync_run=run)
    waits = []

    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(RuntimeError):
            carry(batch.pk, flow.MEASURE, failing(RuntimeError()))
        batch.refresh_from_db()
        waits.append(round((batch.next_attempt_at - timezone.now()).total_seconds()))

    assert waits[:-1] == [2, 4, 8, 16]
    assert batch.failed_at is not None
    run.refresh_from_db()
    assert (run.state, run.error_code) == (SyncRun.State.FAILED, "flow_failed")
    assert "1 of its batches gave up at analytics.measure" in run.error
    assert not carry(batch.pk, flow.MEASURE, failing(AssertionError("given up")))


def test_a_batch_that_gave_up_holds_up_no_neighbour() -> None:
    run = flowing()
    bad, good = (batch_at(connector=run.connector, sync_run=run) for _ in range(2))
    Batch.objects.filter(pk=bad.pk).update(failed_at=timezone.now())

    assert carry(good.pk, flow.MEASURE, lambda batch: None)

    run.refresh_from_db()
    assert run.state == SyncRun.State.FLOWING, "its end is known when the last batch has ended"


# --- offering again ----------------------------------------------------------------------------------------------------


def test_the_sweep_offers_what_stands_still_from_where_it_stands_and_nothing_else(offered: list[tuple[int, str]]) -> None:
    past, future = timezone.now() - timedelta(seconds=1), timezone.now() + timedelta(seconds=60)
    due = [batch_at(step, next_attempt_at=past) for step in (flow.NORMALIZE, flow.PUSH)]
    batch_at(next_attempt_at=future)
    batch_at(next_attempt_at=past, finished_at=past)
    batch_at(next_attempt_at=past, failed_at=past)

    assert offer_due() == 2

    assert sorted(offered) == sorted((batch.pk, batch.step) for batch in due)


def test_two_sweeps_offer_once(offered: list[tuple[int, str]]) -> None:
    batch = batch_at(next_attempt_at=timezone.now())

    assert [offer_due(), offer_due()] == [1, 0]

    assert offer_due(now=timezone.now() + OFFER_AGAIN + timedelta(seconds=1)) == 1, "and again after half a minute"
    assert offered == [(batch.pk, flow.MEASURE)] * 2


def test_a_step_that_kills_its_process_is_given_up_by_the_sweep(offered: list[tuple[int, str]]) -> None:
    run = flowing()
    deadly = batch_at(connector=run.connector, sync_run=run, attempts=MAX_ATTEMPTS, next_attempt_at=timezone.now())
    batch_at(attempts=MAX_ATTEMPTS - 1, next_attempt_at=timezone.now())
    at_work = batch_at(attempts=MAX_ATTEMPTS, next_attempt_at=timezone.now() + timedelta(seconds=20))

    assert offer_due() == 1

    deadly.refresh_from_db()
    run.refresh_from_db()
    assert deadly.failed_at is not None
    assert "died 5 times" in deadly.error
    assert run.state == SyncRun.State.FAILED
    assert Batch.objects.get(pk=at_work.pk).failed_at is None


def test_a_batch_put_on_the_road_is_offered_only_once_it_is_committed(
    offered: list[tuple[int, str]], django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    connector = ConnectorFactory()

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        batch = batches.start(organization_id=connector.organization_id, connector_id=connector.pk, step=flow.DETECT, application_ids=[5])
        assert offered == []

    assert offered == [(batch.pk, flow.DETECT)]
    assert (batch.kind, batch.application_ids) == (Batch.Kind.RECHECK, [5])


# --- the end of a run --------------------------------------------------------------------------------------------------


def test_a_run_settles_when_its_last_batch_is_through_and_then_succeeds() -> None:
    run = flowing(connector__fresh_at=None)
    first, last = (batch_at(flow.PUSH, connector=run.connector, sync_run=run) for _ in range(2))

    carry(first.pk, flow.PUSH, lambda batch: None)
    run.refresh_from_db()
    assert run.state == SyncRun.State.FLOWING

    carry(last.pk, flow.PUSH, lambda batch: None)
    run.refresh_from_db()
    assert run.state == SyncRun.State.SETTLING
    assert Connector.objects.get(pk=run.connector_id).fresh_at == run.fetched_at
    settling = Batch.objects.get(sync_run=run, finished_at=None)
    assert (settling.kind, settling.step) == (Batch.Kind.DUE, flow.MEASURE)

    for step in flow.STEPS[2:]:
        carry(settling.pk, step, lambda batch: None)
    run.refresh_from_db()
    assert run.state == SyncRun.State.SUCCEEDED
    assert run.finished_at is not None


def test_an_older_look_never_makes_the_data_older() -> None:
    now = timezone.now()
    run = flowing(connector__fresh_at=now, fetched_at=now - timedelta(hours=1))

    with transaction.atomic():
        close_if_complete(run.pk)

    assert Connector.objects.get(pk=run.connector_id).fresh_at == now


@pytest.mark.parametrize("state", [SyncRun.State.QUEUED, SyncRun.State.RUNNING, SyncRun.State.SUCCEEDED, SyncRun.State.FAILED])
def test_a_run_that_still_fetches_or_has_ended_is_left_alone(state: str) -> None:
    run = flowing(state=state)

    close_if_complete(run.pk)

    run.refresh_from_db()
    assert run.state == state


# --- telling what was wrong --------------------------------------------------------------------------------------------


def test_a_database_error_is_told_without_the_rows_it_quotes() -> None:
    job = JobFactory(external_id="secret-id")

    with pytest.raises(IntegrityError) as raised, transaction.atomic():
        JobFactory(connector=job.connector, external_id="secret-id")
    told = describe(raised.value)

    assert told.startswith("IntegrityError 23505: duplicate key value violates unique constraint")
    assert "secret-id" not in told
    with pytest.raises(DataError) as too_long, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select 'secret'::timestamptz")
    assert "secret" not in describe(too_long.value), "PostgreSQL quotes the value itself here"
