"""The due queue: whoever could become somebody's trouble is on it, and never later than that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from analytics.bands import DEFAULT_LIMITS
from analytics.models import StageVisit
from ats.models import Application
from connectors.models import Batch, Connector
from issues import services
from issues.detection import judge_picked
from issues.models import Issue, Watch
from issues.services import sweep, watch_from
from tests.factories.ats import ApplicationFactory
from tests.factories.issues import WatchFactory
from tests.walking import bring_in, cut, event_row, file_connector

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    moment = datetime(2026, 9, 16, 13, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: moment)
    return moment


def comings_and_goings(rng: Random, now: datetime) -> list[dict[str, Any]]:
    """People who came within the last weeks, some of whom moved, were talked about, or left."""
    rows = []
    for number in range(60):
        name, at = f"a-{number}", now - timedelta(days=rng.uniform(0, 35))
        told = {"application_external_id": name, "candidate_external_id": name}
        rows.append(event_row(f"{name}:0", at, event_type="application_created", stage_to="review", stage_to_category="review", **told))
        for step in range(rng.randint(0, 3)):
            at += (now - at) * rng.random()
            what = rng.choice(("stage_changed", "stage_changed", "comment_added", "application_rejected"))
            category = rng.choice(sorted(DEFAULT_LIMITS))
            moved = {"stage_to": category, "stage_to_category": category} if what == "stage_changed" else {}
            rows.append(event_row(f"{name}:{step + 1}", at, event_type=what, **told, **moved))
    rng.shuffle(rows)
    return rows


@pytest.mark.parametrize("seed", range(4))
def test_nobody_is_looked_at_too_late(seed: int, now: datetime) -> None:
    """Every watch is due no later than the first moment at which some rule could change its mind."""
    connector, rng = file_connector(), Random(seed)
    bring_in(connector, *cut(comings_and_goings(rng, now), rng, most=40))

    with connection.cursor() as cursor:
        services._pick(cursor, "select id from ats_application where connector_id = %s", [connector.pk])
        judgements = judge_picked(cursor, connector.organization, now)
    watches = dict(Watch.objects.values_list("application_id", "due_at"))
    silent = {pk: judged.ask_again_at for pk, judged in judgements.items() if judged.ask_again_at and not judged.findings}
    assert len(silent) > 5
    assert {pk for pk, at in silent.items() if pk not in watches or watches[pk] > at} == set()
    about_people = Issue.objects.exclude(status="resolved").exclude(application=None)
    with_issue = set(about_people.values_list("application_id", flat=True))
    assert with_issue
    assert with_issue <= set(watches), "an issue grows with time, so it is looked at again"
    waiting = set(StageVisit.objects.filter(left_at=None).values_list("application_id", flat=True))
    assert set(watches) <= waiting, "nobody who left is watched"


def test_an_event_pulls_a_look_earlier_and_never_later(now: datetime) -> None:
    connector = file_connector()
    bring_in(connector, [event_row("a", now - timedelta(days=1), event_type="application_created", stage_to="s")])
    first = Watch.objects.get().due_at

    bring_in(connector, [event_row("b", now, event_type="comment_added")])
    assert Watch.objects.get().due_at == first, "the sweep will find nothing and arm it anew"

    bring_in(connector, [event_row("c", now - timedelta(days=3), event_type="application_created", stage_to="s")])
    assert Watch.objects.get().due_at <= first


@pytest.mark.parametrize("ending", ["application_rejected", "application_hired", "application_on_hold", "application_removed"])
def test_whoever_leaves_leaves_the_queue(ending: str, now: datetime) -> None:
    connector = file_connector()
    bring_in(connector, [event_row("a", now, event_type="application_created", stage_to="s")])
    assert Watch.objects.exists()

    bring_in(connector, [event_row("b", now, event_type=ending)])

    assert not Watch.objects.exists()
    assert Application.objects.get().current_stage is None


def test_a_sweep_takes_what_is_due_at_connectors_that_are_fresh_and_nothing_else(now: datetime) -> None:
    fresh, stale, idle = (file_connector(fresh_at=now - timedelta(minutes=age)) for age in (29, 31, 1))
    for connector, due in ((fresh, now), (stale, now), (idle, now + timedelta(seconds=1))):
        WatchFactory(application=ApplicationFactory(job__connector=connector), due_at=due)

    assert sweep(now=now) == 1

    batch = Batch.objects.get()
    assert (batch.connector, batch.kind, batch.step) == (fresh, Batch.Kind.DUE, "issues.detect")


def test_a_connector_that_never_synced_is_not_fresh(now: datetime) -> None:
    WatchFactory(application=ApplicationFactory(job__connector=file_connector()), due_at=now)

    assert sweep(now=now) == 0
    assert not services.is_fresh(Connector.objects.get().pk, now)
    assert not services.is_fresh(None, now)


def test_many_who_are_due_take_several_turns(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "DUE_AT_ONCE", 3)
    connector = file_connector()
    applied = [
        event_row(f"e-{n}", now - timedelta(days=60), event_type="application_created", stage_to="s", application_external_id=f"a-{n}")
        for n in range(10)
    ]

    run = bring_in(connector, applied)

    assert Issue.objects.filter(status="open", application__isnull=False).count() == 10
    assert run.state == run.State.SUCCEEDED


def test_a_decision_can_pull_a_look_earlier_but_not_put_it_off(now: datetime) -> None:
    watch = WatchFactory(due_at=now)

    watch_from(watch.application_id, now + timedelta(days=1))
    assert Watch.objects.get().due_at == now
    watch_from(watch.application_id, now - timedelta(days=1))
    assert Watch.objects.get().due_at == now - timedelta(days=1)
