from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Organization
from connectors.exceptions import ConnectorError
from connectors.files.importing import import_file
from connectors.models import Connector
from connectors.services import connect
from connectors.waiting import NotThrough, Telling, check_worker, follow


class Command(BaseCommand):
    help = "Import an export of events (CSV or JSONL, gzip or not). Repeating an import doubles nothing. Prints the SyncRun id."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--connector", required=True, metavar="NAME", help="connector to import into; a file connector is made if new")
        parser.add_argument("--map", action="append", default=[], metavar="column=field", help="what a column of the file means")
        parser.add_argument("--skip-bad-rows", action="store_true", help="import the good rows although others are bad")
        parser.add_argument("--wait", action="store_true", help="exit 0 only when every event is through the flow")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["wait"]:
                check_worker()
            path = self._path(options["file"])
            run = import_file(
                connector=self._connector(options["organization"], options["connector"]),
                path=path,
                columns=dict(self._mapping(text) for text in options["map"]),
                skip_bad_rows=options["skip_bad_rows"],
                progress=self._progress,
            )
            self.stdout.write(str(run.pk))
            if options["wait"]:
                follow(run, telling=Telling(sys.stderr))
        except (ConnectorError, NotThrough) as error:
            raise CommandError(str(error)) from None

    def _connector(self, slug: str, name: str) -> Connector:
        organization = Organization.objects.filter(slug=slug).first()
        if organization is None:
            known = ", ".join(Organization.objects.values_list("slug", flat=True)[:20]) or "none yet"
            raise CommandError(f"There is no organization {slug!r}; known: {known}. manage.py connect makes a new one.")
        connector = Connector.objects.filter(organization=organization, name=name).first()
        if connector is None:
            connector = connect(organization=organization, provider="files", name=name)
            self.stderr.write(f"made the file connector {name}")
        return connector

    def _path(self, name: str) -> Path:
        path = Path(name)
        if not path.is_file():
            raise CommandError(f"There is no file {name}.")
        return path

    def _mapping(self, text: str) -> tuple[str, str]:
        column, separator, field = text.partition("=")
        if not separator or not column or not field:
            raise CommandError(f"--map takes column=field, not {text!r}.")
        return column, field

    def _progress(self, rows: int) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"\r\033[K{rows:,} rows checked", ending="")
