"""HTTP: jobs, and a candidate's timeline."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ats.filters import JobFilter
from ats.models import Application, Candidate, CandidateEvent, Job, Stage
from ats.selectors import applications_of, candidates_of, jobs_of, timeline_of, with_counts
from config.drf import Revalidated


class JobSerializer(serializers.ModelSerializer[Job]):
    title = serializers.CharField(source="__str__")
    open = serializers.IntegerField(help_text="People now in a stage of this job.")
    issues_open = serializers.IntegerField(help_text="Issues nobody has decided on yet, as `GET /ats/issues?status=open` lists them.")

    class Meta:
        model = Job
        fields = (
            "id", "external_id", "organization", "connector", "title", "department", "location", "status",
            "opened_at", "hiring_lead", "open", "issues_open",
        )  # fmt: skip


class JobList(Revalidated, ListAPIView[Job]):
    """The jobs of your organizations."""

    serializer_class = JobSerializer
    filterset_class = JobFilter
    ordering = ("title", "pk")
    ordering_fields = ("title", "department", "status", "opened_at", "open", "issues_open")
    queryset = Job.objects.none()

    @extend_schema(operation_id="jobs", tags=["jobs"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Job]:
        return with_counts(jobs_of(self.request.user))


class StageField(serializers.ModelSerializer[Stage]):
    name = serializers.CharField(source="__str__")

    class Meta:
        model = Stage
        fields = ("id", "name", "category")


class JobField(serializers.ModelSerializer[Job]):
    title = serializers.CharField(source="__str__")

    class Meta:
        model = Job
        fields = ("id", "title", "department", "status")


class VisitField(serializers.Serializer[Any]):
    """One stay in a stage, ``[entered_at, left_at)``."""

    stage = StageField()
    entered_at = serializers.DateTimeField()
    left_at = serializers.DateTimeField(allow_null=True)
    exit_kind = serializers.CharField(allow_null=True, help_text="How it ended; null while the person is still there.")
    entry_precision = serializers.CharField()


class IssueField(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    issue_type = serializers.CharField()
    severity = serializers.CharField()
    status = serializers.CharField()
    sentence = serializers.CharField()
    detected_at = serializers.DateTimeField()


class ApplicationField(serializers.ModelSerializer[Application]):
    job = JobField(allow_null=True)
    current_stage = StageField(allow_null=True)
    visits = VisitField(many=True, help_text="In the order of the person's way.")
    issues = IssueField(many=True, help_text="All of them, resolved ones included.")

    class Meta:
        model = Application
        fields = (
            "id", "external_id", "job", "status", "current_stage", "applied_at", "last_event_at", "last_activity_at", "visits", "issues",
        )  # fmt: skip


class EventField(serializers.ModelSerializer[CandidateEvent]):
    timestamp = serializers.DateTimeField(source="occurred_at", help_text="When it happened in the ATS.")
    actor = serializers.CharField(source="actor_name", allow_null=True, help_text="Null: system, candidate, or not told.")
    stage_from = StageField(allow_null=True)
    stage_to = StageField(allow_null=True)
    duration_in_previous_stage = serializers.SerializerMethodField(help_text="Seconds, where the provider lets it be known.")

    class Meta:
        model = CandidateEvent
        fields = (
            "event_type", "timestamp", "recorded_at", "precision", "application", "job", "stage_from", "stage_to", "actor",
            "duration_in_previous_stage",
        )  # fmt: skip

    @extend_schema_field(serializers.FloatField(allow_null=True))
    def get_duration_in_previous_stage(self, event: CandidateEvent) -> float | None:
        duration = event.metadata.get("duration_in_previous_stage")
        return duration if isinstance(duration, int | float) else None


class CandidateSerializer(serializers.ModelSerializer[Candidate]):
    name = serializers.CharField(source="__str__")
    current_stage = StageField(allow_null=True)
    applications = ApplicationField(many=True, source="own_applications")
    timeline = EventField(many=True)

    class Meta:
        model = Candidate
        fields = (
            "id", "external_id", "organization", "name", "email", "source", "current_stage", "last_event_at", "erased_at",
            "applications", "timeline",
        )  # fmt: skip


class CandidateDetail(Revalidated, APIView):
    """One person: how each application stands, and everything that happened across them, oldest first."""

    @extend_schema(responses=CandidateSerializer, operation_id="candidate", tags=["candidates"])
    def get(self, request: Request, candidate_id: int) -> Response:
        candidate: Any = get_object_or_404(candidates_of(request.user).select_related("current_stage"), pk=candidate_id)
        candidate.own_applications = list(applications_of(candidate))
        candidate.timeline = list(timeline_of(candidate.own_applications))
        return Response(CandidateSerializer(candidate).data)
