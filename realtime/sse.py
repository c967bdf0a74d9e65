"""``GET /realtime/updates?jobId=``: the same messages as server-sent events; ``Last-Event-ID`` resumes.

No thread, transaction or database connection waits with the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connections
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone

from config.problems import answers, problem_response
from realtime import origins, outlet, resume, tickets, topics
from realtime.hub import hub
from realtime.subscription import COME_BACK, Ended, Subscription
from realtime.topics import Listener, NotATopic, NotYours, Topic

#: A comment line this often shows both sides whether the other is still there.
COMMENT_SECONDS = 15.0
PATH = "/realtime/updates"
QUERY = {"job": "jobId", "organization": "organization", "types": "types"}

#: Django keeps a thread for a request as long as it lasts; streams last for hours and share these few
_doors = cycle([ThreadPoolExecutor(max_workers=1, thread_name_prefix="sse-door") for _ in range(4)])


class ForeignPage(Exception):
    """A session came with a request from a page that is not ours."""


def on_shared_threads(application: Any) -> Any:
    """ASGI middleware: what is synchronous about opening an event stream happens in a thread that others use too."""

    async def shared(scope: Any, receive: Any, send: Any) -> Any:
        if scope["type"] != "http" or scope["path"] != PATH:
            return await application(scope, receive, send)
        async with ThreadSensitiveContext(executor=next(_doors)):
            return await application(scope, receive, send)

    return shared


@answers("GET")
async def updates(request: HttpRequest) -> HttpResponseBase:
    """A stream of messages (see ``realtime.messages``), each with the id to resume after."""
    try:
        listener, topic = await sync_to_async(_admit)(request)
    except NotYours as error:
        return problem_response(request, 404, str(error))
    except ForeignPage:
        return problem_response(request, 403, "A page of another site may not listen with your session; ask for a ticket.")
    except NotATopic as error:
        return problem_response(request, 400, str(error))
    if listener is None:
        stranger = problem_response(request, 401, "Log in, or send an Authorization: Token header.")
        stranger["WWW-Authenticate"] = "Token"
        return stranger
    after = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    try:
        stream = Subscription(listener, topic, transport="sse", outlet=outlet.of(getattr(request, "scope", {})))
        subscription = await hub().subscribe(stream, after=resume.parse(after, topic.organization_ids))
    except Ended as end:
        if end.code == COME_BACK:
            return problem_response(request, 503, "This process is stopping; come back in a moment.")
        return problem_response(request, 429, "Too many streams are open; close some.")
    events = _events(subscription)
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    response["Cache-Control"] = "no-cache, no-transform"
    response["X-Accel-Buffering"] = "no"
    if request.GET.get("ticket"):
        # a ticket was given to whoever holds it, so any page may read by it; by a cookie none may: credentials stay forbidden
        response["Access-Control-Allow-Origin"] = "*"
    return response


def _check_origin(request: HttpRequest) -> None:
    """A cookie rides along with any page's request: only our own pages may listen by one. Raises ``ForeignPage``."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    # a page of ours names none where it came from; nor does an image or a script on any other page
    if origin is None and site in ("same-origin", "none"):
        return
    if origin is None or not origins.is_ours(origin, request):
        raise ForeignPage


def _admit(request: HttpRequest) -> tuple[Listener | None, Topic]:
    """Who asks, and for what. Raises ``NotYours``. Gives the request's connection back before the long wait."""
    try:
        header = request.META.get("HTTP_AUTHORIZATION", "").encode("latin-1")
        if header:
            listener = topics.by_token(header)
        elif ticket := request.GET.get("ticket", ""):
            listener = tickets.redeem(ticket, now=timezone.now())
        else:
            _check_origin(request)
            listener = topics.by_session(request.user, request.session.session_key)
        if listener is None:
            return None, Topic(organization_ids=())
        asked = {name: request.GET.get(parameter, "") for name, parameter in QUERY.items()}
        return listener, topics.topic_for(listener.user_id, **asked)
    finally:
        connections.close_all()


async def _events(subscription: Subscription) -> AsyncIterator[str]:
    numbers: dict[int, int] = {}
    try:
        yield "retry: 2000\n\n"
        while True:
            try:
                async with asyncio.timeout(COMMENT_SECONDS):
                    told = await subscription.next()
            except TimeoutError:
                yield ": still here\n\n"
                continue
            numbers.update(told.numbers)
            # a part of an update has no id: whoever stops behind it hears the whole of it again
            point = f"id: {resume.render(numbers)}\n" if told.numbers else ""
            yield f"{point}data: {told.text}\n\n"
    except Ended as end:
        if end.retry_ms is not None:
            yield f"retry: {end.retry_ms}\n\n"
        if end.last_words:
            yield f"data: {end.last_words}\n\n"
    finally:
        await hub().unsubscribe(subscription)
