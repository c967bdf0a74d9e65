"""A client that keeps one connection and measures how long answers take, to their last byte."""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds of answered requests."""

    p50: float
    p95: float
    size: int


class Client:
    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self._headers = {"Authorization": f"Token {token}", "Accept": "application/json"}

    def get(self, address: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        self._connection.request("GET", address, headers=self._headers | headers)
        response = self._connection.getresponse()
        return response.status, response.read(), {name.lower(): value for name, value in response.getheaders()}

    def body(self, address: str) -> bytes:
        status, body, _ = self.get(address)
        if status != 200:
            raise SystemExit(f"{address} answered {status}: {body[:500]!r}")
        return body

    def wait(self, server: subprocess.Popen[bytes]) -> None:
        """Until the server answers."""
        pause = threading.Event()
        for _ in range(300):
            if server.poll() is not None:
                raise SystemExit("The web process ended; its output is in web.log.")
            try:
                self.body("/constant")
                return
            except OSError:
                self._connection.close()
                pause.wait(0.2)
        raise SystemExit("The web process did not answer within a minute.")

    def pages(self, address: str) -> list[str]:
        """The addresses of all pages, from the first one on."""
        found: list[str] = []
        following: str | None = address
        while following:
            found.append(following)
            told: str | None = json.loads(self.body(following))["next"]
            following = told and "/" + told.split("/", 3)[3]
        return found


def interleaved(client: Client, addresses: dict[str, Callable[[int], str]], *, rounds: int, warm: int = 3) -> dict[str, Timed]:
    """Requests of several kinds by turns, so that a noisy neighbour meets all of them alike."""
    taken: dict[str, list[float]] = {name: [] for name in addresses}
    sizes = dict.fromkeys(addresses, 0)
    for turn in range(-warm, rounds):
        for name, address in addresses.items():
            path = address(max(turn, 0))
            started = time.perf_counter()
            body = client.body(path)
            if turn >= 0:
                taken[name].append((time.perf_counter() - started) * 1000)
            sizes[name] = len(body)
    return {name: Timed(statistics.median(times), p95(times), sizes[name]) for name, times in taken.items()}


def p95(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
