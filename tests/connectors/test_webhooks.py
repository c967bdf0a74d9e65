"""What providers send by themselves: the signature first, then committed, once, then looked at."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.test import Client

from accounts.models import Organization
from ats.models import Application, CandidateEvent
from connectors import rotating
from connectors.models import Batch, Connector, ProviderRecord, RawEvent, SyncRun
from connectors.signatures import LEEWAY, Delivery, SignedBy, sign
from tests.factories.connectors import ConnectorFactory, SyncRunFactory
from tests.schema import assert_as_documented
from tests.walking import bring_in, event_row, file_connector, walk

pytestmark = pytest.mark.django_db

SECRET = "0123456789abcdef0123456789abcdef"
T = datetime(2026, 9, 1, 9, tzinfo=UTC)
HIRE = {"type": "employee.created", "timestamp": "2026-01-31T18:42:00Z", "data": {"companyId": "12345", "employeeId": "100"}}
#: printf 'body1700000000' | openssl dgst -sha256 -hmac key
OPENSSL = "02b754e765812bd78c613b22795d74157d6d8e771a4b979108238f6708e17b5c"
NAMES = {"bamboohr": "X-BambooHR", "files": "X-Stagewatch"}


def with_secret(connector: Connector, secret: str = SECRET) -> Connector:
    connector.add_webhook_secret(secret)
    connector.save()
    return connector


@pytest.fixture
def bamboo() -> Connector:
    return with_secret(ConnectorFactory())


@pytest.fixture
def files() -> Connector:
    return with_secret(file_connector())


def post(connector: Any, body: Any, *, secret: str = SECRET, stamp: str | None = None, path: str = "", **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    stamp = str(int(time.time())) if stamp is None else stamp
    name = NAMES[connector.provider]
    signed = {f"{name}-Signature": sign(secret, raw + stamp.encode()), f"{name}-Timestamp": stamp, **headers}
    client = Client(enforce_csrf_checks=True)
    return client.post(path or f"/webhooks/{connector.provider}/{connector.pk}", raw, content_type="application/json", headers=signed)


# --- the signature -----------------------------------------------------------------------------------------------------


def outsiders(connector: Connector) -> Iterator[tuple[str, Any]]:
    old = str(int(time.time() - LEEWAY.total_seconds() - 60))
    early = str(int(time.time() + LEEWAY.total_seconds() + 60))
    yield "no such connector", post(connector, HIRE, path=f"/webhooks/{connector.provider}/{connector.pk + 1000}")
    yield "an id of any size", post(connector, HIRE, path=f"/webhooks/{connector.provider}/{10**30}")
    yield "no such provider", post(connector, HIRE, path=f"/webhooks/teamtailor/{connector.pk}")
    yield "another provider's door", post(connector, HIRE, path=f"/webhooks/files/{connector.pk}")
    yield "another secret", post(connector, HIRE, secret="f" * 32)
    yield "too old", post(connector, HIRE, stamp=old)
    yield "too early", post(connector, HIRE, stamp=early)
    yield "no moment", post(connector, HIRE, stamp="yesterday")
    yield "a moment without offset", post(connector, HIRE, stamp=datetime.now(UTC).replace(tzinfo=None).isoformat())
    yield "a signature of something else", post(connector, HIRE, **{"X-BambooHR-Signature": sign(SECRET, b"{}")})
    yield "a signature that is none", post(connector, HIRE, **{"X-BambooHR-Signature": "\u00e9"})
    yield "unsigned", Client().post(f"/webhooks/{connector.provider}/{connector.pk}", HIRE, content_type="application/json")
    yield "not even JSON", post(connector, b"\xff", secret="f" * 32)


def test_whoever_cannot_sign_sees_one_and_the_same(bamboo: Connector) -> None:
    seen = {}
    for what, response in outsiders(bamboo):
        assert response.status_code == 404, what
        seen[what] = {name: value for name, value in response.json().items() if name != "instance"}

    assert len({json.dumps(body) for body in seen.values()}) == 1
    assert not RawEvent.objects.exists()
    assert not SyncRun.objects.exists()
    assert not ProviderRecord.objects.exists()


def test_a_connector_without_a_secret_hears_nobody() -> None:
    assert post(ConnectorFactory(), HIRE, secret="").status_code == 404


@pytest.mark.parametrize(
    "stamp", [lambda now: str(int(now.timestamp())), datetime.isoformat, lambda now: now.strftime("%Y-%m-%dT%H:%M:%S+0000")]
)
def test_moments_come_in_the_forms_that_were_seen(bamboo: Connector, stamp: Any) -> None:
    assert post(bamboo, HIRE, stamp=stamp(datetime.now(UTC))).status_code == 202


def test_two_secrets_are_believed_while_they_are_being_changed(bamboo: Connector) -> None:
    with_secret(bamboo, "the next one")
    assert {post(bamboo, HIRE, secret=secret).status_code for secret in (SECRET, "the next one")} == {202}

    with_secret(bamboo, "the one after")
    assert post(bamboo, HIRE, secret=SECRET).status_code == 404
    assert SECRET not in bamboo.sealed_webhook_secrets


def test_secrets_of_webhooks_are_sealed_anew_with_the_others(bamboo: Connector, settings: Any) -> None:
    bamboo.set_secret("an API key")
    bamboo.save()
    before, settings.CREDENTIAL_KEYS = bamboo.sealed_webhook_secrets, [Fernet.generate_key().decode(), *settings.CREDENTIAL_KEYS]

    rotated, failures = rotating.rotate_credentials()
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]

    bamboo.refresh_from_db()
    assert (rotated, failures) == (2, [])
    assert bamboo.sealed_webhook_secrets != before
    assert bamboo.webhook_secrets() == [SECRET]


def test_the_digest_is_that_of_the_published_samples() -> None:
    """HMAC-SHA256 over the body and the timestamp header, as another tool makes it."""
    told = Delivery(headers={"S": "00", "T": "1700000000"}, body=b"body")
    by = SignedBy(signature="S", timestamp="T")
    assert not by.is_authentic(told, secrets=["key"], now=datetime.fromtimestamp(1_700_000_000, UTC))
    told = Delivery(headers={"S": OPENSSL.upper(), "T": "1700000000"}, body=b"body")
    assert by.is_authentic(told, secrets=["other", "key"], now=datetime.fromtimestamp(1_700_000_200, UTC))
    assert not by.is_authentic(told, secrets=["key"], now=datetime.fromtimestamp(1_700_000_301, UTC))


# --- what comes of it --------------------------------------------------------------------------------------------------


def test_a_hint_is_committed_without_its_fields_and_a_delta_sync_looks(bamboo: Connector) -> None:
    body = {"employees": [{"id": "100", "changedFields": ["status"], "fields": {"First Name": {"value": "Ilse"}}}]}

    response = post(bamboo, body)

    assert_as_documented(response, "webhook")
    assert (response.status_code, response.json()) == (202, {"received": 1})
    raw = RawEvent.objects.get()
    assert (raw.connector_id, raw.kind, raw.payload["type"]) == (bamboo.pk, "webhook", "employee_with_fields")
    assert "Ilse" not in json.dumps(raw.payload)
    assert SyncRun.objects.get().mode == "delta"

    walk()

    batch = Batch.objects.get(pk=raw.batch_id)
    assert batch.finished_at is not None
    assert (batch.created_count, batch.failed_count) == (0, 0)


def test_the_same_delivery_twice_is_one(bamboo: Connector) -> None:
    stamp = str(int(time.time()))

    assert [post(bamboo, HIRE, stamp=stamp).json()["received"] for _ in range(3)] == [1, 0, 0]

    assert RawEvent.objects.count() == 1
    assert SyncRun.objects.count() == 1


@pytest.mark.parametrize("state", ["under way", "paused", "broken"])
def test_a_hint_is_kept_even_where_nobody_can_look_now(bamboo: Connector, state: str) -> None:
    if state == "under way":
        SyncRunFactory(connector=bamboo, mode="delta", state=SyncRun.State.RUNNING)
    else:
        Connector.objects.update(status=state)
    runs = SyncRun.objects.count()

    assert post(bamboo, HIRE).status_code == 202

    assert RawEvent.objects.count() == 1
    assert SyncRun.objects.count() == runs


@pytest.mark.parametrize("body", [b"", b"[]", b"not json", b"type=employee.created", b"[" * 100_000, b'{"type": 5}'])
def test_an_authentic_one_that_cannot_be_read_is_told_so(bamboo: Connector, body: bytes) -> None:
    response = post(bamboo, body)

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert not RawEvent.objects.exists()


def test_facts_pushed_to_a_file_connector_are_those_of_an_import(files: Connector) -> None:
    rows = [event_row("e-1", T, stage_to="new"), event_row("e-2", T, application_external_id="a-2", stage_to="new")]
    bring_in(files, rows[:1])

    lines = b"\n".join(json.dumps(row).encode() for row in rows)
    assert post(files, lines).json() == {"received": 2}
    walk()

    assert sorted(Application.objects.values_list("external_id", flat=True)) == ["a-1", "a-2"]
    assert CandidateEvent.objects.count() == 2
    newest = Batch.objects.filter(kind=Batch.Kind.EVENTS).latest("pk")
    assert (newest.created_count, newest.skipped_count) == (1, 1)
    assert SyncRun.objects.filter(mode="delta").count() == 0


def test_of_rows_with_a_bad_one_nothing_is_received(files: Connector) -> None:
    good = json.dumps(event_row("e-1", T, stage_to="new")).encode()

    response = post(files, good + b'\n{"event_type": "stage_changed"}\n')

    assert response.status_code == 400
    assert "timestamp" in response.json()["detail"]
    assert not RawEvent.objects.exists()


def test_connect_takes_the_secret_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", SECRET)
    call_command("connect", "files", "--organization", "acme", "--name", "push", "--webhook-secret-env", "HOOK")

    assert Organization.objects.get().connectors.get().webhook_secrets() == [SECRET]
