"""Connectors in the admin: credentials go in and never out, syncs are asked for, dead letters replayed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors.models import Batch, Connector, RawEvent, SyncRun
from tests.factories.accounts import OrganizationFactory, UserFactory, member
from tests.factories.connectors import BatchFactory, ConnectorFactory, RawEventFactory, SyncRunFactory

pytestmark = pytest.mark.django_db

KEY = "hunter2-canary-key"
LIST = "admin:connectors_connector_changelist"
PAGE = "admin:connectors_connector_change"


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def form(connector: Connector | None = None, **fields: Any) -> dict[str, Any]:
    base = {"name": "bamboo", "base_url": "https://acme.bamboohr.com", "secret": "", "settings": "{}", "status": "active"}
    if connector:
        base |= {"name": connector.name, "base_url": connector.base_url}
    return base | fields


def sealed(**fields: Any) -> Connector:
    connector: Connector = ConnectorFactory(**fields)
    connector.set_secret(KEY)
    connector.save()
    return connector


def test_a_credential_is_sealed_on_the_way_in(operator: Client) -> None:
    organization = OrganizationFactory()

    response = operator.post(
        reverse("admin:connectors_connector_add"), form(organization=organization.pk, provider="bamboohr", secret=KEY), follow=True
    )

    connector = Connector.objects.get()
    assert response.status_code == 200
    assert connector.open_secret() == KEY
    assert KEY not in connector.sealed_secret
    assert KEY not in response.content.decode()


def test_a_credential_never_comes_out(operator: Client) -> None:
    connector = sealed()

    page = operator.get(reverse(PAGE, args=[connector.pk])).content.decode()

    assert KEY not in page
    assert connector.sealed_secret not in page


def test_leaving_the_field_empty_keeps_the_credential(operator: Client) -> None:
    connector = sealed()

    operator.post(reverse(PAGE, args=[connector.pk]), form(connector, status="paused"))

    connector.refresh_from_db()
    assert (connector.status, connector.open_secret()) == ("paused", KEY)


def test_a_credential_does_not_travel_to_a_new_address(operator: Client) -> None:
    connector = sealed()
    elsewhere = form(connector, base_url="https://globex.bamboohr.com")

    refused = operator.post(reverse(PAGE, args=[connector.pk]), elsewhere)
    operator.post(reverse(PAGE, args=[connector.pk]), {**elsewhere, "secret": "another"})

    assert "Enter the credential again" in refused.content.decode()
    connector.refresh_from_db()
    assert (connector.base_url, connector.open_secret()) == ("https://globex.bamboohr.com", "another")


def test_settings_that_cannot_work_are_refused_with_the_provider_s_sentence(operator: Client) -> None:
    connector = sealed()

    response = operator.post(reverse(PAGE, args=[connector.pk]), form(connector, base_url="http://169.254.169.254", secret=KEY))

    assert response.status_code == 200
    assert "https://" in response.content.decode()
    connector.refresh_from_db()
    assert connector.base_url == "https://acme.bamboohr.com"


def test_only_operators_may_open_the_fence_around_addresses() -> None:
    connector = sealed()
    staff = member(connector.organization, is_staff=True)
    staff.user_permissions.set(Permission.objects.all())
    client = Client()
    client.force_login(staff)

    client.post(reverse(PAGE, args=[connector.pk]), form(connector, settings='{"allow_private": true}'))

    connector.refresh_from_db()
    assert connector.settings == {}


def test_a_new_credential_mends_a_broken_connector(operator: Client) -> None:
    connector = sealed(status=Connector.Status.BROKEN, status_reason="The key was refused.")

    operator.post(reverse(PAGE, args=[connector.pk]), form(connector, status="broken", secret="new"))

    connector.refresh_from_db()
    assert (connector.status, connector.status_reason) == ("active", "")


@pytest.mark.parametrize(("action", "mode"), [("sync_now", "delta"), ("sync_fully", "full")])
def test_sync_now_asks_for_a_run(operator: Client, action: str, mode: str) -> None:
    connector = sealed()

    response = operator.post(reverse(LIST), {"action": action, "_selected_action": [connector.pk]}, follow=True)

    run = SyncRun.objects.get()
    assert (run.connector, run.mode, run.state) == (connector, mode, "queued")
    assert "has been asked for" in response.content.decode()


def test_a_second_sync_says_that_one_is_under_way(operator: Client) -> None:
    connector = sealed()
    SyncRunFactory(connector=connector)

    response = operator.post(reverse(LIST), {"action": "sync_now", "_selected_action": [connector.pk]}, follow=True)

    assert "in progress" in response.content.decode()
    assert SyncRun.objects.count() == 1


def test_dead_letters_are_filtered_and_sent_again(operator: Client) -> None:
    alive = RawEventFactory()
    dead = RawEventFactory(batch=alive.batch, state=RawEvent.State.DEAD, error="A payload has an unexpected shape.")
    listed = reverse("admin:connectors_rawevent_changelist")

    page = operator.get(listed, {"state__exact": "dead"})
    operator.post(listed, {"action": "replay", "_selected_action": [dead.pk]})

    assert [row.pk for row in page.context["cl"].result_list] == [dead.pk]
    dead.refresh_from_db()
    assert (dead.state, dead.error) == ("received", "")
    assert Batch.objects.get(pk=dead.batch_id).raw_count == 1


def test_the_list_of_runs_tells_their_progress(operator: Client) -> None:
    run = SyncRunFactory(fetched=120)
    run.batches.create(
        organization=run.connector.organization,
        raw_count=100,
        created_count=80,
        skipped_count=19,
        failed_count=1,
        next_attempt_at=run.requested_at,
    )

    page = operator.get(reverse("admin:connectors_syncrun_changelist")).content.decode()

    assert "fetched 120 · created 80 · skipped 19 · failed 1 · in flow 100" in page


def test_raw_payloads_are_read_as_people_read_them(operator: Client) -> None:
    raw = RawEventFactory(payload={"status": {"label": "<b>Reviewed</b>"}})

    page = operator.get(reverse("admin:connectors_rawevent_change", args=[raw.pk])).content.decode()

    assert "&lt;b&gt;Reviewed&lt;/b&gt;" in page
    assert "<b>Reviewed</b>" not in page


def test_the_list_tells_how_each_connector_is(operator: Client) -> None:
    ConnectorFactory(name="fresh")
    ConnectorFactory(name="stale", fresh_at=timezone.now() - timedelta(hours=9))
    ConnectorFactory(name="new", fresh_at=None)
    ConnectorFactory(name="broken", status="broken")
    ConnectorFactory(name="paused", status="paused")

    listed = operator.get(reverse(LIST)).context_data["cl"]

    health = {row.name: listed.model_admin.health(row)[0] for row in listed.result_list}
    assert health == {"fresh": "fresh", "stale": "stale", "new": "unknown", "broken": "broken", "paused": "paused"}


def test_sync_now_is_one_click_and_no_link(operator: Client) -> None:
    connector = sealed()
    address = reverse("admin:connectors_connector_sync", args=[connector.pk])

    assert address in operator.get(reverse(LIST)).content.decode()
    assert operator.get(address).status_code == 405, "a link that changes something could be planted anywhere"
    page = operator.post(address, follow=True).content.decode()

    assert "has been asked for" in page
    assert SyncRun.objects.get().mode == "delta"


def test_staff_sync_their_own_connectors_only() -> None:
    own, other = ConnectorFactory(), ConnectorFactory()
    staff = member(own.organization, is_staff=True)
    staff.user_permissions.set(Permission.objects.all())
    client = Client()
    client.force_login(staff)

    assert client.post(reverse("admin:connectors_connector_sync", args=[other.pk])).status_code == 403
    assert client.post(reverse("admin:connectors_connector_sync", args=[own.pk])).status_code == 302
    assert SyncRun.objects.get().connector == own


def dead(connector: Connector, error: str) -> RawEvent:
    batch = BatchFactory(connector=connector)
    letter: RawEvent = RawEventFactory(batch=batch, state="dead", error=error, failed_at=timezone.now())
    return letter


def test_dead_letters_are_counted_by_reason_and_replayed_together(operator: Client) -> None:
    connector, other = ConnectorFactory(), ConnectorFactory()
    mended = [dead(connector, "no date"), dead(connector, "no date")]
    left = [dead(connector, "no name"), dead(other, "no date")]
    listed = reverse("admin:connectors_rawevent_changelist") + "?state__exact=dead"

    reasons = operator.get(listed).context_data["reasons"]
    page = operator.post(
        reverse("admin:connectors_rawevent_replay_dead"), {"connector": connector.pk, "error": "no date"}, follow=True
    ).content.decode()

    assert [(row["error"], row["total"]) for row in reasons] == [("no date", 2), ("no name", 1), ("no date", 1)]
    assert "2 raw events are on the road again." in page
    assert dict(RawEvent.objects.values_list("pk", "state")) == {row.pk: "received" for row in mended} | {row.pk: "dead" for row in left}


def test_staff_replay_their_own_dead_letters_only() -> None:
    own, other = ConnectorFactory(), ConnectorFactory()
    staff = member(own.organization, is_staff=True)
    staff.user_permissions.set(Permission.objects.all())
    client = Client()
    client.force_login(staff)
    dead(other, "theirs")

    listed = client.get(reverse("admin:connectors_rawevent_changelist") + "?state__exact=dead")

    assert listed.context_data["reasons"] == []
    assert client.post(reverse("admin:connectors_rawevent_replay_dead"), {"connector": other.pk, "error": "theirs"}).status_code == 403


def test_a_run_under_way_shows_how_far_it_is_and_the_page_looks_again(operator: Client) -> None:
    run = SyncRunFactory(state="flowing", fetched=100)
    BatchFactory(connector=run.connector, sync_run=run, raw_count=60, created_count=50, skipped_count=10, finished_at=timezone.now())
    BatchFactory(connector=run.connector, sync_run=run, raw_count=40)
    listed = reverse("admin:connectors_syncrun_changelist")

    under_way = operator.get(listed)
    SyncRun.objects.update(state="succeeded", finished_at=timezone.now())
    over = operator.get(listed)

    assert 'aria-valuenow="60"' in under_way.content.decode()
    assert under_way.headers["Refresh"] == "5"
    assert "progressbar" not in over.content.decode()
    assert "Refresh" not in over.headers
