"""Sending what failed, or what a person chose, through the flow again. Idempotent, like the flow."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from config import flow
from connectors import inbox
from connectors.models import Batch, Connector, RawEvent


def replay(*, connector: Connector, raw_event_ids: Sequence[int] = (), failed: bool = False) -> int:
    """Put dead letters (``failed``) and the chosen raw events on the road in new batches; returns how many."""
    wanted = RawEvent.objects.filter(connector=connector)
    ids = set(wanted.filter(pk__in=raw_event_ids).values_list("pk", flat=True))
    if failed:
        ids |= set(wanted.filter(state=RawEvent.State.DEAD).values_list("pk", flat=True))
    ordered = sorted(ids)
    for start in range(0, len(ordered), settings.BATCH_SIZE):
        chunk = ordered[start : start + settings.BATCH_SIZE]
        with transaction.atomic():
            batch = inbox.new_batch(connector, sync_run=None)
            RawEvent.objects.filter(pk__in=chunk).update(batch=batch, state=RawEvent.State.RECEIVED, error="", failed_at=None)
            Batch.objects.filter(pk=batch.pk).update(raw_count=len(chunk))
    return len(ordered)


def resume(*, connector: Connector) -> int:
    """Offer batches that gave up again as they are, from the step they stopped at; returns how many."""
    stopped = list(Batch.objects.filter(connector=connector, finished_at=None).exclude(failed_at=None))
    for batch in stopped:
        Batch.objects.filter(pk=batch.pk).update(failed_at=None, attempts=0, error="", next_attempt_at=timezone.now())
        flow.run(batch.pk, start=batch.step)
    return len(stopped)
