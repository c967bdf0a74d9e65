"""``manage.py doctor``: is all well, and if not, what to do."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config import doctor


class Command(BaseCommand):
    help = "Look at settings, versions, clocks, disk, migrations, processes, schedules, connectors and dead letters; exit 1 on a problem."
    requires_system_checks = []  # they are among what is looked at

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        found = list(doctor.examine())
        problems = sum(finding.level == doctor.PROBLEM for _, finding in found)
        warnings = sum(finding.level == doctor.WARNING for _, finding in found)
        if options["json"]:
            rows = [{"check": name, "level": one.level, "text": one.text, "advice": one.advice} for name, one in found]
            self.stdout.write(json.dumps({"problems": problems, "warnings": warnings, "findings": rows}, indent=2))
        else:
            for name, finding in found:
                self.stdout.write(f"{finding.level:<8} {name:<13} {finding.text}".rstrip())
                if finding.advice:
                    self.stdout.write(f"{'':<22} → {finding.advice}")
            self.stdout.write(self._sentence(problems, warnings))
        if problems:
            sys.exit(1)

    def _sentence(self, problems: int, warnings: int) -> str:
        if problems:
            return f"\n{problems} {'problem' if problems == 1 else 'problems'}, {warnings} to know of"
        return f"\nall is well{f', {warnings} to know of' if warnings else ''}"
