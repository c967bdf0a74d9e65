from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.models import Organization
from connectors import registry
from connectors.exceptions import ConnectorError
from connectors.services import check_name, connect


class Command(BaseCommand):
    help = "Connect an ATS account (or change one connected before). Makes the organization if it is new."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "provider", choices=sorted(registry.PROVIDERS), metavar="provider", help=" or ".join(sorted(registry.PROVIDERS))
        )
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--name", required=True, help="name of the connector, unique in the organization")
        parser.add_argument("--base-url", default="", metavar="URL")
        parser.add_argument("--secret-env", metavar="VAR", help="environment variable that holds the secret (never given as an argument)")
        parser.add_argument(
            "--webhook-secret-env",
            metavar="VAR",
            help="environment variable that holds the secret its webhooks are signed with; the one before stays valid beside it",
        )
        parser.add_argument(
            "--set", action="append", default=[], metavar="key=value", help="a provider setting; values are read as JSON if they are"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        secret, webhook_secret = self._secret(options["secret_env"]), self._secret(options["webhook_secret_env"])
        settings = dict(self._setting(text) for text in options["set"])
        try:
            with transaction.atomic():
                connector = connect(
                    organization=self._organization(options["organization"]),
                    provider=options["provider"],
                    name=options["name"],
                    base_url=options["base_url"],
                    secret=secret,
                    webhook_secret=webhook_secret,
                    settings=settings,
                )
        except ConnectorError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"connector {connector.pk}: {connector} for {connector.organization.name}")

    def _organization(self, slug: str) -> Organization:
        known = Organization.objects.filter(slug=slug).first()
        if known is None:
            known = Organization(slug=slug, name=slug.replace("-", " ").title())
            check_name(known, "slug")
            known.save()
        return known

    def _secret(self, variable: str | None) -> str:
        if variable is None:
            return ""
        if not os.environ.get(variable):
            raise CommandError(f"The environment variable {variable} is not set; it is to hold the secret.")
        return os.environ[variable]

    def _setting(self, text: str) -> tuple[str, Any]:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise CommandError(f"--set takes key=value, not {text!r}.")
        try:
            return name, json.loads(value)
        except json.JSONDecodeError:
            return name, value
