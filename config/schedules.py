"""Which schedules are due, and who runs them: `django_celery_beat`'s rows, `config.slots`' moments, one claim per slot.

Beat, a second beat, and `manage.py run_schedule` from a cron job all come through ``claim`` and ``send`` here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import current_app
from django.db import connection
from django.db.models import QuerySet
from django_celery_beat.models import PeriodicTask

from config import heartbeats, slots, telemetry
from config.models import ScheduleState
from config.slots import Schedule

logger = logging.getLogger(__name__)

#: The header by which a worker knows whose run it is.
HEADER = "periodic_task_name"
#: The header by which anybody can see which moment a message is for.
SLOT = "schedule_slot"


class NoSlots(Exception):
    """A row that says nothing of when."""


def schedule_of(row: PeriodicTask) -> Schedule:
    """The row's schedule as slots. Raises ``NoSlots``."""
    if row.interval is not None:
        return slots.Every(timedelta(**{row.interval.period: row.interval.every}))
    if row.crontab is not None:
        told = row.crontab.schedule
        return slots.Crontab(
            minutes=frozenset(told.minute),
            hours=frozenset(told.hour),
            weekdays=frozenset(told.day_of_week),
            days=frozenset(told.day_of_month),
            months=frozenset(told.month_of_year),
            zone=row.crontab.timezone,
        )
    if row.clocked is not None:
        return slots.Once(row.clocked.clocked_time)
    raise NoSlots(f"The schedule {row.name} says no time: give it an interval or a crontab.")


def enabled() -> QuerySet[PeriodicTask]:
    found: QuerySet[PeriodicTask] = (
        PeriodicTask.objects.filter(enabled=True).select_related("interval", "crontab", "clocked", "state").order_by("name")
    )
    return found


def due_slot(row: PeriodicTask, now: datetime) -> datetime | None:
    """The slot to run now; None if the latest was claimed already, or lies before the row was made or changed.

    An interval that was never run is due at once.
    """
    schedule = schedule_of(row)
    slot = schedule.latest(now)
    claimed = claimed_slot(row)
    if slot is None or (claimed is not None and slot <= claimed):
        return None
    if not isinstance(schedule, slots.Every) and slot < row.date_changed:
        return None
    return slot


def claimed_slot(row: PeriodicTask) -> datetime | None:
    state = ScheduleState.objects.filter(pk=row.pk).only("slot").first()
    return state.slot if state else None


@dataclass(frozen=True)
class Claim:
    """The right to run one slot; ``before`` is what stood there, to give it back."""

    row: PeriodicTask
    slot: datetime
    before: datetime | None


def claim(row: PeriodicTask, slot: datetime) -> Claim | None:
    """Take the slot, or None if it, or a later one, is taken. One statement: of two that come at once, one gets it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """insert into config_schedulestate as s (periodic_task_id, slot, sent_at, outcome, error)
               values (%(task)s, %(slot)s, statement_timestamp(), 'sent', '')
               on conflict (periodic_task_id) do update set slot = excluded.slot, sent_at = excluded.sent_at
               where s.slot < excluded.slot
               returning old.slot""",
            {"task": row.pk, "slot": slot},
        )
        found = cursor.fetchone()
    if found is None:
        telemetry.SCHEDULE_RUNS.labels(schedule=row.task, result="taken").inc()
        return None
    return Claim(row, slot, found[0])


def give_back(claimed: Claim) -> None:
    """It could not be sent: let the next look find it due again."""
    before = claimed.before or datetime(1970, 1, 1, tzinfo=UTC)
    ScheduleState.objects.filter(pk=claimed.row.pk, slot=claimed.slot).update(slot=before)


def send(claimed: Claim) -> None:
    """Put the task on its queue, as beat would. Raises what the broker raises, after giving the slot back."""
    row = claimed.row
    try:
        for options in _ways(row):
            current_app.send_task(
                row.task,
                args=json.loads(row.args or "[]"),
                kwargs=json.loads(row.kwargs or "{}"),
                headers={**json.loads(row.headers or "{}"), HEADER: row.name, SLOT: claimed.slot.isoformat()},
                expires=row.expires_,
                **options,
            )
    except Exception:
        give_back(claimed)
        raise
    telemetry.SCHEDULE_RUNS.labels(schedule=row.task, result="sent").inc()


def _ways(row: PeriodicTask) -> Iterator[dict[str, Any]]:
    """The heartbeat goes through every queue of the road; everything else once."""
    if row.task == heartbeats.TASK:
        yield from ({"queue": queue} for queue in heartbeats.QUEUES)
        return
    yield {name: value for name in ("queue", "exchange", "routing_key", "priority") if (value := getattr(row, name)) is not None}


def run_due(row: PeriodicTask, now: datetime) -> bool:
    """Send the row's task if a slot of it is due and nobody else has it. Raises what the broker raises."""
    slot = due_slot(row, now)
    claimed = claim(row, slot) if slot is not None else None
    if claimed is None:
        return False
    send(claimed)
    return True


def ended(name: str, *, at: datetime, seconds: float, error: str = "") -> None:
    """A worker has run a schedule's task."""
    outcome = ScheduleState.Outcome.FAILURE if error else ScheduleState.Outcome.SUCCESS
    state = ScheduleState.objects.filter(periodic_task__name=name)
    state.update(outcome=outcome, finished_at=at, seconds=round(seconds, 3), error=error[:100])


@dataclass(frozen=True)
class Standing:
    """How one enabled schedule is doing."""

    name: str
    task: str
    late_seconds: float
    failed: bool
    next_at: datetime | None


def standings(now: datetime) -> list[Standing]:
    """Of every enabled schedule that has slots."""
    found = []
    for row in enabled():
        try:
            found.append(standing(row, now))
        except NoSlots:
            continue
    return found


def standing(row: PeriodicTask, now: datetime) -> Standing:
    schedule = schedule_of(row)
    state = getattr(row, "state", None)
    done_until = max(state.slot, row.date_changed) if state and not isinstance(schedule, slots.Every) else state.slot if state else None
    next_at = schedule.after(done_until or row.date_changed)
    late = (now - next_at).total_seconds() if next_at is not None and next_at <= now else 0.0
    failed = bool(state and state.outcome == ScheduleState.Outcome.FAILURE)
    return Standing(name=row.name, task=row.task, late_seconds=late, failed=failed, next_at=next_at)
