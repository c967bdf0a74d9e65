"""Wiring: names every app, owns no rule."""

from config import telemetry_folder

telemetry_folder.prepare()  # before anything that imports prometheus_client

from config.celery import app as celery_app  # noqa: E402

__all__ = ["celery_app"]
