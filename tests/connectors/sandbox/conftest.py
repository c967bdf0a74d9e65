"""One full organization and one small one, simulated once for all tests of the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.sandbox.account import Account
from connectors.sandbox.journal import Charter
from connectors.sandbox.process import RunningSandbox, running_sandbox

DAY = 86_400
#: Monday, 5 October 2026, noon UTC
UNTIL = 1_791_201_600


def charter(*, seed: int = 4, jobs: int = 40, applications: int = 6000, months: float = 18, until: int = UNTIL) -> Charter:
    return Charter(seed=seed, start=until - int(months * 30.4375 * DAY), until=until, jobs=jobs, applications=applications)


@pytest.fixture(scope="session")
def company() -> Account:
    """The full organization. Read only: every test of the session shares it."""
    return Account(charter())


@pytest.fixture
def account() -> Account:
    """A small organization with a stopped clock, free to be changed."""
    account = Account(charter(seed=7, jobs=6, applications=120, months=6))
    account.clock.script(UNTIL)
    return account


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(seed=7, jobs=6, applications=120, months=6, until="2026-10-05T12:00:00Z", page_size=20) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> RunningSandbox:
    """A running sandbox of about 120 applications, well-behaved whatever the test before did to it."""
    shared_sandbox.clear_faults()
    shared_sandbox.habits(page_size=20, next_page_url="absolute", keeps_filters=True, posted_by="owner", rate=0)
    shared_sandbox.clock(now=None)
    return shared_sandbox
