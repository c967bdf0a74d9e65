"""Reminders in the beat schedule. Made once; what a person changes afterwards stays."""

from __future__ import annotations

import json
from typing import Any

from django.db import migrations


def make(apps: Any, schema_editor: Any) -> None:
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    minute, _ = interval.objects.get_or_create(every=1, period="minutes")
    task.objects.get_or_create(
        name="Remind of tasks",
        defaults={
            "task": "triggers.remind",
            "interval": minute,
            "description": "Escalation ladders that are due, and what absent people have on their desks.",
            "expire_seconds": 59,
            "args": json.dumps([]),
        },
    )


class Migration(migrations.Migration):
    dependencies = [("triggers", "0002_rules_ladder_absences_trail"), ("config", "0001_schedules")]

    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
