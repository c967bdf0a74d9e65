"""The inboxes: what is wrong, one issue with all that is known of it, and who should do what about it. They decide nothing."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.core.paginator import Paginator
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone

from accounts.models import Organization, User
from ats.models import Job, Stage
from ats.selectors import timeline_of
from issues import evidence
from issues.models import RULE_LABELS, Issue, Severity
from issues.selectors import issues_of, listed, to_decide, with_history
from issues.selectors import with_subjects as issues_with_subjects
from realtime import selectors
from realtime.frame import as_csv, looked_at, own_organization, page, wants_csv
from realtime.job_views import events_told
from triggers.models import Task
from triggers.selectors import GRAVEST_FIRST, tasks_of
from triggers.selectors import with_subjects as tasks_with_subjects

ROWS_PER_PAGE = 50
#: What an inbox can be narrowed to; "" is everything that asks for something.
ISSUE_VIEWS = {"": "To decide", "acknowledged": "Acknowledged", "snoozed": "Snoozed", "resolved": "Resolved", "all": "All"}
#: What happened to somebody, on the page of their issue: the newest of it.
EVENTS_SHOWN = 20


@looked_at
def issues(request: HttpRequest) -> HttpResponse:
    """The inbox: what asks for a decision, worst first; with ``view`` also what has been decided."""
    organization = own_organization(request)
    if organization is None:
        return render(request, "realtime/nowhere.html")
    position = selectors.position_of(organization)
    own = listed(issues_of(request.user).filter(organization=organization))
    asked = {name: request.GET.get(name, "")[:100] for name in ("view", "severity", "issue_type", "job", "stage")}
    found = issues_with_subjects(_narrowed(own, asked)).order_by("-score", "pk")
    if wants_csv(request):
        return as_csv("issues", (_issue_row(one) for one in found))
    shown = Paginator(found, ROWS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "issues": shown,
        "asked": asked,
        "severities": Severity.choices,
        "views": ISSUE_VIEWS.items(),
        "types": [(one, RULE_LABELS.get(one, one)) for one in sorted(set(own.order_by().values_list("issue_type", flat=True).distinct()))],
        "job_asked": Job.objects.filter(organization=organization, pk=asked["job"]).first() if _is_id(asked["job"]) else None,
        "stage_asked": Stage.objects.filter(organization=organization, pk=asked["stage"]).first() if _is_id(asked["stage"]) else None,
        "filtered": any(asked.values()),
    }
    return page(request, "realtime/issues.html", organization, position=position, **context)


def _issue_row(one: Issue) -> dict[str, Any]:
    candidate = one.application.candidate if one.application else None
    return {
        "id": one.pk,
        "severity": one.severity,
        "score": one.score,
        "status": one.status,
        "issue_type": one.issue_type,
        "sentence": one.sentence,
        "job": str(one.job or ""),
        "stage": str(one.stage or ""),
        "candidate": str(candidate or ""),
        "detected_at": one.detected_at,
        "snoozed_until": one.snoozed_until,
    }


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
    if _is_id(asked["stage"]):
        found = found.filter(stage_id=asked["stage"])
    return found


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


@looked_at
def issue(request: HttpRequest, issue_id: int) -> HttpResponse:
    """One issue: what its rule saw, whom it concerns, whose task it is, and what became of it."""
    found: Issue = get_object_or_404(with_history(issues_of(request.user)).select_related("organization", "group"), pk=issue_id)
    organization = found.organization
    position = selectors.position_of(organization)
    events = timeline_of([found.application]).reverse()[:EVENTS_SHOWN] if found.application else []
    own_tasks = tasks_with_subjects(Task.objects.filter(issue=found)).order_by(F("ended_at").desc(nulls_first=True), "pk")
    return page(
        request,
        "realtime/issue.html",
        organization,
        position=position,
        issue=found,
        job=found.job,
        label=RULE_LABELS.get(found.issue_type, found.issue_type),
        lines=evidence.lines(found.evidence, zone=ZoneInfo(organization.time_zone)),
        tasks=own_tasks,
        transitions=list(found.transitions.all())[::-1],
        events=events_told(events),
        now=timezone.now(),
        people=_colleagues(organization),
    )


@looked_at
def task(request: HttpRequest, task_id: int) -> HttpResponse:
    """A task is read with the issue it is about: the address for messages that tell of one."""
    found = get_object_or_404(tasks_of(request.user), pk=task_id)
    return redirect(f"{reverse('issue-page', args=[found.issue_id])}#task-{found.pk}")


def _colleagues(organization: Organization) -> Any:
    return User.objects.filter(memberships__organization=organization, is_active=True).order_by("username")


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
    found = tasks_with_subjects(found).order_by("due_at", GRAVEST_FIRST, "pk")
    if wants_csv(request):
        return as_csv("tasks", (_task_row(one) for one in found))
    shown = Paginator(found, ROWS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"tasks": shown, "mine": mine, "now": timezone.now(), "people": _colleagues(organization)}
    return page(request, "realtime/tasks.html", organization, position=position, **context)


def _task_row(one: Task) -> dict[str, Any]:
    about = one.issue
    return {
        "id": one.pk,
        "priority": one.priority,
        "status": one.status,
        "title": one.title_now,
        "assignee": str(one.assignee or ""),
        "due_at": one.due_at,
        "job": str(about.job or ""),
        "stage": str(about.stage or ""),
        "candidate": str(about.application.candidate if about.application else ""),
        "issue": about.pk,
    }
