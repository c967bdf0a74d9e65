"""Two more schedules: the heartbeat that proves that beat, broker and workers hang together, and a weekly full sync."""

from __future__ import annotations

import json
from typing import Any

from django.db import migrations


def make(apps: Any, schema_editor: Any) -> None:
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    often, _ = interval.objects.get_or_create(every=15, period="seconds")
    task.objects.get_or_create(
        name="Heartbeat",
        defaults={
            "task": "config.heartbeat",
            "interval": often,
            "description": "Goes through every queue of the road; /readyz and the alerts look at when it last arrived.",
            # longer than the interval: behind a backlog a late heartbeat still says that the queue is served
            "expire_seconds": 600,
            "args": json.dumps([]),
        },
    )
    weekly, _ = crontab.objects.get_or_create(minute="15", hour="3", day_of_week="0", day_of_month="*", month_of_year="*", timezone="UTC")
    task.objects.get_or_create(
        name="Weekly reconcile of every connector",
        defaults={
            "task": "connectors.reconcile",
            "crontab": weekly,
            "description": "A full sync of each active connector finds what delta syncs missed.",
            "expire_seconds": 3600,
            "args": json.dumps([]),
        },
    )


class Migration(migrations.Migration):
    dependencies = [("config", "0004_heartbeats_and_schedule_states")]

    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
