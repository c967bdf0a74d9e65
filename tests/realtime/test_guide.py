"""docs/api.md does what it says: its commands run in their order, and the answers have the shapes that are shown."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from connectors.models import Connector, SyncRun
from issues.models import Issue
from realtime import services
from tests.live import ROOT
from tests.realtime.tenants import token_of
from triggers.models import Task

pytestmark = [
    pytest.mark.stack,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine; run scripts/install-test-tools.sh"),
]

GUIDE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
#: keys whose inside depends on the case
OPEN_ENDED = {"evidence", "numbers"}


@dataclass
class Block:
    language: str
    text: str
    #: what was shown to come of it
    shown: list[Any] = field(default_factory=list)


def steps() -> list[Block]:
    """Everything that is run, each with the JSON that is shown behind it, in the order of the page."""
    found: list[Block] = []
    for _, language, text in re.findall(r"^( *)```(\w+)\n(.*?)^ *```$", GUIDE, re.MULTILINE | re.DOTALL):
        if language in ("sh", "python"):
            found.append(Block(language, text))
        elif language == "json" and found:
            found[-1].shown.append(json.loads(text if text.lstrip().startswith("{") else f"{{{text}}}"))
        elif language == "text" and found:
            found[-1].shown += [json.loads(told) for told in re.findall(r"^data: (.*)", text, re.MULTILINE | re.DOTALL)]
    return found


def objects(told: Any) -> Iterator[dict[str, Any]]:
    """Every object in an answer, the outermost first."""
    if isinstance(told, dict):
        yield told
    for inner in told.values() if isinstance(told, dict) else told if isinstance(told, list) else ():
        yield from objects(inner)


def same_shape(shown: Any, told: Any) -> bool:
    if isinstance(shown, dict) and isinstance(told, dict):
        return shown.keys() == told.keys() and all(name in OPEN_ENDED or same_shape(shown[name], told[name]) for name in shown)
    if isinstance(shown, list) and isinstance(told, list):
        return all(same_shape(one, other) for one, other in zip(shown, told, strict=False))
    return isinstance(shown, dict | list) == isinstance(told, dict | list) or shown is None or told is None


def as_shown(shown: dict[str, Any], answers: list[Any]) -> bool:
    """Whether an object like this, or a piece of one, is in one of the answers."""
    pieces = [one for answer in answers for one in objects(answer)]
    if len(shown) == 1:  # a piece of one
        return any(same_shape(shown, {name: one.get(name) for name in shown}) for one in pieces)
    return any(same_shape(shown, one) for one in pieces)


@pytest.fixture
def world(acme: Any) -> dict[str, Any]:
    """What the guide's ids name, and everything it asks for."""
    now = timezone.now()
    hr = Connector.objects.create(
        organization=acme.organization, provider="bamboohr", name="hr", base_url="https://acme.bamboohr.com", fresh_at=now
    )
    run = SyncRun.objects.create(connector=hr, mode="delta", state="succeeded", requested_at=now, finished_at=now)
    job = acme.job("Backend Engineer")
    applications = [acme.apply(job, days_ago=days) for days in (90, 80, 3)]
    type(applications[0].visits.first()).objects.filter(application__job=job).update(stage=acme.interview)
    alice = acme.member("alice")
    issue = Issue.objects.create(
        organization=acme.organization, issue_type="stuck", fingerprint="f", application=applications[0], job=job, stage=acme.interview,
        severity="critical", score=84, sentence="In Interviewed for 62.1 business days.", evidence={"age": {"unit": "bd", "value": 62.1}},
        detected_at=now, opened_at=now, last_seen_at=now,
    )  # fmt: skip
    issue.transitions.create(status_to="open", reason="found by its rule", at=now)
    task = Task.objects.create(
        organization=acme.organization, issue=issue, title="Look", priority="critical", assignee=alice, due_at=now + timedelta(days=1),
        created_at=now,
    )  # fmt: skip
    return {"jobs": job.pk, "issues": issue.pk, "tasks": task.pk, "connectors": hr.pk, "token": token_of(alice), "run": run.pk}


def run(block: Block, environment: dict[str, str]) -> str:
    """What it printed. Streams go on for ever: a few lines of them are enough."""
    command = ["bash", "-ec", block.text] if block.language == "sh" else [sys.executable, "-u", "-c", block.text]
    endless = "updates" in block.text
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    if not endless:
        told, _ = process.communicate(timeout=60)
        assert process.returncode == 0, told
        return told
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if "hello" in line:  # it listens
            services.push(organization_id=int(environment["ORGANIZATION"]), sync_run_ids=[int(environment["RUN"])])
        if "sync" in line:
            break
    process.kill()
    process.communicate()
    return "".join(lines)


def test_what_the_guide_shows_is_what_a_server_answers(acme: Any, address: str, world: dict[str, Any]) -> None:
    environment = {
        "PATH": os.environ["PATH"], "STAGEWATCH_URL": address, "STAGEWATCH_TOKEN": world["token"],
        "ORGANIZATION": str(acme.organization.pk), "RUN": str(world["run"]),
    }  # fmt: skip
    ran = 0
    for block in steps():
        if block.text.startswith(("export", "python ")):
            continue  # of the reader's own shell
        for name in ("jobs", "issues", "tasks", "connectors"):
            block.text = re.sub(rf"/ats/{name}/\d+", f"/ats/{name}/{world[name]}", block.text)
        told = run(block, environment)
        answers = [json.loads(line) for line in re.findall(r"^(?:data: )?(\{.*\})$", told, re.MULTILINE)]
        assert answers or block.language == "python", told
        if "/acknowledge" in block.text:
            answers.append(conflict(address, world))
        if "/sync" in block.text:
            headers = {"Authorization": f"Token {world['token']}"}
            answers.append(requests.get(f"{address}/ats/sync-runs/{answers[0]['sync_run']}", headers=headers, timeout=10).json())
        for shown in block.shown:
            assert as_shown(shown, answers), f"{block.text}\n\nshows\n\n{json.dumps(shown)}\n\nand answered\n\n{told}"
        ran += 1
    assert ran >= 12


def conflict(address: str, world: dict[str, Any]) -> Any:
    """The colleague who has not seen it."""
    answer = requests.post(
        f"{address}/ats/issues/{world['issues']}/resolve",
        headers={"Authorization": f"Token {world['token']}", "If-Match": '"1"'},
        timeout=10,
    )
    assert answer.status_code == 412
    return answer.json()


def test_the_error_it_shows_is_the_one_that_comes(acme: Any, address: str) -> None:
    headers = {"Authorization": f"Token {token_of(acme.member('alice'))}"}
    shown = re.search(r"^  ```json\n(.*?)^  ```$", GUIDE, re.MULTILINE | re.DOTALL)
    assert shown is not None

    assert requests.get(f"{address}/ats/heatmap?window=soon", headers=headers, timeout=10).json() == json.loads(shown[1])
