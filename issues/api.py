"""HTTP: issues and what people decide about them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.permissions import require_acting_role
from accounts.selectors import organizations_of
from config.drf import Conflict, PreconditionFailed, etag, expected_version
from issues.decisions import LONGEST_SNOOZE, StaleVersion, decide
from issues.filters import IssueFilter
from issues.lifecycle import Action, IllegalAction
from issues.models import Issue, IssueTransition
from issues.selectors import issues_of, with_history, with_subjects
from issues.workings import SUBJECTS, State, workings

DEFAULT_SNOOZE = timedelta(days=1)

IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description='The version you read, quoted ("3"); 412 if it changed since.'
)


class JobOfIssue(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    title = serializers.CharField(source="__str__")


class StageOfIssue(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField(source="__str__")


class CandidateOfIssue(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField(source="__str__")


class Colleague(serializers.Serializer[Any]):
    """Somebody who can log in."""

    id = serializers.IntegerField()
    username = serializers.CharField()


class TaskOfIssue(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    status = serializers.CharField()
    assignee = Colleague(allow_null=True)
    due_at = serializers.DateTimeField(allow_null=True)


class IssueSerializer(serializers.ModelSerializer[Issue]):
    job = JobOfIssue(allow_null=True)
    stage = StageOfIssue(allow_null=True)
    candidate = CandidateOfIssue(source="application.candidate", allow_null=True, default=None)
    tasks = TaskOfIssue(many=True)
    evidence = serializers.DictField(help_text="What the rule saw; its keys depend on the type.")
    inferred = serializers.SerializerMethodField(
        help_text="Found by a proxy, because the ATS does not tell what the rule goes by; `GET /ats/rules` says which."
    )
    snoozed_until_change = serializers.SerializerMethodField(help_text="Snoozed until something changes.")

    class Meta:
        model = Issue
        fields = (
            "id", "organization", "issue_type", "status", "severity", "score", "sentence", "evidence", "job", "stage", "application",
            "candidate", "detected_at", "last_seen_at", "snoozed_until", "resolved_at", "resolved_by", "version", "tasks",
            "is_group", "group", "connector", "inferred", "snoozed_until_change",
        )  # fmt: skip
        extra_kwargs = {
            "is_group": {"help_text": "Many people with one trouble in one stage; its members have their own issues."},
            "group": {"help_text": "The group issue this one is a member of."},
        }

    def get_inferred(self, issue: Issue) -> bool:
        return bool(issue.evidence.get("inferred"))

    def get_snoozed_until_change(self, issue: Issue) -> bool:
        return issue.snoozed_at_state != ""


class TransitionSerializer(serializers.ModelSerializer[IssueTransition]):
    actor = Colleague(allow_null=True, help_text="Null: the rule itself.")

    class Meta:
        model = IssueTransition
        fields = ("status_from", "status_to", "actor", "reason", "at")


class MemberSerializer(serializers.ModelSerializer[Issue]):
    """One person's issue within a group."""

    candidate = CandidateOfIssue(source="application.candidate", allow_null=True, default=None)

    class Meta:
        model = Issue
        fields = ("id", "status", "severity", "score", "sentence", "application", "candidate", "detected_at")


class IssueDetailSerializer(IssueSerializer):
    transitions = TransitionSerializer(many=True, help_text="The audit trail, oldest first.")
    members = MemberSerializer(many=True, help_text="Of a group: the people's own issues, worst first.")

    class Meta(IssueSerializer.Meta):
        fields = (*IssueSerializer.Meta.fields, "transitions", "members")  # type: ignore[assignment]


