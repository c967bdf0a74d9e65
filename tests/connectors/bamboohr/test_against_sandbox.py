"""The connector against the simulated company, which moves on, misbehaves, and knows what really happened."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from connectors.bamboohr.provider import BambooHR
from connectors.base import Account, SyncMode
from connectors.events import NormalizedEvent, Precision
from connectors.exceptions import ConnectorError
from connectors.sandbox.process import RunningSandbox, running_sandbox
from tests.connectors.bamboohr.harness import DictMemory, StoppedClock

#: each ends by itself; a removed application and a foreign link are the harder ones
FAULTS: list[dict[str, Any]] = [
    {"kind": "throttled", "retry_after": 2},
    {"kind": "throttled", "retry_after": "date"},
    {"kind": "throttled", "retry_after": None},
    {"kind": "throttled", "status": 503, "retry_after": 2},
    {"kind": "status", "status": 500, "page": 2, "path": "applications"},
    {"kind": "status", "status": 502, "times": 20},
    {"kind": "status", "status": 400, "body": "html"},
    {"kind": "truncated", "declared": "cut"},
    {"kind": "truncated", "declared": "full"},
    {"kind": "html"},
    {"kind": "error_body"},
    {"kind": "disconnect"},
    {"kind": "row_moves"},
    {"kind": "duplicate_row"},
    {"kind": "foreign_next"},
    {"kind": "missing_next"},
    {"kind": "missing_next", "absent": True},
    {"kind": "repeat_next"},
    {"kind": "html", "path": "applications/", "times": 3},
]


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSandbox]:
    with running_sandbox(seed=11, jobs=6, applications=120, months=6, until="2026-10-05T12:00:00Z", page_size=20) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared: RunningSandbox) -> RunningSandbox:
    shared.clear_faults()
    return shared


class Follower:
    """A connector that follows the company by polling, taking up failed runs as the services would."""

    def __init__(self, sandbox: RunningSandbox, *, base_url: str | None = None) -> None:
        self.sandbox = sandbox
        self.clock = StoppedClock()
        self.memory = DictMemory()
        self.provider = BambooHR(clock=self.clock)
        self.told: list[NormalizedEvent] = []
        self.failures: list[str] = []
        settings = {"requests_per_second": 1000, "insecure_http": True, "refresh_budget": 30}
        url = base_url or sandbox.base_url
        self.account = Account(connector_id=1, base_url=url, secret=sandbox.api_key, settings=settings)

    def poll(self, mode: SyncMode = SyncMode.DELTA) -> None:
        self.clock.at = datetime.fromisoformat(self.sandbox.clock(advance=300))
        run, checkpoint = self.clock.at, None
        for _ in range(4):
            try:
                for page in self._pages(mode, checkpoint, run):
                    checkpoint = page.checkpoint
                return
            except ConnectorError as error:
                self.failures.append(error.code)
                if not error.retryable:
                    return

    def _pages(self, mode: SyncMode, checkpoint: dict[str, Any] | None, run: datetime) -> Iterator[Any]:
        pages = self.provider.fetch(self.account, mode=mode, checkpoint=checkpoint, memory=self.memory, started_at=run)
        for page in pages:
            self.memory.commit(page)
            for seen in page.observations:
                self.told += self.provider.map(seen.kind, seen.payload).events
            yield page

    def status_of(self, application: int) -> str | None:
        events = [event for event in self.told if event.application_external_id == str(application)]
        events.sort(key=lambda event: (event.timestamp, event.provider_event_id))
        told = [event.stage_to or event.metadata.get("terminal_status_id") for event in events]
        return next((status for status in reversed(told) if status), None)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_the_company_and_its_server_do_the_follower_ends_up_right(sandbox: RunningSandbox, seed: int) -> None:
    rng = random.Random(seed)
    follower = Follower(sandbox, base_url=sandbox.gateway_url if seed == 2 else None)
    follower.poll(SyncMode.FULL)
    for _ in range(25):
        sandbox.tick(rng.randint(1, 6))
        for fault in rng.sample(FAULTS, rng.randint(0, 2)):
            sandbox.fault(**fault)
        follower.poll(rng.choice([SyncMode.DELTA, SyncMode.DELTA, SyncMode.DELTA, SyncMode.FULL]))

    sandbox.clear_faults()
    for _ in range(3):
        follower.poll(SyncMode.FULL)

    keys = [event.provider_event_id for event in follower.told]
    assert len(keys) == len(set(keys)), f"seed {seed}"
    happened = {change["provider_event_id"]: change for change in sandbox.truth() if change["provider_event_id"]}
    for event in follower.told:
        if event.precision is Precision.EXACT and ":status:" in event.provider_event_id:
            assert event.provider_event_id.split(":moved")[0].split(":job")[0] in happened or "record" in event.metadata["origin"]
    for application, truth in sandbox.applications().items():
        assert follower.status_of(application) == str(truth["status"]), f"seed {seed}, application {application}"
    assert follower.failures, "the faults were felt"


def test_polling_after_each_change_tells_each_change(sandbox: RunningSandbox) -> None:
    follower = Follower(sandbox)
    follower.poll(SyncMode.FULL)
    since = sandbox.about()["last_seq"]
    for _ in range(40):
        sandbox.tick(1)
        follower.poll()

    told = {event.provider_event_id for event in follower.told}
    dated = [change for change in sandbox.truth(since) if change["kind"] in ("status", "applied")]
    assert dated
    # of several changes to one application in one tick only the last is visible
    missed = [change for change in dated if change["provider_event_id"] not in told]
    assert len(missed) <= len(dated) // 10


def test_a_key_without_rights_is_rejected(sandbox: RunningSandbox) -> None:
    follower = Follower(sandbox)
    follower.account = Account(connector_id=1, base_url=sandbox.base_url, secret=sandbox.powerless_key, settings=follower.account.settings)

    follower.poll()

    assert follower.failures == ["credentials_rejected"]
