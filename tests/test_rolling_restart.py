"""Every process replaced while there is work: no request is dropped, no fact lost, and what was held is handed back."""

from __future__ import annotations

import socket
import sys
import threading
from collections import Counter
from datetime import UTC, datetime

import psycopg
import pytest
import requests
from django.conf import settings
from django.db import connection
from knox.models import AuthToken

from accounts.models import Role
from analytics import rebuilding
from ats.models import CandidateEvent, Job
from config import flow
from connectors import services
from connectors.models import Batch, Connector, SyncRun
from connectors.sandbox.process import running_sandbox
from tests.bamboo import BambooAccount, ledger_keys
from tests.factories.accounts import member
from tests.live import FLOW_QUEUES, LiveStack, Running, wait_until
from tests.test_recovery import schedules
from tests.walking import bring_in, event_row, file_connector

T = datetime(2026, 9, 1, 9, tzinfo=UTC)

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]


class Visitors:
    """People who ask for pages all the time: some on a connection each, some on one they keep."""

    def __init__(self, address: str, token: str, **headers: str) -> None:
        self.address, self.headers = address, {"Authorization": f"Token {token}", **headers}
        self.answers: Counter[int] = Counter()
        self.failures: list[str] = []
        self._leave = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(keeps,)) for keeps in (False, False, True, True)]

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        for thread in self._threads:
            thread.join()

    def _visit(self, keeps: bool) -> None:
        with requests.Session() as session:
            session.headers.update(self.headers)
            while not self._leave.is_set():
                try:
                    ask = session.get if keeps else requests.get
                    answer = ask(f"{self.address}/ats/jobs", headers=self.headers, timeout=30)
                    self.answers[answer.status_code] += 1
                except requests.RequestException as error:
                    self.failures.append(f"keeps={keeps}: {error}")


