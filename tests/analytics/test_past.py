"""What a question about the past reads of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from analytics.past import CHANGED_SINCE
from config import database
from connectors.models import Connector
from tests.walking import file_connector

pytestmark = pytest.mark.django_db(transaction=True)

START = datetime(2026, 6, 1, tzinfo=UTC)
EVENTS, RECENT = 40_000, 50

#: one event a minute, as a ledger is written
LEDGER = """
insert into ats_candidateevent (organization_id, connector_id, provider_event_id, application_id, job_id, event_type, occurred_at,
                                recorded_at, precision, metadata, raw_event_id)
select %(organization)s, %(connector)s, 'load:' || n, n, 1, 'comment_added', %(start)s, %(start)s + n * interval '1 minute', 'exact',
       '{}', 0
from generate_series(1, %(events)s) n
"""


@pytest.fixture
def ledger() -> Connector:
    connector = file_connector()
    with connection.cursor() as cursor:
        asked: dict[str, Any] = {"organization": connector.organization_id, "connector": connector.pk, "start": START, "events": EVENTS}
        cursor.execute(LEDGER, asked)
    with database.as_owner(), connection.cursor() as cursor:
        cursor.execute("vacuum analyze ats_candidateevent")  # as autovacuum does: describes the new ranges of blocks
    return connector


def test_whoever_changed_since_is_found_in_the_newest_part_of_the_ledger(ledger: Connector) -> None:
    asked: dict[str, Any] = {"organization": ledger.organization_id, "known_by": START + timedelta(minutes=EVENTS - RECENT)}
    with connection.cursor() as cursor:
        cursor.execute("create temporary table touched (application_id bigint primary key)")
        cursor.execute(f"explain (analyze, timing off, format json) {CHANGED_SINCE}", asked)
        read = list(_of_the_ledger(cursor.fetchone()[0][0]["Plan"]))
        cursor.execute("select count(*), min(application_id) from touched")
        assert cursor.fetchone() == (RECENT, EVENTS - RECENT + 1)

    assert max(read) < EVENTS / 10, "rows looked at, with those thrown away"


def _of_the_ledger(plan: dict[str, Any]) -> Iterator[float]:
    """Rows each scan of the ledger looked at."""
    if plan.get("Relation Name") == "ats_candidateevent":
        thrown_away = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        yield plan["Actual Rows"] * plan["Actual Loops"] + thrown_away
    for part in plan.get("Plans", []):
        yield from _of_the_ledger(part)
