"""The Celery app: where steps are registered and how long they may take.

Every number here has its reason in the comments; the settings themselves live in one place so that a
worker started in any way behaves the same.
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("stagewatch")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
