"""HTTP: tasks and what people do with them."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.permissions import require_acting_role
from config.drf import Conflict, PreconditionFailed, etag, expected_version
from issues.api import IF_MATCH, CandidateOfIssue, Colleague, JobOfIssue, StageOfIssue
from issues.models import Issue
from triggers.decisions import IllegalChange, StaleVersion, edit_task
from triggers.filters import TaskFilter
from triggers.models import Task
from triggers.outcomes import WINDOW, outcomes
from triggers.selectors import tasks_of, with_subjects

#: what an assignee without an acting role (an interviewer) may change of their own task
OWN = frozenset({"status", "note", "useful"})


class IssueOfTask(serializers.ModelSerializer[Issue]):
    job = JobOfIssue(allow_null=True)
    stage = StageOfIssue(allow_null=True)
    candidate = CandidateOfIssue(source="application.candidate", allow_null=True, default=None)

    class Meta:
        model = Issue
        fields = ("id", "issue_type", "status", "severity", "sentence", "job", "stage", "candidate")


class TaskSerializer(serializers.ModelSerializer[Task]):
    assignee = Colleague(allow_null=True)
    issue = IssueOfTask()
    title = serializers.CharField(source="title_now", help_text="What to do, with what the issue says by now.")
    opened_as = serializers.CharField(source="title", help_text="The title in the words the task was opened with.")

    class Meta:
        model = Task
        fields = (
            "id", "organization", "title", "opened_as", "status", "priority", "assignee", "due_at", "note", "useful", "role", "level",
            "escalate_at", "created_at", "ended_at", "version", "issue",
        )  # fmt: skip


class TaskPatch(serializers.Serializer[Any]):
    """What is given is changed; the rest stays."""

    status = serializers.ChoiceField(choices=["open", "in_progress", "done", "dismissed"], required=False)
    assignee = serializers.PrimaryKeyRelatedField(
        queryset=User.objects.none(), allow_null=True, required=False, help_text="Id of a member of the organization, or null."
    )
    due_at = serializers.DateTimeField(allow_null=True, required=False)
    note = serializers.CharField(allow_blank=True, max_length=10_000, required=False)
    useful = serializers.BooleanField(allow_null=True, required=False, help_text="Was it useful? Of a done or dismissed task.")

    def __init__(self, *args: Any, organization_id: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # people of other organizations are as unknown as people who do not exist
        members = User.objects.filter(memberships__organization_id=organization_id, is_active=True)
        self.fields["assignee"].queryset = members  # type: ignore[attr-defined]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = set(getattr(self, "initial_data", {})) - set(self.fields)
        if unknown:
            raise ValidationError({name: ["Cannot be changed."] for name in sorted(unknown)})
        if not attrs:
            raise ValidationError("Name something to change: status, assignee, due_at, note or useful.")
        return attrs


class TaskList(ListAPIView[Task]):
    """Tasks, those due first on top."""

    serializer_class = TaskSerializer
    filterset_class = TaskFilter
    ordering = ("due_at", "pk")
    ordering_fields = ("due_at", "created_at")
    queryset = Task.objects.none()

    @extend_schema(operation_id="tasks", tags=["tasks"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Task]:
        return with_subjects(tasks_of(self.request.user))


class OutcomeSerializer(serializers.Serializer[Any]):
    rule_id = serializers.IntegerField(allow_null=True, help_text="Null: the default, or a person opened the task.")
    rule = serializers.CharField()
    issue_type = serializers.CharField()
    opened = serializers.IntegerField()
    done = serializers.IntegerField()
    dismissed = serializers.IntegerField()
    obsolete = serializers.IntegerField(help_text="Closed with their issue before anybody ended them.")
    rated = serializers.IntegerField(help_text="Of which somebody said whether they were useful.")
    useful = serializers.IntegerField()
    precision = serializers.FloatField(allow_null=True, help_text="useful / rated; null while nobody has answered.")
    interval = serializers.ListField(
        child=serializers.FloatField(), allow_null=True, min_length=2, max_length=2, help_text="95 % Wilson interval of precision."
    )


class OutcomesSerializer(serializers.Serializer[Any]):
    since = serializers.DateTimeField(help_text="Tasks opened from then on are counted.")
    results = OutcomeSerializer(many=True)


class TaskOutcomes(APIView):
    """How good the rules are: tasks of the last 90 days by trigger rule and type of issue."""

    @extend_schema(responses=OutcomesSerializer, operation_id="task_outcomes", tags=["tasks"])
    def get(self, request: Request) -> Response:
        now = timezone.now()
        told = {"since": now - WINDOW, "results": outcomes(tasks_of(request.user), now=now)}
        return Response(OutcomesSerializer(told).data)


class TaskDetail(APIView):
    """One task. ``ETag`` is its version.

    A change may name the version it is based on (`If-Match`), and is refused with 412 if the task has changed since.
    Without the header it is made as asked: what is not named stays as it is, so little is overwritten unseen.
    """

    @extend_schema(responses=TaskSerializer, operation_id="task", tags=["tasks"])
    def get(self, request: Request, task_id: int) -> Response:
        return self._answer(request, task_id)

    @extend_schema(request=TaskPatch, responses=TaskSerializer, operation_id="change_task", parameters=[IF_MATCH], tags=["tasks"])
    def patch(self, request: Request, task_id: int) -> Response:
        task = get_object_or_404(tasks_of(request.user).only("organization_id", "assignee_id"), pk=task_id)
        self._require_say(request, task)
        given = TaskPatch(data=request.data, organization_id=task.organization_id)
        given.is_valid(raise_exception=True)
        try:
            edit_task(
                task_id=task_id,
                changes=given.validated_data,
                now=timezone.now(),
                actor=cast(User, request.user),
                expected_version=expected_version(request),
            )
        except IllegalChange as error:
            raise Conflict(str(error)) from None
        except StaleVersion:
            raise PreconditionFailed from None
        except ValueError as error:  # the assignee left the organization a moment ago
            raise ValidationError({"assignee": [str(error)]}) from None
        return self._answer(request, task_id)

    def _require_say(self, request: Request, task: Task) -> None:
        """Whoever's task it is may end it, note something and say whether it was useful, whatever their role."""
        own = task.assignee_id == request.user.pk and set(request.data or ()) <= OWN if isinstance(request.data, dict) else False
        if not own:
            require_acting_role(request.user, task.organization_id)

    def _answer(self, request: Request, task_id: int) -> Response:
        task = get_object_or_404(with_subjects(tasks_of(request.user)), pk=task_id)
        return Response(TaskSerializer(task).data, headers={"ETag": etag(task.version)})
