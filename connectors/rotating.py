"""Sealing every credential anew under the newest key, so that older keys can be thrown away."""

from __future__ import annotations

from django.db import transaction

from connectors import credentials
from connectors.exceptions import NotConfigured
from connectors.models import Connector


def rotate_credentials() -> tuple[int, list[str]]:
    """How many credentials were sealed anew, and a sentence for each that no key opens (left as it was)."""
    rotated, failures = 0, []
    for connector_id in Connector.objects.exclude(sealed_secret="").order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            connector = Connector.objects.select_for_update(of=("self",)).select_related("organization").get(pk=connector_id)
            try:
                connector.sealed_secret = credentials.rotate(connector.pk, connector.sealed_secret)
            except NotConfigured as error:
                failures.append(f"{connector.organization.slug}/{connector.name}: {error}")
                continue
            connector.save(update_fields=["sealed_secret"])
            rotated += 1
    return rotated, failures
