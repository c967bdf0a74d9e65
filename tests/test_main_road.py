"""The main road, driven from end to end: real HTTP, real servers, real worker processes.

The sandbox says what really happened; a slow fold written apart says what follows from it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest
from django.utils import timezone

from accounts.models import Organization
from analytics import rebuilding
from analytics.cells import Question
from analytics.models import StageVisit
from analytics.selectors import org_heatmap
from ats.models import Application, CandidateEvent, Job, Stage
from connectors import batches
from connectors.models import Batch, RawEvent, SyncRun
from connectors.sandbox.account import Account
from connectors.sandbox.export import import_rows
from connectors.sandbox.journal import Charter
from connectors.sandbox.process import RunningSandbox, running_sandbox
from connectors.sandbox.statuses import JOB_STATUS_WORDS, STATUSES, Role
from issues.models import CellWatch
from realtime.models import Update
from tests.bamboo import BambooAccount, ledger_keys, true_keys
from tests.canonical import (
    as_found,
    as_the_oracle_has_it,
    differences,
    dump,
    foreign_rows,
    no_two_of_one_identity,
    open_issues,
    snapshots,
    visits,
)
from tests.live import FLOW_QUEUES, LiveStack, Running, wait_until
from tests.oracles.visits import Folded, LedgerEvent, fold
from tests.oracles.waits import Waiting, complaint
from triggers.models import Task

DAY = 86_400
COMPANY = {"seed": 11, "jobs": 10, "applications": 220, "months": 4, "page_size": 25}
ROLES = {Role.STAGE: "active", Role.HOLD: "on_hold", Role.HIRED: "hired", Role.REJECTED: "rejected", Role.WITHDRAWN: "withdrawn"}

pytestmark = pytest.mark.stack


def test_from_an_account_to_what_people_see(live_stack: LiveStack) -> None:
    """Connect, full sync, then delta after delta; at the end every number is what the truth says."""
    with running_sandbox(**COMPANY) as sandbox:
        account = BambooAccount(live_stack, sandbox, organization="acme")
        live_stack.worker(concurrency=2)

        said = live_stack.manage("sync", "acme/bamboo", "--full", "--wait")
        assert said.returncode == 0, said.stderr
        assert SyncRun.objects.get(pk=int(said.stdout)).state == SyncRun.State.SUCCEEDED
        account.looked()
        assert ledger_keys(account.connector) == account.keys
        everything_follows_from_the_ledger(account.organization)
        whoever_was_there_first_is_in_no_duration(account.organization)

        for _ in range(3):
            sandbox.tick(25)
            account.poll()
            assert ledger_keys(account.connector) == account.keys
        assert StageVisit.objects.filter(organization=account.organization, survivor=False).exists(), "what began since is no survivor"
        everything_follows_from_the_ledger(account.organization)
        it_stands_as_the_account_shows_it(account)

        # BambooHR counts those on hold among the active ones
        in_play = set(Application.objects.filter(status="active").values_list("external_id", flat=True))
        gone = next(number for number, item in sandbox.applications().items() if item["active"] and str(number) in in_play)
        sandbox.change("removed", application_id=gone)
        account.poll()
        assert Application.objects.get(external_id=str(gone)).status == "active", "one run may have missed it"
        account.poll()
        assert Application.objects.get(external_id=str(gone)).status == "removed"

        everything_follows_from_the_ledger(account.organization)
        the_updates_tell_of_every_job(account.organization)
        assert not RawEvent.objects.filter(state=RawEvent.State.DEAD).exists()
        check = live_stack.manage("rebuild", "--organization", "acme", "--check")
        assert (check.returncode, check.stderr) == (0, "")
        assert "no drift" in check.stdout


def test_history_first_and_then_polls_tell_nothing_twice(live_stack: LiveStack, tmp_path: Path) -> None:
    """What a customer's export and the polls both know has one key; from then on the ledger is the truth itself."""
    with running_sandbox(**COMPANY) as sandbox:
        account = BambooAccount(live_stack, sandbox, organization="acme")
        live_stack.worker(concurrency=2)
        export = sandbox.export(tmp_path / "history.jsonl")

        said = live_stack.manage("import_events", str(export), "--organization", "acme", "--connector", "bamboo", "--wait")
        assert said.returncode == 0, said.stderr
        before = stays(account.organization)
        assert ledger_keys(account.connector) == true_keys(sandbox)

        first = account.poll("full")
        assert set(first.batches.values_list("created_count", flat=True)) == {0}, "the poll had nothing new to tell"
        assert stays(account.organization) == before

        for _ in range(2):
            one_status_change_each(sandbox, 6)
            account.poll()
            assert ledger_keys(account.connector) == true_keys(sandbox)
        account.poll("full")

        assert ledger_keys(account.connector) == true_keys(sandbox)
        it_stands_as_the_account_shows_it(account)
        everything_follows_from_the_ledger(account.organization)


