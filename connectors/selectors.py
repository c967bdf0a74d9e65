"""Reads of connectors and their runs. Every queryset starts from the person's organizations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum

from accounts.selectors import organizations_of
from connectors.models import Batch, Connector, SyncRun


def connectors_of(user: Any) -> QuerySet[Connector]:
    return Connector.objects.filter(organization__in=organizations_of(user))


def sync_runs_of(user: Any) -> QuerySet[SyncRun]:
    return SyncRun.objects.filter(connector__organization__in=organizations_of(user))


def with_last_run(connectors: QuerySet[Connector]) -> QuerySet[Connector]:
    """``last_run_id`` and ``last_run_state``: of the newest run, whatever became of it."""
    newest = SyncRun.objects.filter(connector=OuterRef("pk")).order_by("-pk")
    return connectors.annotate(last_run_id=Subquery(newest.values("pk")[:1]), last_run_state=Subquery(newest.values("state")[:1]))


@dataclass(frozen=True, slots=True)
class Progress:
    """Events of a run by what became of them. ``failed`` are dead letters."""

    created: int = 0
    skipped: int = 0
    failed: int = 0
    #: raw events whose batch is still on the road
    in_flow: int = 0


def progress_of(run: SyncRun) -> Progress:
    """Summed over the run's batches; cheap, for a batch carries thousands of events."""
    return progress_of_runs([run.pk]).get(run.pk, Progress())


def progress_of_runs(run_ids: list[int]) -> dict[int, Progress]:
    """By run id, in one query."""
    on_the_road = Q(finished_at=None, failed_at=None)
    rows = (
        Batch.objects.filter(sync_run__in=run_ids)
        .order_by()
        .values("sync_run")
        .annotate(
            created=Sum("created_count"),
            skipped=Sum("skipped_count"),
            failed=Sum("failed_count"),
            in_flow=Sum("raw_count", filter=on_the_road, default=0),
        )
    )
    return {
        row["sync_run"]: Progress(created=row["created"], skipped=row["skipped"], failed=row["failed"], in_flow=row["in_flow"])
        for row in rows
    }
