"""Mapping stages in the admin: what a name suggests, and what a change would do before it is made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from analytics.models import StageMetric
from analytics.remapping import Effect, Moves, effects, kind_of_move
from analytics.stage_workbench import moves_of
from ats.models import Stage
from connectors.events import StageCategory
from connectors.models import Batch
from tests.api import client_of
from tests.factories.accounts import UserFactory
from tests.factories.analytics import StageMetricFactory, StageVisitFactory
from tests.factories.ats import ApplicationFactory, JobFactory, StageFactory

LIST = "admin:ats_stage_changelist"


@pytest.fixture
def operator(db: None) -> Client:
    return client_of(UserFactory(is_staff=True, is_superuser=True))


class Pipeline:
    """One job with screen, a stage nobody has mapped, and offer; people go through it as told."""

    def __init__(self) -> None:
        self.job = JobFactory()
        self.screen, self.mystery, self.offer = (
            StageFactory(connector=self.job.connector, name=name, category=category)
            for name, category in (("Screen", "screen"), ("Take-home task", "unmapped"), ("Offer", "offer"))
        )
        for stage in (self.screen, self.mystery, self.offer):
            StageMetricFactory(job=self.job, stage=stage)

    def walk(self, *stages: Stage) -> None:
        application = ApplicationFactory(job=self.job)
        began = timezone.now() - timedelta(days=30)
        for n, stage in enumerate(stages, start=1):
            last = n == len(stages)
            StageVisitFactory(
                application=application, job=self.job, stage=stage, n=n, began=began + timedelta(days=n),
                left_at=None if last else began + timedelta(days=n + 1), exit_kind=None if last else "lateral",
            )  # fmt: skip
            StageMetric.objects.filter(job=self.job, stage=stage).update(entered=n, open=int(last))


@pytest.fixture
def pipeline(db: None) -> Pipeline:
    return Pipeline()


@pytest.mark.parametrize(
    ("order_from", "order_to", "kind"),
    [(0, 1000, "advanced"), (1000, 0, "moved_back"), (1000, 1000, "lateral"), (None, 0, "lateral"), (0, None, "lateral")],
)
def test_a_move_counts_by_the_places_of_its_ends(order_from: int | None, order_to: int | None, kind: str) -> None:
    assert kind_of_move(order_from, order_to) == kind


def test_an_effect_counts_the_moves_that_would_count_differently() -> None:
    moves = [Moves(outwards=False, other_order=1000, count=5), Moves(outwards=True, other_order=5000, count=3)]

    told = {one.category: one for one in effects(moves, current=StageCategory.UNMAPPED, position=0)}

    assert told[StageCategory.UNMAPPED] == Effect(StageCategory.UNMAPPED, changed=0, advanced=0, moved_back=0, lateral=8)
    assert told[StageCategory.ASSESSMENT] == Effect(StageCategory.ASSESSMENT, changed=8, advanced=8, moved_back=0, lateral=0)
    assert told[StageCategory.REVIEW] == Effect(StageCategory.REVIEW, changed=8, advanced=3, moved_back=5, lateral=0)
    assert told[StageCategory.SCREEN] == Effect(StageCategory.SCREEN, changed=3, advanced=3, moved_back=0, lateral=5)


def test_the_traffic_of_a_stage_is_read_both_ways(pipeline: Pipeline) -> None:
    for _ in range(3):
        pipeline.walk(pipeline.screen, pipeline.mystery, pipeline.offer)
    pipeline.walk(pipeline.mystery)
    pipeline.walk(pipeline.screen, pipeline.offer)

    assert set(moves_of(pipeline.mystery)) == {
        Moves(outwards=False, other_order=pipeline.screen.order, count=3),
        Moves(outwards=True, other_order=pipeline.offer.order, count=3),
    }
    assert moves_of(StageFactory(connector=pipeline.job.connector)) == []


def test_the_page_previews_before_and_the_flow_agrees_after(operator: Client, pipeline: Pipeline) -> None:
    for _ in range(2):
        pipeline.walk(pipeline.screen, pipeline.mystery, pipeline.offer)

    page = operator.get(reverse("admin:ats_stage_change", args=[pipeline.mystery.pk]))

    previewed = {one.category: (one.advanced, one.changed, now, suggested) for one, now, suggested in page.context_data["effects"]}
    assert previewed[StageCategory.ASSESSMENT] == (4, 4, False, True)
    assert previewed[StageCategory.UNMAPPED] == (0, 0, True, False)
    assert "2 visits in 1 job (0 people are here now)" in page.content.decode()


def test_suggestions_are_taken_in_bulk_where_they_say_something_new(operator: Client, pipeline: Pipeline) -> None:
    pipeline.walk(pipeline.screen, pipeline.mystery)
    nameless = StageFactory(connector=pipeline.job.connector, name="Zzz", category="unmapped")

    page = operator.post(
        reverse(LIST),
        {"action": "accept_suggestion", "_selected_action": [pipeline.screen.pk, pipeline.mystery.pk, nameless.pk]},
        follow=True,
    )

    assert "1 stages mapped; 1 applications are being measured anew." in page.content.decode()
    assert dict(Stage.objects.values_list("name", "category")) == {
        "Screen": "screen", "Take-home task": "assessment", "Offer": "offer", "Zzz": "unmapped",
    }  # fmt: skip
    assert Batch.objects.count() == 1


def test_the_list_costs_the_same_queries_for_any_number_of_stages(operator: Client, pipeline: Pipeline) -> None:
    operator.get(reverse(LIST))
    with CaptureQueriesContext(connection) as few:
        page: Any = operator.get(reverse(LIST)).content.decode()
    assert "assessment" in page
    for number in range(15):
        StageMetricFactory(job=pipeline.job, stage=StageFactory(connector=pipeline.job.connector, name=f"Round {number}"))
    with CaptureQueriesContext(connection) as many:
        operator.get(reverse(LIST))

    assert len(many) <= len(few)
