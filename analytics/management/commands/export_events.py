from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Organization
from analytics import exporting
from ats.models import Job


class Command(BaseCommand):
    help = "Write an organization's events, without anybody's name, for process mining: one line or XES event each, by application."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--job", type=int, metavar="ID", help="only applications that were ever in this job")
        parser.add_argument("--format", choices=exporting.FORMATS, default="jsonl")
        parser.add_argument("--output", metavar="FILE", help="default: standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = Organization.objects.filter(slug=options["organization"]).first()
        if organization is None:
            raise CommandError(f"There is no organization {options['organization']!r}.")
        if options["job"] is not None and not Job.objects.filter(organization=organization, pk=options["job"]).exists():
            raise CommandError(f"Organization {organization.slug!r} has no job {options['job']}.")
        found = exporting.lines(organization, job_id=options["job"])
        if not options["output"]:
            exporting.write(found, cast(IO[str], self.stdout._out), options["format"])
            return
        try:
            with open(options["output"], "w", encoding="utf-8", newline="") as target:
                count = exporting.write(found, target, options["format"])
        except OSError as error:
            raise CommandError(f"{options['output']} cannot be written: {error.strerror}.") from None
        if sys.stderr.isatty():
            self.stderr.write(f"{count:,} events")
