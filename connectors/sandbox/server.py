"""The sandbox over HTTP: the API under BambooHR's two base paths, the control endpoints under ``/_sandbox``."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any
from urllib.parse import unquote, urlsplit

from connectors.sandbox.account import Account
from connectors.sandbox.api import Answer, Api, Request
from connectors.sandbox.control import Control
from connectors.sandbox.faults import Fault, FaultBook

LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>BambooHR: Log in</title></head><body><form>Email</form></body></html>"
BODIES = {
    "empty": (b"", "text/html"),
    "html": (b"<html><body><h1>Something went wrong</h1></body></html>", "text/html"),
    "json": (b'{"error": "Something went wrong"}', "application/json"),
    "xml": (b"<error>Something went wrong</error>", "text/xml"),
}
BODY_LIMIT = 20 * 1024 * 1024
#: requests remembered for ``/_sandbox/requests``
LOG_LENGTH = 50_000


class Sandbox:
    """Everything behind the port: the account, its API, the faults, and the thread that keeps the company alive."""

    def __init__(self, account: Account, *, rate: float = 0.0, keys: dict[str, bool] | None = None) -> None:
        self.account = account
        self.faults = FaultBook()
        self.api = Api(account, self.faults, keys)
        self.log: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)
        self.control = Control(self)
        #: how many times livelier than its own past the company is
        self.rate = rate
        self.stopping = threading.Event()
        self._numbers = 0
        self._log_lock = threading.Lock()
        self._life = threading.Thread(target=self._live, name="company", daemon=True)

    def start(self) -> None:
        self._life.start()

    def stop(self) -> None:
        self.stopping.set()
        if self._life.is_alive():
            self._life.join(5)
        with self.account.lock:
            self.account.close()

    def _live(self) -> None:
        """One change after another, at random intervals; real time only sets the pace."""
        rng = Random("pace")
        while not self.stopping.is_set():
            per_second = self.account.changes_per_second * self.rate
            pause = rng.expovariate(per_second) if per_second > 0 else 1.0
            if not self.stopping.wait(min(pause, 60.0)) and per_second > 0:
                self.account.tick()

    def answer(self, request: Request) -> Answer:
        if request.path.startswith("/_sandbox"):
            return self.control.answer(request)
        entry = self._log(request)
        answer = self._with_faults(request)
        entry["status"] = None if answer.drop else answer.status
        return answer

    def _log(self, request: Request) -> dict[str, Any]:
        """Note the call, without its key; ``accept`` and ``user_agent`` for tests of good manners."""
        entry = {
            "at": time.time(),
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "accept": request.header("Accept"),
            "user_agent": request.header("User-Agent"),
            "status": None,
        }
        with self._log_lock:
            self._numbers += 1
            entry["number"] = self._numbers
            self.log.append(entry)
        return entry

    def _with_faults(self, request: Request) -> Answer:
        page = request.query.get("page", "1")
        take = partial(self.faults.take, method=request.method, path=request.path, page=int(page) if page.isdecimal() else 1)
        if slow := take("slow"):
            self.stopping.wait(slow.seconds)
        if instead := take("status", "throttled", "html", "error_body", "disconnect"):
            return _instead(instead)
        answer = self.api.answer(request)
        if answer.status == 200 and (cut := take("truncated")):
            if cut.declared == "full":
                answer.promised_length = len(answer.body)
            answer.body = answer.body[: len(answer.body) // 2]
        return answer


def _instead(fault: Fault) -> Answer:
    """The answer a fault gives in the API's place."""
    if fault.kind == "disconnect":
        return Answer(0, drop=True)
    if fault.kind == "html":
        return Answer(200, LOGIN_PAGE, "text/html; charset=utf-8")
    if fault.kind == "error_body":
        return Answer(200, b'{"error": {"code": 429, "message": "Too many requests"}}')
    headers = {fault.header: fault.message}
    throttled = fault.kind == "throttled"
    status = fault.status or (429 if throttled else 500)
    if throttled and fault.retry_after is not None:
        seconds = 2 if fault.retry_after == "date" else fault.retry_after
        headers["Retry-After"] = formatdate(time.time() + 2, usegmt=True) if fault.retry_after == "date" else str(seconds)
    body, content_type = BODIES.get(fault.body, BODIES["empty"])
    return Answer(status, body, content_type, headers)


class Server(ThreadingHTTPServer):
    """A thread per connection; connections stay open between requests, as BambooHR's do."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        # the standard library asks the name service for the host's name here; a loopback server has no use for it
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is, with its traceback."""
        import sys

        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "BambooHR-sandbox"
    sys_version = ""
    timeout = 120
    #: head and body leave together (flushed by the base class after each request)
    wbufsize = -1
    #: without it a large answer's last packet waits for the client's delayed acknowledgement (40 ms)
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= BODY_LIMIT:
            self.close_connection = True
            self._send(Answer(413))
            return
        request = Request(
            method=self.command,
            path=unquote(parts.path),
            query_string=parts.query,
            headers=dict(self.headers.items()),
            body=self.rfile.read(length),
            origin=f"http://{self.headers.get('Host') or self.server.server_name}",
        )
        self._send(self.server.sandbox.answer(request))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _send(self, answer: Answer) -> None:
        if answer.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        length = len(answer.body) if answer.promised_length is None else answer.promised_length
        self.send_header("Content-Length", str(length))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if length != len(answer.body):
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet: the request log is asked for at ``/_sandbox/requests``."""
