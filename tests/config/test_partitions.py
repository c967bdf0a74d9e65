"""Partitions on the real tables, as the application's role, which owns none of them."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from config.partitions import PartitionedTable
from connectors.models import RawEvent
from connectors.retention import INBOX
from realtime.services import LOG
from tests.factories.connectors import BatchFactory, RawEventFactory

TABLES = pytest.mark.parametrize("table", [INBOX, LOG], ids=lambda one: one.table)


@pytest.mark.django_db
@TABLES
def test_there_is_room_ahead_without_gaps_and_only_once(table: PartitionedTable) -> None:
    now = timezone.now()
    made = table.make_ahead(now=now)
    *dated, default = table.partitions()

    assert made >= 1
    assert table.make_ahead(now=now) == 0
    assert (default.starts, default.ends) == (None, None)
    assert dated[0].starts is None
    assert [one.starts for one in dated[1:]] == [one.ends for one in dated[:-1]]
    assert dated[-1].ends is not None
    assert dated[-1].ends >= now + table.ahead


@pytest.mark.django_db
def test_after_a_year_without_beat_rows_are_still_taken_and_room_is_made_again() -> None:
    INBOX.make_ahead(now=timezone.now())
    later = timezone.now() + timedelta(days=400)
    RawEventFactory(received_at=later)
    assert partition_of(RawEvent.objects.get()) == "connectors_rawevent_default"

    assert INBOX.make_ahead(now=later) > 0

    RawEventFactory(received_at=later + timedelta(days=2))
    assert partition_of(RawEvent.objects.order_by("-pk")[0]).startswith("connectors_rawevent_20")


@pytest.mark.django_db
def test_rows_of_a_clock_that_ran_ahead_cost_their_week_its_partition_and_nothing_else() -> None:
    now = timezone.now()
    RawEventFactory(received_at=now + timedelta(days=12))

    INBOX.make_ahead(now=now)

    assert any(one.ends and one.ends >= now + INBOX.ahead for one in INBOX.partitions())
    RawEventFactory(received_at=now + timedelta(days=12))
    assert RawEvent.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("stagewatch_add_partition", ("ats_candidateevent", "ats_candidateevent_1", "2026-01-01", "2026-02-01")),
        ("stagewatch_add_partition", ("connectors_rawevent", "ats_job", "2026-01-01", "2026-02-01")),
        ("stagewatch_drop_partition", ("ats_candidateevent", "ats_candidateevent")),
        ("stagewatch_drop_partition", ("connectors_rawevent", "accounts_user")),
        ("stagewatch_drop_partition", ("connectors_rawevent", "connectors_rawevent_default")),
    ],
)
def test_the_application_may_touch_partitions_of_the_two_tables_and_nothing_else(call: str, arguments: tuple[str, ...]) -> None:
    with pytest.raises(Exception, match="not a"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"select {call}({', '.join(['%s'] * len(arguments))})", arguments)
    with pytest.raises(ProgrammingError, match="must be owner"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("drop table connectors_rawevent_default")


@pytest.mark.django_db(transaction=True)
def test_a_partition_somebody_reads_is_left_for_the_next_time() -> None:
    now = timezone.now()
    INBOX.make_ahead(now=now)
    raw = RawEventFactory(batch=BatchFactory(finished_at=now), received_at=now + timedelta(days=5))
    name, expired = partition_of(raw), now + timedelta(days=60)
    reading, done = threading.Event(), threading.Event()

    def read() -> None:
        with transaction.atomic():
            assert RawEvent.objects.count() == 1
            reading.set()
            done.wait(30)
        connection.close()

    reader = threading.Thread(target=read)
    reader.start()
    assert reading.wait(30)
    INBOX.forget(before=expired)
    held = {one.name for one in INBOX.partitions()}
    done.set()
    reader.join()

    assert name in held
    INBOX.forget(before=expired)
    assert name not in {one.name for one in INBOX.partitions()}


def partition_of(raw: RawEvent) -> str:
    with connection.cursor() as cursor:
        cursor.execute("select tableoid::regclass::text from connectors_rawevent where id = %s", [raw.pk])
        return str(cursor.fetchone()[0])
