"""What the pages show. Everything starts from the person's organizations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Organization
from accounts.selectors import organizations_of
from analytics.cells import Question
from analytics.selectors import freshness, org_heatmap
from ats.models import Job
from connectors.models import SyncRun
from connectors.selectors import progress_of_runs
from realtime import log, presenting
from realtime.log import last_numbers

#: Rows on one page of the heatmap.
PAGE = 200


@dataclass(frozen=True)
class Position:
    """Where a page stands in the live stream. Read before the state it shows: what comes twice does no harm."""

    organization: Organization
    number: int


def position_of(organization: Organization) -> Position:
    return Position(organization, last_numbers([organization.pk])[organization.pk])


def organization_for(user: Any, slug: str) -> tuple[Organization | None, list[Organization]]:
    """The organization asked for (None if it is not the person's), and all of the person's."""
    own = list(organizations_of(user).order_by("name", "pk"))
    if not slug:
        return (own[0] if own else None), own
    return next((one for one in own if one.slug == slug), None), own


def board(organization: Organization, jobs: QuerySet[Job]) -> dict[str, Any]:
    """The org heatmap as the page shows it: rows of squares, column heads with totals, and the tiles on top."""
    heatmap = org_heatmap(organization_ids=[organization.pk], question=Question(as_of=timezone.now()), jobs=jobs)
    tasks = log.open_tasks([row["job"]["id"] for row in heatmap["rows"]])
    rows = [
        {
            "job": row["job"],
            "open": row["open"],
            "overdue": row["overdue_days"],
            "issues": row["issues_open"],
            "tasks": tasks.get(row["job"]["id"], 0),
            "squares": [presenting.square(cell) for cell in row["cells"]],
        }
        for row in heatmap["rows"]
    ]
    columns = [
        {"id": stage["id"], "name": presenting.stage_name(stage), "open": sum(row["cells"][place]["open"] for row in heatmap["rows"])}
        for place, stage in enumerate(heatmap["stages"])
    ]
    tiles = {name: sum(row[name] for row in rows) for name in ("open", "overdue", "issues", "tasks")}
    return {"rows": rows[:PAGE], "columns": columns, "tiles": tiles, "as_of": heatmap["as_of"], "hidden_rows": max(0, len(rows) - PAGE)}


def filtered_jobs(organization: Organization, *, search: str = "", department: str = "", status: str = "") -> QuerySet[Job]:
    """By default the jobs people are still hiring for: open or on hold, and whatever else somebody still waits in."""
    jobs = Job.objects.filter(organization=organization)
    if search:
        jobs = jobs.filter(Q(title__icontains=search) | Q(department__icontains=search))
    if department:
        jobs = jobs.filter(department=department)
    if status == "all":
        return jobs
    if status:
        return jobs.filter(status=status)
    waiting = Job.objects.filter(organization=organization, stage_metrics__open__gt=0)
    return jobs.filter(Q(status__in=["open", "on_hold"]) | Q(pk__in=waiting.order_by().values("pk")))


def departments_of(organization: Organization) -> list[str]:
    names = Job.objects.filter(organization=organization).exclude(department="").order_by("department")
    return list(names.values_list("department", flat=True).distinct())


def sync_state(organization: Organization) -> dict[str, Any]:
    """How fresh the data is and what is running: the banner."""
    state = freshness(organization_ids=[organization.pk], as_of=timezone.now())
    runs = list(
        SyncRun.objects.filter(connector__organization=organization)
        .exclude(state__in=SyncRun.ENDED)
        .select_related("connector")
        .order_by("pk")
    )
    progress = progress_of_runs([run.pk for run in runs])
    return state | {
        "running": [{"run": run, "progress": progress.get(run.pk)} for run in runs],
        "broken": [one for one in state["connectors"] if one["status"] == "broken"],
    }
