from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from config import doctor
from connectors.models import RawEvent
from tests.factories.connectors import BatchFactory


@pytest.mark.django_db(transaction=True)
def test_dead_rows_and_rows_without_a_partition_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MANY_ROWS", 100)
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


@pytest.mark.django_db
def test_small_tables_are_no_news() -> None:
    assert [finding for name, finding in doctor.examine() if name == "bloat" and finding.level != doctor.OK] == []
