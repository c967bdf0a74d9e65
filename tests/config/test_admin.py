"""What an operator sees of schedules and processes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from config import heartbeats, schedules
from config.models import Heartbeat, ScheduleState
from tests.api import client_of
from tests.factories.accounts import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shipped_schedules")]


def test_next_run_and_last_result_stand_in_the_list() -> None:
    now = timezone.now()
    swept = PeriodicTask.objects.get(task="connectors.sweep")
    ScheduleState.objects.create(periodic_task=swept, slot=now - timedelta(minutes=5), sent_at=now)
    schedules.ended(swept.name, at=now, seconds=1.25, error="OperationalError")
    PeriodicTask.objects.filter(task="issues.sweep").update(enabled=False)

    page = client_of(UserFactory(is_staff=True, is_superuser=True)).get(reverse("admin:django_celery_beat_periodictask_changelist"))

    text = page.content.decode()
    assert page.status_code == 200
    assert "failed in 1.2 s: OperationalError" in text
    assert "(overdue)" in text
    assert "switched off" in text
    night = schedules.standing(schedules.enabled().get(task="analytics.check_drift"), now)
    assert night.next_at is not None
    assert f"{night.next_at:%Y-%m-%d %H:%M:%S}" in text


def test_a_schedule_can_be_edited() -> None:
    row = PeriodicTask.objects.get(task="analytics.check_drift")

    page = client_of(UserFactory(is_staff=True, is_superuser=True)).get(
        reverse("admin:django_celery_beat_periodictask_change", args=[row.pk])
    )

    assert page.status_code == 200
    assert "Next run" in page.content.decode()


def test_processes_are_shown_and_cannot_be_made_up() -> None:
    heartbeats.record(Heartbeat.Kind.WORKER, "box-7:4711")
    client = client_of(UserFactory(is_staff=True, is_superuser=True))

    assert "box-7:4711" in client.get(reverse("admin:config_heartbeat_changelist")).content.decode()
    assert client.get(reverse("admin:config_heartbeat_add")).status_code == 403
