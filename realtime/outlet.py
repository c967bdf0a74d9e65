"""The sending end of a connection: whether it still takes what it is sent, the short way in, and the way to cut it.

The server waits in ``send`` while a connection's buffer is full, so the streams' own bounded queues fill instead.
ASGI has no word for giving up on a reader that never comes back, nor for handing one frame to a thousand sockets without
waking a task for each; the server's own connection has both.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State


def frame(text: str) -> bytes:
    """A WebSocket message as it goes over the line: a server's frames are not masked, so it is the same for every client."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


class Outlet:
    """Made from the ``send`` that the server handed to the application."""

    def __init__(self, send: Any = None) -> None:
        # uvicorn: a bound method of what owns the connection; another server keeps slow readers until they go by themselves
        self._owner = getattr(send, "__self__", None)
        self._socket = self._owner if isinstance(self._owner, WebSocketsSansIOProtocol) else None

    def write(self, message: bytes) -> bool:
        """Put a whole WebSocket message on the line at once, as ``websockets.broadcast`` does.

        False where that cannot be: no WebSocket, its buffer is full, or it is closing. Then nothing was written, and ``send``
        is the way. Only for whoever has nothing waiting in ``send``, or this overtakes it.
        """
        owner = self._socket
        if owner is None or not owner.writable.is_set() or owner.close_sent or owner.conn.state is not State.OPEN:
            return False
        if not owner.handshake_complete or owner.transport.is_closing():
            return False
        owner.transport.write(message)
        return True

    def cut(self) -> None:
        """Close the connection now, with whatever it has not taken."""
        transport = getattr(self._owner, "transport", None)
        if transport is not None:
            transport.abort()


def of(scope: Any) -> Outlet:
    """The outlet that ``with_outlet`` put beside a request."""
    found = scope.get("outlet")
    return found if isinstance(found, Outlet) else Outlet()


def with_outlet(application: Any) -> Any:
    """ASGI middleware; outermost, where ``send`` is still the server's own."""

    async def watched(scope: Any, receive: Any, send: Any) -> Any:
        return await application({**scope, "outlet": Outlet(send)}, receive, send)

    return watched
