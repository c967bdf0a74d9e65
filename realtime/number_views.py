"""What stands behind a number: the parts it is the sum of, or the people it counts, beside its definition."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from analytics.selectors import job_heatmap, job_stats
from ats.models import Job
from realtime import behind, presenting, selectors
from realtime.behind import NotANumber, Number, Particulars
from realtime.frame import as_csv, looked_at, own_job, own_organization, page, wants_csv
from realtime.lenses import Lens, lens_of

#: People listed on a page; the file lists all.
MOST_LISTED = 200


@looked_at
def of_board(request: HttpRequest) -> HttpResponse:
    """A sum (``of``) over the jobs of a board, or of one of its columns (``stage``)."""
    organization = own_organization(request)
    if organization is None:
        return render(request, "realtime/nowhere.html")
    name = request.GET.get("of", "")
    if name not in behind.SUMS:
        raise Http404("There is no such sum.")
    position = selectors.position_of(organization)
    lens, stage = lens_of(request, organization), request.GET.get("stage", "")
    _, jobs, waiting_only = selectors.asked_for(organization, request.GET, past=lens.past)
    board = selectors.board_rows(organization, jobs, lens.question, waiting_only=waiting_only)
    if stage and stage not in {str(one["id"]) for one in board["stages"]}:
        raise Http404("There is no such stage.")
    rows = [(row["job"], _cell(row["cells"], stage) if stage else row) for row in board["rows"]]
    number = behind.total(name, rows, where=f" in {stage.capitalize()}" if stage else "")

    def way(job: Any) -> str:
        opened = reverse("stage-page", args=[job["id"], stage]) if stage else reverse("number-page", args=[job["id"], name])
        return f"{opened}{lens.query}"

    parts = [{"name": part.of["title"], "href": way(part.of), "value": _shown(name, part.value)} for part in number.parts]
    return _shown_as(request, f"{name}-by-job", number, organization=organization, position=position, lens=lens, parts=parts, of="Job")


def _cell(cells: Any, stage: str) -> Any:
    return next(cell for cell in cells if str(cell["stage"]["id"]) == stage)


def _shown(name: str, value: float) -> str:
    return f"{value:.0f}" if name == "waiting" else f"{presenting.number(value)} bd"


@looked_at
def of_job(request: HttpRequest, job_id: int, name: str) -> HttpResponse:
    """A number of a job's page: a sum over its stages, or whom it counts."""
    found = own_job(request, job_id)
    position = selectors.position_of(found.organization)
    lens = lens_of(request, found.organization)
    try:
        number = _number(found, name, lens, _particulars(request))
    except NotANumber:
        raise Http404("This job has no such number.") from None
    explained = "explain-page" if name == "overdue" else "stage-page"
    band = request.GET.get("band", "")
    parts = [
        {
            "name": presenting.stage_name(part.of),
            "href": _with(f"{reverse(explained, args=[found.pk, part.of['id']])}{lens.query}", band=band),
            "value": _shown(name, part.value),
        }
        for part in number.parts
    ]
    frame = {"organization": found.organization, "position": position, "lens": lens, "job": found}
    return _shown_as(request, f"job-{found.pk}-{name}", number, parts=parts, of="Stage", **frame)


def _number(job: Job, name: str, lens: Lens, asked: Particulars) -> Number:
    if name in behind.SUMS:
        cells = job_heatmap(job=job, question=lens.question)["stages"]
        if name == "waiting" and asked.only in presenting.BANDS:
            return behind.banded(cells, asked.only)
        return behind.total(name, [(cell["stage"], cell) for cell in cells])
    if name in ("entered", "exited"):
        cells = job_heatmap(job=job, question=lens.question, explain=True)["stages"]
        for cell in cells:
            if str(cell["stage"]["id"]) == asked.stage:
                return behind.of_cell(name, cell)
        raise NotANumber(name)
    if name in behind.STATS:
        return behind.of_stats(name, job_stats(job=job, question=lens.question, explain=True), asked)
    raise NotANumber(name)


def _particulars(request: HttpRequest) -> Particulars:
    given = request.GET
    return Particulars(
        stage=given.get("stage", ""),
        only=given.get("band", "") or given.get("only", ""),
        since=_moment(given.get("since", "")),
        until=_moment(given.get("until", "")),
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _with(address: str, *, band: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}band={band}" if band in presenting.BANDS else address


def _shown_as(request: HttpRequest, name: str, number: Number, *, organization: Any, parts: Any, **context: Any) -> HttpResponse:
    shown = number.people if wants_csv(request) else number.people[:MOST_LISTED]
    people = selectors.people_of(one["application"] for one in shown)
    listed = [
        {
            "person": people.get(one["application"]),
            "entered_at": one.get("entered_at"),
            "left_at": one.get("left_at"),
            "days": one.get("days"),
            "taken_as": presenting.taken_as(one["taken_as"]) if one.get("taken_as") else "",
        }
        for one in shown
    ]
    if wants_csv(request):
        return as_csv(
            name,
            [{"name": one["name"], "value": one["value"]} for one in parts]
            or [{**one, "person": str(one["person"] or "")} for one in listed],
        )
    columns = {column for one in listed for column in ("entered_at", "left_at", "days", "taken_as") if one[column] not in (None, "")}
    told = {"number": number, "parts": parts, "people": listed, "people_total": len(number.people), "columns": columns}
    return page(request, "realtime/number.html", organization, **told, **context)
