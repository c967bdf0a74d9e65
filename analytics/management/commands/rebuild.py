from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Organization
from analytics.rebuilding import rebuild


class Command(BaseCommand):
    help = "Recompute all derived rows of an organization from its ledger; --check only reports drift and exits 1 if there is any."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--check", action="store_true", help="change nothing; exit 1 on drift")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = Organization.objects.filter(slug=options["organization"]).first()
        if organization is None:
            raise CommandError(f"There is no organization {options['organization']!r}.")
        self._done = 0
        drift = rebuild(organization_id=organization.pk, check=options["check"], progress=self._progress)
        if options["check"] and drift:
            raise CommandError(f"Drift found: {drift}. Mend it with: manage.py rebuild --organization {organization.slug}", returncode=1)
        self.stdout.write(f"no drift in {self._done:,} applications" if not drift else f"mended: {drift}")

    def _progress(self, done: int) -> None:
        self._done += done
        if sys.stderr.isatty():
            self.stderr.write(f"\r\033[K{self._done:,} applications", ending="")