class OrganizationOfRule(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    slug = serializers.CharField(help_text="What commands call it.")
    name = serializers.CharField(source="__str__")


class RuleSerializer(serializers.Serializer[Any]):
    """One rule in one organization, by the settings for the whole of it."""

    organization = OrganizationOfRule()
    rule = serializers.CharField(help_text="`issue_type` of what it finds.")
    about = serializers.ChoiceField(choices=[about for about, _ in SUBJECTS])
    state = serializers.ChoiceField(choices=[state.value for state in State], help_text="`proxy`: by what stands in for its input.")
    why = serializers.CharField(allow_blank=True, help_text="One sentence, where there is anything to say.")
    business_days = serializers.FloatField(
        source="thresholds.business_days", allow_null=True, help_text="Its limit; null: the stage's own limit counts."
    )
    factor = serializers.FloatField(source="thresholds.factor", help_text="Times the limit, or times the usual.")
    people = serializers.IntegerField(source="thresholds.people", help_text="Least number of people, exits or moves.")
    exceptions = serializers.IntegerField(help_text="Settings for a job or a stage that switch it or its proxy otherwise.")


class RuleList(APIView):
    """Which rules work, which go by a proxy, which are off, and why."""

    @extend_schema(responses=RuleSerializer(many=True), operation_id="rules", tags=["issues"])
    def get(self, request: Request) -> Response:
        return Response(RuleSerializer(workings(organizations_of(request.user).order_by("pk")), many=True).data)


class IssueList(ListAPIView[Issue]):
    """What is wrong, worst first."""

    serializer_class = IssueSerializer
    filterset_class = IssueFilter
    ordering = ("-score", "pk")
    ordering_fields = ("score", "detected_at", "last_seen_at")
    queryset = Issue.objects.none()

    @extend_schema(operation_id="issues", tags=["issues"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Issue]:
        return with_subjects(issues_of(self.request.user))


def issue_response(request: Request, issue_id: int) -> Response:
    issue = get_object_or_404(with_history(issues_of(request.user)), pk=issue_id)
    return Response(IssueDetailSerializer(issue).data, headers={"ETag": etag(issue.version)})


class IssueDetail(APIView):
    """One issue with its evidence and audit trail. ``ETag`` is its version."""

    @extend_schema(responses=IssueDetailSerializer, operation_id="issue", tags=["issues"])
    def get(self, request: Request, issue_id: int) -> Response:
        return issue_response(request, issue_id)


class ReasonInput(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=2000, help_text="For the audit trail.")


class SnoozeInput(ReasonInput):
    until = serializers.DateTimeField(
        required=False, help_text="End of the snooze, within a year. Default: in 24 hours, or never with `until_change`."
    )
    until_change = serializers.BooleanField(
        required=False, default=False, help_text="End it when something changes: any event of the person, or another severity."
    )

    def validate_until(self, value: Any) -> Any:
        now = timezone.now()
        if not now < value <= now + LONGEST_SNOOZE:
            raise ValidationError("Must lie in the future, and within a year.")
        return value


class Decision(APIView):
    """Base of the four decisions: find among one's own, check the role, decide, answer with the issue."""

    action: Action
    input: type[ReasonInput] = ReasonInput

    def post(self, request: Request, issue_id: int) -> Response:
        issue = get_object_or_404(issues_of(request.user).only("organization_id"), pk=issue_id)
        require_acting_role(request.user, issue.organization_id)
        given = self.input(data=request.data)
        given.is_valid(raise_exception=True)
        now = timezone.now()
        try:
            decide(
                issue_id=issue_id,
                action=self.action,
                actor=cast(User, request.user),
                now=now,
                reason=given.validated_data["reason"],
                until=self.until(given.validated_data, now),
                until_change=given.validated_data.get("until_change", False),
                expected_version=expected_version(request),
            )
        except IllegalAction as error:
            raise Conflict(str(error)) from None
        except StaleVersion:
            raise PreconditionFailed from None
        return issue_response(request, issue_id)

    def until(self, given: dict[str, Any], now: datetime) -> datetime | None:
        """When a snooze ends by itself."""
        if self.action is not Action.SNOOZE:
            return None
        until: datetime | None = given.get("until", None if given["until_change"] else now + DEFAULT_SNOOZE)
        return until


class Acknowledge(Decision):
    """Somebody is looking after it. Rules go on watching; when the condition clears the issue resolves."""

    action = Action.ACKNOWLEDGE

    @extend_schema(
        request=ReasonInput, responses=IssueDetailSerializer, operation_id="acknowledge_issue", parameters=[IF_MATCH], tags=["issues"]
    )
    def post(self, request: Request, issue_id: int) -> Response:
        return super().post(request, issue_id)


class Snooze(Decision):
    """Silent until a time, or until something changes; then it is open again if the condition still holds."""

    action = Action.SNOOZE
    input = SnoozeInput

    @extend_schema(
        request=SnoozeInput, responses=IssueDetailSerializer, operation_id="snooze_issue", parameters=[IF_MATCH], tags=["issues"]
    )
    def post(self, request: Request, issue_id: int) -> Response:
        return super().post(request, issue_id)


class Resolve(Decision):
    """Done with. No rule opens it again during the same visit."""

    action = Action.RESOLVE

    @extend_schema(
        request=ReasonInput, responses=IssueDetailSerializer, operation_id="resolve_issue", parameters=[IF_MATCH], tags=["issues"]
    )
    def post(self, request: Request, issue_id: int) -> Response:
        return super().post(request, issue_id)


class Reopen(Decision):
    """Take a decision back. Refused once the person has left the stage."""

    action = Action.REOPEN

    @extend_schema(
        request=ReasonInput, responses=IssueDetailSerializer, operation_id="reopen_issue", parameters=[IF_MATCH], tags=["issues"]
    )
    def post(self, request: Request, issue_id: int) -> Response:
        return super().post(request, issue_id)
