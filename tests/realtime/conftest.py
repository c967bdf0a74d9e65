"""Two tenants: whose rows the tests are about, and whose nobody of the first may ever hear of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

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
