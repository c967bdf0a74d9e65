"""What is committed before anything else happens: raw payloads as batches, records of what was seen, sealed secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import transaction

from config import flow
from connectors import credentials, inbox, registry
from connectors.base import Observation, Record
from connectors.exceptions import NotConfigured, PayloadNotUnderstood
from connectors.memory import DatabaseMemory, keep
from connectors.models import Batch, Connector, ProviderRecord, RawEvent
from tests.factories.connectors import ConnectorFactory, SyncRunFactory
from tests.walking import event_row

T = datetime(2026, 9, 1, 9, tzinfo=UTC)


def seen(**payload: Any) -> Observation:
    return Observation(kind="application", payload=payload)


# --- the inbox ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_payloads_become_one_batch_at_the_start_of_the_road(
    django_capture_on_commit_callbacks: Callable[..., Any], monkeypatch: Any
) -> None:
    offered: list[int] = []
    monkeypatch.setattr(flow, "run", lambda batch_id, *, start: offered.append(batch_id))  # noqa: PLW0108 (drops a keyword)
    run = SyncRunFactory()

    with django_capture_on_commit_callbacks(execute=True):
        batch = inbox.store(run.connector, [seen(id=1), seen(id=2)], sync_run=run, received_at=T)
        assert offered == []

    assert batch is not None
    assert offered == [batch.pk]
    assert (batch.step, batch.kind, batch.raw_count, batch.sync_run) == (flow.NORMALIZE, Batch.Kind.EVENTS, 2, run)
    found = RawEvent.objects.order_by("pk").values_list("batch_id", "connector_id", "kind", "payload", "received_at", "state", "error")
    assert list(found) == [(batch.pk, run.connector_id, "application", {"id": number}, T, "received", "") for number in (1, 2)]


@pytest.mark.django_db
def test_nothing_is_no_batch() -> None:
    assert inbox.store(ConnectorFactory(), []) is None
    assert not Batch.objects.exists()


@pytest.mark.django_db
def test_what_its_page_does_not_commit_was_never_there() -> None:
    with transaction.atomic():
        inbox.store(ConnectorFactory(), [seen(id=1)])
        transaction.set_rollback(True)

    assert not RawEvent.objects.exists()
    assert not Batch.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text", ["tab\there", "line\nbreak\r\n", "\\N", "\\.", "back\\slash \\u0041", "\\u0000 spelled out", "'q' \"q\" %s {x}", "🜁 ž"]
)
def test_text_survives_to_the_letter(text: str) -> None:
    inbox.store(ConnectorFactory(), [seen(text=text, nested={"list": [text]})])

    assert json.loads(json.dumps(RawEvent.objects.get().payload)) in (
        {"text": text, "nested": {"list": [text]}},
        # a spelled-out NUL cannot be told from a real one in JSON text, and is replaced alike
        {"text": text.replace("\\u0000", "\\ufffd"), "nested": {"list": [text.replace("\\u0000", "\\ufffd")]}},
    )


@pytest.mark.django_db
def test_a_nul_becomes_a_visible_replacement() -> None:
    inbox.store(ConnectorFactory(), [seen(text="a\x00b")])

    assert RawEvent.objects.get().payload == {"text": "a\ufffdb"}


# --- what the last poll saw --------------------------------------------------------------------------------------------


def record(name: str, **fields: Any) -> Record:
    return Record(kind="application", external_id=name, **{"state": {"of": name}, **fields})


@pytest.mark.django_db
def test_records_are_kept_changed_and_recalled_as_they_were() -> None:
    connector = ConnectorFactory()
    first = record("a", listed_at=T, detailed_at=T, missing_runs=2, watched=True)
    keep(connector.pk, [first, record("b"), record("b", watched=True)])

    keep(connector.pk, [record("a", state={"new": 1})])

    memory = DatabaseMemory(connector.pk)
    assert memory.recall("application", ["a", "b", "c"]) == {"a": record("a", state={"new": 1}), "b": record("b", watched=True)}
    assert memory.recall("job", ["a"]) == {}
    assert ProviderRecord.objects.count() == 2


@pytest.mark.django_db
def test_a_memory_is_its_connectors_own() -> None:
    connector, other = ConnectorFactory(), ConnectorFactory()
    keep(connector.pk, [record("a", watched=True, detailed_at=T)])

    memory = DatabaseMemory(other.pk)

    assert memory.recall("application", ["a"]) == {}
    assert memory.stalest("application", before=T + timedelta(days=1), limit=9) == []
    assert list(memory.unlisted("application", since=T)) == []


@pytest.mark.django_db
def test_the_stalest_are_those_in_play_whose_details_are_oldest() -> None:
    connector = ConnectorFactory()
    watched = [record(str(n), watched=True, detailed_at=T + timedelta(hours=n)) for n in (3, 1, 2)]
    keep(connector.pk, [*watched, record("x", detailed_at=T), record("y", watched=True)])

    memory = DatabaseMemory(connector.pk)

    assert [found.external_id for found in memory.stalest("application", before=T + timedelta(hours=3), limit=9)] == ["1", "2"]
    assert [found.external_id for found in memory.stalest("application", before=T + timedelta(days=1), limit=2)] == ["1", "2"]


@pytest.mark.django_db
def test_the_unlisted_are_those_not_seen_since_never_seen_ones_included() -> None:
    connector = ConnectorFactory()
    keep(connector.pk, [record("b", listed_at=T - timedelta(seconds=1)), record("a"), record("c", listed_at=T)])

    assert [found.external_id for found in DatabaseMemory(connector.pk).unlisted("application", since=T)] == ["a", "b"]


# --- secrets -----------------------------------------------------------------------------------------------------------


def test_a_secret_opens_only_for_its_own_connector() -> None:
    sealed = credentials.seal(7, "s3cret")

    assert "s3cret" not in sealed
    assert credentials.unseal(7, sealed) == "s3cret"
    with pytest.raises(NotConfigured, match="stored for connector 8 was sealed for another one"):
        credentials.unseal(8, sealed)


def test_keys_rotate_without_losing_anything(settings: Any) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    settings.CREDENTIAL_KEYS = [old]
    sealed = credentials.seal(7, "s3cret")

    settings.CREDENTIAL_KEYS = [new, old]
    assert credentials.unseal(7, sealed) == "s3cret"
    rotated = credentials.rotate(7, sealed)

    settings.CREDENTIAL_KEYS = [new]
    assert credentials.unseal(7, rotated) == "s3cret"
    with pytest.raises(NotConfigured, match="none of CREDENTIAL_KEYS fits"):
        credentials.unseal(7, sealed)


@pytest.mark.django_db
def test_a_sealed_secret_moved_to_another_row_opens_nothing() -> None:
    mine, theirs = ConnectorFactory(), ConnectorFactory()
    mine.set_secret("s3cret")
    theirs.sealed_secret = mine.sealed_secret

    with pytest.raises(NotConfigured, match="sealed for another one"):
        theirs.open_secret()
    assert mine.open_secret() == "s3cret"
    assert Connector().open_secret() == ""


# --- the registry ------------------------------------------------------------------------------------------------------


def test_providers_are_found_by_name_and_their_capabilities_are_told() -> None:
    assert (registry.get("bamboohr").capabilities.polls, registry.get("files").capabilities.polls) == (True, False)
    assert all(name == provider.name for name, provider in registry.PROVIDERS.items())
    with pytest.raises(NotConfigured, match="no provider called 'x'; known are bamboohr, files"):
        registry.get("x")


@pytest.mark.parametrize("provider", sorted(registry.PROVIDERS))
@pytest.mark.parametrize(
    "payload", ["[]", "7", "null", "{", '{"a": 1e999}', '{"event_type": 1}', '{"application": {"x": [1]}}', '"' + "x" * 9 + '"']
)
@pytest.mark.parametrize("kind", ["import_row", "application", "statuses", "job", "nonsense"])
def test_a_mapper_raises_one_error_only(provider: str, kind: str, payload: str) -> None:
    with pytest.raises(PayloadNotUnderstood) as raised:
        registry.mapper(provider)(kind, payload)
    assert str(raised.value).endswith(".")


def test_a_row_imported_into_any_connector_is_read_as_a_row() -> None:
    row = json.dumps(event_row("e", T))

    assert {registry.mapper(name)("import_row", row).events[0].provider for name in registry.PROVIDERS} == set(registry.PROVIDERS)
