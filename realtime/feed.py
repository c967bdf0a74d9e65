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

#: Shortest time from one reading of an organization's log to the next: a burst becomes two readings a second.
PACE_SECONDS = 0.5
#: And of the time a reading took, the part that is rested after it at least.
REST = 0.25
#: Messages that one reading hands to those who follow everything; were there more, they are told to reload. So many take
#: the process about a quarter of a second (an estimate, not measured), whether a hundred jobs changed for fifty people
#: or five for a thousand.
MOST_WIDE = 5_000

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
                changes = await read(log.read, self.organization_id, after=self.position, followed=self._jobs(), most=self._most())
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
            spent = time.monotonic() - began
            await asyncio.sleep(max(PACE_SECONDS - spent, REST * spent))

    def _jobs(self) -> frozenset[int]:
        return frozenset(job_id for job_id in self._followers if job_id is not None)

    def _most(self) -> int:
        """Subjects told one by one to those who follow everything."""
        return min(log.MOST_SUBJECTS, max(1, MOST_WIDE // max(1, len(self._followers.get(None, ())))))

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
        elif told.narrow:
            concerned = (told.job_id,)
        else:
            concerned = list(self._followers) if told.job_id is None else (None, told.job_id)
        for job_id in concerned:
            yield from self._followers.get(job_id, ())
