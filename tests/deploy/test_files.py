"""What deploy/ starts is what the Procfile starts: the same queues, commands and settings, whoever runs them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import health
from config.flow import QUEUES

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
EXAMPLE = set(re.findall(r"^# ([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
#: not settings of ours: what composes one, and what other programs read
FOREIGN = {"POD_IP", "PUBLIC_HOST", "REMAP_SIGTERM", "STAGEWATCH_PROCESS", "PROMETHEUS_MULTIPROC_DIR", "PYTHONUNBUFFERED"}


def documents(*names: str) -> list[dict[str, Any]]:
    paths = [path for name in names for path in sorted((DEPLOY / "k8s").glob(name))]
    return [one for path in paths for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def containers(document: dict[str, Any]) -> list[dict[str, Any]]:
    spec = document["spec"]
    pod = spec["jobTemplate"]["spec"]["template"] if document["kind"] == "CronJob" else spec["template"]
    return list(pod["spec"]["containers"])


COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
RUNNING = [one for one in documents("**/*.yaml") if one["kind"] in ("Deployment", "Job", "CronJob")]


#: what each way of running Stagewatch starts, as text
WAYS = {
    "Procfile": (ROOT / "Procfile").read_text(encoding="utf-8"),
    "systemd": "\n".join(path.read_text(encoding="utf-8") for path in sorted((DEPLOY / "systemd").glob("*.service"))),
    "Kubernetes": "\n".join(" ".join(one["command"]) for document in RUNNING for one in containers(document)),
    "Compose": "\n".join(" ".join(one.get("command", [])) for one in COMPOSE["services"].values()),
}


def queues(command: str) -> list[str]:
    return [queue for found in re.findall(r"-Q[ ,]+\"?([a-z,-]+)", command) for queue in found.split(",")]


@pytest.mark.parametrize("text", WAYS.values(), ids=WAYS)
def test_every_queue_is_served_once(text: str) -> None:
    assert sorted(queues(text)) == sorted(set(QUEUES.values()))


@pytest.mark.parametrize("text", WAYS.values(), ids=WAYS)
def test_what_the_runbook_tells_to_change_is_a_setting(text: str) -> None:
    for line in text.splitlines():
        if "celery" in line and " -A config " in line:
            assert re.search(r"-l \$?\$[{(]LOG_LEVEL", line), line
        if " worker " in line and "-Q" in line:
            setting = "SYNCER_CONCURRENCY" if queues(line) == ["sync"] else "WORKER_CONCURRENCY"
            assert re.search(rf"-c \$?\$[{{(]{setting}", line), line


@pytest.mark.parametrize("document", RUNNING, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_every_container_is_locked_down_and_limited(document: dict[str, Any]) -> None:
    for one in containers(document):
        assert one["securityContext"]["readOnlyRootFilesystem"] is True
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert one["resources"]["limits"]["memory"]
        assert {"cpu", "memory"} <= set(one["resources"]["requests"])
        assert {entry["name"] for entry in one.get("env", [])} <= EXAMPLE | FOREIGN


def test_what_serves_is_probed_and_what_is_scaled_or_guarded_exists() -> None:
    deployments = {one["metadata"]["name"]: one for one in RUNNING if one["kind"] == "Deployment"}
    for deployment in deployments.values():
        assert all({"startupProbe", "livenessProbe"} <= set(one) for one in containers(deployment))
    readiness = containers(deployments["stagewatch-web"])[0]["readinessProbe"]
    assert readiness["timeoutSeconds"] > 2 * health.PATIENCE_SECONDS, "who is asked begins the last check just before that"
    scaled = [one["spec"]["scaleTargetRef"]["name"] for one in documents("base/autoscaling.yaml")]
    assert set(scaled) <= set(deployments)
    for budget in documents("base/disruption.yaml"):
        labels = budget["spec"]["selector"]["matchLabels"]
        assert any(one["spec"]["template"]["metadata"]["labels"].items() >= labels.items() for one in deployments.values())


def test_the_shipped_settings_are_settings() -> None:
    for name in ("production.env.example", "k8s/base/settings.env"):
        named = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / name).read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= EXAMPLE | FOREIGN, name


def test_a_shell_reads_the_shipped_settings_as_systemd_and_compose_do() -> None:
    """Commands are run in a shell that has read the file; processes are given it as it stands."""
    file = DEPLOY / "production.env.example"
    stands = dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))

    read = subprocess.run(["sh", "-ec", f"set -a; . {file}; exec env -0"], env={}, capture_output=True, text=True, check=True).stdout

    assert stands.items() <= dict(one.split("=", 1) for one in read.split("\0") if one).items()


def test_the_guide_names_units_and_files_that_are_there() -> None:
    guide, _, cluster = (DEPLOY / "README.md").read_text(encoding="utf-8").partition("## A cluster")
    assert cluster, "where deploy/NAME is a Deployment"
    units = {
        re.sub(r"@\d", "@", name)
        for name in re.findall(r"\bstagewatch-(?:web|worker|syncer|beat)(?:@\d)?(?:\.socket)?(?= |$)", guide, re.M)
    }
    there = {path.name.removesuffix(".service") for path in (DEPLOY / "systemd").iterdir()}
    assert len(units) >= 4
    assert units <= there
    for name in re.findall(r"\bdeploy/([a-z][\w./-]+\w)", guide):
        assert (DEPLOY / name).exists() or f"deploy/{name}" in (ROOT / ".gitignore").read_text(encoding="utf-8"), name


def test_metrics_that_scale_are_exported() -> None:
    told = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    for one in documents("base/autoscaling.yaml"):
        for metric in one["spec"]["metrics"]:
            if metric["type"] == "External":
                assert f"`{metric['external']['metric']['name']}" in told
