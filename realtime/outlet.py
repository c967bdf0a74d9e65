"""Whether a connection still takes what it is sent.

ASGI has no word for a slow reader: daphne's ``send`` returns at once and the bytes pile up in the connection's
buffer. Its transport knows, so the streams look there and let their own bounded queue fill instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

#: Bytes a connection may have waiting before it counts as full.
MOST_WAITING = 256 * 1024
#: How often a full connection is looked at again.
LOOK_AGAIN_SECONDS = 0.05


class Outlet:
    """The sending end of one connection; made from the ``send`` that the server handed to the application."""

    def __init__(self, send: Any = None) -> None:
        # daphne: functools.partial(handle_reply, protocol); another server is taken to wait by itself
        self._protocol = next(iter(getattr(send, "args", ())), None)

    @property
    def waiting(self) -> int:
        """Bytes written and not yet taken by the network."""
        transport = getattr(self._protocol, "transport", None)
        buffer, later = getattr(transport, "dataBuffer", b""), getattr(transport, "_tempDataLen", 0)
        return len(buffer) - getattr(transport, "offset", 0) + later

    async def room(self, *, unless: Callable[[], bool]) -> None:
        """Returns when there is room, or ``unless`` holds."""
        while self.waiting > MOST_WAITING and not unless():
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


def of(scope: Any) -> Outlet:
    """The outlet that ``with_outlet`` put beside a request."""
    found = scope.get("outlet")
    return found if isinstance(found, Outlet) else Outlet()


def with_outlet(application: Any) -> Any:
    """ASGI middleware; outermost, where ``send`` is still the server's own."""

    async def watched(scope: Any, receive: Any, send: Any) -> Any:
        return await application({**scope, "outlet": Outlet(send)}, receive, send)

    return watched
