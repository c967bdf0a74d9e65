"""What a rule would have opened in the past, with the thresholds as they are and with others."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model, QuerySet
from django.utils import timezone

from accounts.models import Organization
from ats.models import Job, Stage
from issues.backtesting import REPLAYABLE
from issues.whatif import WORDS, Question, WrongQuestion

Place = TypeVar("Place", bound=Model)


class Command(BaseCommand):
    help = "Replay a rule on the stored ledger: how many issues other thresholds would have opened."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--rule", required=True, metavar="RULE", help=f"one of {', '.join(REPLAYABLE)}")
        parser.add_argument("--days", type=int, default=90, help="calendar days up to now (default 90)")
        parser.add_argument("--business-days", type=float, help="another limit")
        parser.add_argument("--factor", type=float, help="another factor")
        parser.add_argument("--proxy", action="store_true", default=None, help="with the proxy where the ATS lacks the rule's input")
        parser.add_argument("--people", type=int, help="another least number of people")
        parser.add_argument("--job", type=int, metavar="ID", help="this job only")
        parser.add_argument("--stage", type=int, metavar="ID", help="this stage only")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(self._question(options).answered(timezone.now()).sentence)
        except WrongQuestion as error:
            raise CommandError(str(error)) from None

    def _question(self, options: dict[str, Any]) -> Question:
        organization = Organization.objects.filter(slug=options["organization"]).first()
        if organization is None:
            raise CommandError(f"There is no organization called {options['organization']}.")
        return Question(
            organization=organization,
            rule=options["rule"],
            days=options["days"],
            job=_found(Job.objects.filter(organization=organization), options["job"]),
            stage=_found(Stage.objects.filter(organization=organization), options["stage"]),
            values={name: options[name] for name in WORDS if options[name] is not None},
        )


def _found(rows: QuerySet[Place], pk: int | None) -> Place | None:
    if pk is None:
        return None
    row = rows.filter(pk=pk).first()
    if row is None:
        raise CommandError(f"The organization has no {rows.model._meta.verbose_name} with the id {pk}.")
    return row