#: puts the socket where sd_listen_fds(3) says, in the process whose id it names
HANDOVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, "-m", "config.web"])
"""


def web_on(stack: LiveStack, listener: socket.socket) -> Running:
    """A web process on a socket that is handed to it the way systemd does."""
    number = listener.fileno()
    running = stack.spawn("web", sys.executable, "-c", HANDOVER, str(number), pass_fds=(number,), LISTEN_FDS="1", DRAIN_SECONDS="1")
    running.wait_for_line("listening on http")
    return running


def test_web_processes_are_replaced_under_load_and_every_request_is_answered(live_stack: LiveStack) -> None:
    connector = file_connector()
    Job.objects.create(organization=connector.organization, connector=connector, external_id="j-1", title="Data Engineer")
    _, token = AuthToken.objects.create(member(connector.organization, Role.RECRUITER, username="alice"))
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        serving = [web_on(live_stack, listener), web_on(live_stack, listener)]
        with Visitors(address, token) as visitors:
            for _ in range(2):
                for place, old in enumerate(serving):
                    before = visitors.answers.total()
                    old.end()
                    serving[place] = web_on(live_stack, listener)
                    wait_until(lambda before=before: visitors.answers.total() > before + 20, what="visitors of the new process")

    assert visitors.failures == []
    assert set(visitors.answers) == {200}


def test_a_lone_web_process_is_replaced_and_whoever_comes_meanwhile_waits(live_stack: LiveStack) -> None:
    connector = file_connector()
    _, token = AuthToken.objects.create(member(connector.organization, Role.RECRUITER, username="alice"))
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        web = web_on(live_stack, listener)
        with Visitors(address, token) as visitors:
            wait_until(lambda: visitors.answers.total() > 20, what="visitors")
            web.end()
            before = visitors.answers.total()
            web_on(live_stack, listener)
            wait_until(lambda: visitors.answers.total() > before + 20, what="visitors of the new process")

    assert visitors.failures == []
    assert set(visitors.answers) == {200}


def test_workers_and_beat_are_replaced_under_load_and_nothing_is_lost_or_doubled(live_stack: LiveStack) -> None:
    schedules()
    connector = file_connector()
    gently = {"REMAP_SIGTERM": "SIGQUIT"}
    workers = [live_stack.worker(f"w{n}", **gently) for n in (1, 2)]
    beat = live_stack.beat()
    told: set[str] = set()
    done = threading.Event()

    def import_all_the_time() -> None:
        for turn in range(2_000):
            rows = [
                event_row(f"{turn}-{n}", T.replace(minute=turn % 60), application_external_id=f"a-{n}", stage_to=f"s-{turn % 7}")
                for n in range(40)
            ]
            bring_in(connector, rows, walked=False)
            told.update(row["provider_event_id"] for row in rows)
            wait_until(lambda: Batch.objects.filter(finished_at=None).count() < 20 or done.is_set(), timeout=60, what="room")
            if done.is_set():
                break
        connection.close()

    importer = threading.Thread(target=import_all_the_time)
    importer.start()
    try:
        for place in range(len(workers)):
            held = Batch.objects.exclude(finished_at=None).count()
            workers[place].end()
            workers[place] = live_stack.worker(f"w{place + 3}", **gently)
            wait_until(lambda held=held: Batch.objects.exclude(finished_at=None).count() > held, what="work of the new worker")
        beat.end()
        beat = live_stack.beat()
    finally:
        done.set()
        importer.join()
    wait_until(lambda: not SyncRun.objects.exclude(state__in=SyncRun.ENDED).exists(), timeout=120, what="the end of all runs")

    assert set(SyncRun.objects.values_list("state", flat=True)) == {SyncRun.State.SUCCEEDED}
    assert not Batch.objects.exclude(failed_at=None).exists()
    assert sorted(CandidateEvent.objects.values_list("provider_event_id", flat=True)) == sorted(told)
    assert not rebuilding.rebuild(organization_id=connector.organization_id, check=True)


def test_a_worker_hands_back_what_it_cannot_finish(live_stack: LiveStack) -> None:
    """It waits for its step as long as CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT; then the message is on the queue again at once,
    not after the visibility timeout of half an hour."""
    connector = file_connector()
    worker = live_stack.worker(REMAP_SIGTERM="SIGQUIT")
    broker = live_stack.broker()
    with psycopg.connect(settings.MIGRATION_DATABASE_URL, dbname=connection.settings_dict["NAME"]) as blocker:
        blocker.execute("lock table ats_candidate in access exclusive mode")
        batch = bring_in(connector, [event_row("a", T, stage_to="s")], walked=False).batches.get()
        wait_until(lambda: Batch.objects.get(pk=batch.pk).attempts > 0, what="the first step's start")
        worker.end()
        assert broker.hlen("unacked") == 0
        assert sum(int(broker.llen(queue)) for queue in FLOW_QUEUES.split(",")) == 1  # type: ignore[arg-type]
        batch.refresh_from_db()
        assert batch.step == flow.NORMALIZE

    live_stack.worker("next")
    wait_until(lambda: Batch.objects.get(pk=batch.pk).finished_at, what="the rest of the road")
    assert CandidateEvent.objects.get().provider_event_id == "a"


def test_a_syncer_replaced_in_the_middle_of_a_run_goes_on_at_once(live_stack: LiveStack) -> None:
    """The message it hands back names the same task, which may take its own claim up again: nobody waits for a lease."""
    with running_sandbox(seed=3, jobs=4, applications=60, months=3, page_size=20) as sandbox:
        account = BambooAccount(live_stack, sandbox, organization="acme")
        live_stack.worker("flow", queues=FLOW_QUEUES)
        syncer = live_stack.worker("syncer", queues="sync", REMAP_SIGTERM="SIGQUIT")
        Connector.objects.update(settings={**account.connector.settings, "requests_per_second": 5})
        run = services.request_sync(connector=account.connector, mode="full")
        wait_until(lambda: SyncRun.objects.get(pk=run.pk).fetched > 0, what="the first page")
        claimed = SyncRun.objects.get(pk=run.pk).claimed_by

        syncer.end()
        run.refresh_from_db()
        assert run.state == SyncRun.State.RUNNING
        Connector.objects.update(settings=account.connector.settings)
        live_stack.worker("syncer2", queues="sync")
        wait_until(lambda: SyncRun.objects.get(pk=run.pk).state in SyncRun.ENDED, timeout=40, what="the end of the run")
        account.looked()

        run.refresh_from_db()
        assert (run.state, run.claimed_by) == (SyncRun.State.SUCCEEDED, claimed)
        assert ledger_keys(account.connector) == account.keys
