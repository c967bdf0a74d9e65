"""Two tenants: whose rows the tests are about, and whose nobody of the first may ever hear of."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def acme(db: Any) -> Any:
    from tests.realtime.tenants import make_tenant  # models load only once the servers under the tests run

    return make_tenant("acme")


@pytest.fixture
def other(db: Any) -> Any:
    from tests.realtime.tenants import make_tenant

    return make_tenant("other")
