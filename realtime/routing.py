"""The WebSocket map: who comes with a cookie passes the origin check, who comes with a token needs none.

Channels checks no origin by itself, and a cookie travels with any page's request: a session opens a socket only
to pages of our own hosts. Browsers cannot set an Authorization header on a WebSocket, so a token proves by itself
that no foreign page is asking; cookies are not looked at on that road.
"""

from __future__ import annotations

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator, WebsocketDenier
from django.urls import path, re_path

from realtime import topics
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


browsers = AllowedHostsOriginValidator(AuthMiddlewareStack(by_session))


async def websocket(scope: Scope, receive: Any, send: Any) -> Any:
    """The WebSocket application: a token's stack or the browsers'."""
    application = browsers if _authorization(scope) is None else by_token
    return await application(scope, receive, send)


def _authorization(scope: Scope) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == b"authorization"), None)
