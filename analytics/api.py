"""HTTP: heatmaps and the people behind their cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from accounts.selectors import organization_ids
from analytics import behind, drilldown, finished, selectors
from analytics.answers import Answer
from analytics.cells import Question
from analytics.csv_rendering import CsvRenderer
from analytics.heatmap import Json
from analytics.live import Live, live
from analytics.models import StageVisit
from analytics.parameters import BaselineParameters, CommonParameters, DrilldownParameters, ExplainableParameters, OrgHeatmapParameters
from analytics.past import as_known
from analytics.shapes import BaselineStaySerializer, JobHeatmapSerializer, OrgHeatmapSerializer, WaitingSerializer
from analytics.stats_shapes import JobStatsSerializer
from ats.filters import JobFilter
from ats.models import Job, Stage
from ats.selectors import jobs_of
from config.drf import QuickJSONRenderer, Revalidated
from connectors.events import StageCategory

#: what is told may also be taken into a spreadsheet
TABULAR = (QuickJSONRenderer, CsvRenderer)
#: an explanation lists every visit; of more jobs at once it would have no end
MOST_EXPLAINED = 20

Parameters = TypeVar("Parameters", bound=CommonParameters)


def parsed(kind: type[Parameters], request: Request) -> Parameters:
    parameters = kind(data=request.query_params)
    parameters.is_valid(raise_exception=True)
    return parameters


def is_json(request: Request) -> bool:
    return isinstance(request.accepted_renderer, JSONRenderer)


def answer(kept: Answer) -> HttpResponse:
    """A finished answer, past the renderer."""
    return HttpResponse(kept.body, content_type="application/json", headers={"ETag": kept.etag})


def own_job(request: Request, job_id: int) -> Job:
    """The job, if it belongs to one of the person's organizations; otherwise there is no such job (404)."""
    return get_object_or_404(jobs_of(request.user).select_related("organization"), pk=job_id)


class LiveView(Revalidated):
    """What the views share: answers about now are about one moment, and carry a tag."""

    def standing(self, request: Request, parameters: CommonParameters) -> Live:
        """How things stand now in all of the person's organizations, for the clock asked for."""
        return live(organization_ids(request.user), parameters.clock_asked, by_category=True)


class OrgHeatmap(LiveView, GenericAPIView[Job]):
    """Jobs × canonical stages, the most overdue job first: all in one answer, or with `page_size` in pages."""

    filterset_class = JobFilter
    pagination_class = None
    queryset = Job.objects.none()
    serializer_class = OrgHeatmapSerializer
    renderer_classes = TABULAR

    def csv_rows(self, data: Json) -> Iterable[Json]:
        return ({"job": row["job"], **cell} for row in data["rows"] for cell in row["cells"])

    @extend_schema(
        parameters=[OrgHeatmapParameters],
        responses=OrgHeatmapSerializer,
        filters=True,
        operation_id="org_heatmap",
        tags=["heatmap"],
    )
    def get(self, request: Request) -> HttpResponseBase:
        parameters = parsed(OrgHeatmapParameters, request)
        paging, standing = parameters.paging(), self.standing(request, parameters)
        question, explain = parameters.question(standing.now.as_of), parameters.validated_data["explain"]
        address = request.build_absolute_uri()

        def link(cursor: str) -> str:
            return str(replace_query_param(address, "cursor", cursor))

        if question.stored and is_json(request) and not explain:
            return answer(
                finished.finished(
                    finished.key_of(address, standing),
                    standing,
                    lambda: finished.org_heatmap_json(
                        standing,
                        selectors.top(question, standing.organization_ids),
                        job_ids=self._narrowed(request, standing.organization_ids),
                        paging=paging,
                        link=link,
                    ),
                )
            )
        own, jobs = standing.organization_ids, self.filter_queryset(Job.objects.all())
        if explain and (paging.size or jobs.filter(organization__in=own).count()) > MOST_EXPLAINED:
            raise ValidationError(
                {"explain": [f"Narrow the jobs to {MOST_EXPLAINED} (status, department, search, page_size), or ask for one job."]}
            )
        told = selectors.org_heatmap(organization_ids=own, question=question, jobs=jobs, explain=explain, paging=paging)
        return Response(told | {which: link(told[which]) for which in ("next", "previous") if told[which]})

    def _narrowed(self, request: Request, own: Sequence[int]) -> set[int] | None:
        """The jobs the filters leave; None without any filter."""
        if not JobFilter.base_filters.keys() & request.query_params.keys():
            return None
        jobs = self.filter_queryset(Job.objects.filter(organization__in=own))
        return set(jobs.order_by().values_list("pk", flat=True))


class JobHeatmap(LiveView, APIView):
    """One job's stages with counts, durations, age bands and issues."""

    renderer_classes = TABULAR

    def csv_rows(self, data: Json) -> Iterable[Json]:
        return ({"job": data["job"], **cell} for cell in data["stages"])

    @extend_schema(parameters=[ExplainableParameters], responses=JobHeatmapSerializer, operation_id="job_heatmap", tags=["heatmap"])
    def get(self, request: Request, job_id: int) -> HttpResponseBase:
        parameters = parsed(ExplainableParameters, request)
        standing = live(organization_ids(request.user), parameters.clock_asked, by_category=False)
        question, explain = parameters.question(standing.now.as_of), parameters.validated_data["explain"]
        if question.stored and is_json(request) and not explain:
            return answer(
                finished.finished(
                    finished.key_of(request.build_absolute_uri(), standing),
                    standing,
                    lambda: self._finished(job_id, question, standing),
                )
            )
        return Response(selectors.job_heatmap(job=own_job(request, job_id), question=question, explain=explain))

    @staticmethod
    def _finished(job_id: int, question: Question, standing: Live) -> bytes:
        row = standing.row(job_id)
        if row is None:  # there is no such job, or not in the person's organizations
            raise Http404
        top = selectors.top(question, [row.job.organization_id], connector_id=row.job.connector_id)
        return finished.job_heatmap_json(standing, top, row)


