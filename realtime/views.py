"""The pages of an organization: its heatmap, and what the numbers mean. They read selectors and decide nothing; the scripts keep
them current."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from ats.models import Job
from connectors.events import JobStatus
from realtime import selectors
from realtime.definitions import DEFINITIONS
from realtime.frame import as_csv, looked_at, own_organization, page, wants_csv
from realtime.lenses import lens_of
from realtime.setup_views import first_organization, steps


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
    asked, jobs, waiting_only = selectors.asked_for(organization, request.GET, past=lens.past)
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
def definitions(request: HttpRequest) -> HttpResponse:
    """What every number means: where the explain links of tiles lead."""
    organization = own_organization(request)
    if organization is None:
        return render(request, "realtime/nowhere.html")
    return page(request, "realtime/definitions.html", organization, position=selectors.position_of(organization), definitions=DEFINITIONS)
