"""Sealing the addresses of channels anew under the newest key."""

from __future__ import annotations

from django.db import transaction

from connectors import credentials
from connectors.exceptions import NotConfigured
from connectors.rotating import Rotated
from triggers.models import Channel


def rotate_addresses() -> Rotated:
    rotated, failures = 0, []
    for channel_id in Channel.objects.exclude(sealed_address="").order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            channel = Channel.objects.select_for_update(of=("self",)).select_related("organization").get(pk=channel_id)
            try:
                channel.sealed_address = credentials.rotate(f"channel {channel.pk}", channel.sealed_address)
            except NotConfigured as error:
                failures.append(f"{channel.organization.slug}/{channel.name}: {error}")
                continue
            channel.save(update_fields=["sealed_address"])
            rotated += 1
    return rotated, failures
