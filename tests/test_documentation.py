"""What the documentation names exists, and what exists and people have to know of is named."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import BaseCommand, get_commands, load_command_class
from django.urls import Resolver404, resolve

from config import exposition, row_metrics
from config.flow import STEPS
from connectors.bamboohr.vocabulary import OUTCOME_CODES, STAGE_CODES
from connectors.events import EventType
from connectors.files.rows import COLUMNS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
OURS = ("accounts", "analytics", "ats", "config", "connectors", "issues", "realtime", "triggers")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(file), f"{target} names no heading"


def test_every_setting_of_the_example_is_explained_and_no_other() -> None:
    explained = "\n".join(re.findall(r"^\| (`[A-Z].*?) \|", read("docs/operate.md"), re.MULTILINE))

    assert set(re.findall(r"`([A-Z_]+)`", explained)) == set(re.findall(r"^# ([A-Z_]+)=", read(".env.example"), re.MULTILINE))


def test_every_column_of_an_import_is_explained() -> None:
    assert [column for column in COLUMNS if f"`{column}`" not in read("docs/connect.md")] == []


def test_every_event_and_every_status_code_is_named() -> None:
    page = read("docs/connect.md")

    assert [word for word in EventType if word not in page] == []
    assert [code for code in (*STAGE_CODES, *OUTCOME_CODES) if code not in page] == []


def commands_shown() -> list[tuple[str, list[str]]]:
    """``manage.py`` lines of blocks and of running text, each as the page and its words."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(r"manage\.py ([a-z_]+[^`\n]*)", text):
            words = shlex.split(re.split(r" [|>&]|;", line)[0], comments=True)
            found.append((page.relative_to(ROOT).as_posix(), words))
    return found


@pytest.mark.parametrize(("page", "words"), commands_shown(), ids=lambda value: " ".join(value) if isinstance(value, list) else value)
def test_commands_that_are_shown_are_understood(page: str, words: list[str]) -> None:
    """By the very parser that would get them; what they do is for the tests of each command."""
    name, *arguments = words
    app = get_commands()[name]
    command = app if isinstance(app, BaseCommand) else load_command_class(app, name)
    parser = command.create_parser("manage.py", name)
    parser.error = lambda message: pytest.fail(f"{' '.join(words)}: {message}")  # type: ignore[method-assign]

    if arguments:  # a mere name is only spoken of
        parser.parse_args(arguments)


def test_every_command_of_ours_is_documented() -> None:
    ours = {name for name, app in get_commands().items() if app in OURS}
    told = "".join(page.read_text(encoding="utf-8") for page in PAGES)

    assert [name for name in ours if name not in told] == []


@pytest.mark.django_db
def test_metrics_are_explained_and_exist() -> None:
    exported = (row_metrics.latest() + exposition.latest()).decode()

    named = set(re.findall(r"`(stagewatch_\w+)", read("docs/operate.md")))
    ours = set(re.findall(r"^# TYPE (stagewatch_\w+) ", exported, re.MULTILINE))
    assert len(named) > 30
    assert named - ours == set()
    assert {name for name in ours - named if not name.endswith("_created")} == set(), "not explained"


def test_addresses_that_are_shown_exist() -> None:
    page = read("docs/api.md")
    for address in set(re.findall(r"STAGEWATCH_URL[}]?(/[\w/{}]+)", page)):
        try:
            resolve(address)
        except Resolver404:
            pytest.fail(f"{address} leads nowhere")


def test_the_road_is_told_in_its_order() -> None:
    for name in ("README.md", "docs/architecture.md"):
        places = [read(name).index(step) for step in STEPS]
        assert places == sorted(places), name
