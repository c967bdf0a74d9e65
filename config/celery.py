"""The Celery app: where steps are registered and how long they may take.

Every number here has its reason in the comments; the settings themselves live in one place so that a
worker started in any way behaves the same.
"""

from __future__ import annotations

import gc
import os
import signal
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from config.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("stagewatch")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def _end_with_the_worker(**_: Any) -> None:
    """A pool process outlives a killed worker otherwise: its siblings hold the pipes whose end it waits for."""
    die_with_parent(signal.SIGKILL)


@worker_process_init.connect
def _collect_less_often(**_: Any) -> None:
    """A batch makes a hundred thousand objects that die together; looking for cycles among them while they live cost
    a quarter of the mapping. What is imported stays for ever, so it is not looked at again either."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
