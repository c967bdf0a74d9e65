"""HTTP: tickets for streams."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from knox.models import AuthToken
from rest_framework import serializers
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from realtime import tickets, topics


class TicketSerializer(serializers.Serializer[Any]):
    ticket = serializers.CharField(help_text="For `?ticket=` of a stream; good for one.")
    expires_at = serializers.DateTimeField()


class TicketList(APIView):
    """Ask for a ticket that opens one stream within half a minute: `/ws/updates?ticket=…` or `/realtime/updates?ticket=…`.

    For pages, which cannot send a token with a WebSocket. The stream ends with the session or token the ticket was asked
    for with.
    """

    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "tickets"

    @extend_schema(request=None, responses={201: TicketSerializer}, operation_id="stream_ticket", tags=["live updates"])
    def post(self, request: Request) -> Response:
        if isinstance(request.auth, AuthToken):
            listener: topics.Listener | None = topics.Listener(user_id=request.auth.user_id, token_digest=request.auth.digest)
        else:
            listener = topics.by_session(request.user, request.session.session_key)
        if listener is None:
            raise NotAuthenticated
        ticket, expires_at = tickets.issue(listener, now=timezone.now())
        return Response(TicketSerializer({"ticket": ticket, "expires_at": expires_at}).data, status=201)
