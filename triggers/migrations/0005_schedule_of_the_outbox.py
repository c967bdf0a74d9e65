"""The outbox in the beat schedule. Made once; what a person changes afterwards stays."""

from __future__ import annotations

import json
from typing import Any

from django.db import migrations


def make(apps: Any, schema_editor: Any) -> None:
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    half_a_minute, _ = interval.objects.get_or_create(every=30, period="seconds")
    task.objects.get_or_create(
        name="Send notifications",
        defaults={
            "task": "triggers.notify",
            "interval": half_a_minute,
            "description": "The day's lists whose time has come, and what waits in the outbox.",
            "expire_seconds": 29,
            "args": json.dumps([]),
        },
    )
    night, _ = crontab.objects.get_or_create(minute="50", hour="3", day_of_week="*", day_of_month="*", month_of_year="*", timezone="UTC")
    task.objects.get_or_create(
        name="Prune notifications",
        defaults={
            "task": "triggers.prune",
            "crontab": night,
            "description": "Notifications that ended more than 30 days ago.",
            "expire_seconds": 3600,
            "args": json.dumps([]),
        },
    )


class Migration(migrations.Migration):
    dependencies = [("triggers", "0004_channels_and_outbox")]

    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
