"""A scraper's door of a process that serves no pages: a worker or beat in a container of its own.

Inside the network only: it asks for no token, and exports counts and times of bounded words.
"""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST

from config import exposition

logger = logging.getLogger(__name__)


class Door(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.path.partition("?")[0] == "/metrics"
        body = exposition.latest() if known else b"only /metrics is here\n"
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST if known else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A scrape every few seconds is no news."""


def listen() -> None:
    """Answer on METRICS_LISTEN, if it is set, from a thread. An address that is taken costs the metrics, not the work."""
    if settings.METRICS_LISTEN is None:
        return
    try:
        server = ThreadingHTTPServer(settings.METRICS_LISTEN, Door)
    except OSError as error:
        logger.error("METRICS_LISTEN cannot be used: %s", error.strerror, extra={"action": "metrics_not_served"})
        return
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
