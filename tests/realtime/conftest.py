"""Two tenants: whose rows the tests are about, and whose nobody of the first may ever hear of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import browser as browsers
from tests.browser import Browser, Page
from tests.live import LiveStack


@pytest.fixture(scope="session", autouse=True)
def static_files() -> None:
    """As the release step does: styles and scripts where the web process serves them from."""
    from django.core.management import call_command

    call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture
def acme(db: Any) -> Any:
    from tests.realtime.tenants import make_tenant  # models load only once the servers under the tests run

    return make_tenant("acme")


@pytest.fixture
def other(db: Any) -> Any:
    from tests.realtime.tenants import make_tenant

    return make_tenant("other")


@pytest.fixture(scope="module")
def stack(django_db_setup: None) -> Iterator[LiveStack]:
    """One web process for all tests of a module, with fewer database connections than the tests open streams."""
    live = LiveStack()
    live.environment["DATABASE_POOL_SIZE"] = "3"
    try:
        yield live
    finally:
        live.stop()


@pytest.fixture(scope="module")
def address(stack: LiveStack) -> str:
    return stack.web()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if browsers.find() is None:
        pytest.skip("no Chromium on this machine; run scripts/install-test-tools.sh")
    with Browser() as running:
        yield running


@pytest.fixture
def page(chromium: Browser, acme: Any, address: str) -> Iterator[Page]:
    """A tab in which alice, a recruiter of acme, is logged in. Errors its scripts throw fail the test."""
    from tests.realtime.tenants import session_of

    opened = chromium.page()
    opened.size(1280, 900)
    opened.log_in(address, session_of(acme.member("alice")))
    yield opened
    assert opened.errors == []
    opened.close()
