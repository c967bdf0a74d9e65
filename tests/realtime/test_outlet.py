"""The short way onto the line: taken only where nothing is overtaken, refused where the server's own way is needed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.sync.client import connect

from realtime import outlet
from realtime.log import Told
from realtime.outlet import Outlet
from realtime.subscription import Subscription
from realtime.topics import Listener, Topic


# --- order -------------------------------------------------------------------------------------------
class Line(Outlet):
    """A connection whose buffer is full or not as the test says; keeps what went over it, whichever way it went."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Told] = []
        self._by_message: dict[bytes, Told] = {}
        self.free = asyncio.Event()
        self.free.set()

    def know(self, told: Told) -> Told:
        self._by_message[told.frame] = told
        return told

    def write(self, message: bytes) -> bool:
        if self.free.is_set():
            self.sent.append(self._by_message[message])
        return self.free.is_set()

    async def send(self, told: Told) -> None:
        await self.free.wait()
        self.sent.append(told)


#: what happens to a stream: so many messages about a subject, the buffer fills or empties, the loop turns
turns = st.lists(st.one_of(st.integers(0, 2), st.sampled_from(["full", "free", "turn"])), max_size=60)


@settings(deadline=None, max_examples=300)
@given(turns)
def test_whatever_way_a_message_goes_none_overtakes_another_and_the_last_state_arrives(happened: list[int | str]) -> None:
    sent, offered = asyncio.run(_stream(happened))

    numbers = [told.number for told in sent]
    assert numbers == sorted(set(numbers))
    last = {told.key: told for told in offered}
    assert {told.key: told for told in sent} == last


async def _stream(happened: list[int | str]) -> tuple[list[Told], list[Told]]:
    line = Line()
    stream = Subscription(Listener(1, ""), Topic(organization_ids=(1,)), outlet=line)
    hello = line.know(Told(text="hello", numbers={}))
    stream.begin([hello])
    telling = asyncio.create_task(_tell(stream, line))
    offered: list[Told] = [hello]
    for number, turn in enumerate(happened, start=1):
        if turn == "turn":
            await _settle()
        elif turn == "full":
            line.free.clear()
        elif turn == "free":
            line.free.set()
        else:
            told = Told(text=str(number), numbers={1: number}, organization=1, number=number, key=("job", int(turn)))
            offered.append(line.know(told))
            stream.offer(told)
    line.free.set()
    await _settle()
    telling.cancel()
    return line.sent, offered


async def _tell(stream: Subscription, line: Line) -> None:
    while True:
        await line.send(await stream.next())


async def _settle() -> None:
    """Everybody who can go on has gone on until they wait."""
    for _ in range(200):
        await asyncio.sleep(0)


# --- uvicorn's own connection ------------------------------------------------------------------------
class Served:
    """An application that keeps the outlets of its connections, and lets the test use them on their loop."""

    def __init__(self) -> None:
        self.outlets: list[Outlet] = []
        self.loop: asyncio.AbstractEventLoop | None = None
        self.arrived = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self.outlets.append(outlet.of(scope))
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": str(self.outlets[-1].write(outlet.frame("no"))).encode()})
            return
        early = self.outlets[-1].write(outlet.frame("too early"))
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": f"early: {early}"})
        self.arrived.set()
        while (await receive())["type"] != "websocket.disconnect":
            pass

    def write(self, text: str) -> bool:
        async def writing() -> bool:
            return self.outlets[-1].write(outlet.frame(text))

        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(writing(), self.loop).result(10)


@contextmanager
def serving(application: Served) -> Iterator[str]:
    config = uvicorn.Config(
        outlet.with_outlet(application), port=0, ws="websockets-sansio", ws_per_message_deflate=False, lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    ready = threading.Event()

    async def serve() -> None:
        config.load()
        started = server.startup

        async def startup(sockets: Any = None) -> None:
            await started(sockets)
            ready.set()

        server.startup = startup  # type: ignore[method-assign]
        await server.serve()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture
def served() -> Iterator[tuple[Served, str]]:
    application = Served()
    with serving(application) as place:
        yield application, place


LONG = "ü" * 40_000  # a length of eight bytes in the frame's head, and no ASCII


def test_a_message_written_at_once_is_what_the_server_would_have_sent(served: tuple[Served, str]) -> None:
    application, place = served
    with connect(f"ws://{place}/") as client:
        assert client.recv(timeout=10) == "early: False"
        assert application.arrived.wait(10)
        for text in ("short", "x" * 300, LONG):
            assert application.write(text)
            assert client.recv(timeout=10) == text
        pong = client.ping()
        assert pong.wait(10)


def test_a_full_buffer_refuses_and_keeps_what_it_has(served: tuple[Served, str]) -> None:
    application, place = served
    with connect(f"ws://{place}/", max_queue=1) as client:
        assert application.arrived.wait(10)
        taken = 0
        while taken < 10_000 and application.write(LONG):
            taken += 1
        assert 0 < taken < 10_000
        assert [client.recv(timeout=10) for _ in range(taken + 1)][1:] == [LONG] * taken


def test_a_connection_that_closes_takes_nothing(served: tuple[Served, str]) -> None:
    application, place = served
    with connect(f"ws://{place}/") as client:
        assert application.arrived.wait(10)
        client.recv(timeout=10)
    assert not application.write("too late")


def test_an_answer_over_http_has_no_short_way(served: tuple[Served, str]) -> None:
    import urllib.request

    with urllib.request.urlopen(f"http://{served[1]}/", timeout=10) as response:
        assert response.read() == b"False"
