"""Celery door of forgetting what is over."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from accounts import retention


@shared_task(name="accounts.prune")
def prune() -> int:
    """Every night: expired sign-ins, and the admin's log beyond ADMIN_LOG_RETENTION_DAYS."""
    gone = retention.prune_sign_ins()
    if settings.ADMIN_LOG_RETENTION:
        gone += retention.prune_admin_log(before=timezone.now() - settings.ADMIN_LOG_RETENTION)
    return gone
