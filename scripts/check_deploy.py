"""Holds what deploy/ ships against the schemas of those who will read it. Prints what is wrong; exit code 1 if anything is.

Kubernetes manifests: each document by itself, and, where kubectl is installed, what kustomize makes of the overlays.
Compose: the Compose specification. systemd: ``systemd-analyze verify``, where it is installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
#: the oldest supported and the newest known
VERSIONS = ("1.30", kubernetes_validate.latest_version())
#: of the Prometheus operator, whose schema nobody bundles; their field names are held by SERVICE_MONITOR
OUTSIDE = {"ServiceMonitor"}
SERVICE_MONITOR = {"selector", "endpoints", "namespaceSelector", "jobLabel", "targetLabels"}
#: read by kustomize, not by a cluster
NOT_MANIFESTS = {"kustomization.yaml"}


def main() -> int:
    wrong = [*compose(), *manifests(), *overlays(), *units()]
    for sentence in wrong:
        print(sentence)
    return 1 if wrong else 0


def compose() -> Iterator[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"deploy/compose.yaml: {done.stdout}{done.stderr}"


def manifests() -> Iterator[str]:
    for path in sorted((DEPLOY / "k8s").rglob("*.yaml")):
        if path.name not in NOT_MANIFESTS:
            yield from invalid(path.relative_to(ROOT).as_posix(), yaml.safe_load_all(path.read_text(encoding="utf-8")))


def overlays() -> Iterator[str]:
    if shutil.which("kubectl") is None:
        print("kubectl is not installed: overlays are not put together", file=sys.stderr)
        return
    for path in sorted((DEPLOY / "k8s" / "overlays").iterdir()):
        made = subprocess.run(["kubectl", "kustomize", str(path)], capture_output=True, text=True, check=False)
        if made.returncode:
            yield f"{path.name}: {made.stderr}"
        else:
            yield from invalid(f"overlay {path.name}", yaml.safe_load_all(made.stdout))


def invalid(where: str, documents: Any) -> Iterator[str]:
    for document in documents:
        name = f"{where}: {document['kind']} {document['metadata']['name']}"
        if document["kind"] in OUTSIDE:
            unknown = set(document["spec"]) - SERVICE_MONITOR
            if unknown or not document["spec"].get("endpoints"):
                yield f"{name}: not a ServiceMonitor: {', '.join(sorted(unknown)) or 'no endpoints'}"
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{name}, Kubernetes {version}: {'.'.join(str(part) for part in error.path)}: {error.message}"


def units() -> Iterator[str]:
    if shutil.which("systemd-analyze") is None:
        print("systemd-analyze is not installed: units are not verified", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        for unit in (DEPLOY / "systemd").iterdir():
            # the programs are where the box has them, not here
            Path(folder, unit.name).write_text(
                unit.read_text(encoding="utf-8").replace("/opt/stagewatch/.venv/bin/", "/bin/true "), "utf-8"
            )
        names = [str(path).replace("@.", "@1.") for path in sorted(Path(folder).iterdir())]
        done = subprocess.run(["systemd-analyze", "verify", *names], capture_output=True, text=True, check=False)
        for line in (done.stdout + done.stderr).splitlines():
            if folder in line or "stagewatch" in line:
                yield f"deploy/systemd: {line}"


if __name__ == "__main__":
    sys.exit(main())
