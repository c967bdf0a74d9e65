"""Django's ``migrate``, as the owner of the tables, with the application's grants renewed first."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate

from config import database


class Command(migrate.Command):
    help = f"{migrate.Command.help} Runs as the role of MIGRATION_DATABASE_URL."

    def handle(self, *args: Any, **options: Any) -> None:
        with database.as_owner():
            # first, so that what the migrations write through default privileges is usable at once
            database.grant_to_app()
            super().handle(*args, **options)
