"""``make run``: everything but the demo's data."""

from __future__ import annotations

import sys
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from config.embedded import EmbeddedError
from config.stack import Stack, StackError
from config.supervisor import PortTaken, ProcfileError, Stopped

#: said of every task of every schedule, several times a second: in the logs, and not between a person and what matters
CHATTER = (" INFO celery.beat Scheduler: Sending due task ", " INFO celery.worker.strategy Task ", " INFO celery.app.trace Task ")
COLOURS = {"web": 36, "worker": 32, "syncer": 33, "beat": 35}


class Command(BaseCommand):
    help = "Run web, workers and beat as the Procfile says, with the servers under them, until Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("starting; the first time, the database is made")
        self.stdout.flush()
        try:
            with Stack(listener=show) as stack:
                stack.bring_up()
                self._announce(stack)
                while True:
                    stack.step()
        except Stopped:
            self.stdout.write("stopped")
        except (EmbeddedError, PortTaken, ProcfileError, StackError) as error:
            raise CommandError(str(error)) from None

    def _announce(self, stack: Stack) -> None:
        self.stdout.write(f"url: {stack.url}")
        if not get_user_model().objects.exists():
            self.stdout.write("Nobody can log in yet. In a second terminal, in this folder: .venv/bin/python manage.py createsuperuser")
        self.stdout.write(f"Ctrl-C stops everything; the data is kept. All that the processes say is in {stack.supervisor.logs}.")
        connections.close_all()


def show(name: str, line: str) -> None:
    if any(part in line for part in CHATTER):
        return
    label = f"{name:>8} |"
    print(f"\x1b[{COLOURS.get(name, 37)}m{label}\x1b[0m {line}" if sys.stdout.isatty() else f"{label} {line}", flush=True)
