"""Sealing every credential anew under the newest key, so that older keys can be thrown away."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from connectors import credentials
from connectors.exceptions import NotConfigured
from connectors.models import Connector

#: What a rotation did: how many were sealed anew, and a sentence for each that no key opens (left as it was).
Rotated = tuple[int, list[str]]

#: rotations of later apps, which keep secrets of their own; they add themselves when they start
others: list[Callable[[], Rotated]] = []


def rotate_credentials() -> Rotated:
    """Every secret of every app."""
    rotated, failures = _rotate_connectors()
    for rotate in others:
        more, failed = rotate()
        rotated, failures = rotated + more, failures + failed
    return rotated, failures


def _rotate_connectors() -> Rotated:
    rotated, failures = 0, []
    for connector_id in Connector.objects.order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            connector = Connector.objects.select_for_update(of=("self",)).select_related("organization").get(pk=connector_id)
            for column, owner in (("sealed_secret", connector.pk), ("sealed_webhook_secrets", connector.webhook_owner)):
                sealed = getattr(connector, column)
                if not sealed:
                    continue
                try:
                    setattr(connector, column, credentials.rotate(owner, sealed))
                except NotConfigured as error:
                    failures.append(f"{connector.organization.slug}/{connector.name}: {error}")
                    continue
                connector.save(update_fields=[column])
                rotated += 1
    return rotated, failures
