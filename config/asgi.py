"""The two doors of the web process: HTTP to Django, WebSockets behind origin and session checks."""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# before anything that imports models
http = get_asgi_application()

application = ProtocolTypeRouter({"http": http})
