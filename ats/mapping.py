"""A person says which category a stage belongs to; from then on the provider's suggestion no longer counts."""

from __future__ import annotations

from django.conf import settings
from django.db import connection, transaction

from ats.models import Application, Stage
from ats.services import change_pipelines
from config import flow
from connectors import batches
from connectors.events import StageCategory


@transaction.atomic
def map_stage(*, stage: Stage, category: StageCategory, position: int) -> int:
    """Set a stage's place in the pipeline. Returns how many applications are measured anew because of it.

    Whether a move was forwards or backwards depends on the places of its two stages, so everyone who was ever in
    this one goes through the flow again from ``measure`` on.
    """
    stage.category, stage.position, stage.mapped_by_person = category, position, True
    stage.save(update_fields=["category", "position", "mapped_by_person"])
    with connection.cursor() as cursor:
        change_pipelines(cursor, stage.organization_id)
    touched = list(Application.objects.filter(visits__stage=stage).order_by("pk").values_list("pk", flat=True).distinct())
    for start in range(0, len(touched), settings.BATCH_SIZE):
        batches.start(
            organization_id=stage.organization_id,
            connector_id=stage.connector_id,
            step=flow.MEASURE,
            application_ids=touched[start : start + settings.BATCH_SIZE],
        )
    return len(touched)
