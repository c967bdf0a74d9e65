"""Thousands of clients in one process: ``python -m benchmarks.listeners SPEC FOUND``.

SPEC is JSON: ``{"host", "port", "streams": [{"sse": bool, "query", "token"}, …]}``. Says ``ready`` once every stream has its
first message, listens until a line comes in, then writes FOUND: per stream ``[moment, number]`` of each message
that had a number. Reads frames with a few lines of its own, since it shares the machine with what it measures.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import uvloop

AT_A_TIME = 32
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
#: ``number`` stands near the front of a message, before anything long
FRONT = 100


class Client(asyncio.Protocol):
    """One stream."""

    def __init__(self, stream: dict[str, Any], host: str) -> None:
        self.heard: list[tuple[float, int]] = []
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stream, self._host = stream, host
        self._buffer = bytearray()
        self._open = False
        self._consume = self._events if stream["sse"] else self._frames

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        path = "/realtime/updates" if self._stream["sse"] else "/ws/updates"
        lines = [f"GET {path}{self._stream['query']} HTTP/1.1", f"Host: {self._host}", f"Authorization: Token {self._stream['token']}"]
        if not self._stream["sse"]:
            key = b64encode(os.urandom(16)).decode()
            lines += ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            answer = bytes(self._buffer[:end])
            if answer.split(b" ", 2)[1] not in (b"101", b"200"):
                self._fail(answer.split(b"\r\n", 1)[0].decode())
                return
            self._open = True
            del self._buffer[: end + 4]
        self._consume()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail("the stream ended")

    def _fail(self, reason: str) -> None:
        if not self.started.done():
            self.started.set_exception(RuntimeError(reason))

    def _frames(self) -> None:
        buffer = self._buffer
        while len(buffer) >= 2:
            length, head = buffer[1] & 127, 2
            if length == 126:
                length, head = int.from_bytes(buffer[2:4]), 4
            elif length == 127:
                length, head = int.from_bytes(buffer[2:10]), 10
            if len(buffer) < head + length or len(buffer) < head:
                return
            kind = buffer[0] & 15
            if kind == TEXT:
                self._message(bytes(buffer[head : head + min(length, FRONT)]))
            elif kind == PING:
                # a client's frames are masked; with a mask of zeros the payload stays as it is
                self._transport.write(bytes([128 | PONG, 128 | length, 0, 0, 0, 0]) + bytes(buffer[head : head + length]))
            del buffer[: head + length]

    def _events(self) -> None:
        """Lines of an event stream, chunk marks between them."""
        buffer = self._buffer
        end = buffer.rfind(b"\n\n")
        if end < 0:
            return
        for line in bytes(buffer[:end]).split(b"\n"):
            if line.startswith(b"data: "):
                self._message(line[6 : 6 + FRONT])
        del buffer[: end + 2]

    def _message(self, front: bytes) -> None:
        if not self.started.done():
            self.started.set_result(None)
            return
        place = front.find(b'"number":')
        if place >= 0 and front[place + 9 : place + 13] != b"null":
            number = front[place + 9 :].split(b",", 1)[0].rstrip(b"}")
            self.heard.append((time.time(), int(number)))


async def main(spec: dict[str, Any], found: Path) -> None:
    loop, door = asyncio.get_running_loop(), asyncio.Semaphore(AT_A_TIME)
    address = f"{spec['host']}:{spec['port']}"

    async def connect(stream: dict[str, Any]) -> Client:
        async with door:
            _, client = await loop.create_connection(lambda: Client(stream, address), spec["host"], spec["port"])
            await asyncio.wait_for(client.started, 60)
        return client

    clients = await asyncio.gather(*map(connect, spec["streams"]))
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    found.write_text(json.dumps([client.heard for client in clients]))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])))
