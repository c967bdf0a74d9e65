"""Each thing that can be wrong is found, and comes with what to do."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from config import doctor, heartbeats
from config.doctor import Finding
from config.models import Heartbeat, ScheduleState
from tests.factories.connectors import BatchFactory, ConnectorFactory, RawEventFactory, SyncRunFactory
from tests.live import LiveStack

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shipped_schedules")]


@pytest.fixture
def well(shipped_schedules: None) -> None:
    """An installation at which nothing is wrong."""
    for kind in heartbeats.PROCESSES:
        heartbeats.record(kind, "host:1")
    for queue in heartbeats.QUEUES:
        heartbeats.record(Heartbeat.Kind.QUEUE, queue)
    PeriodicTask.objects.update(date_changed=timezone.now())


def findings(*checks: str) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for name, finding in doctor.examine():
        if finding.level != doctor.OK and (name in checks or not checks):
            found.setdefault(name, []).append(finding)
    return found


@pytest.mark.usefixtures("well")
def test_where_all_is_well_nothing_is_a_problem() -> None:
    assert [one for all_ in findings().values() for one in all_ if one.level == doctor.PROBLEM] == []


@pytest.mark.usefixtures("well")
def test_every_finding_says_what_to_do(settings: Any) -> None:
    settings.DEBUG = True
    now = timezone.now()
    Heartbeat.objects.update(at=now - timedelta(minutes=10))
    PeriodicTask.objects.update(date_changed=now - timedelta(days=8))
    swept = PeriodicTask.objects.get(task="connectors.sweep")
    ScheduleState.objects.create(periodic_task=swept, slot=now, sent_at=now, outcome="failure", error="ValueError")
    PeriodicTask.objects.filter(task="issues.sweep").update(enabled=False)
    stale = ConnectorFactory(provider="bamboohr", fresh_at=now - timedelta(hours=3))
    ConnectorFactory(status="broken")
    ConnectorFactory(status="paused")
    batch = BatchFactory(connector=stale)
    type(batch).objects.filter(pk=batch.pk).update(created_at=now - timedelta(hours=1))
    RawEventFactory(batch=batch, state="dead")
    BatchFactory(connector=stale, failed_at=now)
    run = SyncRunFactory(connector=stale, state="queued")
    type(run).objects.filter(pk=run.pk).update(requested_at=now - timedelta(hours=1))

    found = findings()

    assert {"settings", "processes", "heartbeat", "schedules", "connectors", "dead letters", "road"} <= set(found)
    assert [finding for of_check in found.values() for finding in of_check if not finding.advice] == []
    said = " | ".join(finding.text for of_check in found.values() for finding in of_check)
    for part in (
        "DEBUG is on", "beat was last heard of 10 minutes ago", "through the queue updates for 10 minutes", "is switched off",
        "Offer lost work again failed when it last ran", "Delta sync of every connector is late by", "no successful sync for 3 hours",
        "needs attention", "is paused", "1 raw events were set aside", "1 batches gave up", "on the road for over 15 minutes",
        "1 sync runs have waited",
    ):  # fmt: skip
        assert part in said


@pytest.mark.usefixtures("well")
def test_a_dead_broker_is_a_finding_and_no_crash(settings: Any) -> None:
    settings.REDIS_URL = "redis://:hunter2@127.0.0.1:9/0"

    (finding,) = findings("broker")["broker"]

    assert finding.level == doctor.PROBLEM
    assert "REDIS_URL" in finding.advice
    assert "hunter2" not in finding.text + finding.advice


@pytest.mark.usefixtures("well")
def test_waiting_migrations_and_a_full_disk_are_found() -> None:
    with (
        mock.patch.object(doctor.MigrationExecutor, "migration_plan", autospec=True, return_value=[("0002", False)]),
        mock.patch.object(doctor.shutil, "disk_usage", autospec=True, return_value=mock.Mock(free=2**28, total=2**36)),
    ):
        found = findings("migrations", "disk")

    assert found["migrations"][0].advice == "Run python manage.py release."
    assert found["disk"][0].level == doctor.PROBLEM


@pytest.mark.usefixtures("well")
@pytest.mark.parametrize(
    ("servers", "free", "level"),
    [([], 60, None), ([], 5, doctor.WARNING), ([], 1, doctor.PROBLEM), (["postgres"], 60, doctor.PROBLEM)],
)
def test_a_small_folder_is_enough_where_the_servers_are_elsewhere(servers: list[str], free: int, level: str | None) -> None:
    """As the containers have it: 64 MB in memory, nearly all of them free."""
    with (
        mock.patch.object(doctor.embedded, "needed", autospec=True, return_value=servers),
        mock.patch.object(doctor.shutil, "disk_usage", autospec=True, return_value=mock.Mock(free=free * 2**20, total=64 * 2**20)),
    ):
        found = findings("disk")

    assert [finding.level for finding in found.get("disk", [])] == ([level] if level else [])


@pytest.mark.usefixtures("well")
def test_the_exit_code_says_whether_a_person_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("doctor")
    assert "all is well" in capsys.readouterr().out
    Heartbeat.objects.all().delete()

    with pytest.raises(SystemExit) as end:
        call_command("doctor", json=True)

    assert end.value.code == 1
    told = json.loads(capsys.readouterr().out)
    assert told["problems"] >= 5
    assert any(row["check"] == "processes" and "beat" in row["text"] for row in told["findings"])


@pytest.mark.django_db(transaction=True)
@pytest.mark.stack
def test_without_a_database_it_says_so_in_sentences(live_stack: LiveStack) -> None:
    live_stack.environment["DATABASE_URL"] = "postgresql://nobody:hunter2@127.0.0.1:9/none"

    ended = live_stack.manage("doctor")

    assert ended.returncode == 1
    assert "problem  database" in ended.stdout
    assert "Is the server of DATABASE_URL running" in ended.stdout
    assert "hunter2" not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
