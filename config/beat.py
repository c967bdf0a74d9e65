"""Celery beat over `config.schedules`: the rows of `django_celery_beat`, run once per slot however many beats there are."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Any

from celery import schedules as celery_schedules
from django.db import DatabaseError, connections
from django.db.models import QuerySet
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from config import heartbeats, schedules
from config.heartbeats import Pulse
from config.models import Heartbeat

logger = logging.getLogger(__name__)

#: A slot that could not be sent (broker or database away) is looked at again after this at the latest.
LOOK_AGAIN_SECONDS = 30.0
#: What is left alone by us: not begun, ended, or a one-off that has run.
RESTING_SECONDS = 5.0


class SlotEntry(ModelEntry):
    """One schedule. Due when its latest slot is claimed by nobody."""

    def is_due(self) -> celery_schedules.schedstate:
        now = datetime.now(UTC)
        row: PeriodicTask = self.model
        resting = not row.enabled or (row.start_time and now < row.start_time) or (row.expires and now >= row.expires)
        if resting or (row.one_off and row.total_run_count > 0):
            return super().is_due()
        slot = schedules.due_slot(row, now)
        following = schedules.schedule_of(row).after(now)
        wait = (following - now).total_seconds() if following else LOOK_AGAIN_SECONDS
        return celery_schedules.schedstate(slot is not None, min(wait, LOOK_AGAIN_SECONDS))


class Scheduler(DatabaseScheduler):
    """Claims before it sends, and says that it lives."""

    Entry = SlotEntry

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._pulse: Pulse | None = None
        self._pulse_due = 0.0
        super().__init__(*args, **kwargs)

    def install_default_entries(self, data: Any) -> None:
        """The library's only one tidies a result backend, which there is none of."""

    def enabled_models_qs(self) -> QuerySet[PeriodicTask]:
        """All of them: the library leaves out crontabs that are hours away, and with them the slot a dead beat missed."""
        return schedules.enabled()

    def apply_async(self, entry: SlotEntry, producer: Any = None, advance: bool = True, **kwargs: Any) -> None:
        schedules.run_due(entry.model, datetime.now(UTC))

    def tick(self, *args: Any, **kwargs: Any) -> float:
        # from the loop, not from a thread: a loop that hangs must not look alive
        if time.monotonic() >= self._pulse_due:
            self._pulse_due = time.monotonic() + heartbeats.PULSE.total_seconds()
            self._pulse = self._pulse or Pulse(Heartbeat.Kind.BEAT)
            self._pulse.beat()
        try:
            return float(super().tick(*args, **kwargs))
        except DatabaseError as error:
            # the database is away: beat waits for it rather than dying, since everything else waits for beat
            logger.warning("schedules not readable", extra={"action": "schedules_unread", "error": type(error).__name__})
            connections.close_all()
            return float(self.max_interval)

    def close(self) -> None:
        super().close()
        if self._pulse is not None:
            Heartbeat.objects.filter(kind=self._pulse.kind, name=self._pulse.name).delete()
