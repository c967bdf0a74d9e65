"""The hint that wakes web processes: "organization X is at number n".

It travels over the channel layer, which may lose anything at any time. Nothing depends on it but speed: the hub
looks at the counters every few seconds all the same.
"""

from __future__ import annotations

import asyncio
import logging

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

#: A dead or silent broker must not hold up whoever just committed.
PATIENCE_SECONDS = 2.0


def group(organization_id: int) -> str:
    return f"updates.{organization_id}"


def send(organization_id: int, number: int) -> None:
    """Raises nothing for a broker that is away: who listens finds the update by looking."""
    try:
        async_to_sync(_send)(organization_id, number)
    except (RedisError, OSError, TimeoutError) as error:
        logger.warning("hint not sent", extra={"action": "hint_failed", "error": type(error).__name__})


async def _send(organization_id: int, number: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await get_channel_layer().group_send(group(organization_id), {"type": "updates", "organization": organization_id, "number": number})
