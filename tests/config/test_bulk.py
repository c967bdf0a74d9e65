"""Rows that differ are written together: every kind of column, and whatever their number in one statement."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from config import bulk
from connectors.models import Connector, ProviderRecord
from tests.factories.connectors import ConnectorFactory

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 10, 14, 12, tzinfo=UTC)


@pytest.fixture
def connector() -> Connector:
    connector: Connector = ConnectorFactory.create()
    return connector


@pytest.fixture
def records(connector: Connector) -> list[ProviderRecord]:
    return ProviderRecord.objects.bulk_create(
        ProviderRecord(connector=connector, kind="job", external_id=str(n), state={"n": n}, listed_at=NOON) for n in range(1200)
    )


def told(*fields: str) -> list[tuple[Any, ...]]:
    return list(ProviderRecord.objects.order_by("pk").values_list(*fields))


def test_each_row_gets_its_own_values(records: list[ProviderRecord]) -> None:
    for n, record in enumerate(records):
        record.state = {"text": f'it\'s {n}, "quoted" {{}} \\ \n', "list": [n, None]}
        record.listed_at = None if n % 2 else NOON
        record.missing_runs, record.watched, record.external_id = n, n % 3 == 0, f"x,{n}"
    fields = ("state", "listed_at", "missing_runs", "watched", "external_id")
    bulk.update(records, fields)
    assert told(*fields) == [tuple(getattr(record, name) for name in fields) for record in records]


def test_what_is_not_named_stays(records: list[ProviderRecord]) -> None:
    before = told("state", "external_id")
    for record in records:
        record.state, record.missing_runs = {}, 7
    bulk.update(records[:600], ["missing_runs"])
    assert told("state", "external_id") == before
    assert [runs for (runs,) in told("missing_runs")] == [7] * 600 + [0] * 600


def test_one_statement_whatever_their_number(records: list[ProviderRecord], django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        bulk.update(records, ["missing_runs", "state"])
    with django_assert_num_queries(0):
        bulk.update([], ["missing_runs"])


def test_a_foreign_key_is_written_by_its_column(records: list[ProviderRecord], connector: Connector) -> None:
    other = ConnectorFactory.create(organization=connector.organization)
    records[0].connector = other
    bulk.update(records, ["connector"])
    assert list(ProviderRecord.objects.filter(connector=other)) == [records[0]]
