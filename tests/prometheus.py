"""A real Prometheus, out of Debian's package: it scrapes, and judges the rules that are shipped."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.live import ROOT, free_port, start, wait_until

#: Seconds between two scrapes, between two judgements, and how long a scrape may take: more than the two that ``/metrics`` gives
#: a broker which does not answer.
EVERY = 5


def tool(name: str) -> str | None:
    """``promtool`` or ``prometheus``: named by PROMTOOL or PROMETHEUS, on the PATH, or where scripts/install-test-tools.sh puts it."""
    return os.environ.get(name.upper()) or shutil.which(name) or shutil.which(ROOT / "var" / "tools" / name)


class Prometheus:
    """Running until ``stop``. ``folder`` is empty and its own."""

    def __init__(self, folder: Path, *, target: str, token: str, rules: Path) -> None:
        """Raises ``RuntimeError`` where it is not installed."""
        program = tool("prometheus")
        if program is None:
            raise RuntimeError("prometheus is not here; run scripts/install-test-tools.sh, or set PROMETHEUS to its path")
        self.address = f"http://127.0.0.1:{free_port()}"
        scrape = {
            "job_name": "stagewatch",
            "authorization": {"credentials": token},
            "static_configs": [{"targets": [target.removeprefix("http://")]}],
        }
        every = {"scrape_interval": f"{EVERY}s", "scrape_timeout": f"{EVERY}s", "evaluation_interval": f"{EVERY}s"}
        folder.mkdir()
        configuration = folder / "prometheus.yml"
        configuration.write_text(yaml.safe_dump({"global": every, "rule_files": [str(rules)], "scrape_configs": [scrape]}))
        self._running = start(
            "prometheus",
            program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.address.removeprefix('http://')}",
            cwd=folder,
            environment={"PATH": os.environ["PATH"]},
        )
        self._running.wait_for_line("Server is ready to receive web requests")

    def ask(self, path: str, **parameters: str) -> Any:
        answer = requests.get(f"{self.address}/api/v1/{path}", params=parameters, timeout=20)
        told = answer.json()
        assert told["status"] == "success", told
        return told["data"]

    def query(self, expression: str) -> list[Any]:
        """The series an expression gives now. Fails on one that is not understood."""
        found: list[Any] = self.ask("query", query=expression)["result"]
        return found

    def firing(self) -> set[str]:
        return {alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"}

    def rules(self) -> dict[str, str]:
        """Each rule's name with its health: ``ok`` once it has been judged without an error."""
        return {rule["name"]: rule["health"] for group in self.ask("rules")["groups"] for rule in group["rules"]}

    def wait_for_judgement(self) -> None:
        """Until what is exported now has been scraped, and every rule judged on it."""
        asked = datetime.now(UTC)
        wait_until(lambda: self._last_scrape() > asked, what="a scrape")
        scraped = datetime.now(UTC)
        wait_until(lambda: self._last_judged() > scraped, what="a judgement of every rule")

    def _last_scrape(self) -> datetime:
        return min(datetime.fromisoformat(target["lastScrape"]) for target in self.ask("targets")["activeTargets"])

    def _last_judged(self) -> datetime:
        return min(datetime.fromisoformat(group["lastEvaluation"]) for group in self.ask("rules")["groups"])

    def stop(self) -> None:
        self._running.process.terminate()
        self._running.finish()
