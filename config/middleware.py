"""What every request gets: an id, and one line in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import sync_and_async_middleware

from config import correlation, places, tracing

logger = logging.getLogger("stagewatch.request")

#: asked every few seconds by machines
QUIET = ("/healthz", "/readyz", "/metrics", "/static/")


@sync_and_async_middleware
def correlate(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Binds the request's id (the client's X-Request-ID, if it is one, or a new one) and sends it back.

    The line names method, path and status. Not the query, and no words of the path: people search for names.
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
    identity = told if correlation.FOREIGN.match(told) else correlation.new()
    request.META[correlation.OF_REQUEST] = identity
    return identity


def _answered(request: HttpRequest, response: Any, began: float, identity: str) -> Any:
    response["X-Request-ID"] = identity
    level = logging.DEBUG if request.path.startswith(QUIET) else logging.INFO
    logger.log(
        level,
        "%s %s %s",
        request.method,
        places.told(request),
        response.status_code,
        extra={"action": "request", "status": response.status_code, "ms": round((time.perf_counter() - began) * 1000)},
    )
    return response


# --- what a page may load and run ---------------------------------------------------------------------------------
OURS = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
#: Libraries' pages: the admin's widgets are written into its markup, and evaluated
ADMIN = f"{OURS}; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
#: Swagger UI sets styles from its script
DOCS = f"{OURS}; style-src 'self' 'unsafe-inline'"
POLICIES = {"/admin/": ADMIN, "/ats/docs": DOCS}


@sync_and_async_middleware
def content_policy(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Content-Security-Policy: our pages load and run nothing that is not a file of ours."""

    def policed(request: HttpRequest, response: Any) -> Any:
        policy = next((policy for prefix, policy in POLICIES.items() if request.path.startswith(prefix)), OURS)
        response.headers.setdefault("Content-Security-Policy", policy)
        return response

    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> Any:
            return policed(request, await get_response(request))

        return asynchronous

    return lambda request: policed(request, get_response(request))


def locked_out(request: HttpRequest, credentials: Any = None, *args: Any, **kwargs: Any) -> HttpResponse:
    """The answer to one guess too many; says the same whether the name exists or not."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    sentence = f"Too many failed attempts to log in. Try again in {minutes} minutes, or ask an administrator to reset your password."
    response = render(request, "locked.html", {"sentence": sentence}, status=429)
    response["Retry-After"] = str(minutes * 60)
    return response
