from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ats.erasing import NotErased, erase_candidate, namesakes
from ats.models import Candidate


class Command(BaseCommand):
    help = "Erase a person: name, address, free text and raw payloads, for good. Stage times and counts stay. Prints a receipt."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", type=int, metavar="ID", help="number of the candidate, as in the admin and in /ats/candidates/ID")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="kept in the receipt; without the person's name")
        parser.add_argument("--yes", action="store_true", help="do not ask; where there is no terminal nobody is asked")

    def handle(self, *args: Any, **options: Any) -> None:
        candidate = Candidate.objects.filter(pk=options["id"]).first()
        others = namesakes(candidate) if candidate else []  # asked before the address is gone
        if candidate and not options["yes"] and sys.stdin.isatty():
            self._confirm(candidate)
        try:
            receipt = erase_candidate(candidate_id=options["id"], reason=options["reason"], erased_by=_account())
        except NotErased as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"receipt: {receipt.pk}")
        self.stdout.write(f"candidate: {receipt.candidate_id}")
        self.stdout.write(f"erased at: {receipt.erased_at:%Y-%m-%dT%H:%M:%SZ}")
        self.stdout.write(f"reason: {receipt.reason}")
        for table, rows in sorted(receipt.counts.items()):
            self.stdout.write(f"{table}: {rows}")
        if receipt.waiting:
            self.stdout.write(f"on the road: {receipt.waiting} payloads that are emptied as they pass; look again once the flow is quiet")
        if others:
            ids = ", ".join(str(pk) for pk in others)
            self.stdout.write(f"same address: candidates {ids} are probably the same person and were not erased")

    def _confirm(self, candidate: Candidate) -> None:
        self.stdout.write(f"{candidate} of {candidate.connector} will be erased. This cannot be undone.")
        if input(f"Type {candidate.pk} to go on: ").strip() != str(candidate.pk):
            raise CommandError("Nothing was erased.")


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""
