"""The Celery app: where steps are registered and how long they may take.

Every number here has its reason in the comments; the settings themselves live in one place so that a
worker started in any way behaves the same.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import beat_init, before_task_publish, task_postrun, task_prerun, worker_process_init, worker_ready, worker_shutdown
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config import correlation, telemetry_folder
from config.processes import die_with_parent

logger = logging.getLogger(__name__)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

program = Path(sys.argv[0])
if program.name == "celery" or program.parts[-2:] == ("celery", "__main__.py"):
    try:
        settings.INSTALLED_APPS  # noqa: B018  (read now: a bad setting ends in a sentence, as under manage.py)
    except ImproperlyConfigured as error:
        raise SystemExit(f"error: {error}") from None

app = Celery("stagewatch")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def _end_with_the_worker(**_: Any) -> None:
    """A pool process outlives a killed worker otherwise: its siblings hold the pipes whose end it waits for."""
    die_with_parent(signal.SIGKILL)


@worker_process_init.connect
def _leave_the_screens_their_time(**_: Any) -> None:
    """An import may take every core there is; the web process, in which thousands wait for a millisecond of it, goes first."""
    os.nice(settings.WORKER_NICENESS)


@worker_process_init.connect
def _collect_less_often(**_: Any) -> None:
    """A batch makes a hundred thousand objects that die together; looking for cycles among them while they live cost
    a quarter of the mapping. What is imported stays for ever, so it is not looked at again either."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


@worker_process_init.connect
def _fold_the_dead(**_: Any) -> None:
    """Children come and go; each one born folds the counts of those that died before it."""
    where = telemetry_folder.folder()
    if where is not None:
        from config import exposition

        exposition.fold_the_dead(where, wait=False)


# --- correlation: messages carry the id of what they came of ------------------------------------------------------
@before_task_publish.connect
def _send_along(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None and (identity := correlation.current()):
        headers.setdefault(correlation.HEADER, identity)


@task_prerun.connect
def _take_along(task: Any, **_: Any) -> None:
    # a task of its own (a tick of beat) begins something
    correlation.bind(getattr(task.request, correlation.HEADER, None) or correlation.new())


@task_postrun.connect
def _let_go(**_: Any) -> None:
    correlation.bind("")


# --- signs of life: what a worker is follows from the queues it serves -----------------------------------------
_pulses: list[Any] = []


@worker_ready.connect
def _worker_lives(sender: Any, **_: Any) -> None:
    from config import flow, heartbeats, scraping
    from config.models import Heartbeat

    served = set(sender.app.amqp.queues.consume_from)
    polls = flow.QUEUES["connectors.sync"]
    if polls in served:
        _pulses.append(heartbeats.Pulse(Heartbeat.Kind.SYNCER).start())
    if served - {polls}:
        _pulses.append(heartbeats.Pulse(Heartbeat.Kind.WORKER).start())
    scraping.listen()
    if telemetry_folder.folder() is None:
        logger.warning("%s is not set: what this worker counts is not exported", telemetry_folder.VARIABLE)


@worker_shutdown.connect
def _worker_ends(**_: Any) -> None:
    for pulse in _pulses:
        pulse.stop()


@beat_init.connect
def _beat_lives(**_: Any) -> None:
    from config import scraping

    scraping.listen()  # its heartbeat comes from its loop, see config/beat.py


# --- schedules: how their last run ended ------------------------------------------------------------------------
_scheduled: dict[str, float] = {}


@task_prerun.connect
def _scheduled_task_starts(task_id: str, **_: Any) -> None:
    _scheduled[task_id] = time.perf_counter()


@task_postrun.connect
def _scheduled_task_ends(task_id: str, task: Any, state: str | None = None, retval: Any = None, **_: Any) -> None:
    began = _scheduled.pop(task_id, None)
    name = (task.request.headers or {}).get("periodic_task_name") if began is not None else None
    if name is None:
        return
    from django.db import DatabaseError
    from django.utils import timezone

    from config import schedules

    error = type(retval).__name__ if isinstance(retval, BaseException) else "" if state == "SUCCESS" else str(state)
    try:
        schedules.ended(name, at=timezone.now(), seconds=time.perf_counter() - (began or 0), error=error)
    except DatabaseError as trouble:
        logger.warning("result of a schedule not recorded", extra={"action": "schedule_unrecorded", "error": type(trouble).__name__})
