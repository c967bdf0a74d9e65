"""The ASGI map: HTTP to Django, WebSocket to the live updates behind their origin and identity checks."""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# first: it loads the apps that the routing below imports
http = get_asgi_application()

from realtime.routing import websocket  # noqa: E402
from realtime.sse import on_shared_threads  # noqa: E402

application = ProtocolTypeRouter({"http": on_shared_threads(http), "websocket": websocket})
