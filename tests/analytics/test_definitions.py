"""docs/metrics.md says what the code does: every definition, every constant, every reason."""

from __future__ import annotations

import re
from pathlib import Path

from analytics import forecast, milestone_stats, observed, samples
from analytics.bands import DEFAULT_LIMITS
from analytics.estimators import MIN_EXITS, Confidence
from analytics.models import ExitKind

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
PLAIN = " ".join(PAGE.split())
IDS = [*(f"M{number:02d}" for number in range(1, 26)), "F01", "F02"]


def test_every_definition_has_its_section_and_no_other_exists() -> None:
    assert re.findall(r"^### (\w+)$", PAGE, re.MULTILINE) == IDS


def test_every_definition_that_a_number_names_is_one_of_them() -> None:
    named = {word for path in (ROOT / "analytics").rglob("*.py") for word in re.findall(r'"([MF]\d\d)"', path.read_text(encoding="utf-8"))}

    assert {"M01", "M07", "M16", "M25", "F01"} <= named <= set(IDS)


def test_limits_and_gates_are_those_of_the_code() -> None:
    assert {name: float(days) for name, days in re.findall(r"^\| (\w+) \| (\d+) \|$", PAGE, re.MULTILINE)} == DEFAULT_LIMITS
    gates = [("the median", 6), ("also p85", 20), ("also p95", 60)]
    assert [exits for _, exits in MIN_EXITS] == [exits for _, exits in gates]
    for words, exits in gates:
        row = next(line for line in PAGE.splitlines() if words in line and line.startswith("|"))
        assert row.startswith(f"| {exits} and more |")
        assert row.endswith(f"{Confidence.of(exits)} |")


def test_every_exit_kind_and_reason_is_explained() -> None:
    assert [kind for kind in ExitKind if f"`{kind}`" not in PAGE] == []
    assert [reason for reason in observed.Reason if f"`{reason}`" not in PAGE] == []
    told = {word for path in ("forecast.py", "forecast_telling.py") for word in re.findall(
        r'"((?:job|all|nobody|too|no|evergreen)_[a-z_]+)"', (ROOT / "analytics" / path).read_text(encoding="utf-8"))}  # fmt: skip
    assert [reason for reason in told - {"too_few_exits_of_the_stage", "too_few_past_forecasts"} if f"`{reason}`" not in PAGE] == []


def test_the_spans_named_are_those_computed_with() -> None:
    for words in (
        f"looks at {samples.BASELINE_DAYS} days",
        f"median of the last {samples.RECENT_DAYS} days",
        f"Hires of the next {forecast.SPAN_DAYS} days",
        f"newcomers come as in the last {forecast.ARRIVALS_DAYS} days",
        f"{forecast.RUNS:,} futures over {forecast.HORIZON_DAYS} days",
        f"(up to {forecast.PAST_FORECASTS}) such spans",
        f"from {forecast.ENOUGH_PAST} decided ones on",
        f"under {milestone_stats.RANKABLE} applications",
        f"({observed.BULK} out of a stage within a minute)",
    ):
        assert words in PLAIN
