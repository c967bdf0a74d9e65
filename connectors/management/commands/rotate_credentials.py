from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors.rotating import rotate_credentials


class Command(BaseCommand):
    help = "Seal every connector's credential anew under the first of CREDENTIAL_KEYS; afterwards the others can be removed."

    def handle(self, *args: Any, **options: Any) -> None:
        rotated, failures = rotate_credentials()
        self.stdout.write(f"{rotated} credential{'' if rotated == 1 else 's'} sealed under the newest key")
        if failures:
            raise CommandError("Not all keys may be removed yet:\n  " + "\n  ".join(failures))
