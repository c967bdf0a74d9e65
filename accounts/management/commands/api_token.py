"""manage.py api_token USERNAME"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.services import issue_token


class Command(BaseCommand):
    help = "Print a new API token for a user, for the header Authorization: Token …. It cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = User.objects.get(username=options["username"])
        except User.DoesNotExist:
            raise CommandError(f"There is no user called {options['username']!r}; manage.py createsuperuser makes one.") from None
        if not user.is_active:
            raise CommandError(f"{user.username} is not active, so a token would open nothing; activate the user in the admin first.")
        self.stdout.write(issue_token(user=user))
