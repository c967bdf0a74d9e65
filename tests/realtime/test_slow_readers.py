"""A reader that does not read is cut, and costs the web process and its neighbours next to nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from realtime import services
from tests.live import LiveStack, wait_until
from tests.realtime.tenants import token_of

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

JOBS = 90
ROUNDS = 25


def test_a_stalled_client_is_cut_while_its_neighbour_hears_everything(acme: Any, stack: LiveStack, address: str) -> None:
    jobs = [acme.job(f"Job {n}") for n in range(JOBS)]
    for job in jobs:
        acme.apply(job)
    token = token_of(acme.member("alice"))
    headers = {"Authorization": f"Token {token}"}
    url = f"{address.replace('http', 'ws')}/ws/updates"
    web = psutil.Process(stack.running[-1].process.pid)
    with ExitStack() as opened:
        opened.enter_context(stalled_event_streams(address, token, count=5))
        stalled = [opened.enter_context(connect(url, additional_headers=headers, max_queue=1, ping_interval=None)) for _ in range(5)]
        reader = opened.enter_context(connect(url, additional_headers=headers))
        reader.recv(timeout=10)
        before, told = web.memory_info().rss, 0

        for n in range(1, ROUNDS + 1):
            services.push(organization_id=acme.organization.pk, job_ids=[job.pk for job in jobs])
            while told < n * JOBS:
                text = reader.recv(timeout=20)
                if '"type":"job"' in text:
                    told = int(text.split('"number":', 1)[1].split(",", 1)[0])

        # they must be cut unasked: reading now would only wake them up
        wait_until(lambda: visitors(web, address) == 1, timeout=60, what="the end of the ten that take nothing")
        # each of the ten was sent some 20 MB; what it does not take must not pile up
        assert web.memory_info().rss - before < 40_000_000
        for one in stalled:
            assert heard_until_cut(one) < ROUNDS * JOBS


def visitors(web: psutil.Process, address: str) -> int:
    """Connections the web process holds open to those who came in by its port."""
    port = urlsplit(address).port
    return sum(line.status == psutil.CONN_ESTABLISHED and line.laddr.port == port for line in web.net_connections("tcp"))


def heard_until_cut(client: Any) -> int:
    """Messages that come out when at last it reads, up to the end of the connection."""
    heard = 0
    try:
        while True:
            client.recv(timeout=15)
            heard += 1
    except ConnectionClosed:
        return heard


@contextmanager
def stalled_event_streams(address: str, token: str, *, count: int) -> Iterator[None]:
    """Event streams nobody reads, with small receive windows."""
    place = urlsplit(address)
    with ExitStack() as opened:
        for _ in range(count):
            line = opened.enter_context(closing(socket.socket()))
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.connect((place.hostname, place.port))
            request = f"GET /realtime/updates HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Token {token}\r\n\r\n"
            line.sendall(request.encode())
            assert line.recv(12).endswith(b"200")
        yield
