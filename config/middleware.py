"""What every request gets: an id, and one line in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

from config import correlation, tracing

logger = logging.getLogger("stagewatch.request")

#: asked every few seconds by machines
QUIET = ("/healthz", "/readyz", "/metrics", "/static/")


@sync_and_async_middleware
def correlate(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Binds the request's id (the client's X-Request-ID, if it is one, or a new one) and sends it back.

    The line names method, path and status. Not the query: people search for names.
    """
    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> Any:
            began, identity = time.perf_counter(), _identity(request)
            with correlation.bound(identity):
                tracing.mark(identity)
                return _answered(request, await get_response(request), began, identity)

        return asynchronous

    def synchronous(request: HttpRequest) -> Any:
        began, identity = time.perf_counter(), _identity(request)
        with correlation.bound(identity):
            tracing.mark(identity)
            return _answered(request, get_response(request), began, identity)

    return synchronous


def _identity(request: HttpRequest) -> str:
    told = request.headers.get("X-Request-ID", "")
    return told if correlation.FOREIGN.match(told) else correlation.new()


def _answered(request: HttpRequest, response: Any, began: float, identity: str) -> Any:
    response["X-Request-ID"] = identity
    level = logging.DEBUG if request.path.startswith(QUIET) else logging.INFO
    logger.log(
        level,
        "%s %s %s",
        request.method,
        request.path,
        response.status_code,
        extra={"action": "request", "status": response.status_code, "ms": round((time.perf_counter() - began) * 1000)},
    )
    return response
