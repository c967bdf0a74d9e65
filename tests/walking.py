"""Walking the road inside the test's own process: the real steps on the real database, in any order one likes.

Inside a test's transaction nothing is ever committed, so nothing is offered to the broker: batches move only when
``walk`` moves them. Given a random source it takes any waiting batch next, as several workers would.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from django.db import transaction

from analytics import services as analytics
from ats import services as ats
from config import flow
from connectors import batches, inbox
from connectors.base import Observation
from connectors.events import NormalizedEvent
from connectors.files.provider import KIND
from connectors.models import Batch, Connector, SyncRun
from connectors.services import end_fetching
from issues import services as issues
from realtime import services as realtime
from tests.factories.connectors import ConnectorFactory, SyncRunFactory
from triggers import services as triggers

WORK: Mapping[str, Callable[[Batch], bool | None]] = {
    flow.NORMALIZE: ats.normalize,
    flow.SNAPSHOT: ats.refresh_snapshots,
    flow.MEASURE: analytics.measure,
    flow.DETECT: issues.detect,
    flow.OPEN_TASKS: triggers.open_tasks,
    flow.PUSH: realtime.push_batch,
}


def step(batch_id: int) -> bool:
    """The batch's next step, by the same door a worker uses."""
    batch = Batch.objects.get(pk=batch_id)
    return batches.carry(batch_id, batch.step, WORK[batch.step])


def walk(*, rng: Random | None = None, until: str = flow.DONE) -> None:
    """Carry every batch to the end of the road, or to the door of the step ``until``."""
    while waiting := list(
        Batch.objects.filter(finished_at=None, failed_at=None).exclude(step=until).order_by("pk").values_list("pk", flat=True)
    ):
        assert step(rng.choice(waiting) if rng else waiting[0]), "nobody else works here, so the batch was ours"


def file_connector(**fields: Any) -> Connector:
    """A file connector with nothing in it."""
    made: Connector = ConnectorFactory(**{"provider": "files", "base_url": "", "fresh_at": None, **fields})
    return made


def bring_in(connector: Connector, *bundles: Iterable[Mapping[str, Any]], walked: bool = True, rng: Random | None = None) -> SyncRun:
    """Import rows as one run of one batch per bundle, committed to the inbox as ``import_events`` would."""
    with transaction.atomic():
        run: SyncRun = SyncRunFactory(connector=connector, mode=SyncRun.Mode.IMPORT, state=SyncRun.State.RUNNING)
        for bundle in bundles:
            inbox.store(connector, [Observation(kind=KIND, payload=dict(row)) for row in bundle], sync_run=run)
        end_fetching(run)
    if walked:
        walk(rng=rng)
        run.refresh_from_db()
    return run


def row_of(event: NormalizedEvent) -> dict[str, Any]:
    """An event as a row of an import file; a job's status goes into its column."""
    metadata = dict(event.metadata)
    row = {
        "event_type": str(event.event_type),
        "provider_event_id": event.provider_event_id,
        "timestamp": event.timestamp.isoformat(),
        "recorded_at": event.recorded_at.isoformat() if event.recorded_at else None,
        "application_external_id": event.application_external_id,
        "candidate_external_id": event.candidate_external_id,
        "job_external_id": event.job_external_id,
        "stage_from": event.stage_from,
        "stage_to": event.stage_to,
        "actor": event.actor.name if event.actor else None,
        "actor_id": event.actor.external_id if event.actor else None,
        "precision": str(event.precision),
        "job_status": metadata.pop("status", None),
        "metadata": metadata,
    }
    return {name: value for name, value in row.items() if value not in (None, {})}


def event_row(event_id: str, at: datetime | str, **fields: Any) -> dict[str, Any]:
    """One row: by default application a-1 of candidate c-1 on job j-1 changes its stage."""
    return {
        "event_type": "stage_changed",
        "provider_event_id": event_id,
        "timestamp": at if isinstance(at, str) else at.isoformat(),
        "application_external_id": "a-1",
        "candidate_external_id": "c-1",
        "job_external_id": "j-1",
        **fields,
    }


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def cut(rows: Sequence[Mapping[str, Any]], rng: Random, *, most: int) -> list[list[Mapping[str, Any]]]:
    """The rows in bundles of random sizes up to ``most``, in their order."""
    bundles, start = [], 0
    while start < len(rows):
        size = rng.randint(1, most)
        bundles.append(list(rows[start : start + size]))
        start += size
    return bundles
