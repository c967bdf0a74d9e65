"""``/ws/updates?jobId=``: the WebSocket door. Origin, session and token are settled before it (see routing)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qs

from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import close_old_connections

from realtime import outlet, resume
from realtime.hub import hub
from realtime.subscription import BAD_REQUEST, COME_BACK, NOT_YOURS, TOO_MANY, Ended, Subscription
from realtime.topics import Listener, NotATopic, NotYours, topic_for

Answer = TypeVar("Answer")

#: Sockets are closed and opened again after some hours, so that deploys and leaks have an end.
LONGEST_SECONDS = 4 * 3600
#: A stream may catch up so many times at once, and once a second after that: each costs a reading that others' streams wait for.
CATCH_UPS = 10


class UpdatesConsumer(AsyncWebsocketConsumer):
    # one channel per client does not scale: the hub holds the only one of the process
    channel_layer_alias = ""

    subscription: Subscription | None = None
    #: catch-ups left, as of a moment
    _left, _left_at = float(CATCH_UPS), -math.inf
    _telling: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        listener: Listener | None = self.scope["listener"]
        if listener is None:
            await self.close()  # before accepting: the handshake is answered with 403
            return
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        job, organization, types, after = (query.get(name, [""])[0] for name in ("jobId", "organization", "types", "after"))
        await self.accept()
        try:
            topic = await in_thread(topic_for, listener.user_id, job=job, organization=organization, types=types)
            numbers = resume.parse(after, topic.organization_ids)
            stream = Subscription(listener, topic, transport="websocket", outlet=outlet.of(self.scope))
            self.subscription = await hub().subscribe(stream, after=numbers)
        except NotYours:
            await self.close(NOT_YOURS)
        except NotATopic:
            await self.close(BAD_REQUEST)
        except Ended as end:
            await self._end(end)
        else:
            self._telling = asyncio.create_task(self._tell(self.subscription))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """``{"resume_after": n}`` (or ``"org:n,org:n"``) catches up; anything else is a mistake, and so is asking all the time."""
        after = _resume_point(text_data)
        if self.subscription is None or self.subscription.ended_at is not None:
            return  # said while the stream was being closed
        if after is None:
            self.subscription.finish(Ended(BAD_REQUEST))
        elif not self._may_catch_up():
            self.subscription.finish(Ended(TOO_MANY))
        else:
            numbers = resume.parse(after, self.subscription.topic.organization_ids)
            await hub().resume(self.subscription, numbers or {})

    def _may_catch_up(self) -> bool:
        now = time.monotonic()
        self._left, self._left_at = min(CATCH_UPS, self._left + now - self._left_at), now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    async def disconnect(self, code: int) -> None:
        if self._telling is not None:
            self._telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._telling
        if self.subscription is not None:
            await hub().unsubscribe(self.subscription)

    async def _tell(self, subscription: Subscription) -> None:
        try:
            spread = random.uniform(0.9, 1.1)  # noqa: S311  (so that not all come back at once; no secret)
            async with asyncio.timeout(LONGEST_SECONDS * spread):
                while True:
                    told = await subscription.next()
                    await self.send(told.text)
        except TimeoutError:
            await self.close(COME_BACK)
        except Ended as end:
            with contextlib.suppress(OSError):
                await self._end(end)
        except OSError:
            pass  # gone or cut; disconnect follows

    async def _end(self, end: Ended) -> None:
        if end.last_words:
            await self.send(end.last_words)
        await self.close(end.code)


def _resume_point(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        said: Any = json.loads(text)
    except ValueError:
        return None
    point = said.get("resume_after") if isinstance(said, dict) else None
    if isinstance(point, bool) or not isinstance(point, int | str):
        return None
    return str(point)


async def in_thread(function: Callable[..., Answer], *args: Any, **options: Any) -> Answer:
    """A short query in a thread of the pool; the connection goes back at once."""

    def querying() -> Answer:
        close_old_connections()
        try:
            return function(*args, **options)
        finally:
            close_old_connections()

    return await sync_to_async(querying, thread_sensitive=False)()
