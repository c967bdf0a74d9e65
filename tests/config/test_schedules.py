"""One effective run per slot, however many ask for it."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from celery.signals import task_postrun, task_prerun
from django.core.management import CommandError, call_command
from django.db import connections
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask
from kombu.exceptions import OperationalError

from config import beat, heartbeats, schedules
from config.celery import app
from config.models import Heartbeat, ScheduleState
from tests.live import LiveStack, wait_until

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
LONG_BEFORE = NOW - timedelta(days=400)


def every(seconds: int, *, task: str = "connectors.sweep", name: str = "often") -> PeriodicTask:
    row, _ = IntervalSchedule.objects.get_or_create(every=seconds, period="seconds")
    return _saved(PeriodicTask(name=name, task=task, interval=row, args=json.dumps([])))


def nightly(zone: str = "Europe/Berlin", *, name: str = "night", hour: str = "2") -> PeriodicTask:
    row, _ = CrontabSchedule.objects.get_or_create(
        minute="30", hour=hour, day_of_week="*", day_of_month="*", month_of_year="*", timezone=zone
    )
    return _saved(PeriodicTask(name=name, task="analytics.check_drift", crontab=row, args=json.dumps([])))


def _saved(row: PeriodicTask) -> PeriodicTask:
    row.save()
    PeriodicTask.objects.filter(pk=row.pk).update(date_changed=LONG_BEFORE)
    return PeriodicTask.objects.get(pk=row.pk)


@pytest.fixture
def sent() -> Any:
    """What was handed to the broker, in place of the broker."""
    with mock.patch.object(type(app), "send_task", autospec=True) as told:
        yield told


def tasks(sent: mock.Mock) -> list[str]:
    return [call.args[1] for call in sent.call_args_list]


class Clock:
    """Beats that look at a clock the test moves."""

    def __init__(self, *rows: PeriodicTask, beats: int) -> None:
        self.entries = [[beat.SlotEntry(PeriodicTask.objects.get(pk=row.pk), app=app) for row in rows] for _ in range(beats)]

    def look(self, now: datetime) -> None:
        for entries in self.entries:
            for entry in entries:
                with mock.patch.object(beat, "datetime", wraps=datetime) as clock:
                    clock.now.side_effect = lambda zone, now=now: now
                    if entry.is_due().is_due:
                        schedules.run_due(entry.model, now)


def test_two_beats_make_one_run_of_each_slot(sent: mock.Mock) -> None:
    clock = Clock(every(300), beats=2)

    for seconds in range(0, 3600, 7):
        clock.look(NOW + timedelta(seconds=seconds))

    # 12:00 to 12:55, and 13:00 seen at 13:00:23
    assert len(tasks(sent)) == 13


@pytest.mark.parametrize("night", ["2026-03-28", "2026-10-24"])
def test_both_nights_of_a_clock_change_have_one_run(sent: mock.Mock, night: str) -> None:
    row = nightly()
    begin = datetime.fromisoformat(night).replace(tzinfo=UTC) + timedelta(hours=20)
    PeriodicTask.objects.update(date_changed=begin)
    clock = Clock(row, beats=2)

    for minutes in range(0, 16 * 60, 3):
        clock.look(begin + timedelta(minutes=minutes))

    assert tasks(sent) == ["analytics.check_drift"]


def test_a_beat_that_was_dead_runs_what_it_missed_once(sent: mock.Mock) -> None:
    often, night = every(300), nightly("UTC")
    clock = Clock(often, night, beats=1)
    before = NOW.replace(hour=1)
    PeriodicTask.objects.update(date_changed=before)
    clock = Clock(often, night, beats=1)
    clock.look(before)
    assert tasks(sent) == ["connectors.sweep"]

    clock = Clock(often, night, beats=1)  # hours later, another process
    for seconds in (0, 10, 20):
        clock.look(NOW + timedelta(seconds=seconds))

    assert sorted(tasks(sent)) == ["analytics.check_drift", "connectors.sweep", "connectors.sweep"]


def test_a_schedule_made_or_changed_in_the_afternoon_waits_for_the_night(sent: mock.Mock) -> None:
    row = nightly("UTC")
    PeriodicTask.objects.update(date_changed=NOW)

    Clock(row, beats=1).look(NOW + timedelta(minutes=1))

    assert tasks(sent) == []
    assert schedules.standing(schedules.enabled().get(pk=row.pk), NOW).next_at == datetime(2026, 11, 24, 2, 30, tzinfo=UTC)


def test_a_broker_that_is_away_costs_no_slot(sent: mock.Mock) -> None:
    row = every(300)
    sent.side_effect = OperationalError
    with pytest.raises(OperationalError):
        schedules.run_due(row, NOW)
    sent.side_effect = None

    assert schedules.run_due(row, NOW + timedelta(seconds=5))
    assert not schedules.run_due(row, NOW + timedelta(seconds=10))


def test_a_one_off_moment_is_run_once(sent: mock.Mock) -> None:
    at = ClockedSchedule.objects.create(clocked_time=NOW)
    row = _saved(PeriodicTask(name="once", task="connectors.sweep", clocked=at, one_off=True))

    assert [schedules.run_due(row, NOW + timedelta(days=day)) for day in (-1, 0, 1)] == [False, True, False]


def test_a_heartbeat_goes_through_every_queue_of_the_road(sent: mock.Mock) -> None:
    schedules.run_due(every(15, task=heartbeats.TASK), NOW)

    assert {call.kwargs["queue"] for call in sent.call_args_list} == set(heartbeats.QUEUES)
    assert "sync" not in heartbeats.QUEUES


def test_how_a_run_ended_is_kept_without_its_words(sent: mock.Mock) -> None:
    row = every(300)
    schedules.run_due(row, NOW)
    task = mock.Mock()
    task.name, task.request.headers = row.task, {schedules.HEADER: row.name}

    task_prerun.send(sender=task, task_id="1", task=task)
    task_postrun.send(sender=task, task_id="1", task=task, state="FAILURE", retval=ValueError("Canary Jane"))

    state = ScheduleState.objects.get(pk=row.pk)
    assert (state.outcome, state.error) == ("failure", "ValueError")
    assert schedules.standing(schedules.enabled().get(pk=row.pk), NOW).failed


def test_lateness_counts_from_the_first_missed_slot(sent: mock.Mock) -> None:
    row = every(300)
    schedules.run_due(row, NOW)
    fresh = schedules.enabled().get(pk=row.pk)

    assert schedules.standing(fresh, NOW + timedelta(minutes=4)).late_seconds == 0
    assert schedules.standing(fresh, NOW + timedelta(minutes=14, seconds=30)).late_seconds == 600


def test_a_cron_job_enqueues_the_same_once(sent: mock.Mock, capsys: pytest.CaptureFixture[str]) -> None:
    row = every(86_400)
    PeriodicTask.objects.exclude(pk=row.pk).update(enabled=False)

    call_command("run_schedule", "often")
    call_command("run_schedule", "connectors.sweep")
    call_command("run_schedule", due=True)

    assert tasks(sent) == ["connectors.sweep"]
    assert sent.call_args.kwargs["headers"][schedules.HEADER] == "often"
    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith("often: sent for ")
    assert "often: nothing to do" in said


def test_a_cron_job_in_the_place_of_beat_is_heard_of_as_beat(sent: mock.Mock) -> None:
    every(300)

    call_command("run_schedule", "often")
    assert heartbeats.last_heard()["beat"] is None, "a person tried one schedule"
    for _ in range(2):
        call_command("run_schedule", due=True)

    assert heartbeats.last_heard()["beat"] is not None
    assert Heartbeat.objects.count() == 1


def test_an_unknown_or_disabled_schedule_is_one_sentence() -> None:
    row = every(300)
    PeriodicTask.objects.filter(pk=row.pk).update(enabled=False)

    with pytest.raises(CommandError, match="There is no enabled schedule called 'often'; there are: "):
        call_command("run_schedule", "often")


@pytest.mark.django_db(transaction=True)
def test_of_many_that_claim_a_slot_at_once_one_gets_it() -> None:
    row, got, start = every(300), [], threading.Barrier(8)

    def claims() -> None:
        try:
            start.wait()
            for n in range(20):
                if schedules.claim(row, NOW + timedelta(seconds=n)):
                    got.append(n)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=claims) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(got) == len(set(got))
    assert 19 in got
    assert ScheduleState.objects.get().slot == NOW + timedelta(seconds=19)


@pytest.mark.stack
def test_two_real_beats_one_killed_send_each_slot_once(live_stack: LiveStack) -> None:
    """The broker's own count: with no worker, every message that was ever sent still lies there."""
    every(1, task="connectors.sweep")
    first, _second = live_stack.beat(), live_stack.beat()

    def messages() -> list[Any]:
        return [json.loads(raw) for raw in live_stack.broker().lrange("raw-events", 0, -1)]

    wait_until(lambda: len(messages()) >= 4, timeout=60, what="some ticks of two beats")
    first.kill()
    wait_until(lambda: len(messages()) >= 10, what="ticks after one of them died")

    live_stack.stop()
    slots = sorted(datetime.fromisoformat(message["headers"][schedules.SLOT]) for message in messages())
    assert len(slots) == len(set(slots)), "a slot was sent twice"
    assert {slot.microsecond for slot in slots} == {0}
