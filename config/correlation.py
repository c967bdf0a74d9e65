"""One id from the request to a provider to the message on a screen.

A sync run makes it (or takes that of the request that asked for the run); its batches, their Celery messages, the
updates they write and the log lines of all of them carry it. It is random and says nothing of anybody.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Celery message header. Not `correlation_id`, which is Celery's own word for the task's id.
HEADER = "stagewatch_correlation"
#: Where a request keeps its id (META): Django speaks of it once more after its middleware is through.
OF_REQUEST = "stagewatch.correlation"
#: What we accept from a client as its id.
FOREIGN = re.compile(r"^[0-9A-Za-z-]{8,64}$")

_current: ContextVar[str] = ContextVar("correlation", default="")


def current() -> str:
    """The id of what this thread or coroutine is at; "" outside of anything."""
    return _current.get()


def new() -> str:
    return uuid.uuid4().hex


def or_new() -> str:
    """For rows that begin something: they belong to what made them, or are a beginning."""
    return current() or new()


@contextmanager
def bound(correlation_id: str) -> Iterator[None]:
    """Within, everything said and sent carries the id."""
    token = _current.set(correlation_id)
    try:
        yield
    finally:
        _current.reset(token)


def bind(correlation_id: str) -> None:
    """From here on, until the next; where beginning and end are two signals."""
    _current.set(correlation_id)
