"""``GET /realtime/updates?jobId=``: the same messages as server-sent events; ``Last-Event-ID`` resumes.

No thread, transaction or database connection waits with the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_GET

from config.drf import problem_response
from realtime import outlet, resume, topics
from realtime.hub import Ended, Subscription, hub
from realtime.topics import Listener, NotYours, Topic

#: A comment line this often shows both sides whether the other is still there.
COMMENT_SECONDS = 15.0


@require_GET
async def updates(request: HttpRequest) -> HttpResponseBase:
    """A stream of messages (see ``realtime.messages``), each with the id to resume after."""
    try:
        listener, topic = await sync_to_async(_admit)(request)
    except NotYours as error:
        return problem_response(request, 404, str(error))
    if listener is None:
        stranger = problem_response(request, 401, "Log in, or send an Authorization: Token header.")
        stranger["WWW-Authenticate"] = "Token"
        return stranger
    after = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    try:
        subscription = await hub().subscribe(listener, topic, after=resume.parse(after, topic.organization_ids))
    except Ended:
        return problem_response(request, 429, "Too many streams are open; close some.")
    events = _events(subscription, outlet.of(getattr(request, "scope", {})))
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    response["Cache-Control"] = "no-cache, no-transform"
    response["X-Accel-Buffering"] = "no"
    return response


def _admit(request: HttpRequest) -> tuple[Listener | None, Topic]:
    """Who asks, and for what. Raises ``NotYours``. Gives the request's connection back before the long wait."""
    try:
        header = request.META.get("HTTP_AUTHORIZATION", "").encode("latin-1")
        listener = topics.by_token(header) if header else topics.by_session(request.user, request.session.session_key)
        if listener is None:
            return None, Topic(organization_ids=())
        asked = {"job": request.GET.get("jobId", ""), "organization": request.GET.get("organization", "")}
        return listener, topics.topic_for(listener.user_id, **asked)
    finally:
        connections.close_all()


async def _events(subscription: Subscription, way_out: outlet.Outlet) -> AsyncIterator[str]:
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
            yield f"id: {resume.render(numbers)}\ndata: {told.text}\n\n"
            await way_out.room(unless=lambda: subscription.ended)
    except Ended as end:
        if end.last_words:
            yield f"data: {end.last_words}\n\n"
    finally:
        await hub().unsubscribe(subscription)
