"""Where processes put what they count. Imported before `prometheus_client`, which looks for the folder when it loads."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def folder() -> Path | None:
    """The folder shared by the processes of this machine; None where each only knows itself (tests, commands)."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def prepare() -> None:
    """Make the folder; one that cannot be made stops the start with Python's own sentence about it."""
    where = folder()
    if where is not None:
        where.mkdir(parents=True, exist_ok=True)
