"""HTTP: heatmaps and the people behind their cells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.selectors import organization_ids
from analytics import drilldown, selectors
from analytics.csv_rendering import CsvRenderer
from analytics.heatmap import Json
from analytics.parameters import CommonParameters, DrilldownParameters, ExplainableParameters
from analytics.past import as_known
from analytics.shapes import JobHeatmapSerializer, OrgHeatmapSerializer, WaitingSerializer
from analytics.stats_shapes import JobStatsSerializer
from ats.filters import JobFilter
from ats.models import Job
from ats.selectors import jobs_of

#: what is told may also be taken into a spreadsheet
TABULAR = (JSONRenderer, CsvRenderer)
#: an explanation lists every visit; of more jobs at once it would have no end
MOST_EXPLAINED = 20

Parameters = TypeVar("Parameters", bound=CommonParameters)


def parsed(kind: type[Parameters], request: Request) -> Parameters:
    parameters = kind(data=request.query_params)
    parameters.is_valid(raise_exception=True)
    return parameters


def own_job(request: Request, job_id: int) -> Job:
    """The job, if it belongs to one of the person's organizations; otherwise there is no such job (404)."""
    return get_object_or_404(jobs_of(request.user).select_related("organization"), pk=job_id)


class OrgHeatmap(GenericAPIView[Job]):
    """All jobs × canonical stages in one answer, the most overdue job first."""

    filterset_class = JobFilter
    pagination_class = None
    queryset = Job.objects.none()
    serializer_class = OrgHeatmapSerializer
    renderer_classes = TABULAR

    def csv_rows(self, data: Json) -> Iterable[Json]:
        return ({"job": row["job"], **cell} for row in data["rows"] for cell in row["cells"])

    @extend_schema(
        parameters=[ExplainableParameters], responses=OrgHeatmapSerializer, filters=True, operation_id="org_heatmap", tags=["heatmap"]
    )
    def get(self, request: Request) -> Response:
        parameters = parsed(ExplainableParameters, request)
        jobs, explain = self.filter_queryset(Job.objects.all()), parameters.validated_data["explain"]
        if explain and jobs.filter(organization__in=organization_ids(request.user)).count() > MOST_EXPLAINED:
            raise ValidationError({"explain": [f"Narrow the jobs to {MOST_EXPLAINED} (status, department, search), or ask for one job."]})
        question = parameters.question()
        return Response(
            selectors.org_heatmap(organization_ids=organization_ids(request.user), question=question, jobs=jobs, explain=explain)
        )


class JobHeatmap(APIView):
    """One job's stages with counts, durations, age bands and issues."""

    renderer_classes = TABULAR

    def csv_rows(self, data: Json) -> Iterable[Json]:
        return ({"job": data["job"], **cell} for cell in data["stages"])

    @extend_schema(parameters=[ExplainableParameters], responses=JobHeatmapSerializer, operation_id="job_heatmap", tags=["heatmap"])
    def get(self, request: Request, job_id: int) -> Response:
        parameters = parsed(ExplainableParameters, request)
        explain = parameters.validated_data["explain"]
        return Response(selectors.job_heatmap(job=own_job(request, job_id), question=parameters.question(), explain=explain))


class JobStats(APIView):
    """One job's funnel and where it loses people, its speed, time to hire and fill, offers, throughput and sources."""

    @extend_schema(parameters=[ExplainableParameters], responses=JobStatsSerializer, operation_id="job_stats", tags=["heatmap"])
    def get(self, request: Request, job_id: int) -> Response:
        parameters = parsed(ExplainableParameters, request)
        explain = parameters.validated_data["explain"]
        return Response(selectors.job_stats(job=own_job(request, job_id), question=parameters.question(), explain=explain))


class Drilldown(GenericAPIView[Any]):
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
        parameters=[
            DrilldownParameters,
            OpenApiParameter("name", OpenApiTypes.STR, OpenApiParameter.PATH, description="Stage name, URL-encoded; or stage id."),
        ],
        responses=WaitingSerializer(many=True),
        operation_id="stage_candidates",
        tags=["heatmap"],
    )
    def get(self, request: Request, job_id: int, name: str) -> Response:
        parameters = parsed(DrilldownParameters, request)
        job, question = own_job(request, job_id), parameters.question()
        try:
            stages = drilldown.find_stages(job, name)
        except drilldown.AmbiguousStage as error:
            raise ValidationError({"name": [str(error)]}) from None
        if not stages:
            raise Http404
        with as_known(question.known_by, [job.organization_id]):
            measure = drilldown.measure_of(job, stages, question)
            page = self.paginate_queryset(drilldown.visits_in_cell(job, stages, question, parameters.wanted(), measure))
            rows = drilldown.rows(job, page or [], question, measure)
        return self.get_paginated_response(rows)
