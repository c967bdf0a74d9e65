"""Where a process may connect to while it tells somebody something: a fence no library under it can go around.

A channel's address is typed by a person, and the library that sends resolves names by itself. Looking a name up
beforehand would prove nothing, for it may resolve differently a moment later; so the address is judged at the moment of
connecting, by the interpreter's audit event ``socket.connect``, which every socket made in Python raises with the
address it is about to use. Nothing has been sent by then.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from connectors.outbound import Reach


class OutOfReach(OSError):
    """The connection was refused before it was made. An ``OSError``, so that libraries clean up as after any refusal."""


@dataclass
class Fence:
    reach: Reach
    #: addresses that were refused
    refused: list[str] = field(default_factory=list)

    def judge(self, address: Any) -> None:
        host = str(address[0]) if isinstance(address, tuple) else "a local socket"
        try:
            allowed = self.reach.allows(host)
        except ValueError:  # a name, or a path: not what the kernel will connect to
            allowed = False
        if not allowed:
            self.refused.append(host)
            raise OutOfReach(f"{host} is not a {self.reach} address; nothing was sent.")


_standing: ContextVar[Fence | None] = ContextVar("fence", default=None)


@contextmanager
def fenced(reach: Reach) -> Iterator[Fence]:
    """Within the block sockets of this thread connect to addresses in ``reach`` only."""
    _listen()
    fence = Fence(reach)
    token = _standing.set(fence)
    try:
        yield fence
    finally:
        _standing.reset(token)


@cache
def _listen() -> None:
    """Once per process, and only in one that sends: an audit hook cannot be taken off again."""
    sys.addaudithook(_judge)


def _judge(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and (fence := _standing.get()) is not None:
        fence.judge(arguments[1])