class JobStats(LiveView, APIView):
    """One job's funnel and where it loses people, its speed, time to hire and fill, offers, throughput and sources."""

    @extend_schema(parameters=[ExplainableParameters], responses=JobStatsSerializer, operation_id="job_stats", tags=["heatmap"])
    def get(self, request: Request, job_id: int) -> Response:
        parameters = parsed(ExplainableParameters, request)
        question = parameters.question(self.standing(request, parameters).now.as_of)
        explain = parameters.validated_data["explain"]
        return Response(selectors.job_stats(job=own_job(request, job_id), question=question, explain=explain))


STAGE_NAME = OpenApiParameter("name", OpenApiTypes.STR, OpenApiParameter.PATH, description="Stage name, URL-encoded; or stage id.")


def stages_called(job: Job, name: str, known: Sequence[Stage] | None = None) -> list[Stage]:
    """The stages of a cell; of a canonical one there may be none. Raises what is told of a name that means nothing, or several."""
    try:
        stages = drilldown.find_stages(job, name, known)
    except drilldown.AmbiguousStage as error:
        raise ValidationError({"name": [str(error)]}) from None
    if not stages and name not in set(StageCategory):
        raise Http404
    return stages


class Drilldown(LiveView, GenericAPIView[Any]):
    """The people waiting in a stage of a job, those who entered first on top: exactly the ``open`` of its cell.

    ``name`` is a stage's id or (in any case) its name, or a canonical stage such as ``interview``. A name that
    several stages of the job carry is refused with 400 and their ids.
    """

    ordering = ("entered_at", "pk")
    ordering_fields = ("entered_at",)
    filter_backends = ()
    serializer_class = WaitingSerializer
    renderer_classes = TABULAR

    def csv_rows(self, data: Json) -> Iterable[Json]:
        rows: Iterable[Json] = data["results"]
        return rows

    @extend_schema(
        parameters=[DrilldownParameters, STAGE_NAME],
        responses=WaitingSerializer(many=True),
        operation_id="stage_candidates",
        tags=["heatmap"],
    )
    def get(self, request: Request, job_id: int, name: str) -> Response:
        parameters = parsed(DrilldownParameters, request)
        pooled = name in set(StageCategory)
        standing = live(organization_ids(request.user), parameters.clock_asked, by_category=pooled)
        question, wanted = parameters.question(standing.now.as_of), parameters.wanted()
        # what the heatmap remembers saves reading the job, its stages, the cell's yardstick and its calendar
        row = standing.row(job_id) if question.live and standing.remembered else None
        job = row.job if row else own_job(request, job_id)
        stages = stages_called(job, name, standing.stages(row) if row else None)
        if not stages:  # the org heatmap shows a column of every canonical stage, also where a pipeline has none of the kind
            return self.get_paginated_response(self.paginate_queryset(StageVisit.objects.none()) or [])
        with as_known(question.known_by, [job.organization_id]):
            clock, cell = (row.clock, row.cell(name if pooled else stages[0].pk)) if row else (None, None)
            measure = cell.numbers(standing.now).measure if cell else drilldown.measure_of(job, stages, question)
            page = self.paginate_queryset(drilldown.visits_in_cell(job, stages, question, wanted, measure, clock)) or []
            troubled = cell is None or cell.standing.troubled or wanted.by_issue
            rows = drilldown.rows(job, page, stages, question, measure, clock, troubled=troubled, courses=row.courses if row else None)
        return self.get_paginated_response(rows)


class BaselineStays(LiveView, GenericAPIView[Any]):
    """The stays a cell is compared with, whosever job they were in: each counted, or left out for a reason. Their curve's p85 is the
    limit (its p50 what a delay is measured by), and the share of it that was over by an age is the pace."""

    ordering = ("entered_at", "pk")
    ordering_fields = ("entered_at",)
    filter_backends = ()
    serializer_class = BaselineStaySerializer
    renderer_classes = TABULAR

    def csv_rows(self, data: Json) -> Iterable[Json]:
        rows: Iterable[Json] = data["results"]
        return rows

    @extend_schema(
        parameters=[BaselineParameters, STAGE_NAME],
        responses=BaselineStaySerializer(many=True),
        operation_id="stage_baseline",
        tags=["heatmap"],
    )
    def get(self, request: Request, job_id: int, name: str) -> Response:
        parameters = parsed(BaselineParameters, request)
        question = parameters.question(self.standing(request, parameters).now.as_of)
        job = own_job(request, job_id)
        stages = stages_called(job, name)
        if not stages:
            return self.get_paginated_response(self.paginate_queryset(StageVisit.objects.none()) or [])
        wanted = behind.Behind(parameters.validated_data["behind"])
        with as_known(question.known_by, [job.organization_id]):
            asked = behind.compared(job, stages, question, wanted, pooled=name in set(StageCategory))
            page = self.paginate_queryset(behind.stays_behind(asked)) or []
            return self.get_paginated_response(behind.told_stays(asked, page))
