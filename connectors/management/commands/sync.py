from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors.exceptions import ConnectorError
from connectors.finding import find_connector
from connectors.models import Connector, SyncRun
from connectors.services import SyncInProgress, request_sync
from connectors.waiting import NotThrough, Telling, check_worker, follow


class Command(BaseCommand):
    help = "Queue a sync of a connector and print the id of its SyncRun."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("connector", help="name (or organization/name, or id) of the connector")
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--full", dest="mode", action="store_const", const=SyncRun.Mode.FULL, help="read everything, details included")
        mode.add_argument("--delta", dest="mode", action="store_const", const=SyncRun.Mode.DELTA, help="read what changed (default)")
        parser.add_argument("--wait", action="store_true", help="exit 0 only when every event is through the flow")
        parser.set_defaults(mode=SyncRun.Mode.DELTA)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["wait"]:
                check_worker()
            run = self._request(find_connector(options["connector"]), options["mode"], patient=options["wait"])
            self.stdout.write(str(run.pk))
            if options["wait"]:
                follow(run, telling=Telling(sys.stderr))
        except (ConnectorError, SyncInProgress, NotThrough) as error:
            raise CommandError(str(error)) from None

    def _request(self, connector: Connector, mode: str, *, patient: bool) -> SyncRun:
        """Whoever waits anyway waits for a run that is on its way, too: the schedule may have been a moment earlier."""
        while True:
            try:
                return request_sync(connector=connector, mode=mode)
            except SyncInProgress as busy:
                if not patient:
                    raise
                telling = Telling(sys.stderr)
                telling.state(f"SyncRun {busy.run.pk} comes first: it was under way")
                try:
                    follow(busy.run, telling=telling)
                except NotThrough:
                    if not SyncRun.objects.filter(pk=busy.run.pk, state__in=SyncRun.ENDED).exists():
                        raise
