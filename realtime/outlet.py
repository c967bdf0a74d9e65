"""The sending end of a connection: whether it still takes what it is sent, and the way to cut it.

The server waits in ``send`` while a connection's buffer is full, so the streams' own bounded queues fill instead.
ASGI has no word for giving up on a reader that never comes back; the transport has.
"""

from __future__ import annotations

from typing import Any


class Outlet:
    """Made from the ``send`` that the server handed to the application."""

    def __init__(self, send: Any = None) -> None:
        # uvicorn: a bound method of what owns the connection; another server keeps slow readers until they go by themselves
        self._owner = getattr(send, "__self__", None)

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
