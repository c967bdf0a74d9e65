"""One organization's log, read once for all streams of the process that follow it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Iterator
from typing import Any

from django.db import DatabaseError

from config import telemetry
from realtime import log
from realtime.subscription import OUR_MISTAKE, Ended, Subscription

logger = logging.getLogger(__name__)

#: Shortest time between two readings of one organization's log: a burst becomes two readings a second.
PACE_SECONDS = 0.5
#: After asking everyone to reload, let them do so before the next word.
RELOAD_PACE_SECONDS = 2.0

Read = Callable[..., Coroutine[Any, Any, Any]]


class Feed:
    """Who follows an organization, and how far its log has been told to them."""

    def __init__(self, organization_id: int, position: int) -> None:
        self.organization_id = organization_id
        #: everything up to here has been offered to every subscription
        self.position = position
        self.hinted = False
        #: by the one job followed; None: all of them
        self._followers: defaultdict[int | None, set[Subscription]] = defaultdict(set)
        self._news = asyncio.Event()

    def add(self, subscription: Subscription) -> None:
        self._followers[subscription.topic.job_id].add(subscription)

    def discard(self, subscription: Subscription) -> None:
        followers = self._followers[subscription.topic.job_id]
        followers.discard(subscription)
        if not followers:
            del self._followers[subscription.topic.job_id]

    @property
    def deserted(self) -> bool:
        return not self._followers

    def look(self) -> None:
        self._news.set()

    async def run(self, read: Read) -> None:
        """Tell what is new, whenever there is something new, as long as the feed lives."""
        while True:
            await self._news.wait()
            self._news.clear()
            began = time.monotonic()
            try:
                changes = await read(log.read, self.organization_id, after=self.position, followed=frozenset(self._followers) - {None})
            except DatabaseError as error:
                logger.warning("update log not readable", extra={"action": "log_unread", "error": type(error).__name__})
                await asyncio.sleep(1)
                self._news.set()
                continue
            except Exception:
                # a mistake of ours: better openly off than silently behind
                logger.exception("update log not understood", extra={"action": "log_misread"})
                for subscription in [one for each in self._followers.values() for one in each]:
                    subscription.finish(Ended(OUR_MISTAKE))
                return
            self._tell(changes)
            await asyncio.sleep(0)  # everybody who was woken writes before this comes back
            # what is dear is done less often: streams take no more than half of the process
            pause = max(PACE_SECONDS, time.monotonic() - began)
            await asyncio.sleep(max(RELOAD_PACE_SECONDS, pause) if changes.reload else pause)

    def _tell(self, changes: log.Changes) -> None:
        self.position = changes.last
        if changes.reload:
            telemetry.RELOADS.inc()
        for told in changes.told:
            for subscription in self._listeners(told):
                subscription.offer(told)

    def _listeners(self, told: log.Told) -> Iterator[Subscription]:
        if told.wide:
            concerned: Collection[int | None] = (None,)
        else:
            concerned = list(self._followers) if told.job_id is None else (None, told.job_id)
        for job_id in concerned:
            yield from self._followers.get(job_id, ())
