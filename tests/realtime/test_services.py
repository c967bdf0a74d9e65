"""The log: what a push writes, in which order, and what it costs."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from connectors.models import SyncRun
from realtime import services
from realtime.models import Update, UpdateCounter

pytestmark = pytest.mark.django_db


def log_of(tenant: Any) -> list[tuple[int, str, int | None]]:
    rows = Update.objects.filter(organization=tenant.organization).order_by("number")
    return list(rows.values_list("number", "kind", "job_id"))


def test_a_batch_tells_of_each_touched_job_once(acme: Any) -> None:
    engineer, designer, untouched = acme.job("Engineer"), acme.job("Designer"), acme.job("Untouched")
    batch = acme.batch(acme.apply(engineer), acme.apply(engineer), acme.apply(designer))
    acme.apply(untouched)

    services.push_batch(batch)

    assert log_of(acme) == [(1, "job", engineer.pk), (2, "job", designer.pk)]


def test_jobs_named_by_the_batch_itself_are_told_too(acme: Any) -> None:
    left_behind, moved_to = acme.job(), acme.job()
    batch = acme.batch(acme.apply(moved_to))
    batch.job_ids = [left_behind.pk]

    services.push_batch(batch)

    assert {job for _, _, job in log_of(acme)} == {left_behind.pk, moved_to.pk}


def test_a_move_to_another_job_is_told_of_both(acme: Any) -> None:
    left_behind, moved_to = acme.job(), acme.job()
    application = acme.apply(left_behind)
    application.job = moved_to
    application.save()

    services.push_batch(acme.batch(application))

    assert {job for _, _, job in log_of(acme)} == {left_behind.pk, moved_to.pk}


def test_pushing_a_batch_twice_only_adds_newer_numbers(acme: Any) -> None:
    job = acme.job()
    batch = acme.batch(acme.apply(job))

    services.push_batch(batch)
    services.push_batch(batch)

    assert log_of(acme) == [(1, "job", job.pk), (2, "job", job.pk)]


def test_a_batch_that_touched_nothing_writes_nothing(acme: Any) -> None:
    services.push_batch(acme.batch())

    assert log_of(acme) == []
    assert not UpdateCounter.objects.exists()


def test_a_foreign_job_is_never_told(acme: Any, other: Any) -> None:
    foreign = other.job()

    services.push(organization_id=acme.organization.pk, job_ids=[foreign.pk], application_ids=[other.apply(foreign).pk])

    assert log_of(acme) == []
    assert log_of(other) == []


def test_the_progress_of_the_batch_s_run_is_told(acme: Any) -> None:
    run = SyncRun.objects.create(connector=acme.connector, mode="full", state="flowing")
    batch = acme.batch(acme.apply(acme.job()))
    batch.sync_run = run

    services.push_batch(batch)

    assert [kind for _, kind, _ in log_of(acme)] == ["job", "sync"]
    assert Update.objects.get(kind="sync").payload == {"sync_run": run.pk}


def test_a_batch_over_two_thousand_jobs_is_one_statement(acme: Any, django_assert_max_num_queries: Any) -> None:
    from ats.models import Job

    jobs = Job.objects.bulk_create(
        Job(organization=acme.organization, connector=acme.connector, external_id=f"many{n}") for n in range(2000)
    )

    with django_assert_max_num_queries(1 + 2):  # the statement, and its savepoint
        services.push(organization_id=acme.organization.pk, job_ids=[job.pk for job in jobs])

    assert Update.objects.count() == 2000


def test_a_push_that_is_rolled_back_leaves_no_gap(acme: Any) -> None:
    job = acme.job()
    services.push(organization_id=acme.organization.pk, job_ids=[job.pk])

    with transaction.atomic():
        services.push(organization_id=acme.organization.pk, job_ids=[job.pk])
        transaction.set_rollback(True)
    services.push(organization_id=acme.organization.pk, job_ids=[job.pk])

    assert [number for number, _, _ in log_of(acme)] == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_numbers_have_no_gaps_and_follow_commit_order_when_many_push_at_once(acme: Any) -> None:
    """Four writers, 25 pushes of three jobs each. A reader that asks all the while for what is above the highest
    number it has seen must end up with every number: a lower number that commits after a higher one would be missed."""
    jobs = [acme.job().pk for _ in range(3)]
    running = 4
    finished = threading.Semaphore(0)
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(25):
                with transaction.atomic():
                    services.push(organization_id=acme.organization.pk, job_ids=jobs)
        except BaseException as error:  # a thread's failure has to reach the test
            failures.append(error)
        finally:
            connection.close()
            finished.release()

    writers = [threading.Thread(target=write) for _ in range(running)]
    for writer in writers:
        writer.start()
    seen: list[int] = []
    while running or not seen or seen[-1] < UpdateCounter.objects.get().last_number:
        if running and finished.acquire(blocking=False):
            running -= 1
        newest = seen[-1] if seen else 0
        seen += Update.objects.filter(number__gt=newest).order_by("number").values_list("number", flat=True)
    for writer in writers:
        writer.join()

    assert not failures
    assert seen == list(range(1, 4 * 25 * 3 + 1))


def test_pruning_forgets_what_is_older_and_keeps_the_rest(acme: Any) -> None:
    job = acme.job()
    for _ in range(3):
        services.push(organization_id=acme.organization.pk, job_ids=[job.pk])
    Update.objects.filter(number__lt=3).update(created_at=timezone.now() - timedelta(days=2))

    assert services.prune(before=timezone.now() - timedelta(days=1)) == 2
    assert [number for number, _, _ in log_of(acme)] == [3]
