"""Reads of connectors and their runs. Every queryset starts from the person's organizations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts.selectors import organizations_of
from connectors.models import Batch, Connector, RawEvent, SyncRun


def connectors_of(user: Any) -> QuerySet[Connector]:
    return Connector.objects.filter(organization__in=organizations_of(user))


def sync_runs_of(user: Any) -> QuerySet[SyncRun]:
    return SyncRun.objects.filter(connector__organization__in=organizations_of(user))


def with_last_run(connectors: QuerySet[Connector]) -> QuerySet[Connector]:
    """``last_run_id`` and ``last_run_state``: of the newest run, whatever became of it."""
    newest = SyncRun.objects.filter(connector=OuterRef("pk")).order_by("-pk")
    return connectors.annotate(last_run_id=Subquery(newest.values("pk")[:1]), last_run_state=Subquery(newest.values("state")[:1]))


def with_progress(runs: QuerySet[SyncRun]) -> QuerySet[SyncRun]:
    """Runs with their events by what became of them: ``created``, ``skipped``, ``failed`` (dead letters), and
    ``in_flow`` (raw events whose batch is not through yet).

    Summed over the run's batches per row; a batch carries thousands of events, so there are few.
    """
    on_the_road = Q(finished_at=None, failed_at=None)

    def total(column: str, only: Q | None = None) -> Coalesce:
        batches = Batch.objects.filter(sync_run=OuterRef("pk")).order_by().values("sync_run")
        summed = batches.annotate(total=Sum(column, filter=only)).values("total")
        return Coalesce(Subquery(summed, output_field=BigIntegerField()), 0)

    return runs.annotate(
        created=total("created_count"),
        skipped=total("skipped_count"),
        failed=total("failed_count"),
        in_flow=total("raw_count", on_the_road),
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """Events of a run by what became of them; see ``with_progress``."""

    created: int = 0
    skipped: int = 0
    failed: int = 0
    in_flow: int = 0


def progress_of_runs(run_ids: list[int]) -> dict[int, Progress]:
    """By run id, in one query."""
    columns = ("created", "skipped", "failed", "in_flow")
    return {
        run_id: Progress(*counts) for run_id, *counts in with_progress(SyncRun.objects.filter(pk__in=run_ids)).values_list("pk", *columns)
    }


def with_dead_letters(connectors: QuerySet[Connector]) -> QuerySet[Connector]:
    """``dead_letters``: raw events waiting for a person; a look into the index of the dead per row."""
    dead = RawEvent.objects.filter(connector=OuterRef("pk"), state=RawEvent.State.DEAD).order_by().values("connector")
    counted = dead.annotate(total=Count("pk")).values("total")
    return connectors.annotate(dead_letters=Coalesce(Subquery(counted, output_field=BigIntegerField()), 0))
