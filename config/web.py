"""The web process: ``python -m config.web``. uvicorn on HOST and PORT, and an end at which nobody loses a request.

Asked to stop (SIGTERM), it first answers 503 at ``/readyz`` while still serving, for DRAIN_SECONDS, so that whoever
balances the load sends the next request elsewhere; then it tells the streams to come back, takes no more connections,
finishes the requests it has, and ends.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from django.core.exceptions import ImproperlyConfigured

from config import env

logger = logging.getLogger("stagewatch.web")

#: a client says one number on a WebSocket; more is a mistake
LONGEST_WORD = 16 * 1024  # bytes
#: what a request under way may still take once the end has been asked for
PATIENCE_SECONDS = 15


class Server(uvicorn.Server):
    """uvicorn with a word to its streams before it goes."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # every short query of a stream's door runs in one of these, and each takes a database connection
        threads = ThreadPoolExecutor(max_workers=env.integer("ASGI_THREADS", 10, minimum=1), thread_name_prefix="asgi")
        asyncio.get_running_loop().set_default_executor(threads)
        await super().startup(sockets)
        from config.heartbeats import Pulse
        from config.models import Heartbeat

        self._pulse = Pulse(Heartbeat.Kind.WEB).start()
        logger.info("listening on http://%s:%s", self.config.host, self.config.port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # these need Django, which the application below has loaded
        from config import health
        from realtime.hub import hub

        health.stopping.set()
        await asyncio.sleep(env.integer("DRAIN_SECONDS", 0))
        for server in self.servers:
            server.close()
        await hub().send_away()
        await super().shutdown(sockets)
        await asyncio.to_thread(self._pulse.stop)


def configuration() -> uvicorn.Config:
    """uvicorn's settings, each with its reason."""
    from config.asgi import application  # loads Django

    return uvicorn.Config(
        application,
        host=env.text("HOST", "127.0.0.1"),
        port=env.integer("PORT", 8000, minimum=1, maximum=65_535),
        loop="uvloop",
        http="h11",  # unlike httptools it limits how long the headers of a request may be
        ws="websockets-sansio",
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
        Server(configuration()).run()
    except ImproperlyConfigured as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
