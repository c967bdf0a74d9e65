"""Probes and metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from config import health, heartbeats
from config.models import Heartbeat
from tests.api import client_of
from tests.factories.accounts import UserFactory
from tests.factories.connectors import BatchFactory, RawEventFactory
from tests.factories.worlds import make_world

pytestmark = pytest.mark.django_db


def test_the_process_answers_without_asking_anybody(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        response = Client().get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def heard(seconds_ago: float = 0) -> None:
    """A heartbeat came through a queue."""
    heartbeats.record(Heartbeat.Kind.QUEUE, "updates")
    Heartbeat.objects.update(at=timezone.now() - timedelta(seconds=seconds_ago))


def test_it_is_ready_when_database_broker_migrations_and_heartbeat_are() -> None:
    heard(seconds_ago=140)

    response = Client().get("/readyz")

    assert response.status_code == 200
    assert response.json()["checks"] == {"database": "ok", "broker": "ok", "migrations": "ok", "heartbeat": "ok", "pool": "ok"}


def test_a_heartbeat_that_stopped_or_never_came_is_named_and_can_be_left_out() -> None:
    never = Client().get("/readyz")
    heard(seconds_ago=151)
    stopped = Client().get("/readyz")
    left_out = Client().get("/readyz?exclude=heartbeat")

    assert (never.status_code, stopped.status_code, left_out.status_code) == (503, 503, 200)
    assert never.json()["checks"]["heartbeat"].startswith("no message has come from beat through a worker yet")
    assert stopped.json()["checks"]["heartbeat"].startswith("no message has come from beat through a worker for 151 s")
    assert stopped.json()["detail"] == "Not ready: heartbeat."
    assert "heartbeat" not in left_out.json()["checks"]


def test_a_process_alone_proves_nothing_about_the_flow() -> None:
    heartbeats.record(Heartbeat.Kind.WORKER, "host:1")

    assert Client().get("/readyz").status_code == 503


def test_a_dead_broker_is_named_and_its_address_is_not(settings: Any) -> None:
    settings.REDIS_URL = "redis://:hunter2@127.0.0.1:9/0"
    heard()

    response = Client().get("/readyz")

    assert response.status_code == 503
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["checks"] == {"database": "ok", "broker": "unreachable", "migrations": "ok", "heartbeat": "ok", "pool": "ok"}
    assert response.json()["detail"] == "Not ready: broker."
    assert "hunter2" not in response.content.decode()


def test_waiting_migrations_are_counted() -> None:
    with mock.patch.object(health.MigrationExecutor, "migration_plan", autospec=True, return_value=[("0002", False)]):
        response = Client().get("/readyz")

    assert response.json()["checks"]["migrations"] == "1 migrations wait; run manage.py migrate"


def scrape(client: Client | None = None, **request: Any) -> Any:
    return (client or Client()).get("/metrics", **request)


def value(text: str, name: str) -> float:
    return next(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def test_gauges_are_read_from_the_rows() -> None:
    batch = BatchFactory()
    type(batch).objects.filter(pk=batch.pk).update(created_at=timezone.now() - timedelta(seconds=90))
    RawEventFactory(batch=batch, state="dead")

    text = scrape().content.decode()

    assert value(text, "stagewatch_database_up") == 1
    assert value(text, 'stagewatch_batches_waiting{queue="raw-events",step="ats.normalize"}') == 1
    assert value(text, 'stagewatch_batches_waiting{queue="updates",step="realtime.push"}') == 0
    assert 90 <= value(text, 'stagewatch_oldest_batch_seconds{queue="raw-events",step="ats.normalize"}') < 120
    assert value(text, "stagewatch_dead_letters") == 1
    assert value(text, 'stagewatch_connectors{status="active"}') == 1
    assert "django_http_requests_before_middlewares_total" in text


def test_metrics_hold_nothing_of_people_or_organizations() -> None:
    make_world("canary")

    assert "canary" not in scrape().content.decode()


def test_a_database_that_does_not_answer_is_a_zero_and_no_error() -> None:
    with mock.patch("config.row_metrics._batches", autospec=True, side_effect=OperationalError):
        text = scrape().content.decode()

    assert value(text, "stagewatch_database_up") == 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, 200),
        ({"REMOTE_ADDR": "10.1.2.3"}, 200),
        ({"REMOTE_ADDR": "8.8.8.8"}, 403),
        ({"REMOTE_ADDR": ""}, 403),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "8.8.8.8"}, 403),
    ],
)
def test_without_a_token_only_direct_private_connections_may_scrape(request_: dict[str, str], status: int) -> None:
    assert scrape(**request_).status_code == status


def test_with_a_token_only_its_holders_and_staff_may_scrape(settings: Any) -> None:
    settings.METRICS_TOKEN = "s3cret"

    assert scrape().status_code == 403
    assert scrape(headers={"Authorization": "Bearer wrong"}).status_code == 403
    assert scrape(headers={"Authorization": "Bearer s3cret"}, REMOTE_ADDR="8.8.8.8").status_code == 200
    assert scrape(client_of(UserFactory(is_staff=True)), REMOTE_ADDR="8.8.8.8").status_code == 200
    assert scrape(client_of(UserFactory()), REMOTE_ADDR="8.8.8.8").status_code == 403
