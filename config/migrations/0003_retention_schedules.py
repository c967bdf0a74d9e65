"""The beat rows of retention. Made once; what a person changes afterwards stays."""

from __future__ import annotations

import json
from typing import Any

from django.db import migrations

#: name, task, what it is for, hour and minute (UTC; the hour None: every hour)
SCHEDULE = (
    ("Prune the inbox", "connectors.prune", "Room for new payloads; old ones, and runs that ended long ago, go.", None, 20),
    ("Prune resolved issues", "issues.prune", "Issues resolved long ago, with their tasks and decisions.", 3, 10),
    ("Prune sign-ins", "accounts.prune", "Expired sessions and tokens, and the old part of the admin's log.", 3, 40),
)


def make(apps: Any, schema_editor: Any) -> None:
    crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    for name, path, description, hour, minute in SCHEDULE:
        at, _ = crontab.objects.get_or_create(
            minute=str(minute),
            hour="*" if hour is None else str(hour),
            day_of_week="*",
            day_of_month="*",
            month_of_year="*",
            timezone="UTC",
        )
        task.objects.get_or_create(
            name=name,
            defaults={"task": path, "crontab": at, "description": description, "expire_seconds": 3000, "args": json.dumps([])},
        )


class Migration(migrations.Migration):
    dependencies = [("config", "0002_partition_functions"), ("django_celery_beat", "0019_alter_periodictasks_options")]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
