"""Reads. Every number is asked for at an ``as_of``, and a cell and its drilldown look through the same query.

Issues belong to a later app, which this one does not import: they are read through the relations they declare
on ``Job`` and ``Application``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet

from analytics.cells import CANONICAL_STAGES, CellReader, Question, canonical, stage_ref
from analytics.explaining import exactly, explain_cells
from analytics.heatmap import Json, job_dict, totals
from analytics.job_facts import facts_of
from analytics.live import live
from analytics.paging import ALL, Paging
from analytics.past import as_known
from analytics.ranking import paged
from analytics.stats import statistics
from ats.models import Job
from connectors.models import Connector


def org_heatmap(
    *,
    organization_ids: Sequence[int],
    question: Question,
    jobs: QuerySet[Job] | None = None,
    explain: bool = False,
    paging: Paging = ALL,
) -> Json:
    """Jobs × canonical stages: ``{as_of, window, clock, freshness, stages, rows, total, next, previous}``.

    ``jobs`` narrows the organizations' jobs. A canonical stage is a category, so that jobs of different pipelines
    and providers share columns: its cell pools the visits of the job's stages in that category. Every row has one
    cell per entry of ``stages``, in their order; the most overdue job comes first. ``next`` and ``previous`` are cursors.
    Costs the same number of queries for any number of jobs.
    """
    chosen = (Job.objects.all() if jobs is None else jobs).filter(organization_id__in=organization_ids)
    page = None
    if question.live and paging.size is not None:
        # who is on the page is told by what is remembered; only their cells are read
        standing = live(organization_ids, question.clock, by_category=True)
        page = paged(standing, set(chosen.order_by().values_list("pk", flat=True)), paging)
        chosen = chosen.filter(pk__in=[row.job_id for row in page.rows])
    found = list(chosen.select_related("organization"))
    with as_known(question.known_by, organization_ids):
        cells = CellReader(found, exactly(question) if explain else question).read(canonical, columns=CANONICAL_STAGES)
        if explain:
            explain_cells(cells, found, question)
    rows = [{"job": job_dict(job), **totals(cells[job.pk]), "cells": cells[job.pk]} for job in found]
    if page is None:
        ranked = sorted(((-row["overdue_days"], row["job"]["title"], row["job"]["id"]), row) for row in rows)
        whole = paging.page(ranked, question.as_of)
        rows, total, following, previous = list(whole.rows), whole.total, whole.next, whole.previous
    else:
        places = {row.job_id: place for place, row in enumerate(page.rows)}
        rows.sort(key=lambda row: places[row["job"]["id"]])
        total, following, previous = page.total, page.next, page.previous
    columns = [one["stage"] for one in rows[0]["cells"]] if rows else [ref.as_dict() for ref in CANONICAL_STAGES]
    return _top(question, freshness(organization_ids=organization_ids, as_of=question.as_of)) | {
        "stages": columns,
        "rows": rows,
        "total": total,
        "next": following.text() if following else None,
        "previous": previous.text() if previous else None,
    }


def as_they_stand(jobs: Sequence[Job], question: Question) -> dict[int, Json]:
    """Some jobs as both heatmaps show them now, read once: by id ``{as_of, job, open, …, cells, stages}``, ``cells`` being those of the
    row in ``org_heatmap``. Jobs come with their organization selected."""
    reader = CellReader(jobs, question)
    cells, stages = reader.read(canonical, columns=CANONICAL_STAGES), reader.read(stage_ref)
    return {
        job.pk: {"as_of": question.as_of, "job": job_dict(job), **totals(cells[job.pk]), "cells": cells[job.pk], "stages": stages[job.pk]}
        for job in jobs
    }


def job_heatmap(*, job: Job, question: Question, explain: bool = False) -> Json:
    """One job's own stages in pipeline order: ``{as_of, window, clock, freshness, job, open, …, stages}``.

    Holds every stage the job has ever used. ``explain``: each cell lists the visits its durations count, and those
    left out with a reason.
    """
    with as_known(question.known_by, [job.organization_id]):
        cells = CellReader([job], exactly(question) if explain else question).read(stage_ref)[job.pk]
        if explain:
            explain_cells({job.pk: cells}, [job], question)
    state = freshness(organization_ids=[job.organization_id], as_of=question.as_of, connector_id=job.connector_id)
    return _top(question, state) | {"job": job_dict(job), **totals(cells), "stages": cells}


def job_stats(*, job: Job, question: Question, explain: bool = False) -> Json:
    """One job's statistics: ``{as_of, window, clock, freshness, job, funnel, velocity, …}``, see ``analytics.stats``."""
    with as_known(question.known_by, [job.organization_id]):
        facts = facts_of(job, question)
    state = freshness(organization_ids=[job.organization_id], as_of=question.as_of, connector_id=job.connector_id)
    return _top(question, state) | {
        "job": job_dict(job),
        **statistics(facts, explain=explain, fresh_at=state["fresh_at"] if question.live else None),
    }


def freshness(*, organization_ids: Sequence[int], as_of: datetime, connector_id: int | None = None) -> Json:
    """How old the facts are (M25): ``fresh_at`` is the oldest of the connectors; ``stale`` if any is too old.

    A connector that has never synced is stale. A paused one is listed but not counted.
    """
    connectors = Connector.objects.filter(organization_id__in=organization_ids).order_by("name", "id")
    if connector_id is not None:
        connectors = connectors.filter(pk=connector_id)
    listed = [
        {
            "id": connector.pk,
            "name": connector.name,
            "status": connector.status,
            "fresh_at": connector.fresh_at,
            "stale": connector.fresh_at is None or as_of - connector.fresh_at > settings.STALE_AFTER,
        }
        for connector in connectors.only("id", "name", "status", "fresh_at")
    ]
    counted = [one for one in listed if one["status"] != Connector.Status.PAUSED]
    known = [one["fresh_at"] for one in counted if one["fresh_at"] is not None]
    return {
        "fresh_at": min(known) if known and len(known) == len(counted) else None,
        "stale": any(one["stale"] for one in counted),
        "connectors": listed,
    }


def top(question: Question, organization_ids: Sequence[int], *, connector_id: int | None = None) -> Json:
    """What every answer says first."""
    return _top(question, freshness(organization_ids=organization_ids, as_of=question.as_of, connector_id=connector_id))


def _top(question: Question, state: Json) -> Json:
    return {"as_of": question.as_of, "window": question.span.as_dict(), "clock": str(question.clock), "freshness": state}
