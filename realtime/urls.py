"""Included at the root: the event stream and the pages."""

from __future__ import annotations

from django.urls import path

from realtime import sse

urlpatterns = [
    path("realtime/updates", sse.updates, name="updates"),
]
