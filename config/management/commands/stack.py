"""``make run``: everything but the demo's data."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.embedded import EmbeddedError
from config.stack import Stack, StackError
from config.supervisor import PortTaken, ProcfileError, Stopped

COLOURS = {"web": 36, "worker": 32, "syncer": 33, "beat": 35}


class Command(BaseCommand):
    help = "Run web, workers and beat as the Procfile says, with the servers under them, until Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with Stack(listener=show) as stack:
                stack.bring_up()
                self.stdout.write(f"url: {stack.url}")
                while True:
                    stack.step()
        except Stopped:
            self.stdout.write("stopped")
        except (EmbeddedError, PortTaken, ProcfileError, StackError) as error:
            raise CommandError(str(error)) from None


def show(name: str, line: str) -> None:
    label = f"{name:>8} |"
    print(f"\x1b[{COLOURS.get(name, 37)}m{label}\x1b[0m {line}" if sys.stdout.isatty() else f"{label} {line}", flush=True)
