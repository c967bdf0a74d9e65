"""Forgetting sign-ins that are over and what people did in the admin long ago."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from knox.models import AuthToken

#: rows deleted in one transaction
CHUNK = 2_000


def prune_sign_ins() -> int:
    """Delete sessions and tokens that have expired; returns how many."""
    now = timezone.now()
    return _delete(Session.objects.filter(expire_date__lt=now)) + _delete(AuthToken.objects.filter(expiry__lt=now))


def prune_admin_log(*, before: datetime) -> int:
    return _delete(LogEntry.objects.filter(action_time__lt=before))


def _delete(over: QuerySet[Any]) -> int:
    """Chunk by chunk, leaving rows somebody holds for the next time."""
    gone = 0
    while True:
        with transaction.atomic():
            held = list(over.order_by("pk").select_for_update(skip_locked=True).values_list("pk", flat=True)[:CHUNK])
            over.model._default_manager.filter(pk__in=held).delete()
        gone += len(held)
        if len(held) < CHUNK:
            return gone
