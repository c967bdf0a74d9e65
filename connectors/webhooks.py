"""HTTP: the door providers knock at. No session, no token: the signature is the permission."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from connectors.exceptions import PayloadNotUnderstood
from connectors.hearing import NotAuthentic, hear
from connectors.signatures import Delivery


class Heard(serializers.Serializer[Any]):
    received = serializers.IntegerField(help_text="Payloads committed to the inbox; 0: this delivery was here before.")


class Webhook(APIView):
    """A provider tells that something changed, or what.

    Signed with the connector's webhook secret: the hex HMAC-SHA256 of the body followed by the timestamp header, not older than
    five minutes (`X-BambooHR-Signature` and `X-BambooHR-Timestamp`; for file connectors `X-Stagewatch-Signature` and
    `X-Stagewatch-Timestamp`, and the body is rows as in a JSONL import). Anything else is a 404.
    """

    authentication_classes = ()
    permission_classes = ()

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force=True)  # senders accept what they like

    @extend_schema(
        request={"application/json": OpenApiTypes.OBJECT}, responses={202: Heard}, operation_id="webhook", tags=["connectors"], auth=[]
    )
    def post(self, request: Request, provider: str, connector_id: int) -> Response:
        delivery = Delivery(headers=request.headers, body=request._request.body)
        try:
            received = hear(provider=provider, connector_id=connector_id, delivery=delivery, now=timezone.now())
        except NotAuthentic:
            raise NotFound from None
        except PayloadNotUnderstood as error:
            raise ValidationError(str(error)) from None
        return Response({"received": received}, status=status.HTTP_202_ACCEPTED)
