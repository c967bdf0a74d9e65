"""What is imported must be asked for, or a fresh machine finds out."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OURS = {path.name for path in ROOT.iterdir() if path.is_dir()} | {"manage"}


def names(requirements: list[str]) -> set[str]:
    return {canonical(re.split(r"[\[<>=~! ]", requirement)[0]) for requirement in requirements}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - OURS


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in (ROOT / folder).rglob("*.py")]


RUNTIME = names(PROJECT["project"]["dependencies"])
DEVELOPMENT = RUNTIME | names(PROJECT["dependency-groups"]["dev"])


@pytest.mark.parametrize(
    ("folders", "asked_for"),
    [
        (("accounts", "analytics", "ats", "config", "connectors", "issues", "realtime", "triggers"), RUNTIME),
        (("tests", "benchmarks", "scripts"), DEVELOPMENT),
    ],
)
def test_every_imported_package_is_asked_for(folders: tuple[str, ...], asked_for: set[str]) -> None:
    distributions = packages_distributions()
    missing = {
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(*folders)
        for module in imported(path)
        if not {canonical(name) for name in distributions.get(module, [module])} & asked_for
    }
    assert sorted(missing) == []


@pytest.mark.parametrize(("file", "asked_for"), [("requirements.txt", RUNTIME), ("requirements-dev.txt", DEVELOPMENT)])
def test_every_requirement_is_pinned_with_hashes_and_names_no_registry(file: str, asked_for: set[str]) -> None:
    text = (ROOT / file).read_text()
    pinned = {canonical(match[1]) for match in re.finditer(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}

    assert asked_for <= pinned
    assert len(re.findall(r"^[A-Za-z0-9._-]+==", text, re.MULTILINE)) < text.count("--hash=sha256:")
    assert "://" not in text
