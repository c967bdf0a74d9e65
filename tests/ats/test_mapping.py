"""A person maps a stage."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import reverse

from ats.mapping import map_stage
from ats.models import FormerPlace
from config import flow
from connectors.events import StageCategory
from connectors.models import Batch
from tests.api import client_of
from tests.factories.accounts import UserFactory
from tests.factories.analytics import StageVisitFactory
from tests.factories.worlds import make_world

pytestmark = pytest.mark.django_db


def test_everyone_who_was_ever_there_is_measured_anew_in_batches(settings: Any) -> None:
    settings.BATCH_SIZE = 2
    world = make_world("acme")
    more = [StageVisitFactory(job=world.job, stage=world.stage).application_id for _ in range(2)]

    count = map_stage(stage=world.stage, category=StageCategory.OFFER, position=3)

    world.stage.refresh_from_db()
    assert (world.stage.category, world.stage.position, world.stage.mapped_by_person) == ("offer", 3, True)
    batches = Batch.objects.filter(step=flow.MEASURE).order_by("pk")
    assert count == 3
    assert [batch.application_ids for batch in batches] == [[world.visit.application_id, more[0]], [more[1]]]


def test_the_admin_asks_since_when() -> None:
    world = make_world("acme")
    operator = client_of(UserFactory(is_staff=True, is_superuser=True))
    address = reverse("admin:ats_stage_change", args=[world.stage.pk])
    was = (world.stage.category, world.stage.position)

    refused = operator.post(address, {"category": "offer", "position": 1, "since": "2199-01-01T00:00"})
    assert "cannot have been changed in the future" in refused.content.decode()
    operator.post(address, {"category": "offer", "position": 1, "since": "2026-11-02T08:30"})

    former = FormerPlace.objects.filter(stage=world.stage).latest("until")
    assert (former.category, former.position, former.until) == (*was, datetime(2026, 11, 2, 8, 30, tzinfo=UTC))
    assert "until 2026-11-02 08:30" in operator.get(address).content.decode()


def test_the_admin_maps_by_choosing_a_category() -> None:
    world = make_world("acme")
    operator = client_of(UserFactory(is_staff=True, is_superuser=True))

    page = operator.post(reverse("admin:ats_stage_change", args=[world.stage.pk]), {"category": "interview", "position": 1}, follow=True)

    world.stage.refresh_from_db()
    assert (world.stage.category, world.stage.mapped_by_person) == ("interview", True)
    assert "1 applications are being measured anew" in page.content.decode()
