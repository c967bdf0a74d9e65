"""Errors as RFC 9457 problem+json: the one shape of everything programs talk to, in DRF views and outside of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, JsonResponse
from django.views.csrf import csrf_failure
from django.views.decorators.csrf import csrf_exempt

PROBLEM = "application/problem+json"

#: Addresses programs talk to: they get problems, people get pages.
API_PREFIXES = ("/ats/", "/webhooks/", "/realtime/", "/metrics", "/readyz", "/healthz")


def problem_body(status: int, *, path: str, detail: str = "") -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": int(status), "detail": detail or f"{title}.", "instance": path}


def problem_response(request: HttpRequest, status: int, detail: str = "", **members: Any) -> JsonResponse:
    body = problem_body(status, path=request.path, detail=detail) | members
    return JsonResponse(body, status=status, content_type=PROBLEM)


def answers(*methods: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For views outside of DRF: any other method is a 405. They trust no cookie to change something, so that a request
    of another method hears which there are, not that it lacks a CSRF token."""

    def refused(request: HttpRequest) -> JsonResponse:
        response = problem_response(request, 405, f'Method "{request.method}" not allowed.')
        response["Allow"] = ", ".join(methods)
        return response

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        if iscoroutinefunction(view):

            @wraps(view)
            async def asynchronous(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                return await view(request, *args, **kwargs) if request.method in methods else refused(request)

            return csrf_exempt(asynchronous)

        @wraps(view)
        def synchronous(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return view(request, *args, **kwargs) if request.method in methods else refused(request)

        return csrf_exempt(synchronous)

    return decorate


def csrf_failed(request: HttpRequest, reason: str = "") -> Any:
    """``CSRF_FAILURE_VIEW``: programs get a problem, people the page."""
    if request.path.startswith(API_PREFIXES):
        return problem_response(request, 403, f"CSRF Failed: {reason}")
    return csrf_failure(request, reason)
