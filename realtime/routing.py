"""The WebSocket map: who comes with a cookie passes the origin check, who comes with a token needs none.

Channels checks no origin by itself, and a cookie travels with any page's request: a session opens a socket only
to pages of our own (``realtime.origins``). Browsers cannot set an Authorization header on a WebSocket, so a token proves by itself
that no foreign page is asking; cookies are not looked at on that road. A ticket proves the same: whoever has it was
given it in answer to a request of their own.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.security.websocket import WebsocketDenier
from django.urls import path, re_path
from django.utils import timezone

from realtime import origins, tickets, topics
from realtime.consumers import UpdatesConsumer, in_thread

Scope = dict[str, Any]

paths = URLRouter(
    [
        path("ws/updates", UpdatesConsumer.as_asgi()),
        re_path(r"", WebsocketDenier.as_asgi()),
    ]
)


async def by_session(scope: Scope, receive: Any, send: Any) -> Any:
    listener = await in_thread(topics.by_session, scope["user"], scope["session"].session_key)
    return await paths({**scope, "listener": listener}, receive, send)


async def by_token(scope: Scope, receive: Any, send: Any) -> Any:
    listener = await in_thread(topics.by_token, _authorization(scope) or b"")
    return await paths({**scope, "listener": listener}, receive, send)


async def by_ticket(scope: Scope, receive: Any, send: Any) -> Any:
    listener = await in_thread(tickets.redeem, _ticket(scope), now=timezone.now())
    return await paths({**scope, "listener": listener}, receive, send)


of_sessions = AuthMiddlewareStack(by_session)


async def browsers(scope: Scope, receive: Any, send: Any) -> Any:
    """A page of ours, by its session. Every browser says where a WebSocket's page is from; who does not is none."""
    origin = _header(scope, b"origin")
    ours = origin is not None and origins.is_ours(origin.decode("latin-1"), origins.handshake(scope))
    application = of_sessions if ours else WebsocketDenier.as_asgi()
    return await application(scope, receive, send)


async def websocket(scope: Scope, receive: Any, send: Any) -> Any:
    """The WebSocket application: a token's stack, a ticket's, or the browsers'."""
    application = by_token if _authorization(scope) is not None else by_ticket if _ticket(scope) else browsers
    return await application(scope, receive, send)


def _ticket(scope: Scope) -> str:
    query: str = scope["query_string"].decode("latin-1")
    return parse_qs(query).get("ticket", [""])[0]


def _authorization(scope: Scope) -> bytes | None:
    return _header(scope, b"authorization")


def _header(scope: Scope, wanted: bytes) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == wanted), None)
