"""What a rule would have opened in the past, with the thresholds as they are and with others."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import Organization
from issues.backtesting import REPLAYABLE, NotReplayable, Span, backtest
from issues.detection import rule_book
from issues.thresholds import Setting
from issues.whatif import Comparison, words_of


class Command(BaseCommand):
    help = "Replay a rule on the stored ledger: how many issues other thresholds would have opened."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--rule", required=True, metavar="RULE", help=f"one of {', '.join(REPLAYABLE)}")
        parser.add_argument("--days", type=int, default=90, help="calendar days up to now (default 90)")
        parser.add_argument("--business-days", type=float, help="another limit")
        parser.add_argument("--factor", type=float, help="another factor")
        parser.add_argument("--proxy", action="store_true", default=None, help="with the proxy where the ATS lacks the rule's input")
        parser.add_argument("--job", type=int, metavar="ID", help="the other thresholds for this job only")
        parser.add_argument("--stage", type=int, metavar="ID", help="the other thresholds for this stage only")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = Organization.objects.filter(slug=options["organization"]).first()
        if organization is None:
            raise CommandError(f"There is no organization called {options['organization']}.")
        if not 1 <= options["days"] <= 3650:
            raise CommandError("--days must lie between 1 and 3650.")
        values = {name: options[name] for name in ("business_days", "factor", "proxy") if options[name] is not None}
        if any(value <= 0 for name, value in values.items() if name != "proxy"):
            raise CommandError("A threshold must be greater than 0.")
        rule, now = options["rule"], timezone.now()
        book = rule_book(organization.pk)
        other = book.changed(Setting(rule=rule, job_id=options["job"], stage_id=options["stage"], values=values))
        span = Span(now - timedelta(days=options["days"]), now)
        try:
            as_is, what_if = backtest(organization, rule, [book, other], span)
        except NotReplayable as error:
            raise CommandError(str(error)) from None
        if not values:
            self.stdout.write(f"{rule}: {words_of(as_is, options['days'])}")
            return
        self.stdout.write(Comparison(rule, options["days"], book.of(rule), values, as_is, what_if).sentence)
