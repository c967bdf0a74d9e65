"""One stream: a bounded queue between the hub and a connection."""

from __future__ import annotations

import asyncio
import time

from config import telemetry
from realtime import log, messages
from realtime.outlet import Outlet
from realtime.topics import Listener, Topic

#: Messages waiting for one slow connection before it is told to reload and closed.
CAPACITY = 512
#: A connection that takes nothing of what waits for it for so long is told to reload and closed.
STALLED_SECONDS = 10.0
#: A stream that is over has this long to take its last words; then its connection is cut.
LAST_WORDS_SECONDS = 5.0

OUR_MISTAKE, COME_BACK, BAD_REQUEST, RIGHTS_ENDED, NOT_YOURS, TOO_SLOW, TOO_MANY = 1011, 1012, 4400, 4401, 4404, 4408, 4429
#: the same as the bounded words of a metric
REASONS = {
    OUR_MISTAKE: "our_mistake",
    COME_BACK: "stopping",
    BAD_REQUEST: "not_understood",
    RIGHTS_ENDED: "rights_ended",
    NOT_YOURS: "not_yours",
    TOO_SLOW: "too_slow",
    TOO_MANY: "too_many",
}


class Ended(Exception):
    """The stream is over; ``code`` is the WebSocket close code."""

    def __init__(self, code: int, last_words: str = "", *, retry_ms: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.last_words = last_words
        #: how long the client should wait before it comes back
        self.retry_ms = retry_ms


class Subscription:
    """What one client has been offered and has not taken yet.

    A state replaces an older one of the same subject that still waits, so the queue of a slow reader holds each
    job once, and its last state. Where nothing waits and the connection takes it, a message does not wait at all.
    """

    def __init__(self, listener: Listener, topic: Topic, *, transport: str = "", outlet: Outlet | None = None) -> None:
        self.listener = listener
        self.topic = topic
        #: ``websocket`` or ``sse``
        self.transport = transport
        self.outlet = outlet or Outlet()
        #: per organization: what the client said it has already heard
        self.heard: dict[int, int] = {}
        self.ended_at: float | None = None
        self._waiting: dict[object, log.Told] = {}
        #: when something was last taken, or began to wait
        self._taken_at = time.monotonic()
        self._ready = asyncio.Event()
        #: everything taken has been sent, and somebody waits for more
        self._idle = False
        self._end: Ended | None = None

    def offer(self, told: log.Told) -> None:
        if self._end is not None or not self._wants(told):
            return
        if self._idle and not self._waiting and self.outlet.write(told.frame):
            return
        key = told.key or id(told)
        self._waiting.pop(key, None)
        if len(self._waiting) >= CAPACITY:
            self.give_up()
            return
        if not self._waiting:
            self._taken_at = time.monotonic()
        self._waiting[key] = told
        self._ready.set()

    def give_up(self) -> None:
        """The reader is too slow: what waits is dropped, and it is to fetch everything afresh."""
        reload = messages.Reload(organization=None, number=None, reason="This screen fell behind.")
        self.finish(Ended(TOO_SLOW, messages.encode(reload)))

    def begin(self, first: list[log.Told]) -> None:
        """Put what a new stream starts with before anything that came in meanwhile."""
        later, self._waiting = self._waiting, {}
        for told in [*first, *later.values()]:
            self._waiting[told.key or id(told)] = told
        self._ready.set()

    def finish(self, end: Ended) -> None:
        """Nothing more after this; what waits is dropped. The first end counts."""
        if self._end is None:
            self._end, self.ended_at = end, time.monotonic()
            telemetry.STREAMS_ENDED.labels(reason=REASONS.get(end.code, "other")).inc()
        self._waiting.clear()
        self._ready.set()

    @property
    def overdue(self) -> bool:
        """Over for so long that its connection does not take its last words."""
        return self.ended_at is not None and time.monotonic() - self.ended_at > LAST_WORDS_SECONDS

    @property
    def stalled(self) -> bool:
        """Something waits and the connection takes nothing."""
        return bool(self._waiting) and time.monotonic() - self._taken_at > STALLED_SECONDS

    async def next(self) -> log.Told:
        """The next thing to tell. Raises ``Ended``."""
        while not self._waiting:
            if self._end is not None:
                raise self._end
            self._ready.clear()
            self._idle = True
            try:
                await self._ready.wait()
            finally:
                self._idle = False
        self._taken_at = time.monotonic()
        return self._waiting.pop(next(iter(self._waiting)))

    def _wants(self, told: log.Told) -> bool:
        if told.organization is None:
            return True
        if told.number <= self.heard.get(told.organization, -1):
            return False
        if told.type and self.topic.types and told.type not in self.topic.types:
            return False
        return self.topic.job_id is None or told.job_id is None or told.job_id == self.topic.job_id
