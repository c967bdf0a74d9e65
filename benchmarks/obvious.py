"""The peer: how most Django projects would do it first. A task per event, get_or_create for everything it names, the
snapshot saved when the event is the newest. Written with care (transaction, unique keys, late acks), without visits,
metrics, issues or updates: it does a part of the work."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.db import transaction  # noqa: E402

from ats.models import Application, Candidate, CandidateEvent, Job, Stage  # noqa: E402
from config.celery import app  # noqa: E402

QUEUE = "obvious"


@app.task(name="obvious.handle_event", queue=QUEUE)
def handle_event(organization_id: int, connector_id: int, row: dict[str, Any]) -> None:
    owner = {"organization_id": organization_id, "connector_id": connector_id}
    occurred_at = datetime.fromisoformat(row["timestamp"])
    with transaction.atomic():
        job, _ = Job.objects.get_or_create(
            connector_id=connector_id, external_id=row["job_external_id"], defaults={**owner, "title": row.get("job_title") or ""}
        )
        stage = None
        if row.get("stage_to"):
            stage, _ = Stage.objects.get_or_create(
                connector_id=connector_id, external_id=row["stage_to"], defaults={**owner, "name": row.get("stage_to_name") or ""}
            )
        candidate, _ = Candidate.objects.get_or_create(
            connector_id=connector_id, external_id=row["candidate_external_id"], defaults={**owner, "name": row.get("candidate_name") or ""}
        )
        application, _ = Application.objects.get_or_create(
            connector_id=connector_id,
            external_id=row["application_external_id"],
            defaults={**owner, "candidate": candidate, "job": job},
        )
        _, created = CandidateEvent.objects.get_or_create(
            connector_id=connector_id,
            provider_event_id=row["provider_event_id"],
            defaults={
                **owner,
                "application": application,
                "job": job,
                "event_type": row["event_type"],
                "stage_to": stage,
                "occurred_at": occurred_at,
                "recorded_at": datetime.fromisoformat(row["recorded_at"]),
                "raw_event_id": 0,
            },
        )
        if created and (application.last_event_at is None or application.last_event_at <= occurred_at):
            application.current_stage, application.last_event_at = stage, occurred_at
            application.save(update_fields=["current_stage", "last_event_at"])
