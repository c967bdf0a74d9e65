"""The beat schedule as rows, editable in the admin. Made once; what a person changes afterwards stays.

Intervals rather than local-time crontabs, each tick expiring before the next one: a backlog of ticks is never
replayed, and clock changes cannot stop the metronome. Beat only knocks; the tasks find in rows what is due.
"""

from __future__ import annotations

import json
from typing import Any

from django.db import migrations

SECONDS, MINUTES, HOURS, DAYS = "seconds", "minutes", "hours", "days"
IN_SECONDS = {SECONDS: 1, MINUTES: 60, HOURS: 3600, DAYS: 86_400}

#: name, task, every, period, what it is for
SCHEDULE = (
    ("Offer lost work again", "connectors.sweep", 15, SECONDS, "Batches and runs whose message or process was lost."),
    ("Delta sync of every connector", "connectors.sync_all", 5, MINUTES, "Asks each active connector for what changed."),
    ("Rules that became due", "issues.sweep", 10, MINUTES, "Time-based rules of applications whose moment has come."),
    ("Percentiles of touched cells", "analytics.refresh", 5, SECONDS, "Coalesces what batches have made dirty."),
    ("Percentiles of waiting cells", "analytics.refresh_aged", 15, MINUTES, "Cells that only time has changed."),
    ("Prune the update log", "realtime.prune", 1, HOURS, "Updates nobody resumes from any more."),
)


def make(apps: Any, schema_editor: Any) -> None:
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    for name, path, every, period, description in SCHEDULE:
        row, _ = interval.objects.get_or_create(every=every, period=period)
        seconds = every * IN_SECONDS[period]
        task.objects.get_or_create(
            name=name,
            defaults={"task": path, "interval": row, "description": description, "expire_seconds": max(seconds - 1, 1), "args": json.dumps([])},
        )
    night, _ = crontab.objects.get_or_create(minute="30", hour="2", day_of_week="*", day_of_month="*", month_of_year="*", timezone="UTC")
    task.objects.get_or_create(
        name="Nightly drift check",
        defaults={
            "task": "analytics.check_drift",
            "crontab": night,
            "description": "Recomputes all derived rows from the ledger, mends what differs and reports it.",
            "expire_seconds": 3600,
            "args": json.dumps([]),
        },
    )


class Migration(migrations.Migration):
    dependencies = [("django_celery_beat", "0019_alter_periodictasks_options")]

    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
