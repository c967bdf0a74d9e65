"""The pages of an organization: heatmap, issues, tasks. They read selectors and decide nothing; the scripts keep them current."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.models import User
from ats.models import Job
from connectors.events import JobStatus
from issues.models import Issue, Severity
from issues.selectors import issues_of, listed, to_decide
from issues.selectors import with_subjects as issues_with_subjects
from realtime import selectors
from realtime.definitions import DEFINITIONS
from realtime.frame import as_csv, looked_at, own_organization, page, wants_csv
from realtime.lenses import lens_of
from realtime.setup_views import first_organization, steps
from triggers.models import Task
from triggers.selectors import GRAVEST_FIRST, tasks_of
from triggers.selectors import with_subjects as tasks_with_subjects

ROWS_PER_PAGE = 50
#: What an inbox can be narrowed to; "" is everything that asks for something.
ISSUE_VIEWS = {"": "To decide", "acknowledged": "Acknowledged", "snoozed": "Snoozed", "resolved": "Resolved", "all": "All"}


@looked_at
def heatmap(request: HttpRequest) -> HttpResponse:
    """``/``: all jobs × canonical stages. An installation without data leads to the first steps instead."""
    organization = own_organization(request)
    if organization is None:
        return first_organization(request)
    position = selectors.position_of(organization)
    if not Job.objects.filter(organization=organization).exists():
        return steps(request, organization)
    lens = lens_of(request, organization)
    asked = {name: request.GET.get(name, "").strip()[:200] for name in ("search", "department", "status")}
    narrowed = {**asked, "status": "all"} if lens.past and not asked["status"] else asked
    jobs = selectors.filtered_jobs(organization, **narrowed)
    waiting_only = lens.past and not asked["status"]
    if wants_csv(request):
        told = selectors.board_rows(organization, jobs, lens.question, waiting_only=waiting_only)
        return as_csv("heatmap", ({"job": row["job"], **cell} for row in told["rows"] for cell in row["cells"]))
    board = selectors.board(organization, jobs, lens.question, waiting_only=waiting_only, number=request.GET.get("page", 1))
    return page(
        request,
        "realtime/heatmap.html",
        organization,
        position=position,
        lens=lens,
        board=board,
        asked=asked,
        filtered=any(asked.values()),
        departments=selectors.departments_of(organization),
        statuses=[(word.value, word.value.replace("_", " ").capitalize()) for word in JobStatus],
    )


@looked_at
def issues(request: HttpRequest) -> HttpResponse:
    """The inbox: what asks for a decision, worst first; with ``view`` also what has been decided."""
    organization = own_organization(request)
    if organization is None:
        return render(request, "realtime/nowhere.html")
    position = selectors.position_of(organization)
    own = listed(issues_of(request.user).filter(organization=organization))
    asked = {name: request.GET.get(name, "")[:100] for name in ("view", "severity", "issue_type", "job")}
    narrowed = _narrowed(own, asked)
    shown = Paginator(issues_with_subjects(narrowed).order_by("-score", "pk"), ROWS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "issues": shown,
        "asked": asked,
        "severities": Severity.choices,
        "views": ISSUE_VIEWS.items(),
        "types": sorted(set(own.order_by().values_list("issue_type", flat=True).distinct())),
        "job_asked": Job.objects.filter(organization=organization, pk=asked["job"]).first() if _is_id(asked["job"]) else None,
    }
    return page(request, "realtime/issues.html", organization, position=position, **context)


def _narrowed(found: Any, asked: dict[str, str]) -> Any:
    if asked["view"] in Issue.Status.values:
        found = found.filter(status=asked["view"])
    elif asked["view"] != "all":
        found = to_decide(found)
    if asked["severity"] in Severity.values:
        found = found.filter(severity=asked["severity"])
    if asked["issue_type"]:
        found = found.filter(issue_type=asked["issue_type"])
    if _is_id(asked["job"]):
        found = found.filter(job_id=asked["job"])
    return found


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


@looked_at
def tasks(request: HttpRequest) -> HttpResponse:
    """Unfinished tasks by due date, of those due together the gravest first; ``?mine`` for one's own."""
    organization = own_organization(request)
    if organization is None:
        return render(request, "realtime/nowhere.html")
    position = selectors.position_of(organization)
    found = tasks_of(request.user).filter(organization=organization).exclude(status__in=Task.ENDED)
    mine = "mine" in request.GET
    if mine:
        found = found.filter(assignee=request.user.pk)
    listed = Paginator(tasks_with_subjects(found).order_by("due_at", GRAVEST_FIRST, "pk"), ROWS_PER_PAGE).get_page(request.GET.get("page"))
    people = User.objects.filter(memberships__organization=organization, is_active=True).order_by("username")
    context = {"tasks": listed, "mine": mine, "now": timezone.now(), "people": people}
    return page(request, "realtime/tasks.html", organization, position=position, **context)


@looked_at
def definitions(request: HttpRequest) -> HttpResponse:
    """What every number means: where the explain links of tiles lead."""
    organization = own_organization(request)
    if organization is None:
        return render(request, "realtime/nowhere.html")
    return page(request, "realtime/definitions.html", organization, position=selectors.position_of(organization), definitions=DEFINITIONS)
