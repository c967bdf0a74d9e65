"""The inbox: raw payloads are committed here, as a batch, before anything else happens to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from django.db import connection
from django.utils import timezone

from config import correlation, flow, sql
from connectors.base import Observation
from connectors.batches import OFFER_AGAIN
from connectors.models import Batch, Connector, SyncRun

COLUMNS = "connectors_rawevent (connector_id, batch_id, kind, payload, received_at)"

_encode = msgspec.json.Encoder().encode


def new_batch(connector: Connector, *, sync_run: SyncRun | None, batch_id: int | None = None) -> Batch:
    """A batch at the start of the road, offered to the workers when the current transaction commits."""
    batch = Batch.objects.create(
        pk=batch_id,
        organization_id=connector.organization_id,
        connector=connector,
        sync_run=sync_run,
        kind=Batch.Kind.EVENTS,
        step=flow.NORMALIZE,
        next_attempt_at=timezone.now() + OFFER_AGAIN,
        correlation_id=sync_run.correlation_id if sync_run else correlation.or_new(),
    )
    flow.run_after_commit(batch.pk)
    return batch


def store(
    connector: Connector, observations: Iterable[Observation], *, sync_run: SyncRun | None = None, received_at: datetime | None = None
) -> Batch | None:
    """Commit observations to the inbox as one batch (inside the caller's transaction). None if there are none."""
    received_at = received_at or timezone.now()
    lines = [(observation.kind, _encode(observation.payload).decode()) for observation in observations]
    if not lines:
        return None
    batch = new_batch(connector, sync_run=sync_run)
    batch.raw_count = len(lines)
    batch.save(update_fields=["raw_count"])
    with connection.cursor() as cursor:
        rows = (sql.copy_line((connector.pk, batch.pk, kind, storable(payload), received_at)) for kind, payload in lines)
        sql.copy_rows(cursor, COLUMNS, rows)
    return batch


def storable(payload: str) -> str:
    """JSON text that jsonb accepts: it has no room for the NUL character, which becomes a visible replacement."""
    return payload.replace("\\u0000", "\\ufffd") if "\\u0000" in payload else payload
