"""What providers send by themselves: the signature first, then the payload is committed, then one looks."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from django.db import transaction

from connectors import inbox, registry
from connectors.exceptions import NotConfigured
from connectors.models import Connector, ProviderRecord
from connectors.services import SyncInProgress, request_sync
from connectors.signatures import LEEWAY, Delivery

#: ``ProviderRecord.kind`` of a delivery that was heard
KIND = "webhook"
#: the signature's age bars what is older
REMEMBERED = 4 * LEEWAY


class NotAuthentic(Exception):
    """No such connector, no secret, a wrong signature or an old one: from outside they look the same."""


def hear(*, provider: str, connector_id: int, delivery: Delivery, now: datetime) -> int:
    """Commit what a delivery says to the inbox; how many payloads, 0 if it was heard before.

    Raises ``NotAuthentic``, and ``PayloadNotUnderstood`` where an authentic one cannot be read.
    """
    known = registry.PROVIDERS.get(provider) or next(iter(registry.PROVIDERS.values()))
    connector = Connector.objects.filter(pk=connector_id, provider=provider).first()
    secrets = connector.webhook_secrets() if connector else []
    if not known.signed_by.is_authentic(delivery, secrets=secrets, now=now) or connector is None:
        raise NotAuthentic
    heard = known.hear(delivery.body, received_at=now)
    with transaction.atomic():
        if not _is_new(connector, delivery, now=now):
            return 0
        inbox.store(connector, heard.observations, received_at=now)
    if heard.look_again:
        _look(connector)
    return len(heard.observations)


def _is_new(connector: Connector, delivery: Delivery, *, now: datetime) -> bool:
    """The same bytes with the same signature are one delivery; the table's constraint decides between two at once."""
    told = ProviderRecord.objects.filter(connector=connector, kind=KIND)
    told.filter(listed_at__lt=now - REMEMBERED).delete()
    signature = delivery.headers.get(registry.get(connector.provider).signed_by.signature, "").strip().lower()
    digest = sha256(delivery.body + signature.encode()).hexdigest()
    _, new = ProviderRecord.objects.get_or_create(connector=connector, kind=KIND, external_id=digest, defaults={"listed_at": now})
    return new


def _look(connector: Connector) -> None:
    """The payload named nobody we could read: a delta sync finds what changed. One under way, or the next one, will do."""
    if connector.status != Connector.Status.ACTIVE:
        return
    try:
        request_sync(connector=connector, mode="delta")
    except (SyncInProgress, NotConfigured):
        return
