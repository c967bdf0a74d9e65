"""The pages of a job: its numbers and pictures, the people in a stage, and where a number comes from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse

from analytics import drilldown
from analytics.clocks import cd
from analytics.drilldown import Wanted
from analytics.explaining import exactly
from analytics.past import as_known
from analytics.pictures import cell_explained, job_picture
from analytics.selectors import job_heatmap
from ats.models import Job, Stage
from connectors.events import StageCategory
from issues.models import Severity
from issues.selectors import issues_of, to_decide
from issues.selectors import with_subjects as issues_with_subjects
from realtime import charts, presenting, selectors, telling
from realtime.frame import as_csv, looked_at, own_job, page, wants_csv
from realtime.lenses import lens_of

PEOPLE_PER_PAGE = 50
#: Visits listed under an explanation; the API lists all of them.
MOST_COUNTED = 200
ISSUES_SHOWN = 10


@looked_at
def job(request: HttpRequest, job_id: int) -> HttpResponse:
    """One job: its stages in numbers and pictures."""
    found = own_job(request, job_id)
    position = selectors.position_of(found.organization)
    lens = lens_of(request, found.organization)
    told = job_heatmap(job=found, question=lens.question)
    if wants_csv(request):
        return as_csv(f"job-{found.pk}", ({"job": told["job"], **cell} for cell in told["stages"]))
    picture = job_picture(job=found, question=lens.question)
    end = charts.axis_end(picture.curves)
    open_issues = to_decide(issues_of(request.user).filter(job=found))
    return page(
        request,
        "realtime/job.html",
        found.organization,
        position=position,
        lens=lens,
        job=found,
        told=told,
        stages=[_stage_row(cell) for cell in told["stages"]],
        bar=presenting.bar(presenting.all_bands(told["stages"])),
        stats=picture.stats,
        funnel=charts.funnel_rows(picture.stats["funnel"]),
        curves=[charts.curve_chart(one, longest=end) for one in picture.curves],
        aging=charts.aging_chart(picture.ages),
        flow=charts.flow_chart(picture.weeks),
        forecast=presenting.forecast(picture.stats["forecast"]),
        record=charts.record_chart(picture.stats["forecast"]["past"]),
        events=events_told(selectors.recent_events(found, lens.question)),
        issues=issues_with_subjects(open_issues).order_by("-score", "pk")[:ISSUES_SHOWN],
        issues_total=open_issues.count(),
    )


def _stage_row(cell: dict[str, Any]) -> dict[str, Any]:
    return {
        "square": presenting.square(cell),
        "bar": presenting.bar(cell["bands"]),
        "p50": presenting.estimate_in_unit(cell["p50"]),
        "p85": presenting.estimate_in_unit(cell["p85"]),
        "limit": presenting.limit_words(cell["limit"]),
        "limit_days": presenting.number(cell["limit"]["value"]),
        "longest": "" if cell["oldest_age"] is None else presenting.number(cell["oldest_age"]),
        "cell": cell,
    }


def events_told(events: Iterable[Any]) -> list[dict[str, Any]]:
    """Events with their words, in the order given."""
    return [
        {
            "event": event,
            "words": telling.event_words(
                event.event_type,
                stage_from=str(event.stage_from or ""),
                stage_to=str(event.stage_to or ""),
                metadata=event.metadata,
            ),
            "kind": telling.event_kind(event.event_type),
            "precision": telling.PRECISIONS.get(event.precision, ""),
        }
        for event in events
    ]


@looked_at
def stage(request: HttpRequest, job_id: int, name: str) -> HttpResponse:
    """The people behind a cell, longest waiting first; ``name`` is a stage's id or a canonical stage."""
    found = own_job(request, job_id)
    position = selectors.position_of(found.organization)
    stages = _stages_called(found, name)
    lens = lens_of(request, found.organization)
    wanted = _wanted(request)
    question = lens.question
    with as_known(question.known_by, [found.organization_id]):
        measure = drilldown.measure_of(found, stages, question)
        visits = drilldown.visits_in_cell(found, stages, question, wanted, measure).order_by("entered_at", "pk")
        if wants_csv(request):
            return as_csv(f"job-{found.pk}-people", drilldown.rows(found, list(visits), stages, question, measure))
        people = Paginator(visits, PEOPLE_PER_PAGE).get_page(request.GET.get("page"))
        entered = list(people.object_list)
        rows = drilldown.rows(found, entered, stages, question, measure)
        business = drilldown.ages_of(found, [visit.entered_at for visit in entered], question).bd([visit.entered_at for visit in entered])
        total = people.paginator.count
    for row, days in zip(rows, business, strict=True):
        row["bd"], row["cd"] = days, cd(row["entered_at"], question.as_of)
    explained = cell_explained(found, stages, question).cells[lens.clock]
    return page(
        request,
        "realtime/stage.html",
        found.organization,
        position=position,
        lens=lens,
        job=found,
        stage_key=name,
        stage_name=_stage_title(name, stages),
        people=people,
        total=total,
        rows=rows,
        band=next(iter(wanted.bands), ""),
        severity=next(iter(wanted.severities), ""),
        severities=Severity.choices,
        square=presenting.square(explained),
        counts=explained["bands"],
    )


def _wanted(request: HttpRequest) -> Wanted:
    band, severity = request.GET.get("band", ""), request.GET.get("severity", "")
    return Wanted(bands=[band] if band in presenting.BANDS else (), severities=[severity] if severity in Severity.values else ())


@looked_at
def explain(request: HttpRequest, job_id: int, name: str) -> HttpResponse:
    """Where a cell's numbers come from: on both clocks, with the visits that were counted and those left out."""
    found = own_job(request, job_id)
    position = selectors.position_of(found.organization)
    stages = _stages_called(found, name)
    lens = lens_of(request, found.organization)
    told = cell_explained(found, stages, exactly(lens.question))
    shown = told.included[:MOST_COUNTED]
    people = selectors.people_of(one.application_id for one in shown)
    cell = told.cells["bd"]
    return page(
        request,
        "realtime/explain.html",
        found.organization,
        position=position,
        lens=lens,
        job=found,
        stage_key=name,
        stage_name=_stage_title(name, stages),
        cell=cell,
        both=[(unit, told.cells[unit], _in_words(told.cells[unit])) for unit in ("bd", "cd")],
        square=presenting.square(cell),
        limit=presenting.limit_words(cell["limit"]),
        rests_on=presenting.stays(cell["p50"]),
        cut_off=presenting.cut_off(cell["p50"]),
        counted=[{"one": one, "person": people.get(one.application_id)} for one in shown],
        counted_total=len(told.included),
        reasons=[(presenting.reason(reason), count) for reason, count in sorted(told.reasons.items())],
        excluded_total=len(told.excluded),
    )


def _in_words(cell: dict[str, Any]) -> dict[str, str]:
    return {mark: presenting.estimate_in_unit(cell[mark]) for mark in ("p50", "p85")}


def _stages_called(job: Job, name: str) -> list[Stage]:
    try:
        stages = drilldown.find_stages(job, name)
    except drilldown.AmbiguousStage as error:
        raise Http404(str(error)) from None
    if not stages:
        raise Http404("This job has no such stage.")
    return stages


def _stage_title(name: str, stages: list[Stage]) -> str:
    return name.capitalize() if name in set(StageCategory) else str(stages[0])
