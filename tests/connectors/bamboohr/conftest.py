from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.connectors.bamboohr.harness import Bamboo, Desk, StoppedClock


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def bamboo(clock: StoppedClock) -> Iterator[Bamboo]:
    account = Bamboo(clock)
    yield account
    account.server.stop()


@pytest.fixture
def desk(bamboo: Bamboo) -> Desk:
    return Desk(bamboo)
