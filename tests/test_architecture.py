"""What the tree promises: steps are registered, layers kept, migrations made, the document current."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import yaml
from celery import current_app
from django.apps import apps
from django.core.management import call_command
from importlinter.cli import lint_imports

from analytics.estimators import EXIT_KINDS
from analytics.models import EXITS
from config import flow
from tests.schema import DOCUMENT

ROOT = Path(__file__).resolve().parent.parent


def test_every_step_of_the_road_is_a_registered_task_with_a_queue() -> None:
    current_app.loader.import_default_modules()

    for step in flow.STEPS:
        assert step in current_app.tasks, step
        assert step in flow.QUEUES, step


def test_imports_point_up_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0


def test_the_road_and_the_telemetry_import_no_app() -> None:
    ours = [app.name for app in apps.get_app_configs() if Path(app.path).is_relative_to(ROOT) and app.name != "config"]
    probe = (
        "import sys; import config.flow, config.telemetry; "
        f"print([name for name in {ours!r} if any(m == name or m.startswith(name + '.') for m in sys.modules)])"
    )

    found = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    output = StringIO()
    try:
        call_command("makemigrations", check=True, dry_run=True, stdout=output)
    except SystemExit:
        pytest.fail(output.getvalue())


def test_the_openapi_document_is_current() -> None:
    output = StringIO()
    call_command("spectacular", fail_on_warn=True, stdout=output)

    assert yaml.safe_load(output.getvalue()) == yaml.safe_load(DOCUMENT.read_text(encoding="utf-8")), "run: make schema"


def test_modules_and_functions_stay_readable() -> None:
    """Modules stay under about 400 lines; the few that are longer say so here, with their reason."""
    longer = {"connectors/bamboohr/provider.py": 450, "analytics/estimators.py": 450}
    for app in (*(app.name for app in apps.get_app_configs() if Path(app.path).is_relative_to(ROOT)),):
        for module in (ROOT / app).rglob("*.py"):
            if "migrations" in module.parts or "sandbox" in module.parts:
                continue
            name = module.relative_to(ROOT).as_posix()
            assert len(module.read_text(encoding="utf-8").splitlines()) <= longer.get(name, 420), name


def test_the_pure_words_for_exits_are_those_of_the_table() -> None:
    assert set(EXITS) == EXIT_KINDS
