"""The sandbox as a process: starts fast, stops clean, remembers, and can be steered."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from connectors.sandbox.__main__ import main
from connectors.sandbox.journal import Journal, StateDirectoryError
from connectors.sandbox.process import PROJECT, RunningSandbox, SandboxFailed, running_sandbox

SMALL = {"seed": 7, "jobs": 5, "applications": 60, "months": 4, "until": "2026-10-05T12:00:00Z"}


def detail(sandbox: RunningSandbox, number: int) -> Any:
    url = f"{sandbox.base_url}/applicant_tracking/applications/{number}"
    return requests.get(url, auth=(sandbox.api_key, "x"), headers={"Accept": "application/json"}, timeout=10).json()


def test_the_full_organization_is_ready_once_its_address_is_told() -> None:
    with running_sandbox() as sandbox:
        assert sandbox.about()["applications"] > 5900


def test_both_bases_answer_over_http_and_connections_are_kept(sandbox: RunningSandbox) -> None:
    with requests.Session() as session:
        session.auth, session.headers["Accept"] = (sandbox.api_key, "x"), "application/json"
        for base in (sandbox.base_url, sandbox.gateway_url):
            answer = session.get(f"{base}/applicant_tracking/statuses", timeout=10)
            assert answer.json()[0]["code"] == "NEW"
        assert session.get(f"{sandbox.base_url}/applicant_tracking/jobs", auth=(sandbox.powerless_key, "x"), timeout=10).status_code == 403
        spent = []
        for _ in range(20):
            began = time.monotonic()
            session.get(f"{sandbox.base_url}/applicant_tracking/statuses", timeout=10)
            spent.append(time.monotonic() - began)
        assert min(spent) < 0.030, "a delayed acknowledgement would make each take 40 ms"


def test_calls_are_logged_without_their_keys(sandbox: RunningSandbox) -> None:
    since = len(sandbox.requests())
    last = sandbox.requests()[-1]["number"] if since else 0

    detail(sandbox, 1001)

    logged = sandbox.requests(last)
    assert [(entry["method"], entry["path"], entry["status"]) for entry in logged] == [
        ("GET", "/api/v1/applicant_tracking/applications/1001", 200)
    ]
    assert sandbox.api_key not in json.dumps(logged)


def test_the_truth_is_what_the_api_shows(sandbox: RunningSandbox) -> None:
    since = sandbox.about()["last_seq"]

    made = sandbox.tick(10)

    assert sandbox.truth(since) == made
    last = next(change for change in reversed(made) if change["application_id"] in sandbox.applications())
    item = sandbox.applications()[last["application_id"]]
    shown = detail(sandbox, last["application_id"])
    assert (shown["status"]["id"], shown["status"]["dateChanged"], shown["commentCount"]) == (
        item["status"],
        item["status_at"],
        item["comments"],
    )


def test_a_story_can_be_told_by_hand_at_a_scripted_time(sandbox: RunningSandbox) -> None:
    assert sandbox.clock(now="2026-11-01T10:00:00Z") == "2026-11-01T10:00:00+00:00"
    job = next(iter(sandbox.applications().values()))["job_id"]
    number = sandbox.change("applied", job_id=job, person={"first_name": "Ilse"})["application_id"]

    sandbox.clock(advance=3600)
    sandbox.change("status", application_id=number, status=6, actor=2410)
    sandbox.change("comment", application_id=number)
    sandbox.change("rating", application_id=number, value=4)
    sandbox.change("email", application_id=number)
    sandbox.change("applied_date", application_id=number, value="2026-10-31T00:00:00Z")
    sandbox.change("status", application_id=number, status=2, at="2026-11-01T10:30:00Z")

    shown = detail(sandbox, number)
    assert (shown["appliedDate"], shown["rating"], shown["commentCount"], shown["emailCount"]) == ("2026-10-31T00:00:00+00:00", 4, 1, 1)
    assert (shown["status"]["id"], shown["status"]["dateChanged"]) == (2, "2026-11-01T10:30:00+00:00")
    sandbox.change("removed", application_id=number)
    assert number not in sandbox.applications()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("changes", {"kind": "nothing"}),
        ("changes", {"kind": "status", "application_id": 1, "status": 2}),
        ("changes", {"kind": "status", "application_id": 1001, "status": 77}),
        ("changes", {}),
        ("clock", {"now": "yesterday"}),
        ("habits", {"page_size": 0}),
        ("habits", {"next_page_url": "sometimes"}),
        ("habits", {"mood": "good"}),
        ("nothing", {}),
    ],
)
def test_a_control_request_that_makes_no_sense_is_refused(sandbox: RunningSandbox, name: str, body: dict[str, Any]) -> None:
    with pytest.raises(SandboxFailed, match=f"POST /_sandbox/{name}"):
        sandbox._call("POST", name, body=body)


def test_live_the_company_moves_by_itself_and_never_ahead_of_the_clock() -> None:
    with running_sandbox(**SMALL, rate=0) as sandbox:
        since = sandbox.about()["last_seq"]
        sandbox.habits(rate=2_000_000)
        deadline = time.monotonic() + 20
        while sandbox.about()["last_seq"] < since + 30 and time.monotonic() < deadline:
            pass
        live = sandbox.truth(since)
    assert len(live) >= 30
    assert live == sorted(live, key=lambda change: change["at"])
    assert live[-1]["at"] <= time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())


def test_a_restart_continues_without_losing_or_rewriting_anything(tmp_path: Path) -> None:
    with running_sandbox(**SMALL, state_dir=tmp_path / "state") as sandbox:
        made = sandbox.tick(30)
        number = sandbox.change("applied", job_id=made[0]["job_id"])["application_id"]
        before, history, shown = sandbox.truth(), sandbox.history(), detail(sandbox, number)

    with running_sandbox(state_dir=tmp_path / "state") as sandbox:
        assert sandbox.truth() == before
        assert sandbox.history() == history
        assert detail(sandbox, number) == shown
        later = sandbox.tick(5)
        assert [change["seq"] for change in later] == list(range(len(before) + 1, len(before) + 1 + len(later)))


def test_what_was_told_survives_kill_and_a_line_cut_by_it_is_dropped(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running_sandbox(**SMALL, state_dir=state) as sandbox:
        sandbox.tick(30)
        before = sandbox.truth()
        assert sandbox.process is not None
        sandbox.process.kill()
        sandbox.process.wait()
    with (state / "live.jsonl").open("ab") as stream:
        stream.write(b'{"seq": 99999, "at": 1')

    for _ in range(2):
        with running_sandbox(state_dir=state) as sandbox:
            assert sandbox.truth() == before
            before += sandbox.tick(3)


def test_a_state_directory_serves_one_sandbox_and_one_organization(tmp_path: Path) -> None:
    with (
        running_sandbox(**SMALL, state_dir=tmp_path),
        pytest.raises(SandboxFailed, match="in use by another sandbox"),
        running_sandbox(state_dir=tmp_path),
    ):
        pass
    with pytest.raises(SandboxFailed, match="remembers --seed 7"), running_sandbox(seed=8, state_dir=tmp_path):
        pass
    (tmp_path / "organization.json").write_text((tmp_path / "organization.json").read_text().replace('"format":1', '"format":0'))
    journal = Journal(tmp_path)
    with pytest.raises(StateDirectoryError, match="another version"):
        journal.charter()
    journal.close()


def test_the_past_is_exported_at_the_first_start_and_by_the_command_alike(tmp_path: Path) -> None:
    with running_sandbox(**SMALL, state_dir=tmp_path / "state", export=tmp_path / "past.jsonl.gz") as sandbox:
        first = (tmp_path / "past.jsonl.gz").read_bytes()
        told = sandbox.history()
        sandbox.tick(3)
    with running_sandbox(state_dir=tmp_path / "state", export=tmp_path / "past.jsonl.gz"):
        assert (tmp_path / "past.jsonl.gz").read_bytes() == first, "a later start leaves the file alone"
    arguments = [f"--{name}={value}" for name, value in SMALL.items()]

    assert main(["export", *arguments, f"--out={tmp_path / 'again.jsonl'}"]) == 0

    lines = [json.loads(line) for line in gzip.decompress(first).splitlines()]
    again = [json.loads(line) for line in (tmp_path / "again.jsonl").read_bytes().splitlines()]
    assert lines == told
    keys = [row["provider_event_id"] for row in lines]
    assert [row["provider_event_id"] for row in again] == keys


def test_the_port_is_announced_and_sigterm_stops_it_clean(tmp_path: Path) -> None:
    with running_sandbox(**SMALL, port_file=tmp_path / "port") as sandbox:
        assert sandbox.url.endswith(":" + (tmp_path / "port").read_text().strip())
        assert sandbox.process is not None
        sandbox.process.send_signal(signal.SIGTERM)
        assert sandbox.process.wait(10) == 0


def test_a_taken_port_is_one_clear_sentence(sandbox: RunningSandbox) -> None:
    port = int(sandbox.url.rsplit(":", 1)[1])

    with pytest.raises(SandboxFailed, match=f"port {port} of 127.0.0.1 is taken"), running_sandbox(**SMALL | {"port": port}):
        pass


def test_it_dies_with_its_parent_if_asked() -> None:
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-m', 'connectors.sandbox', '--port=0', '--jobs=1', '--applications=1',"
        " '--die-with-parent'], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))

    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()

    assert psutil.wait_procs([child], timeout=10)[1] == [] or child.status() == psutil.STATUS_ZOMBIE


def test_the_command_line_describes_and_generates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "--jobs=5", "--applications=60", "--months=4"]) == 0
    assert "applications by month" in capsys.readouterr().out
    assert main(["bench", "--events=100", f"--out={tmp_path / 'load.jsonl'}"]) == 0
    assert len((tmp_path / "load.jsonl").read_text().splitlines()) == 100
    assert main(["describe", "--jobs=0"]) == 1
    assert "at least 1 job" in capsys.readouterr().err
