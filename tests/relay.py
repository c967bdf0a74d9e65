"""A way to the database that can be made to hang: everything is taken, nothing is said."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import connection


class Relay:
    def __init__(self) -> None:
        connection.ensure_connection()
        with socket.socket(fileno=os.dup(connection.connection.fileno())) as known:
            self._family, self._server = known.family, known.getpeername()
        self._door = socket.create_server(("127.0.0.1", 0))
        self._flowing = threading.Event()
        self._flowing.set()
        self._ends: list[socket.socket] = []
        self._pumps: list[threading.Thread] = []
        self._porter = threading.Thread(target=self._accept, daemon=True)
        self._porter.start()
        self.port: int = self._door.getsockname()[1]

    def hang(self) -> None:
        self._flowing.clear()

    def go_on(self) -> None:
        self._flowing.set()

    def close(self) -> None:
        self._door.shutdown(socket.SHUT_RDWR)  # wakes the porter
        self._porter.join()
        for end in self._ends:
            _hang_up(end)
        self.go_on()
        for pump in self._pumps:
            pump.join()
        for end in (self._door, *self._ends):
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            upstream = socket.socket(self._family)
            self._ends += (client, upstream)
            upstream.connect(self._server)
            for source, sink in ((client, upstream), (upstream, client)):
                pump = threading.Thread(target=self._pump, args=(source, sink), daemon=True)
                self._pumps.append(pump)
                pump.start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while said := source.recv(65536):
                self._flowing.wait()
                sink.sendall(said)
        for end in (source, sink):
            _hang_up(end)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):  # the other side was first
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay_to_database() -> Iterator[Relay]:
    relay = Relay()
    try:
        yield relay
    finally:
        relay.close()
