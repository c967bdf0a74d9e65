"""What a Kubernetes CronJob, or cron, calls where no beat runs."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import OperationalError

from config import heartbeats, schedules
from config.models import Heartbeat

#: Who calls every minute does what beat does, and is missed like beat. One name: each call is another process.
CALLER = "run_schedule"


class Command(BaseCommand):
    help = (
        "Send a schedule's task if its latest moment has not been run yet, as beat would. "
        "Beats and cron jobs may run side by side: each moment is run once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="name of the schedule, or of its task")
        parser.add_argument("--due", action="store_true", help="every enabled schedule that is due")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = self._rows(options["name"], every=options["due"])
        now = timezone.now()
        if options["due"]:
            heartbeats.record(Heartbeat.Kind.BEAT, CALLER)
        for row in rows:
            try:
                slot = schedules.due_slot(row, now)
                ran = schedules.run_due(row, now)
            except schedules.NoSlots as error:
                raise CommandError(str(error)) from None
            except (OperationalError, OSError):
                raise CommandError(f"{row.name} could not be sent: the broker does not answer. It stays due.") from None
            self.stdout.write(f"{row.name}: sent for {slot:%Y-%m-%d %H:%M:%S} UTC" if ran else f"{row.name}: nothing to do")

    def _rows(self, name: str | None, *, every: bool) -> list[PeriodicTask]:
        if every == bool(name):
            raise CommandError("Name a schedule, or say --due for every one that is due.")
        enabled = schedules.enabled()
        rows = list(enabled if every else enabled.filter(Q(name=name) | Q(task=name)))
        if not rows and not every:
            known = ", ".join(repr(known) for known in enabled.values_list("name", flat=True))
            raise CommandError(f"There is no enabled schedule called {name!r}; there are: {known or 'none'}.")
        return rows
