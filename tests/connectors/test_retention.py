"""What ages goes, what still has to be done stays: whole partitions, and single rows where partitions cannot go."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection
from django.utils import timezone

from ats.models import CandidateEvent
from config import database
from connectors import retention, tasks
from connectors.files.importing import import_file
from connectors.models import Batch, RawEvent, SyncRun
from connectors.replaying import replay
from connectors.retention import INBOX
from tests.factories.connectors import BatchFactory, ConnectorFactory, RawEventFactory, SyncRunFactory
from tests.live import LiveStack, wait_until
from tests.walking import event_row, file_connector, walk, write_jsonl

DEAD = {"state": "dead", "error": "no such stage"}


def raws_of_every_fate(received_at: datetime) -> dict[str, RawEvent]:
    through, waiting = BatchFactory(finished_at=received_at), BatchFactory()
    gave_up = BatchFactory(failed_at=received_at, error="no space left")
    return {
        "through": RawEventFactory(batch=through, received_at=received_at),
        "dead": RawEventFactory(batch=through, received_at=received_at, failed_at=received_at, **DEAD),
        "waiting": RawEventFactory(batch=waiting, received_at=received_at),
        "gave up": RawEventFactory(batch=gave_up, received_at=received_at),
    }


def left(raws: dict[str, RawEvent]) -> set[str]:
    there = set(RawEvent.objects.values_list("pk", flat=True))
    return {fate for fate, raw in raws.items() if raw.pk in there}


@pytest.mark.django_db
@pytest.mark.parametrize("days", [-100, 10], ids=["row by row", "partition dropped"])
def test_old_payloads_go_but_dead_letters_and_what_is_not_through_stay(days: int) -> None:
    now = timezone.now()
    INBOX.make_ahead(now=now)
    at = now + timedelta(days=days)
    old, young = raws_of_every_fate(at), raws_of_every_fate(at + timedelta(days=40))
    before = {one.name for one in INBOX.partitions()}

    retention.prune_inbox(before=at + timedelta(days=20), now=now + timedelta(days=60))

    assert left(old) == {"dead", "waiting", "gave up"}
    assert left(young) == {"through", "dead", "waiting", "gave up"}
    dropped = before - {one.name for one in INBOX.partitions()}
    assert bool(dropped) == (days > 0)
    old["dead"].refresh_from_db()
    assert (old["dead"].error, old["dead"].payload) == ("no such stage", {"id": 1, "status": {"id": 2}})


@pytest.mark.django_db
def test_what_outlived_its_partition_can_be_replayed_and_goes_once_it_is_through() -> None:
    now = timezone.now()
    INBOX.make_ahead(now=now)
    connector = file_connector()
    batch = BatchFactory(connector=connector, finished_at=now)
    at = now + timedelta(days=10)
    raw = RawEventFactory(
        batch=batch, received_at=at, kind="event", payload=event_row("e-1", "2026-09-01T09:00:00+00:00", stage_to="s"), **DEAD
    )
    later = at + timedelta(days=20)
    retention.prune_inbox(before=later, now=now)

    assert replay(connector=connector, failed=True) == 1
    retention.prune_inbox(before=later, now=now)
    assert RawEvent.objects.filter(pk=raw.pk).exists(), "it is on the road"
    walk()
    assert CandidateEvent.objects.filter(provider_event_id="e-1").exists()
    retention.prune_inbox(before=later, now=now)

    assert not RawEvent.objects.filter(pk=raw.pk).exists()


@pytest.mark.django_db
def test_ids_are_given_out_once_across_partitions() -> None:
    now = timezone.now()
    INBOX.make_ahead(now=now)
    raws = [RawEventFactory(received_at=now + timedelta(days=days)) for days in (-400, 0, 5, 12, 300)]
    assert len({raw.pk for raw in raws}) == 5


@pytest.mark.django_db
def test_runs_and_batches_that_ended_long_ago_go_except_what_is_still_needed() -> None:
    now = timezone.now()
    old = now - timedelta(days=40)
    connector = ConnectorFactory()

    def run(age: datetime, state: str = "succeeded", **fields: object) -> SyncRun:
        made = SyncRunFactory(connector=connector, state=state, finished_at=None if state == "queued" else age, **fields)
        SyncRun.objects.filter(pk=made.pk).update(requested_at=age)
        return made

    def batch(**fields: object) -> Batch:
        made = BatchFactory(connector=connector, **fields)
        Batch.objects.filter(pk=made.pk).update(created_at=old)
        return made

    over, with_payload, with_open_batch = run(old), run(old), run(old)
    over_batch = batch(sync_run=over, finished_at=old)
    payload_batch = batch(sync_run=with_payload, finished_at=old)
    RawEventFactory(batch=payload_batch, received_at=old)
    open_batch = batch(sync_run=with_open_batch, failed_at=old)
    lone, lone_open = batch(finished_at=old), batch()
    last_failure, newest, queued = run(old, "failed"), run(old), run(old, "queued")
    young = run(now, mode="full")

    assert retention.prune_runs(before=now - timedelta(days=30)) == 3

    assert set(SyncRun.objects.all()) == {with_payload, with_open_batch, last_failure, newest, queued, young}
    assert set(Batch.objects.all()) == {payload_batch, open_batch, lone_open}
    assert not Batch.objects.filter(pk__in=[over_batch.pk, lone.pk]).exists()


@pytest.mark.django_db
def test_zero_days_keep_for_ever(settings: Any) -> None:
    settings.RAW_EVENT_RETENTION = settings.SYNC_RUN_RETENTION = timedelta(0)
    raws = raws_of_every_fate(timezone.now() - timedelta(days=4000))
    assert tasks.prune() == 0
    assert left(raws) == set(raws)


@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
def test_pruning_all_the_time_during_an_import_loses_nothing(live_stack: LiveStack, tmp_path: Path, settings: Any) -> None:
    """Everything counts as old at once: whatever is through may go at any moment, whatever is not must not."""
    settings.BATCH_SIZE = 200
    start = datetime(2026, 9, 1, 9, tzinfo=UTC)
    rows = [
        event_row(
            f"e-{n}-{k}", start + timedelta(hours=k), application_external_id=f"a-{n}", candidate_external_id=f"c-{n}", stage_to=f"s-{k}"
        )
        for n in range(2_000)
        for k in range(3)
    ]
    connector = file_connector()
    stop, pruned, failures = threading.Event(), [0], []

    def prune() -> None:
        try:
            while not stop.is_set():
                ahead = timezone.now() + timedelta(days=1)
                pruned[0] += retention.prune_inbox(before=ahead, now=ahead)
                pruned[0] += retention.prune_runs(before=ahead)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    live_stack.worker(concurrency=2)
    pruner = threading.Thread(target=prune)
    pruner.start()
    try:
        run = import_file(connector=connector, path=write_jsonl(tmp_path / "events.jsonl", rows), columns={})
        wait_until(lambda: SyncRun.objects.get(pk=run.pk).state in SyncRun.ENDED, timeout=90, what="the end of the import")
    finally:
        stop.set()
        pruner.join()

    assert not failures
    assert set(CandidateEvent.objects.values_list("provider_event_id", flat=True)) == {row["provider_event_id"] for row in rows}
    assert CandidateEvent.objects.count() == len(rows)
    assert pruned[0] > 0
    retention.prune_inbox(before=timezone.now() + timedelta(days=1), now=timezone.now())
    assert RawEvent.objects.count() == 0


@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
def test_an_installation_with_rows_in_use_becomes_partitioned_without_losing_one(live_stack: LiveStack) -> None:
    """The migrations against a database of the version before, while somebody goes on writing as that version did."""
    name = f"{connection.settings_dict['NAME']}_before"
    with database.as_owner(), connection.cursor() as cursor:
        cursor.execute(f'drop database if exists "{name}" with (force)')
        cursor.execute(f'create database "{name}"')
    for key in ("DATABASE_URL", "MIGRATION_DATABASE_URL"):
        live_stack.environment[key] = urlunsplit(urlsplit(live_stack.environment[key])._replace(path=f"/{name}"))
    try:
        for target in (("connectors", "0004"), ("realtime", "0002")):
            result = live_stack.manage("migrate", *target)
            assert result.returncode == 0, result.stderr
        writer = live_stack.spawn("writer", sys.executable, "-c", WRITER)
        writer.wait_for_line("writing")
        result = live_stack.manage("migrate")
        assert result.returncode == 0, result.stderr
        writer.process.terminate()
        writer.process.wait(20)
        told = [line.split() for line in writer.lines if line.startswith("wrote ")]
        shown = live_stack.spawn("reader", sys.executable, "-c", READER)
        counted = shown.wait_for_line("found").split()[1:]
        assert writer.process.returncode == 0, "\n".join(writer.lines[-20:])
        assert len(told) > 20
        assert counted == [str(len(told)), str(len(told)), str(len(told)), "p", "p"]
    finally:
        live_stack.stop()
        with database.as_owner(), connection.cursor() as cursor:
            cursor.execute(f'drop database if exists "{name}" with (force)')


#: Rows as the version before wrote them, one after the other, until told to stop; it says what has been committed.
WRITER = """
import os, signal, sys
import psycopg
going = True
def stop(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, stop)
with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    n = 0
    while going:
        n += 1
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy("copy connectors_rawevent (connector_id, batch_id, kind, payload, received_at) from stdin") as copy:
                copy.write(f"1\\t{n}\\tevent\\t{{}}\\t2026-01-01\\n" if n % 2 else f"1\\t{n}\\tevent\\t{{}}\\tnow\\n")
            cursor.execute("insert into realtime_update (organization_id, number, kind, payload, created_at)"
                           " values (1, %s, 'reload', '{}', now())", [n])
        print("wrote", n, flush=True)
        if n == 20:
            print("writing", flush=True)
"""

READER = """
import os
import psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    one = lambda query: connection.execute(query).fetchone()[0]
    print("found", one("select count(*) from connectors_rawevent"), one("select count(distinct id) from connectors_rawevent"),
          one("select count(distinct number) from realtime_update"),
          *[one(f"select relkind from pg_class where oid = '{table}'::regclass") for table in ("connectors_rawevent", "realtime_update")])
"""
