"""Alert rules against synthetic series, judged by Prometheus' own promtool; dashboards and runbook against what is exported."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client

from tests.prometheus import tool

ROOT = Path(__file__).resolve().parent.parent.parent
RULES = ROOT / "deploy" / "prometheus" / "alerts.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "stagewatch.json"
PROMTOOL = tool("promtool")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not here; run scripts/install-test-tools.sh, or set PROMTOOL to its path"
)

#: Two hours of an installation at which all is well, a sample a minute.
WELL = {
    "stagewatch_database_up": "1x120",
    "stagewatch_broker_up": "1x120",
    **{f'stagewatch_process_heartbeat_seconds{{process="{kind}"}}': "7x120" for kind in ("web", "worker", "syncer", "beat")},
    'stagewatch_queue_heartbeat_seconds{queue="updates"}': "9x120",
    'stagewatch_oldest_batch_seconds{step="ats.normalize",queue="raw-events"}': "40x120",
    'stagewatch_end_to_end_seconds_bucket{le="5"}': "0+10x120",
    'stagewatch_end_to_end_seconds_bucket{le="300"}': "0+10x120",
    'stagewatch_end_to_end_seconds_bucket{le="+Inf"}': "0+10x120",
    'stagewatch_step_seconds_count{step="ats.normalize",outcome="done"}': "0+30x120",
    'stagewatch_step_seconds_count{step="ats.normalize",outcome="failed"}': "0x120",
    'stagewatch_offers_again_total{kind="batch",reason="lease_expired"}': "1x120",
    'stagewatch_offers_again_total{kind="batch",reason="message_lost"}': "0+5x120",
    "stagewatch_batches_stopped": "0x120",
    "stagewatch_dead_letters": "0x120",
    'stagewatch_connectors{status="active"}': "3x120",
    'stagewatch_connectors{status="broken"}': "0x120",
    "stagewatch_stale_connectors": "0x120",
    "stagewatch_oldest_queued_run_seconds": "3x120",
    'stagewatch_provider_calls_total{provider="bamboohr",endpoint="jobs",outcome="200"}': "0+60x120",
    'stagewatch_provider_calls_total{provider="bamboohr",endpoint="jobs",outcome="404"}': "0+3x120",
    'stagewatch_provider_calls_total{provider="bamboohr",endpoint="jobs",outcome="429"}': "0+2x120",
    'stagewatch_schedule_late_seconds{schedule="connectors.sync_all"}': "2x120",
    'stagewatch_schedule_failed{schedule="connectors.sync_all"}': "0x120",
    'stagewatch_database_connections{state="all"}': "30x120",
    'stagewatch_database_connections{state="limit"}': "100x120",
    'stagewatch_database_connections{state="idle_in_transaction"}': "1x120",
    'stagewatch_database_pool{state="waited_for"}': "0x120",
    'django_http_responses_total_by_status_view_method_total{status="200",view="board",method="GET"}': "0+600x120",
    'django_http_responses_total_by_status_view_method_total{status="500",view="board",method="GET"}': "0+1x120",
    'django_http_responses_total_by_status_view_method_total{status="503",view="readyz",method="GET"}': "0+600x120",
    'stagewatch_table_rows{table="ats_candidateevent"}': "10000000x120",
    'stagewatch_table_dead_rows{table="ats_candidateevent"}': "900000x120",
    'stagewatch_table_bytes{table="ats_candidateevent"}': "4000000000x120",
    'stagewatch_table_index_bytes{table="ats_candidateevent"}': "6000000000x120",
    'stagewatch_streams_ended_total{reason="too_slow"}': "0x120",
    'stagewatch_streams_ended_total{reason="stopping"}': "0+50x120",
}

#: alert → what is different in the second hour (None: the series ends), and the labels the alert comes with
ILL: dict[str, tuple[dict[str, str | None], dict[str, str]]] = {
    "StagewatchNotScraped": ({"stagewatch_database_up": None}, {}),
    "StagewatchDatabaseDown": ({"stagewatch_database_up": "1x59 0x60"}, {}),
    "StagewatchBrokerDown": ({"stagewatch_broker_up": "1x59 0x60"}, {}),
    "StagewatchWorkerGone": ({'stagewatch_process_heartbeat_seconds{process="worker"}': "7x59 10+60x60"}, {}),
    "StagewatchSyncerGone": ({'stagewatch_process_heartbeat_seconds{process="syncer"}': "7x59 100000x60"}, {}),
    "StagewatchBeatGone": ({'stagewatch_process_heartbeat_seconds{process="beat"}': "7x59 10+60x60"}, {}),
    "StagewatchQueueUnserved": ({'stagewatch_queue_heartbeat_seconds{queue="updates"}': "9x59 10+60x60"}, {"queue": "updates"}),
    "StagewatchRoadBlocked": (
        {'stagewatch_oldest_batch_seconds{step="ats.normalize",queue="raw-events"}': "40x59 60+60x60"},
        {"step": "ats.normalize", "queue": "raw-events"},
    ),
    "StagewatchEndToEndSlow": ({'stagewatch_end_to_end_seconds_bucket{le="5"}': "0+10x59 600x60"}, {}),
    "StagewatchStepFailing": (
        {'stagewatch_step_seconds_count{step="ats.normalize",outcome="failed"}': "0x59 0+1x60"},
        {"step": "ats.normalize"},
    ),
    "StagewatchProcessesDying": ({'stagewatch_offers_again_total{kind="batch",reason="lease_expired"}': "1x59 1+1x60"}, {}),
    "StagewatchBatchesStopped": ({"stagewatch_batches_stopped": "0x59 2x60"}, {}),
    "StagewatchDeadLetters": ({"stagewatch_dead_letters": "0x59 7x60"}, {}),
    "StagewatchConnectorBroken": ({'stagewatch_connectors{status="broken"}': "0x59 1x60"}, {}),
    "StagewatchSyncStale": ({"stagewatch_stale_connectors": "0x59 1x60"}, {}),
    "StagewatchSyncQueueSlow": ({"stagewatch_oldest_queued_run_seconds": "3x59 60+60x60"}, {}),
    "StagewatchProviderThrottling": (
        {'stagewatch_provider_calls_total{provider="bamboohr",endpoint="jobs",outcome="429"}': "0+2x59 118+60x60"},
        {"provider": "bamboohr"},
    ),
    "StagewatchProviderFailing": (
        {'stagewatch_provider_calls_total{provider="bamboohr",endpoint="jobs",outcome="provider_unavailable"}': "0x59 0+200x60"},
        {"provider": "bamboohr"},
    ),
    "StagewatchScheduleLate": (
        {'stagewatch_schedule_late_seconds{schedule="connectors.sync_all"}': "2x59 0+60x60"},
        {"schedule": "connectors.sync_all"},
    ),
    "StagewatchScheduleFailed": (
        {'stagewatch_schedule_failed{schedule="connectors.sync_all"}': "0x59 1x60"},
        {"schedule": "connectors.sync_all"},
    ),
    "StagewatchDatabaseConnectionsHigh": ({'stagewatch_database_connections{state="all"}': "30x59 95x60"}, {}),
    "StagewatchPoolExhausted": ({'stagewatch_database_pool{state="waited_for"}': "0x59 4x60"}, {}),
    "StagewatchIdleTransactions": ({'stagewatch_database_connections{state="idle_in_transaction"}': "1x59 9x60"}, {}),
    "StagewatchHttpErrors": (
        {'django_http_responses_total_by_status_view_method_total{status="500",view="board",method="GET"}': "0+1x59 59+200x60"},
        {},
    ),
    "StagewatchStreamsDropped": ({'stagewatch_streams_ended_total{reason="too_slow"}': "0x59 0+5x60"}, {}),
    "StagewatchTableBloat": (
        {'stagewatch_table_dead_rows{table="ats_candidateevent"}': "900000x59 6000000x60"},
        {"table": "ats_candidateevent"},
    ),
    "StagewatchIndexBloat": (
        {'stagewatch_table_index_bytes{table="ats_candidateevent"}': "6000000000x59 13000000000x60"},
        {"table": "ats_candidateevent"},
    ),
}


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"][0]["rules"]
    return found


def test_every_alert_is_tried_and_explained() -> None:
    names = [rule["alert"] for rule in rules()]
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert names == list(ILL)
    assert headings == names
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"page", "ticket"}


@pytest.mark.django_db
@pytest.mark.parametrize("path", [RULES, DASHBOARD], ids=lambda path: path.name)
def test_only_metrics_that_exist_are_asked_for(path: Path) -> None:
    exported = Client().get("/metrics").content.decode()
    families = set(re.findall(r"^# TYPE (\w+) ", exported, re.MULTILINE))
    families |= {f"{name}_{part}" for name in families for part in ("bucket", "count", "sum")}

    asked = set(re.findall(r"\b((?:stagewatch|django)_\w+)", "\n".join(expressions(path))))

    assert len(asked) > 10
    assert asked - families == set()


def expressions(path: Path) -> list[str]:
    if path == RULES:
        return [rule["expr"] for rule in rules()]
    panels = json.loads(path.read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


@needs_promtool
def test_the_rules_are_well_formed() -> None:
    checked = subprocess.run([str(PROMTOOL), "check", "rules", str(RULES)], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_promtool
def test_where_all_is_well_no_alert_fires(tmp_path: Path) -> None:
    judge(tmp_path, WELL, {name: [] for name in ILL})


@needs_promtool
def test_a_beat_that_is_gone_is_one_alert_and_not_ten(tmp_path: Path) -> None:
    series = {
        **WELL,
        'stagewatch_process_heartbeat_seconds{process="beat"}': "7x59 10+60x60",
        'stagewatch_queue_heartbeat_seconds{queue="updates"}': "9x59 10+60x60",
        'stagewatch_schedule_late_seconds{schedule="connectors.sync_all"}': "2x59 0+60x60",
    }

    judge(tmp_path, series, {name: [{"severity": "page"}] if name == "StagewatchBeatGone" else [] for name in ILL})


@needs_promtool
@pytest.mark.parametrize("name", list(ILL))
def test_an_alert_fires_on_its_own_trouble_and_no_other_does(name: str, tmp_path: Path) -> None:
    changed, labels = ILL[name]
    series = {**WELL, **{key: value for key, value in changed.items() if value is not None}}
    for key, value in changed.items():
        if value is None:
            series[key] = "1x59 stale"
    severity = next(rule["labels"]["severity"] for rule in rules() if rule["alert"] == name)

    judge(tmp_path, series, {other: [{"severity": severity, **labels}] if other == name else [] for other in ILL})


def judge(folder: Path, series: dict[str, str], expected: dict[str, list[dict[str, str]]]) -> None:
    """promtool's verdict after 100 minutes: which alerts fire, with which labels."""
    annotations = {rule["alert"]: rule["annotations"] for rule in rules()}
    stripped = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    for rule in stripped["groups"][0]["rules"]:
        rule.pop("annotations")  # sentences quote values, which would have to be repeated here
    assert set(annotations) == set(expected)
    (folder / "rules.yaml").write_text(yaml.safe_dump(stripped), encoding="utf-8")
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "30s",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [
                    {"eval_time": "100m", "alertname": name, "exp_alerts": [{"exp_labels": labels} for labels in firing]}
                    for name, firing in expected.items()
                ],
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(test), encoding="utf-8")
    judged = subprocess.run([str(PROMTOOL), "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr
