"""Many processes, one answer: nothing is lost when a process ends, and nothing counted twice."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from config import exposition, telemetry_folder

ROOT = Path(__file__).resolve().parent.parent.parent

#: a process that counts ``n`` facts, opens a stream, and ends
COUNTS = """
import django; django.setup()
from config import telemetry
telemetry.EVENTS.labels(result="created").inc({n})
telemetry.STEP_SECONDS.labels(step="ats.normalize", outcome="done").observe(0.02)
telemetry.STREAM_CLIENTS.labels(kind="sse").inc()
"""
READS = """
import django; django.setup()
from config import exposition
print(exposition.latest().decode())
"""


@pytest.fixture
def run(tmp_path: Path):  # type: ignore[no-untyped-def]
    import os

    environment = {**os.environ, telemetry_folder.VARIABLE: str(tmp_path / "values"), "DJANGO_SETTINGS_MODULE": "config.settings"}

    def running(code: str) -> str:
        return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout

    return running


def sample(text: str, name: str) -> float:
    return next(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def test_counts_of_ended_processes_stay_and_their_files_go(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for n in (3, 4):
        run(COUNTS.format(n=n))
    assert len(list((tmp_path / "values").glob("counter_*.db"))) >= 2

    first, second = run(READS), run(READS)

    for text in (first, second):
        assert sample(text, 'stagewatch_events_total{result="created"}') == 7
        assert sample(text, 'stagewatch_step_seconds_count{outcome="done",step="ats.normalize"}') == 2
        assert sample(text, 'stagewatch_step_seconds_bucket{le="0.05",outcome="done",step="ats.normalize"}') == 2
    left = {path.name for path in (tmp_path / "values").glob("counter_*.db")} - {"counter_0.db"}
    assert len(left) <= 1, "more than the last reader's own"


def test_streams_of_a_dead_process_are_closed(run) -> None:  # type: ignore[no-untyped-def]
    run(COUNTS.format(n=1))

    assert "stagewatch_stream_clients{" not in run(READS)


def test_a_start_from_nothing_forgets(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run(COUNTS.format(n=1))

    exposition.empty(tmp_path / "values")

    assert "stagewatch_events_total{" not in run(READS)


def test_a_family_nobody_has_counted_in_is_named_once(run) -> None:  # type: ignore[no-untyped-def]
    run(COUNTS.format(n=1))

    told = run(READS).splitlines()

    for family in ("stagewatch_llm_calls_total counter", "stagewatch_llm_cost_usd_total counter", "stagewatch_provider_seconds histogram"):
        assert told.count(f"# TYPE {family}") == 1
    assert told.count("# TYPE stagewatch_events_total counter") == 1, "this one has been counted in"
    assert [line for line in told if line.startswith("stagewatch_llm_")] == []


def test_what_alerts_judge_by_its_increase_is_there_before_anything_happens(run) -> None:  # type: ignore[no-untyped-def]
    """Forty streams cut between two scrapes would otherwise be a series that begins at forty, and no increase."""
    rules = (ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text(encoding="utf-8")
    asked = re.findall(r"increase\((\w+)\{(\w+)=~?\"([\w|]+)\"\}", rules)
    assert len(asked) >= 3

    told = run(READS)

    for family, label, words in asked:
        for word in words.split("|"):
            found = re.findall(rf'^{family}\{{[^}}]*{label}="{word}"[^}}]*\}} (.+)$', told, re.MULTILINE)
            assert found, f"{family} {label}={word}"
            assert set(found) == {"0.0"}
