"""The migration linter knows its exceptions by name alone; so each of these names may be only one migration's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
EXCEPTIONS = re.findall(r'^    "(\d{4}_\w+)",$', (ROOT / "scripts" / "lint_settings.py").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_an_exception_excuses_one_migration(name: str) -> None:
    assert len(list(ROOT.glob(f"*/migrations/{name}.py"))) == 1, "another app's migration of that name would not be looked at"


def test_the_exceptions_were_found() -> None:
    assert len(EXCEPTIONS) >= 6
