"""A web process that is asked to end sends its streams to the next one, finishes what it has begun, and goes."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import requests
from django.conf import settings
from django.db import connection
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.live import LiveStack, wait_until
from tests.realtime.tenants import token_of

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def stack() -> Iterator[LiveStack]:
    live = LiveStack()
    try:
        yield live
    finally:
        live.stop()


def until_its_end(socket: Any) -> tuple[list[dict[str, Any]], int | None]:
    heard = []
    try:
        while True:
            heard.append(json.loads(socket.recv(timeout=10)))
    except ConnectionClosed as closed:
        return heard, closed.rcvd.code if closed.rcvd else None


def test_streams_are_told_to_come_back_and_when(acme: Any, stack: LiveStack) -> None:
    address = stack.web()
    headers = {"Authorization": f"Token {token_of(acme.member('alice'))}"}
    with (
        connect(f"{address.replace('http', 'ws')}/ws/updates", additional_headers=headers) as socket,
        requests.get(f"{address}/realtime/updates", headers=headers, stream=True, timeout=20) as stream,
    ):
        assert json.loads(socket.recv(timeout=10))["type"] == "hello"
        lines = stream.iter_lines(chunk_size=1, decode_unicode=True)
        assert any("hello" in line for line in lines)

        stack.running[-1].process.send_signal(signal.SIGTERM)
        heard, code = until_its_end(socket)
        rest = list(lines)  # ends without an error: the last chunk was sent

    assert code == 1012
    assert [message["type"] for message in heard] == ["reconnect"]
    assert 0 < heard[0]["retry_ms"] <= 2000
    assert any(line.startswith("retry: ") for line in rest)
    assert any('"reconnect"' in line for line in rest)
    stack.running[-1].process.wait(timeout=10)


def test_a_request_under_way_is_answered_before_the_process_ends(acme: Any, stack: LiveStack) -> None:
    address = stack.web()
    job = acme.job()
    headers = {"Authorization": f"Token {token_of(acme.member('alice'))}"}
    web = stack.running[-1].process
    database = connection.settings_dict["NAME"]
    with psycopg.connect(settings.MIGRATION_DATABASE_URL, dbname=database) as blocker, ThreadPoolExecutor() as threads:
        blocker.execute("lock table ats_job in access exclusive mode")
        answer = threads.submit(requests.get, f"{address}/ats/jobs", headers=headers, timeout=30)
        wait_until(lambda: waiting_for_locks(database), what="the request to be in the middle")

        web.send_signal(signal.SIGTERM)
        wait_until(lambda: refused(address), what="the end of accepting")
        assert web.poll() is None
        blocker.rollback()

    assert [row["id"] for row in answer.result().json()["results"]] == [job.pk]
    web.wait(timeout=10)


def waiting_for_locks(database: str) -> bool:
    with psycopg.connect(settings.MIGRATION_DATABASE_URL, dbname=database) as looking:
        found = looking.execute("select count(*) from pg_locks where not granted and relation = 'ats_job'::regclass").fetchone()
    return found is not None and found[0] > 0


def refused(address: str) -> bool:
    try:
        requests.get(f"{address}/healthz", timeout=1)
    except requests.ConnectionError:
        return True
    return False


def test_it_says_that_it_goes_while_it_still_serves(acme: Any, stack: LiveStack) -> None:
    """What balances the load sees 503 at readyz in time to send the next visitor elsewhere."""
    address = stack.web(DRAIN_SECONDS="30")
    # no beat and no worker run here
    assert requests.get(f"{address}/readyz?exclude=heartbeat", timeout=5).status_code == 200

    stack.running[-1].process.send_signal(signal.SIGTERM)
    wait_until(lambda: requests.get(f"{address}/readyz", timeout=5).status_code == 503, what="the word that it goes")

    assert requests.get(f"{address}/healthz", timeout=5).status_code == 200
    stack.running[-1].kill()
