"""Who may work on a sync run: one process at a time, another soon after the first is gone."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from connectors import leases
from connectors.leases import LEASE, Lease, LeaseLost, claim
from connectors.models import SyncRun
from tests.factories.connectors import SyncRunFactory
from tests.live import wait_until

NOW = timezone.now()
SOON, PAST = timedelta(seconds=30), timedelta(seconds=-1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "claimed_by", "lease", "free"),
    [
        ("queued", "", SOON, True),
        ("queued", "", None, True),
        ("running", "", SOON, True),
        ("running", "me", SOON, True),
        ("running", "another", SOON, False),
        ("queued", "another", SOON, False),
        ("running", "another", PAST, True),
        ("flowing", "", None, False),
        ("settling", "me", None, False),
        ("succeeded", "", None, False),
        ("failed", "me", PAST, False),
    ],
)
def test_a_run_can_be_taken_if_it_is_free_or_its_holder_silent(state: str, claimed_by: str, lease: timedelta | None, free: bool) -> None:
    run = SyncRunFactory(state=state, claimed_by=claimed_by, next_attempt_at=lease and timezone.now() + lease)

    assert claim(run.pk, "me") is free

    run.refresh_from_db()
    assert run.claimed_by == ("me" if free else claimed_by)
    if free:
        assert timedelta(0) < run.next_attempt_at - timezone.now() <= LEASE


@pytest.mark.django_db
def test_of_two_who_want_the_same_run_one_gets_it() -> None:
    run = SyncRunFactory()

    assert [claim(run.pk, "first"), claim(run.pk, "second")] == [True, False]


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_renewed_as_long_as_its_holder_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEWAL", timedelta(milliseconds=20))
    run = SyncRunFactory(state="running", claimed_by="me", next_attempt_at=timezone.now() + timedelta(seconds=1))
    before = threading.active_count()

    with Lease(run.pk, "me") as lease:
        wait_until(lambda: SyncRun.objects.get(pk=run.pk).next_attempt_at - timezone.now() > LEASE / 2)
        with transaction.atomic():
            lease.check()

    assert threading.active_count() == before, "its thread ends with it"
    last = SyncRun.objects.get(pk=run.pk).next_attempt_at
    with connection.cursor() as cursor:
        cursor.execute("select pg_sleep(0.1)")
    assert SyncRun.objects.get(pk=run.pk).next_attempt_at == last


@pytest.mark.django_db(transaction=True)
def test_who_lost_the_run_learns_of_it_before_writing_and_renews_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEWAL", timedelta(milliseconds=20))
    run = SyncRunFactory(state="running", claimed_by="me", next_attempt_at=timezone.now())

    with Lease(run.pk, "me") as lease:
        SyncRun.objects.filter(pk=run.pk).update(claimed_by="another", next_attempt_at=NOW)
        with pytest.raises(LeaseLost, match=f"{run.pk} was taken over"), transaction.atomic():
            lease.check()
        with connection.cursor() as cursor:
            cursor.execute("select pg_sleep(0.1)")

    assert SyncRun.objects.get(pk=run.pk).next_attempt_at == NOW
