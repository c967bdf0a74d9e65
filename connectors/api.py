"""HTTP: connectors, syncs and their progress."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import require_acting_role
from config.drf import Conflict, Throttle
from connectors import services
from connectors.exceptions import ConnectorError
from connectors.models import Connector, SyncRun
from connectors.selectors import connectors_of, sync_runs_of, with_last_run, with_progress
from connectors.services import SyncInProgress


class LastRun(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=SyncRun.State.choices)


class ConnectorSerializer(serializers.ModelSerializer[Connector]):
    """The credential can be set in the admin or by `manage.py connect`, and read nowhere."""

    has_secret = serializers.SerializerMethodField()
    last_run = serializers.SerializerMethodField(help_text="Null: none yet.")

    class Meta:
        model = Connector
        fields = (
            "id", "organization", "provider", "name", "base_url", "status", "status_reason", "fresh_at", "has_secret", "last_run",
        )  # fmt: skip

    def get_has_secret(self, connector: Connector) -> bool:
        return bool(connector.sealed_secret)

    @extend_schema_field(LastRun(allow_null=True))
    def get_last_run(self, connector: Any) -> dict[str, Any] | None:
        return {"id": connector.last_run_id, "state": connector.last_run_state} if connector.last_run_id else None


class ConnectorList(ListAPIView[Connector]):
    """The accounts your organizations read from."""

    serializer_class = ConnectorSerializer
    filter_backends = ()
    ordering = ("name", "pk")
    ordering_fields = ("name",)
    queryset = Connector.objects.none()

    @extend_schema(operation_id="connectors", tags=["connectors"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Connector]:
        return with_last_run(connectors_of(self.request.user))


class SyncInput(serializers.Serializer[Any]):
    mode = serializers.ChoiceField(
        choices=[SyncRun.Mode.FULL, SyncRun.Mode.DELTA],
        default=SyncRun.Mode.DELTA,
        help_text="delta: details only where something changed.",
    )


class SyncStarted(serializers.Serializer[Any]):
    sync_run = serializers.IntegerField(help_text="Id; follow it at `/ats/sync-runs/{id}`.")


class StartSync(APIView):
    """Ask for a sync. Answers at once; a worker carries it out.

    While a run is under way it is the answer, unless a full sync is asked for during a delta sync (409).
    """

    throttle_classes = (Throttle,)
    throttle_scope = "sync"

    @extend_schema(request=SyncInput, responses={202: SyncStarted}, operation_id="start_sync", tags=["connectors"])
    def post(self, request: Request, connector_id: int) -> Response:
        connector = get_object_or_404(connectors_of(request.user), pk=connector_id)
        require_acting_role(request.user, connector.organization_id)
        given = SyncInput(data=request.data)
        given.is_valid(raise_exception=True)
        mode = given.validated_data["mode"]
        try:
            run = services.request_sync(connector=connector, mode=mode)
        except SyncInProgress as error:
            if error.run.mode not in (mode, SyncRun.Mode.FULL):
                raise Conflict(str(error)) from None
            run = error.run
        except ConnectorError as error:
            raise Conflict(str(error)) from None
        where = request.build_absolute_uri(reverse("sync-run", args=[run.pk]))
        return Response({"sync_run": run.pk}, status=status.HTTP_202_ACCEPTED, headers={"Location": where})


class SyncRunSerializer(serializers.ModelSerializer[SyncRun]):
    created = serializers.IntegerField(help_text="Events new to the ledger.")
    skipped = serializers.IntegerField(help_text="Events the ledger already had.")
    failed = serializers.IntegerField(help_text="Raw events set aside as dead letters.")
    in_flow = serializers.IntegerField(help_text="Raw events whose batch is not through yet.")
    notes = serializers.ListField(child=serializers.CharField(), help_text="What was lost or left out, in words.")

    class Meta:
        model = SyncRun
        fields = (
            "id", "connector", "mode", "state", "requested_at", "started_at", "fetched_at", "finished_at", "attempts",
            "fetched", "created", "skipped", "failed", "in_flow", "notes", "error_code", "error",
        )  # fmt: skip


class SyncRunDetail(APIView):
    """How far a sync or import has got."""

    @extend_schema(responses=SyncRunSerializer, operation_id="sync_run", tags=["connectors"])
    def get(self, request: Request, sync_run_id: int) -> Response:
        run = get_object_or_404(with_progress(sync_runs_of(request.user)), pk=sync_run_id)
        return Response(SyncRunSerializer(run).data)