def test_shuffled_doubled_rebatched_killed_and_flushed_it_comes_out_the_same(live_stack: LiveStack, tmp_path: Path) -> None:
    """The same events, once in peace and once through everything that can go wrong on the way."""
    rng = Random(2)
    rows = history(days_ago=130)
    calm = Organization.objects.create(slug="calm", name="Calm")
    rough = Organization.objects.create(slug="rough", name="Rough")
    worker = live_stack.worker(concurrency=2)
    said = live_stack.manage(
        "import_events", str(jsonl(tmp_path / "all.jsonl", rows)), "--organization", "calm", "--connector", "files", "--wait"
    )
    assert said.returncode == 0, said.stderr
    worker.kill()

    # when
    arrivals = [*rows, *rng.sample(rows, len(rows) // 3)]
    rng.shuffle(arrivals)
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    for number, path in enumerate(in_files(tmp_path, arrivals)):
        live_stack.environment["BATCH_SIZE"] = str((17, 60, 150)[number % 3])
        said = live_stack.manage("import_events", str(path), "--organization", "rough", "--connector", "files")
        assert said.returncode == 0, said.stderr
        if number == 1:
            live_stack.broker().flushall()
        if number == 0:
            worker = mortal_worker(live_stack, deaths)
    survive(live_stack, worker, rng)

    # then
    assert len(list(deaths.iterdir())) >= 18, "every step died at several points"
    as_of = timezone.now()
    assert differences(dump(calm, as_of=as_of), dump(rough, as_of=as_of)) == {}
    assert set(CandidateEvent.objects.filter(organization=rough).values_list("provider_event_id", flat=True)) == {
        row["provider_event_id"] for row in rows
    }
    assert not Batch.objects.exclude(failed_at=None).exists()
    for organization in (calm, rough):
        everything_follows_from_the_ledger(organization)


# --- what is asked of the outcome ----------------------------------------------------------------------------------------


def stays(organization: Organization) -> dict[str, tuple[Any, ...]]:
    """The visits but for the direction they were left in: polls know the order of stages, exports do not."""
    return {key: (*visit[:6], *visit[7:]) for key, visit in visits(organization).items()}


def everything_follows_from_the_ledger(organization: Organization) -> None:
    """Visits, snapshots, counters, issues and tasks as the oracles have them, and no drift by our own account either."""
    expected = folded(organization)
    found = dump(organization, as_of=timezone.now())
    assert as_found(found) == as_the_oracle_has_it(expected)
    the_issues_are_those_of_the_oracle(organization, expected)
    assert not rebuilding.rebuild(organization_id=organization.pk, check=True)
    assert set(foreign_rows(organization).values()) == {0}


def the_issues_are_those_of_the_oracle(organization: Organization, expected: dict[str, Folded]) -> None:
    now = timezone.now()
    categories = dict(Stage.objects.filter(organization=organization).values_list("external_id", "category"))
    statuses = dict(Job.objects.filter(organization=organization).values_list("external_id", "status"))
    limits = {
        (job, stage): days
        for job, stage, days in CellWatch.objects.filter(organization=organization).values_list(
            "job__external_id", "stage__external_id", "limit_days"
        )
    }
    people = {row for row in open_issues(organization) if row[0] in ("stuck", "idle_candidate") and row[1]}
    wanted = set()
    border = set()
    for name, each in expected.items():
        last = each.visits[-1] if each.visits else None
        if last is None or last.left_at is not None:
            continue
        waiting = Waiting(
            application=name,
            status=each.snapshot.status,
            job_status=statuses[last.job or ""],
            category=categories[last.stage],
            entered_at=last.entered_at,
            last_activity_at=each.snapshot.last_activity_at,
            limit=limits[last.job or "", last.stage],
        )
        found = complaint(waiting, now)
        if found == "border":
            border.add(name)
        elif found:
            wanted.add((found, name, last.entry_event_id))
    assert {row[:3] for row in people if row[1] not in border} == wanted
    assert wanted, "a company without any issue would prove little"
    no_two_of_one_identity(organization)
    unfinished = Task.objects.filter(organization=organization).exclude(status__in=Task.ENDED)
    about_people = unfinished.filter(issue__issue_type__in=["stuck", "idle_candidate"], issue__application__isnull=False)
    assert set(about_people.values_list("issue__issue_type", "issue__application__external_id")) == {row[:2] for row in people}


def folded(organization: Organization) -> dict[str, Folded]:
    """The ledger as it is in the database, folded by the oracle."""
    ledgers: dict[str, list[LedgerEvent]] = {}
    jobs: dict[str, list[tuple[datetime, str]]] = {}
    events = CandidateEvent.objects.filter(organization=organization).order_by(*CandidateEvent.FOLD_ORDER)
    for event in events.select_related("application", "job", "stage_from", "stage_to"):
        if event.event_type == "job_status_changed":
            jobs.setdefault(event.job.external_id, []).append((event.occurred_at, event.metadata["status"]))
            continue
        ledgers.setdefault(event.application.external_id, []).append(
            LedgerEvent(
                event_type=event.event_type,
                occurred_at=event.occurred_at,
                provider_event_id=event.provider_event_id,
                job=event.job and event.job.external_id,
                stage_from=event.stage_from and event.stage_from.external_id,
                stage_to=event.stage_to and event.stage_to.external_id,
                source_recorded_at=event.source_recorded_at,
                precision=event.precision,
                metadata=event.metadata,
            )
        )
    order = {stage.external_id: stage.order for stage in Stage.objects.filter(organization=organization)}
    return {name: fold(ledger, stage_order=order, job_statuses=jobs) for name, ledger in ledgers.items()}


def whoever_was_there_first_is_in_no_duration(organization: Organization) -> None:
    assert set(StageVisit.objects.filter(organization=organization).values_list("survivor", flat=True)) == {True}
    told = org_heatmap(organization_ids=[organization.pk], question=Question(as_of=timezone.now()))
    cells = [cell for row in told["rows"] for cell in row["cells"]]
    assert sum(cell["open"] for cell in cells) == StageVisit.objects.filter(organization=organization, left_at=None).count() > 20
    assert {cell["p50"]["n"] for cell in cells} == {0}
    assert {cell["limit"]["source"] for cell in cells} <= {"default", None}
    assert any(cell["bands"]["critical"] for cell in cells), "they are aged all the same"


def it_stands_as_the_account_shows_it(account: BambooAccount) -> None:
    shown = account.sandbox.applications()
    standing = snapshots(account.organization)
    for number, item in shown.items():
        status = STATUSES[item["status"]]
        _, job, word, stage, *_ = standing[str(number)]
        if status.role in ROLES:
            assert (word, job) == (ROLES[status.role], str(item["job_id"])), number
            assert stage == (str(status.id) if status.role is Role.STAGE else None), number
    truth = {change["job_id"]: change["status_to"] for change in account.sandbox.truth() if change["kind"] in ("job_opened", "job_status")}
    told = dict(Job.objects.filter(connector=account.connector).values_list("external_id", "status"))
    assert told == {str(job): JOB_STATUS_WORDS[status or 1] for job, status in truth.items()}


def the_updates_tell_of_every_job(organization: Organization) -> None:
    numbers = list(Update.objects.filter(organization=organization).order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    told = set(Update.objects.filter(organization=organization, kind="job").values_list("job__external_id", flat=True))
    assert told == set(Application.objects.filter(organization=organization).values_list("job__external_id", flat=True))


# --- what is done to them ------------------------------------------------------------------------------------------------


def one_status_change_each(sandbox: RunningSandbox, number: int) -> None:
    """So many people move on, nobody twice: of two moves between two polls a poll could see only the last."""
    stages = [1, 2, 3, 4, 5, 6, 8]
    active = [item for item in sandbox.applications().values() if item["active"]]
    for item in active[:number]:
        following = stages[(stages.index(item["status"]) + 1) % len(stages)] if item["status"] in stages else 10
        sandbox.change("status", application_id=item["id"], status=following)


def history(*, days_ago: int) -> list[dict[str, Any]]:
    """The import rows of a company whose past ended so long ago that no limit is passed while the test runs."""
    until = int(timezone.now().timestamp()) - days_ago * DAY
    account = Account(Charter(seed=5, start=until - 120 * DAY, until=until, jobs=10, applications=180))
    return list(import_rows(account.changes, account.company.staff, until=until))


def in_files(folder: Path, rows: Sequence[dict[str, Any]]) -> Iterable[Path]:
    """The rows dealt into files of every kind the import takes."""
    fifth = -(-len(rows) // 5)
    parts = [rows[start : start + fifth] for start in range(0, len(rows), fifth)]
    yield jsonl(folder / "0.jsonl", parts[0])
    yield as_csv(folder / "1.csv", parts[1], ",")
    yield gzipped(as_csv(folder / "2.tsv", parts[2], "\t"))
    yield gzipped(jsonl(folder / "3.jsonl", parts[3]))
    yield jsonl(folder / "4", parts[4])


def jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def as_csv(path: Path, rows: Sequence[dict[str, Any]], delimiter: str) -> Path:
    names = sorted({name for row in rows for name in row})
    text = io.StringIO()
    writer = csv.DictWriter(text, names, delimiter=delimiter)
    writer.writeheader()
    writer.writerows({**row, "metadata": json.dumps(row["metadata"])} for row in rows)
    path.write_text(text.getvalue(), encoding="utf-8-sig")
    return path


def gzipped(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


def mortal_worker(stack: LiveStack, deaths: Path) -> Running:
    """A worker whose processes kill themselves at each named point of each step, once (``tests.mortal``)."""
    running = stack.spawn(
        "mortal", sys.executable, "-m", "celery", "-A", "tests.mortal", "worker", "-Q", FLOW_QUEUES, "-c", "2",
        "--without-gossip", "--without-mingle", "--loglevel", "INFO", DEATHS=str(deaths),
    )  # fmt: skip
    running.wait_for_line(" ready.")
    return running


def survive(stack: LiveStack, worker: Running, rng: Random) -> None:
    """Until all is through: sweeps as if a minute had passed, a pool process killed now and then, the broker emptied."""
    turns = 0

    def through() -> bool:
        nonlocal turns
        turns += 1
        if turns % 20 == 5:
            batches.offer_due(now=timezone.now() + timedelta(minutes=1))
        if turns in (30, 70):
            stack.broker().flushall()
        if turns % 25 == 12 and turns < 150:
            kill_one_of(worker, rng)
        return not SyncRun.objects.exclude(state__in=SyncRun.ENDED).exists()

    wait_until(through, timeout=120, what="the end of all runs")
    assert set(SyncRun.objects.values_list("state", flat=True)) == {SyncRun.State.SUCCEEDED}


def kill_one_of(worker: Running, rng: Random) -> None:
    children = psutil.Process(worker.process.pid).children()
    if children:
        try:
            os.kill(rng.choice(children).pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it was faster itself
