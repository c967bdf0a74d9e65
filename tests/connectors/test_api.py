"""Connectors and syncs over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from connectors.models import Connector, SyncRun
from tests.api import client_of
from tests.factories.connectors import BatchFactory, ConnectorFactory, SyncRunFactory
from tests.factories.worlds import World, make_world
from tests.schema import assert_as_documented

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> World:
    world = make_world("acme")
    SyncRun.objects.filter(pk=world.run.pk).update(state=SyncRun.State.SUCCEEDED)
    return world


@pytest.fixture
def api(acme: World) -> Client:
    cache.clear()  # the throttle's memory
    return client_of(acme.recruiter)


def start(api: Client, connector: Connector, body: Any = None) -> Any:
    return api.post(f"/ats/connectors/{connector.pk}/sync", body or {}, content_type="application/json")


def test_a_connector_tells_its_state_and_never_its_credential(api: Client, acme: World) -> None:
    acme.connector.set_secret("hunter2-canary")
    acme.connector.save()

    response = api.get("/ats/connectors")

    assert_as_documented(response, "connectors")
    (connector,) = response.json()["results"]
    assert (connector["name"], connector["has_secret"], connector["status"]) == ("acme-bamboo", True, "active")
    assert connector["last_run"] == {"id": acme.run.pk, "state": "succeeded"}
    assert "hunter2" not in response.content.decode()
    assert acme.connector.sealed_secret not in response.content.decode()


@pytest.mark.parametrize(("body", "mode"), [({}, "delta"), ({"mode": "delta"}, "delta"), ({"mode": "full"}, "full")])
def test_a_sync_is_asked_for_and_followed(api: Client, acme: World, body: dict[str, str], mode: str) -> None:
    response = start(api, acme.connector, body)

    assert response.status_code == 202
    assert_as_documented(response, "start_sync")
    followed = api.get(response.headers["Location"])
    assert followed.json()["id"] == response.json()["sync_run"]
    assert (followed.json()["mode"], followed.json()["state"]) == (mode, "queued")


def test_a_run_under_way_is_the_answer(api: Client, acme: World) -> None:
    first = start(api, acme.connector, {"mode": "full"}).json()

    assert start(api, acme.connector, {"mode": "full"}).json() == first
    assert start(api, acme.connector, {"mode": "delta"}).json() == first
    assert SyncRun.objects.exclude(state="succeeded").count() == 1


def test_a_full_sync_does_not_hide_behind_a_delta_sync(api: Client, acme: World) -> None:
    start(api, acme.connector, {"mode": "delta"})

    response = start(api, acme.connector, {"mode": "full"})

    assert response.status_code == 409
    assert_as_documented(response, "start_sync")
    assert "in progress" in response.json()["detail"]


@pytest.mark.parametrize("fields", [{"provider": "files", "base_url": ""}, {"status": "paused"}])
def test_a_connector_that_cannot_sync_says_why(api: Client, acme: World, fields: dict[str, str]) -> None:
    connector = ConnectorFactory(organization=acme.organization, **fields)

    response = start(api, connector)

    assert response.status_code == 409
    assert connector.name in response.json()["detail"]


@pytest.mark.parametrize("body", [{"mode": "import"}, {"mode": "sideways"}])
def test_only_full_and_delta_can_be_asked_for(api: Client, acme: World, body: dict[str, str]) -> None:
    response = start(api, acme.connector, body)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "mode"


def test_asking_too_often_is_refused_with_a_time_to_wait(api: Client, acme: World) -> None:
    responses = [start(api, acme.connector) for _ in range(31)]

    assert [response.status_code for response in responses] == [202] * 30 + [429]
    assert_as_documented(responses[-1], "start_sync")
    assert 0 < int(responses[-1].headers["Retry-After"]) <= 60


def test_with_the_cache_away_syncs_are_still_asked_for(api: Client, acme: World, settings: Any) -> None:
    away = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": "redis://127.0.0.1:9/2",
        "OPTIONS": {"socket_timeout": 0.2},
    }
    settings.CACHES = {"default": away}

    assert start(api, acme.connector).status_code == 202


def test_progress_is_the_sum_over_batches(api: Client, acme: World) -> None:
    run = SyncRunFactory(connector=acme.connector, fetched=300, state="flowing", notes=["2 details failed"])
    done = {"finished_at": run.requested_at, "step": "done"}
    BatchFactory(connector=acme.connector, sync_run=run, raw_count=100, created_count=90, skipped_count=8, failed_count=2, **done)
    BatchFactory(connector=acme.connector, sync_run=run, raw_count=70, created_count=70, step="issues.detect")
    BatchFactory(connector=acme.connector, sync_run=run, raw_count=50)
    BatchFactory(connector=acme.connector, sync_run=run, raw_count=5, failed_at=run.requested_at)

    response = api.get(f"/ats/sync-runs/{run.pk}")

    assert_as_documented(response, "sync_run")
    progress = {name: response.json()[name] for name in ("fetched", "created", "skipped", "failed", "in_flow")}
    assert progress == {"fetched": 300, "created": 160, "skipped": 8, "failed": 2, "in_flow": 120}


def test_a_run_without_batches_has_counted_nothing(api: Client, acme: World) -> None:
    run = SyncRunFactory(connector=acme.connector)

    answer = api.get(f"/ats/sync-runs/{run.pk}").json()

    assert (answer["created"], answer["skipped"], answer["failed"], answer["in_flow"]) == (0, 0, 0, 0)


def test_listing_connectors_does_not_query_per_row(api: Client, acme: World, django_assert_num_queries: Any) -> None:
    for _ in range(4):
        SyncRunFactory(connector=ConnectorFactory(organization=acme.organization))
    with django_assert_num_queries(3):  # session, user, connectors
        assert len(api.get("/ats/connectors").json()["results"]) == 5
