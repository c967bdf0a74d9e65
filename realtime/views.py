"""The pages. They read selectors and decide nothing; live.js keeps them current."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import Organization
from analytics import drilldown
from analytics.cells import Question
from analytics.drilldown import Wanted
from analytics.selectors import job_heatmap
from ats.models import Job
from ats.selectors import jobs_of
from connectors.events import JobStatus, StageCategory
from issues.models import Issue, Severity
from issues.selectors import issues_of
from issues.selectors import with_subjects as issues_with_subjects
from realtime import presenting, selectors
from triggers.models import Task
from triggers.selectors import tasks_of
from triggers.selectors import with_subjects as tasks_with_subjects

PEOPLE_PER_PAGE = 50


def page(request: HttpRequest, template: str, organization: Organization, **context: Any) -> HttpResponse:
    """Render with what every page has: whose data it is and how fresh.

    ``position`` is where the live stream goes on. The caller takes it before it reads the state it shows.
    """
    _, own = selectors.organization_for(request.user, "")
    frame = {"organization": organization, "organizations": own, "sync": selectors.sync_state(organization), "bands": presenting.BANDS}
    return render(request, template, frame | context)


def own_organization(request: HttpRequest) -> Organization | None:
    """The one asked for, else the first; None for a person without any. A foreign one does not exist."""
    asked = request.GET.get("organization", "")
    found, own = selectors.organization_for(request.user, asked)
    if found is None and (asked or own):
        raise Http404("There is no such organization.")
    return found


@never_cache
@login_required
@require_safe
def heatmap(request: HttpRequest) -> HttpResponse:
    """``/``: all jobs × canonical stages. An installation without data explains the next step instead."""
    organization = own_organization(request)
    if organization is None:
        return render(request, "realtime/nowhere.html")
    position = selectors.position_of(organization)
    if not Job.objects.filter(organization=organization).exists():
        return page(request, "realtime/first_steps.html", organization, position=position)
    asked = {name: request.GET.get(name, "").strip()[:200] for name in ("search", "department", "status")}
    return page(
        request,
        "realtime/heatmap.html",
        organization,
        position=position,
        board=selectors.board(organization, selectors.filtered_jobs(organization, **asked)),
        asked=asked,
        filtered=any(asked.values()),
        departments=selectors.departments_of(organization),
        statuses=[(word.value, word.value.replace("_", " ").capitalize()) for word in JobStatus],
    )


@never_cache
@login_required
@require_safe
def job(request: HttpRequest, job_id: int) -> HttpResponse:
    """One job, stage by stage."""
    found = _own_job(request, job_id)
    position = selectors.position_of(found.organization)
    told = job_heatmap(job=found, question=Question(as_of=timezone.now()))
    stages = [
        {
            "square": presenting.square(cell),
            "bar": presenting.bar(cell["bands"]),
            "p50": presenting.estimate(cell["p50"]),
            "p85": presenting.estimate(cell["p85"]),
            "cell": cell,
        }
        for cell in told["stages"]
    ]
    issues = issues_with_subjects(_unresolved(issues_of(request.user)).filter(job=found)).order_by("-score", "pk")[:20]
    return page(
        request,
        "realtime/job.html",
        found.organization,
        position=position,
        job=found,
        told=told,
        stages=stages,
        issues=issues,
        bar=presenting.bar(presenting.all_bands(told["stages"])),
    )


@never_cache
@login_required
@require_safe
def stage(request: HttpRequest, job_id: int, name: str) -> HttpResponse:
    """The people behind a cell, longest waiting first; ``name`` is a stage's id or a canonical stage."""
    found = _own_job(request, job_id)
    position = selectors.position_of(found.organization)
    try:
        stages = drilldown.find_stages(found, name)
    except drilldown.AmbiguousStage as error:
        raise Http404(str(error)) from None
    if not stages:
        raise Http404("This job has no such stage.")
    question = Question(as_of=timezone.now())
    band = request.GET.get("band", "")
    wanted = Wanted(bands=[band] if band in presenting.BANDS else ())
    measure = drilldown.measure_of(found, stages, question)
    visits = drilldown.visits_in_cell(found, stages, question, wanted, measure).order_by("entered_at", "pk")
    people = Paginator(visits, PEOPLE_PER_PAGE).get_page(request.GET.get("page"))
    return page(
        request,
        "realtime/stage.html",
        found.organization,
        position=position,
        job=found,
        stage_name=name.capitalize() if name in set(StageCategory) else str(stages[0]),
        people=people,
        rows=drilldown.rows(found, list(people.object_list), question, measure),
        band=wanted.bands and band,
    )


@never_cache
@login_required
@require_safe
def issues(request: HttpRequest) -> HttpResponse:
    """Unresolved issues, worst first."""
    organization = own_organization(request)
    if organization is None:
        return render(request, "realtime/nowhere.html")
    position = selectors.position_of(organization)
    found = _unresolved(issues_of(request.user)).filter(organization=organization)
    severity = request.GET.get("severity", "")
    if severity in Severity.values:
        found = found.filter(severity=severity)
    listed = Paginator(issues_with_subjects(found).order_by("-score", "pk"), PEOPLE_PER_PAGE).get_page(request.GET.get("page"))
    context = {"issues": listed, "severity": severity, "severities": Severity.choices}
    return page(request, "realtime/issues.html", organization, position=position, **context)


@never_cache
@login_required
@require_safe
def tasks(request: HttpRequest) -> HttpResponse:
    """Unfinished tasks by due date; ``?mine`` for one's own."""
    organization = own_organization(request)
    if organization is None:
        return render(request, "realtime/nowhere.html")
    position = selectors.position_of(organization)
    found = tasks_of(request.user).filter(organization=organization).exclude(status__in=Task.ENDED)
    mine = "mine" in request.GET
    if mine:
        found = found.filter(assignee=request.user.pk)
    listed = Paginator(tasks_with_subjects(found).order_by("due_at", "pk"), PEOPLE_PER_PAGE).get_page(request.GET.get("page"))
    return page(request, "realtime/tasks.html", organization, position=position, tasks=listed, mine=mine, now=timezone.now())


def _own_job(request: HttpRequest, job_id: int) -> Job:
    return get_object_or_404(jobs_of(request.user).select_related("organization", "connector"), pk=job_id)


def _unresolved(found: Any) -> Any:
    return found.exclude(status=Issue.Status.RESOLVED)
