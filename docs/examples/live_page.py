"""A page of your own on Stagewatch's data: this server keeps the token, live_page.html keeps the picture.

    export STAGEWATCH_URL=http://127.0.0.1:8000
    export STAGEWATCH_TOKEN=...            # manage.py api_token USERNAME
    python docs/examples/live_page.py 8080

Only the standard library. Put your own login before it: whoever can open the page sees what the token may see.
"""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

STAGEWATCH = os.environ["STAGEWATCH_URL"].rstrip("/")
HEADERS = {"Authorization": f"Token {os.environ['STAGEWATCH_TOKEN']}"}
PAGE = Path(__file__).with_suffix(".html").read_bytes()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/":
            self.answer(200, "text/html; charset=utf-8", PAGE)
        elif self.path == "/heatmap":
            self.ask("GET", "/ats/heatmap")
        else:
            self.answer(404, "text/plain", b"There is only one page here.")

    def do_POST(self) -> None:
        """A ticket, and where it opens a stream: the browser goes there itself, without ever seeing the token."""
        if self.path != "/ticket":
            self.answer(404, "text/plain", b"There are only tickets here.")
        else:
            self.ask("POST", "/realtime/tickets", stream=STAGEWATCH.replace("http", "ws", 1))

    def ask(self, method: str, path: str, **more: str) -> None:
        """Hand on what Stagewatch answers, with something added."""
        try:
            with urlopen(Request(STAGEWATCH + path, headers=HEADERS, method=method), timeout=30) as answer:  # noqa: S310 (your own address)
                told = json.load(answer)
        except URLError as error:  # also what HTTP calls an error
            self.answer(502, "text/plain", f"Stagewatch does not answer: {error}".encode())
        else:
            self.answer(200, "application/json", json.dumps(told | more).encode())

    def answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet: an access log would hold nothing of use."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8080), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
