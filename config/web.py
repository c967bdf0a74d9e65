"""The web process: ``python -m config.web``. uvicorn on HOST and PORT, and an end at which nobody loses a request.

Asked to stop (SIGTERM), it first answers 503 at ``/readyz`` while still serving, for DRAIN_SECONDS, so that whoever
balances the load sends the next request elsewhere; then it tells the streams to come back, takes no more connections,
finishes the requests it has, and ends. Where systemd (or anybody) hands it a listening socket it serves that one instead of
HOST and PORT, and connections wait while processes are replaced.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn
from django.core.exceptions import ImproperlyConfigured
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from config import env, handover

logger = logging.getLogger("stagewatch.web")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: a client says one number on a WebSocket; more is a mistake
LONGEST_WORD = 16 * 1024  # bytes
UNREADABLE = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
#: what a request under way may still take once the end has been asked for
PATIENCE_SECONDS = 15
#: what a request may take from the connection being accepted to its first bytes
FIRST_WORD_SECONDS = 0.5


def with_farewell(application: Application) -> Application:
    """While the process ends, each answer says that it is the last one on its connection: the next request is sent on
    another, and so to another process, instead of into a connection that is just being closed."""
    from config import health

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and health.stopping.is_set():
                message = {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
            await send(message)

        # what is sent on a stream is no answer: thousands of sockets are spared the detour
        await application(scope, receive, sending if scope["type"] == "http" else send)

    return served


class WebSockets(WebSocketsSansIOProtocol):
    """uvicorn's, which gives no answer to an opening request it cannot read (a line over 8 kB, 130 headers) and waits for ever."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.transport.is_closing():
            self.transport.write(UNREADABLE)
            self.transport.close()


class Server(uvicorn.Server):
    """uvicorn with a word to its streams before it goes."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # a thread that computes gives way to the event loop after a millisecond: thousands of streams wait for it
        sys.setswitchinterval(0.001)
        # every short query of a stream's door runs in one of these, and each takes a database connection
        threads = ThreadPoolExecutor(max_workers=env.integer("ASGI_THREADS", 10, minimum=1), thread_name_prefix="asgi")
        asyncio.get_running_loop().set_default_executor(threads)
        await super().startup(sockets)
        from config.heartbeats import Pulse
        from config.models import Heartbeat

        self._pulse = Pulse(Heartbeat.Kind.WEB).start()
        where = sockets[0].getsockname() if sockets else (self.config.host, self.config.port)
        logger.info("listening on http://%s:%s", *where[:2])
        handover.say("READY=1")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # these need Django, which the application below has loaded
        from config import health
        from realtime.hub import hub

        handover.say("STOPPING=1")
        health.stopping.set()
        await asyncio.sleep(env.integer("DRAIN_SECONDS", 0))
        for server in self.servers:
            server.close()
        # who has just been let in has not said yet what it wants; uvicorn would close the door in its face
        await asyncio.sleep(FIRST_WORD_SECONDS)
        await hub().send_away()
        await super().shutdown(sockets)
        await asyncio.to_thread(self._pulse.stop)


def configuration() -> uvicorn.Config:
    """uvicorn's settings, each with its reason."""
    from config.asgi import application  # loads Django
    from realtime.outlet import with_outlet

    return uvicorn.Config(
        with_outlet(with_farewell(application)),  # outermost: it needs the server's own send
        host=env.text("HOST", "127.0.0.1"),
        port=env.integer("PORT", 8000, minimum=1, maximum=65_535),
        loop="uvloop",
        http="h11",  # unlike httptools it limits how long the headers of a request may be
        ws=WebSockets,
        ws_max_size=LONGEST_WORD,
        # one message goes to thousands: compressing it for each would cost more than the bytes (and 300 kB a client)
        ws_per_message_deflate=False,
        lifespan="off",  # Django has none
        log_config=None,  # Django's
        log_level="warning",
        access_log=False,  # addresses hold tickets and filters
        proxy_headers=False,  # TRUST_PROXY is Django's to judge
        server_header=False,
        timeout_graceful_shutdown=PATIENCE_SECONDS,
    )


def main() -> None:
    try:
        sockets = handover.inherited_sockets()  # before anything could start a child
        Server(configuration()).run(sockets or None)
    except ImproperlyConfigured as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
