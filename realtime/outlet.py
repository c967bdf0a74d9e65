"""The sending end of a connection: whether it still takes what it is sent, and the way to cut it.

The server waits in ``send`` while a connection's buffer is full, so the streams' own bounded queues fill instead.
ASGI has no word for giving up on a reader that never comes back; the transport has.
"""

from __future__ import annotations

import socket
from typing import Any

#: What the kernel takes for a stream before the server has to wait: by itself it would take megabytes for each reader
#: that has gone to sleep, and notice them that much later.
SEND_BUFFER_BYTES = 128 * 1024


class Outlet:
    """Made from the ``send`` that the server handed to the application."""

    def __init__(self, send: Any = None) -> None:
        # uvicorn: a bound method of what owns the connection; another server keeps slow readers until they go by themselves
        self._owner = getattr(send, "__self__", None)

    def bound(self) -> None:
        """Let little wait in the kernel for this connection."""
        transport = getattr(self._owner, "transport", None)
        line = transport.get_extra_info("socket") if transport is not None else None
        if line is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def cut(self) -> None:
        """Close the connection now, with whatever it has not taken."""
        transport = getattr(self._owner, "transport", None)
        if transport is not None:
            transport.abort()


def of(scope: Any) -> Outlet:
    """The outlet that ``with_outlet`` put beside a request, made ready for a stream."""
    found = scope.get("outlet")
    outlet = found if isinstance(found, Outlet) else Outlet()
    outlet.bound()
    return outlet


def with_outlet(application: Any) -> Any:
    """ASGI middleware; outermost, where ``send`` is still the server's own."""

    async def watched(scope: Any, receive: Any, send: Any) -> Any:
        return await application({"outlet": Outlet(send), **scope}, receive, send)

    return watched
