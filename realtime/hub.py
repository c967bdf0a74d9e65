"""One listener per process, many sockets: the local fan-out.

A web process asks the channel layer for one channel, reads the log once per organization however many sockets
follow it, and hands the same text to each of them. Hints only wake it; it looks at the counters every few
seconds all the same, so a lost hint costs seconds and no update.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from django.conf import settings
from django.db import DatabaseError, close_old_connections
from redis.exceptions import RedisError

from config import telemetry
from realtime import hints, log, messages
from realtime.feed import Feed
from realtime.subscription import COME_BACK, LAST_WORDS_SECONDS, RIGHTS_ENDED, TOO_MANY, Ended, Subscription
from realtime.topics import withdrawn

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

#: How often counters and rights are looked at without being asked.
LOOK_SECONDS = 5.0
HEARTBEAT_SECONDS = 15.0
#: Bounds of the pause a client is asked to make before it comes back to a process that was told to end.
COME_BACK_MS = (200, 2000)


class Hub:
    """All streams of one process (one event loop)."""

    def __init__(self) -> None:
        self.subscriptions: set[Subscription] = set()
        self._feeds: dict[int, Feed] = {}
        self._opening = asyncio.Lock()
        # own threads: a slow page must not hold up the streams, nor streams the pages
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="updates")
        self._tasks: dict[object, asyncio.Task[None]] = {}
        self._channel: str | None = None
        self._listening = asyncio.Event()
        self._going = False

    async def subscribe(self, subscription: Subscription, *, after: Mapping[int, int] | None = None) -> Subscription:
        """Start a stream; with ``after`` (number by organization id) it first catches up from the log.

        Raises ``Ended`` if the person holds too many streams, or the process is about to end.
        """
        listener, topic = subscription.listener, subscription.topic
        if self._going:
            raise _sent_away()
        if sum(one.listener.user_id == listener.user_id for one in self.subscriptions) >= settings.STREAMS_PER_USER:
            raise Ended(TOO_MANY)
        self._start("listen", self._listen)
        self._start("look", self._look)
        self.subscriptions.add(subscription)
        telemetry.STREAM_CLIENTS.labels(kind=subscription.transport or "other").inc()
        try:
            numbers = {one: await self._join(one, subscription) for one in topic.organization_ids}
            first = [log.hello(numbers, heartbeat=HEARTBEAT_SECONDS)]
            for organization_id, position in numbers.items() if after is not None else ():
                first += await self._missed(subscription, organization_id, position, after or {})
        except BaseException:
            await self.unsubscribe(subscription)
            raise
        subscription.begin(first)
        return subscription

    async def resume(self, subscription: Subscription, after: Mapping[int, int]) -> None:
        """Catch up a stream that is already running."""
        for organization_id in subscription.topic.organization_ids:
            position = self._feeds[organization_id].position
            for told in await self._missed(subscription, organization_id, position, after):
                subscription.offer(told)

    async def unsubscribe(self, subscription: Subscription) -> None:
        if subscription in self.subscriptions:
            self.subscriptions.remove(subscription)
            telemetry.STREAM_CLIENTS.labels(kind=subscription.transport or "other").dec()
        async with self._opening:
            for organization_id in subscription.topic.organization_ids:
                feed = self._feeds.get(organization_id)
                if feed is None:
                    continue
                feed.discard(subscription)
                if feed.deserted:
                    await self._close_feed(feed)

    async def send_away(self) -> None:
        """Tell every client to come back, to another process or the next one, and wait until they have gone.

        Each is given its own moment, so that not all of them stand at the door at once.
        """
        self._going = True
        for subscription in self.subscriptions:
            subscription.finish(_sent_away())
        deadline = time.monotonic() + LAST_WORDS_SECONDS
        while self.subscriptions and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for subscription in list(self.subscriptions):
            subscription.outlet.cut()

    async def close(self) -> None:
        """End every stream and task of this hub."""
        await self.send_away()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
        self._threads.shutdown(wait=True)

    # -- feeds ------------------------------------------------------------------------------------

    async def _join(self, organization_id: int, subscription: Subscription) -> int:
        async with self._opening:
            feed = self._feeds.get(organization_id)
            if feed is None:
                feed = await self._open_feed(organization_id)
            feed.add(subscription)
            self._start(feed, partial(feed.run, self._read))
            return feed.position

    async def _open_feed(self, organization_id: int) -> Feed:
        # listen first, read the number second: what comes between is a hint, not a gap
        feed = Feed(organization_id, position=0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(hints.PATIENCE_SECONDS):
                await self._listening.wait()
        await self._ask_for_hints(feed)
        feed.position = (await self._read(log.last_numbers, [organization_id]))[organization_id]
        self._feeds[organization_id] = feed
        return feed

    async def _close_feed(self, feed: Feed) -> None:
        del self._feeds[feed.organization_id]
        self._tasks.pop(feed).cancel()
        if self._channel is not None and feed.hinted:
            await self._on_the_layer(get_channel_layer().group_discard(hints.group(feed.organization_id), self._channel))

    async def _missed(self, subscription: Subscription, organization_id: int, position: int, after: Mapping[int, int]) -> list[log.Told]:
        heard = after.get(organization_id)
        if heard is None:
            return [log.reload(organization_id, position, "The resume point does not name this organization.")]
        if heard > position:
            # ahead of this process, which has not looked yet; or from before the log was replaced
            last = (await self._read(log.last_numbers, [organization_id]))[organization_id]
            if heard > last:
                return [log.reload(organization_id, position, "The resume point is not known here.")]
            subscription.heard[organization_id] = heard
            return []
        if heard == position:
            return []
        changes = await self._read(log.read, organization_id, after=heard, upto=position, job_id=subscription.topic.job_id)
        return changes.told

    # -- what runs as long as the process -----------------------------------------------------------

    async def _listen(self) -> None:
        layer = get_channel_layer()
        while True:
            try:
                self._channel = channel = await layer.new_channel("hub.")
                self._listening.set()
                for feed in list(self._feeds.values()):
                    await self._ask_for_hints(feed)
                while True:
                    hint = await layer.receive(channel)
                    hinted = self._feeds.get(hint["organization"])
                    if hinted is not None and hint["number"] > hinted.position:
                        hinted.look()
            except (RedisError, OSError) as error:
                logger.warning("no hints, looking instead", extra={"action": "hints_lost", "error": type(error).__name__})
                self._channel = None
                self._listening.clear()
                await asyncio.sleep(1)

    async def _look(self) -> None:
        heartbeat_due = time.monotonic() + HEARTBEAT_SECONDS
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look_at_counters()
                await self._look_at_rights()
            except DatabaseError as error:
                logger.warning("streams not checked", extra={"action": "look_failed", "error": type(error).__name__})
            for subscription in list(self.subscriptions):
                if subscription.stalled:
                    subscription.give_up()
                elif subscription.overdue:
                    subscription.outlet.cut()
            if time.monotonic() >= heartbeat_due:
                heartbeat_due += HEARTBEAT_SECONDS
                self._beat()

    async def _look_at_counters(self) -> None:
        feeds = dict(self._feeds)
        for feed in feeds.values():
            await self._ask_for_hints(feed)
        numbers = await self._read(log.last_numbers, list(feeds)) if feeds else {}
        for organization_id, number in numbers.items():
            if number > feeds[organization_id].position:
                feeds[organization_id].look()

    async def _look_at_rights(self) -> None:
        listening = {(one.listener, one.topic) for one in self.subscriptions}
        ended = await self._read(withdrawn, listening) if listening else set()
        for subscription in list(self.subscriptions):
            if (subscription.listener, subscription.topic) in ended:
                subscription.finish(Ended(RIGHTS_ENDED))

    def _beat(self) -> None:
        for subscription in list(self.subscriptions):
            joined = [self._feeds[one] for one in subscription.topic.organization_ids if one in self._feeds]
            subscription.offer(log.ping({feed.organization_id: feed.position for feed in joined}))

    # -- plumbing -----------------------------------------------------------------------------------

    async def _ask_for_hints(self, feed: Feed) -> None:
        if self._channel is None:
            feed.hinted = False
        elif not feed.hinted:
            group = hints.group(feed.organization_id)
            feed.hinted = await self._on_the_layer(get_channel_layer().group_add(group, self._channel))

    async def _on_the_layer(self, call: Coroutine[Any, Any, None]) -> bool:
        try:
            async with asyncio.timeout(hints.PATIENCE_SECONDS):
                await call
        except (RedisError, OSError, TimeoutError, RuntimeError):
            return False
        return True

    async def _read(self, function: Callable[..., Answer], *args: Any, **options: Any) -> Answer:
        """A short reading in a thread of ours; its connection goes back to the pool at once."""

        def reading() -> Answer:
            close_old_connections()
            try:
                return function(*args, **options)
            finally:
                close_old_connections()

        return await asyncio.get_running_loop().run_in_executor(self._threads, reading)

    def _start(self, key: object, body: Callable[[], Coroutine[Any, Any, None]]) -> None:
        running = self._tasks.get(key)
        if running is None or running.done():
            # an empty context: the task outlives the request whose subscription started it
            self._tasks[key] = asyncio.get_running_loop().create_task(body(), context=contextvars.Context())


def _sent_away() -> Ended:
    retry_ms = random.randint(*COME_BACK_MS)  # noqa: S311  (no secret)
    return Ended(COME_BACK, messages.encode(messages.Reconnect(retry_ms=retry_ms)), retry_ms=retry_ms)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
