"""The servers under the tests: real PostgreSQL and Valkey, private to one run, the application's own role.

Where DATABASE_URL and REDIS_URL are set, those servers are used instead (the database role of
MIGRATION_DATABASE_URL must be allowed to create databases). Each run, and each xdist worker, takes a
numbered place under var/test/ for itself, so that several runs can share a checkout.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config import embedded, env, leases
from config.processes import FileLock
from tests import emptying
from tests.live import LiveStack

PLACES = Path(__file__).resolve().parent.parent / "var" / "test"

#: kept for the life of the run
_held: list[object] = []


def _take_place() -> Path:
    """The first folder of var/test/ no other run is in."""
    PLACES.mkdir(parents=True, exist_ok=True)
    for number in range(64):
        lock = FileLock(PLACES / f"{number}.lock")
        if lock.acquire(blocking=False):
            _held.append(lock)
            return PLACES / str(number)
        lock.release()
    raise pytest.UsageError(f"all 64 places under {PLACES} are taken by other runs.")


def pytest_configure(config: pytest.Config) -> None:
    """Servers first, then the settings that name them: pytest-django waits until Django is set up."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        # It only hands out tests. What stood in its environment (config/celery.py puts it there) would make its
        # workers load the settings before they have a place of their own.
        os.environ.pop("DJANGO_SETTINGS_MODULE", None)
        return
    if "config.settings" in sys.modules:
        raise pytest.UsageError("DJANGO_SETTINGS_MODULE is set, so the settings were read before the tests' servers run; unset it.")
    if config.option.help or (config.option.collectonly and not env.text("STAGEWATCH_VAR")):
        os.environ.setdefault("STAGEWATCH_VAR", str(PLACES / "collect"))
    else:
        os.environ["STAGEWATCH_VAR"] = str(_take_place())
        os.environ.setdefault("STAGEWATCH_SHARED_BUFFERS_MB", "256")  # several runs may share the machine
        _held.append(leases.start(embedded.var_dir(), embedded.needed()))
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()
    from django.conf import settings

    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # its absence would be warned about, and warnings are errors here


def pytest_unconfigure(config: pytest.Config) -> None:
    """Return only when the servers are down, so that what follows finds a quiet machine."""
    while _held:
        held = _held.pop()
        if isinstance(held, leases.Lease | FileLock):
            held.release()


@pytest.fixture(scope="session")
def django_db_setup(request: pytest.FixtureRequest, django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """Made by the owner through the migrations, used by the tests as the application."""
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    from config import database

    with django_db_blocker.unblock(), database.as_owner():
        made = setup_databases(verbosity=0, interactive=False, serialized_aliases=[])
        with connection.cursor() as cursor:
            # only here: transactional tests empty the tables between them
            cursor.execute(f'GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO "{database.app_role()}"')
    with pytest.MonkeyPatch.context() as patch:
        emptying.withstand_late_readers(patch)
        yield
    with django_db_blocker.unblock(), database.as_owner():
        teardown_databases(made, verbosity=0)


@pytest.fixture
def live_stack(transactional_db: None) -> Iterator[LiveStack]:
    """Starts real worker and web processes on the test's database; see `tests.live`. All are gone afterwards."""
    stack = LiveStack()
    try:
        yield stack
    finally:
        stack.stop()
