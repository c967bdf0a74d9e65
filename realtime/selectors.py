"""What the pages show. Everything starts from the person's organizations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Membership, Organization, Role
from accounts.selectors import organizations_of
from analytics.cells import Question
from analytics.live import live
from analytics.pictures import usual_by_category
from analytics.ranking import ranked
from analytics.selectors import freshness, org_heatmap
from ats.models import Application, CandidateEvent, Job
from connectors.events import EventType
from connectors.models import SyncRun
from connectors.selectors import progress_of_runs
from issues.models import Issue
from issues.selectors import to_decide
from realtime import log, presenting
from realtime.log import last_numbers

#: Rows on one page of the heatmap: few enough that a page of them is small and quick to draw.
PAGE = 50
#: What a job people are hiring for is called.
HIRING = ("open", "on_hold")


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


@dataclass(frozen=True)
class Standings:
    """All rows of a board by rank, as far as its sums and its paging need them."""

    job_ids: list[int]
    tiles: dict[str, float]
    #: people waiting per column
    open: dict[str, int]


def board(organization: Organization, jobs: QuerySet[Job], question: Question, *, waiting_only: bool, number: int | str) -> dict[str, Any]:
    """The org heatmap as the page shows it: one page of rows, and column heads, tiles and the baseline row for all of them.

    ``waiting_only`` leaves out jobs that nobody hires for and nobody waits in: about the past a job's status of today
    does not tell.
    """
    if question.live:
        standings = _standing_now(organization, jobs, question)
        pages = Paginator(standings.job_ids, PAGE).get_page(number)
        shown = Job.objects.filter(organization=organization, pk__in=list(pages.object_list))
        heatmap = org_heatmap(organization_ids=[organization.pk], question=question, jobs=shown)
        rows = heatmap["rows"]
    else:
        heatmap = board_rows(organization, jobs, question, waiting_only=waiting_only)
        standings = _standing_then(heatmap["rows"])
        pages = Paginator(standings.job_ids, PAGE).get_page(number)
        rows = heatmap["rows"][pages.start_index() - 1 : pages.end_index()] if standings.job_ids else []
    tasks = log.open_tasks(standings.job_ids) if question.live else {}
    columns = [
        {"id": stage["id"], "name": presenting.stage_name(stage), "open": standings.open.get(str(stage["id"]), 0)}
        for stage in heatmap["stages"]
    ]
    usual = usual_by_category(organization.pk, question)
    return {
        "rows": [_row(row, tasks) for row in rows],
        "pages": pages,
        "columns": columns,
        "usual": [presenting.usual(usual.get(str(column["id"]))) for column in columns],
        "tiles": standings.tiles | {"tasks": sum(tasks.values())},
        "as_of": heatmap["as_of"],
    }


def board_rows(organization: Organization, jobs: QuerySet[Job], question: Question, *, waiting_only: bool) -> dict[str, Any]:
    """The heatmap with all rows of a board."""
    heatmap = org_heatmap(organization_ids=[organization.pk], question=question, jobs=jobs)
    rows = [row for row in heatmap["rows"] if not waiting_only or row["open"] or row["job"]["status"] in HIRING]
    return {**heatmap, "rows": rows}


def _standing_now(organization: Organization, jobs: QuerySet[Job], question: Question) -> Standings:
    """From what is remembered of every job (``analytics.live``): only the cells of the page are read."""
    standing = live([organization.pk], str(question.clock), by_category=True)
    wanted = set(jobs.order_by().values_list("pk", flat=True))
    rows = [(rank, row) for rank, row in ranked(standing, standing.now.as_of) if row.job_id in wanted]
    waiting: Counter[str] = Counter()
    # what is wrong with a connector or a status concerns every job
    issues = to_decide(Issue.objects.filter(organization=organization, job=None)).count()
    for _, row in rows:
        for cell in row.cells:
            waiting[str(cell.standing.ref.id)] += len(cell.standing.entered_open)
            issues += cell.standing.issues_open
    tiles = {"open": waiting.total(), "overdue": round(-sum(rank[0] for rank, _ in rows), 4), "issues": issues}
    return Standings([row.job_id for _, row in rows], tiles, dict(waiting))


def _standing_then(rows: Sequence[Mapping[str, Any]]) -> Standings:
    waiting: Counter[str] = Counter()
    for row in rows:
        for cell in row["cells"]:
            waiting[str(cell["stage"]["id"])] += cell["open"]
    tiles = {
        "open": sum(row["open"] for row in rows),
        "overdue": round(sum(row["overdue_days"] for row in rows), 4),
        "issues": sum(row["issues_open"] for row in rows),
    }
    return Standings([row["job"]["id"] for row in rows], tiles, dict(waiting))


def _row(row: Mapping[str, Any], tasks: Mapping[int, int]) -> dict[str, Any]:
    return {
        "job": row["job"],
        "open": row["open"],
        "overdue": row["overdue_days"],
        "issues": row["issues_open"],
        "tasks": tasks.get(row["job"]["id"], 0),
        "squares": [presenting.square(cell) for cell in row["cells"]],
    }


def asked_for(organization: Organization, given: Mapping[str, str], *, past: bool) -> tuple[dict[str, str], QuerySet[Job], bool]:
    """The filters of a board as its address gives them, the jobs they leave, and whether of those only the ones somebody waits in."""
    asked = {name: given.get(name, "").strip()[:200] for name in ("search", "department", "status")}
    without_status = past and not asked["status"]
    jobs = filtered_jobs(organization, **{**asked, "status": "all"} if without_status else asked)
    return asked, jobs, without_status


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
    return jobs.filter(Q(status__in=HIRING) | Q(pk__in=waiting.order_by().values("pk")))


def departments_of(organization: Organization) -> list[str]:
    names = Job.objects.filter(organization=organization).exclude(department="").order_by("department")
    return list(names.values_list("department", flat=True).distinct())


def may_set_up(user: Any, organization: Organization) -> bool:
    """Keys and stages are for the organization's administrators."""
    return Membership.objects.filter(user=user, organization=organization, role=Role.ADMIN).exists()


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


def recent_events(job: Job, question: Question, *, most: int = 40) -> list[CandidateEvent]:
    """The newest events of a job as known at the question's moment, newest first.

    Any of the newest ``most`` belongs to one of as many applications with the newest last event, so only theirs are read.
    """
    latest = Application.objects.filter(job=job).exclude(last_event_at=None).order_by("-last_event_at")
    events = CandidateEvent.objects.order_by("-occurred_at", "-provider_event_id")
    if question.live:
        of_people = events.filter(application__in=list(latest.values_list("pk", flat=True)[:most]))
        of_job = events.filter(job=job, event_type=EventType.JOB_STATUS_CHANGED)
    else:
        known = events.filter(occurred_at__lte=question.as_of, recorded_at__lte=question.as_of)
        of_people = known.filter(application__in=list(latest.values_list("pk", flat=True)))
        of_job = known.filter(job=job, event_type=EventType.JOB_STATUS_CHANGED)
    related = ("application__candidate", "stage_from", "stage_to")
    found = [*of_people.select_related(*related)[:most], *of_job.select_related(*related)[:most]]
    return sorted(found, key=lambda event: event.occurred_at, reverse=True)[:most]


def people_of(application_ids: Iterable[int]) -> dict[int, Any]:
    """Candidates by application."""
    found = Application.objects.filter(pk__in=list(application_ids)).select_related("candidate")
    return {application.pk: application.candidate for application in found}
