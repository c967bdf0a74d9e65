"""Celery doors of the wiring itself."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from config import heartbeats
from config.models import Heartbeat


@shared_task(name=heartbeats.TASK, bind=True)
def heartbeat(self: Any) -> None:
    """A message from beat went through a queue; the row says through which, and when."""
    queue = (self.request.delivery_info or {}).get("routing_key") or "unknown"
    heartbeats.record(Heartbeat.Kind.QUEUE, queue)
    heartbeats.forget_the_gone(now=timezone.now())
