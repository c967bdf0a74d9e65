from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors.exceptions import ConnectorError
from connectors.finding import find_connector
from connectors.replaying import replay, resume


class Command(BaseCommand):
    help = "Send raw events through the flow again: dead letters (--failed), or chosen ones by id."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--connector", required=True, metavar="NAME")
        parser.add_argument("--organization", metavar="SLUG")
        parser.add_argument("--failed", action="store_true", help="all dead letters, and batches that gave up")
        parser.add_argument("ids", nargs="*", type=int, help="ids of raw events")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["failed"] and not options["ids"]:
            raise CommandError("Say what to replay: --failed, or the ids of raw events.")
        try:
            connector = find_connector(options["connector"], organization=options["organization"])
        except ConnectorError as error:
            raise CommandError(str(error)) from None
        resumed = resume(connector=connector) if options["failed"] else 0
        count = replay(connector=connector, raw_event_ids=options["ids"], failed=options["failed"])
        self.stdout.write(f"{count} raw events on the road again")
        if resumed:
            self.stdout.write(f"{resumed} batches go on at the step they stopped at")
