from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps

WRITTEN_BY = ("0001_schedules", "0003_retention_schedules", "0005_heartbeat_and_reconcile")


@pytest.fixture
def shipped_schedules(db: None) -> None:
    """The schedules that the migrations write: a transactional test before this one may have emptied the table."""
    for name in WRITTEN_BY:
        import_module(f"config.migrations.{name}").make(apps, None)
