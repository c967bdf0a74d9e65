"""A person says where a stage belongs in its pipeline; from then on the provider's suggestion no longer counts."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import connection, transaction

from ats.models import Application, FormerPlace, Stage
from ats.services import change_pipelines
from config import flow
from connectors import batches
from connectors.events import StageCategory


@transaction.atomic
def map_stage(*, stage: Stage, category: StageCategory, position: int, since: datetime | None = None) -> int:
    """Set a stage's place in the pipeline. Returns how many applications are measured anew because of it.

    ``since``: the pipeline was changed then, and moves before go on counting by the place the stage had; None: it was
    always so, and was only written down wrongly. Whether a move was forwards or backwards depends on the places its two
    stages had at the time, so everyone who was ever in this one goes through the flow again from ``measure`` on.
    """
    if since is not None:
        _remember_place(stage, since)
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


def _remember_place(stage: Stage, until: datetime) -> None:
    """Keep the place the stage has had so far; what was said of later moments is no longer so."""
    so_far = Stage.objects.select_for_update(no_key=True).get(pk=stage.pk)
    had = FormerPlace.objects.filter(stage=stage, until__gt=until).order_by("until").first() or so_far
    category, position = had.category, had.position
    FormerPlace.objects.filter(stage=stage, until__gte=until).delete()
    FormerPlace.objects.create(stage=stage, until=until, category=category, position=position)
