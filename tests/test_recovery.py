"""What dies comes back: the broker's memory, workers in the middle of their work, a syncer at any page. Real processes."""

from __future__ import annotations

import importlib
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.apps import apps
from django.db import transaction
from django.utils import timezone

from analytics import rebuilding
from ats.models import Application, CandidateEvent
from connectors import services
from connectors.models import Batch, SyncRun
from connectors.sandbox.process import running_sandbox
from tests.bamboo import BambooAccount, ledger_keys
from tests.live import FLOW_QUEUES, LiveStack, wait_until
from tests.walking import bring_in, event_row, file_connector

T = datetime(2026, 9, 1, 9, tzinfo=UTC)

pytestmark = pytest.mark.stack


def schedules() -> None:
    """The beat rows of the migration, which transactional tests empty."""
    for name in ("0001_schedules", "0005_heartbeat_and_reconcile"):
        importlib.import_module(f"config.migrations.{name}").make(apps, None)


def test_an_emptied_broker_and_a_killed_worker_cost_time_and_nothing_else(live_stack: LiveStack) -> None:
    """Work was queued and half done; then nothing of it is left on the broker and nobody remembers. Only the rows do."""
    connector = file_connector()
    applied = event_row("a", T, event_type="application_created", stage_to="s")
    bring_in(connector, [applied])  # in this process, so that there is somebody to stand in the way of
    live_stack.broker().flushall()
    schedules()
    worker = live_stack.worker()

    with transaction.atomic():
        Application.objects.select_for_update().get()
        busy = bring_in(connector, [event_row("b", T.replace(day=2), stage_to="t")], walked=False).batches.get()
    bring_in(connector, *[[event_row(f"c{n}", T, application_external_id=f"n-{n}")] for n in range(20)], walked=False)
    wait_until(lambda: Batch.objects.filter(finished_at=None).count() < 15, what="some work")
    worker.kill()
    live_stack.broker().flushall()
    assert Batch.objects.filter(finished_at=None).exists(), "it was not over yet"
    assert live_stack.broker().dbsize() == 0

    live_stack.worker("next")
    live_stack.beat()
    # less than a minute, measured
    wait_until(lambda: not SyncRun.objects.exclude(state__in=SyncRun.ENDED).exists(), timeout=150, what="the end of all runs")

    busy.refresh_from_db()
    assert busy.finished_at is not None
    assert set(SyncRun.objects.values_list("state", flat=True)) == {SyncRun.State.SUCCEEDED}
    assert CandidateEvent.objects.count() == 22
    assert not rebuilding.rebuild(organization_id=connector.organization_id, check=True)


def test_a_syncer_killed_at_every_kind_of_page_goes_on_where_it_stood(live_stack: LiveStack, tmp_path: Path) -> None:
    """Killed inside a page's transaction and right behind it, at each phase of a run: nothing is lost, nothing told twice."""
    with running_sandbox(seed=3, jobs=4, applications=60, months=3, page_size=20) as sandbox:
        account = BambooAccount(live_stack, sandbox, organization="acme")
        live_stack.worker("flow", queues=FLOW_QUEUES)
        live_stack.spawn(
            "syncer", sys.executable, "-m", "celery", "-A", "tests.mortal", "worker", "-Q", "sync", "-c", "1", "--without-gossip",
            "--without-mingle", "--loglevel", "INFO", DEATHS=str(tmp_path),
        ).wait_for_line(" ready.")  # fmt: skip
        services.request_sync(connector=account.connector, mode="delta")

        turns = 0

        def ended() -> bool:
            nonlocal turns
            turns += 1
            if turns % 20 == 0:  # as if the dead process's lease had run out
                SyncRun.objects.filter(state=SyncRun.State.RUNNING).update(next_attempt_at=timezone.now())
                services.offer_due_runs()
            return not SyncRun.objects.exclude(state__in=SyncRun.ENDED).exists()

        wait_until(ended, timeout=120, what="the end of the run")
        account.looked()

        run = SyncRun.objects.get()
        assert (run.state, run.error) == (SyncRun.State.SUCCEEDED, "")
        deaths = {path.name for path in tmp_path.iterdir()}
        assert deaths >= {f"{point}:{phase}" for point in ("page", "paged") for phase in ("", "applications", "refresh")}
        assert ledger_keys(account.connector) == account.keys
        assert not rebuilding.rebuild(organization_id=account.organization.pk, check=True)
