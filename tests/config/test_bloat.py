from __future__ import annotations

import re
from datetime import timedelta

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from config import bloat, doctor, row_metrics
from connectors.models import RawEvent
from tests.factories.connectors import BatchFactory


@pytest.mark.django_db(transaction=True)
def test_dead_rows_and_rows_without_a_partition_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bloat, "MANY_ROWS", 100)
    batch = BatchFactory()
    far = timezone.now() + timedelta(days=4000)  # nobody has made room for that
    rows = [RawEvent(connector=batch.connector, batch=batch, kind="x", payload={}, received_at=far) for _ in range(400)]
    with transaction.atomic():
        RawEvent.objects.bulk_create(rows)
    with transaction.atomic():
        RawEvent.objects.filter(pk__in=[row.pk for row in rows[:250]]).delete()
    with connection.cursor() as cursor:
        cursor.execute("select pg_stat_force_next_flush()")

    found = {finding.text for name, finding in doctor.examine() if name == "bloat" and finding.level == doctor.WARNING}

    assert "connectors_rawevent_default holds 150 rows" in found
    (dead,) = [
        int(told.group(1)) for text in found if (told := re.fullmatch(r"connectors_rawevent_default has (\d+) dead rows beside 150", text))
    ]
    assert dead >= 250  # what other tests left behind may lie there as well
    exported = row_metrics.latest().decode()
    (told,) = re.findall(r'^stagewatch_table_dead_rows{table="connectors_rawevent"} (\d+)', exported, re.MULTILINE)
    assert int(told) >= dead, "a table counts its partitions"
    assert "connectors_rawevent_default" not in exported, "partitions come and go, so none is a label"


@pytest.mark.django_db
def test_small_tables_are_no_news() -> None:
    assert [finding for name, finding in doctor.examine() if name == "bloat" and finding.level != doctor.OK] == []


@pytest.mark.django_db(transaction=True)
def test_a_locked_table_does_not_hold_up_a_scrape() -> None:
    with psycopg.connect(settings.MIGRATION_DATABASE_URL, dbname=connection.settings_dict["NAME"]) as somebody:
        somebody.execute("lock table ats_job in access exclusive mode")
        assert [one.name for one in bloat.relations() if one.name == "ats_job"] == ["ats_job"]
        assert 'stagewatch_table_index_bytes{table="ats_job"}' in row_metrics.latest().decode()


@pytest.mark.django_db(transaction=True)
def test_sizes_are_those_of_the_server() -> None:
    with psycopg.connect(settings.MIGRATION_DATABASE_URL, dbname=connection.settings_dict["NAME"], autocommit=True) as owner:
        owner.execute("vacuum analyze django_migrations")
        expected = owner.execute("select pg_relation_size('django_migrations'), pg_indexes_size('django_migrations')").fetchone()

    (found,) = [one for one in bloat.relations() if one.name == "django_migrations"]

    assert (found.size, found.indexes) == expected
    assert found.size > 0
