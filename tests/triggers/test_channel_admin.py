"""Channels in the admin: addresses go in and never out; what was not sent can be sent again."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.api import client_of
from tests.factories.accounts import OrganizationFactory, UserFactory, member
from tests.factories.triggers import ChannelFactory, NotificationFactory
from triggers.models import Channel, Notification

pytestmark = pytest.mark.django_db

CANARY = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
LIST = "admin:triggers_notification_changelist"


@pytest.fixture
def olga() -> User:
    user: User = UserFactory(username="olga", is_staff=True, is_superuser=True)
    return user


@pytest.fixture
def operator(olga: User) -> Client:
    return client_of(olga)


def form(**fields: Any) -> dict[str, Any]:
    return {"name": "room", "kind": "slack", "enabled": "on", "at_once": "on", "min_priority": "low", "address": "", **fields}


def page_of(channel: Channel) -> str:
    return reverse("admin:triggers_channel_change", args=[channel.pk])


def test_an_address_is_sealed_on_the_way_in_and_never_comes_out(operator: Client) -> None:
    organization = OrganizationFactory()

    operator.post(reverse("admin:triggers_channel_add"), form(organization=organization.pk, address=CANARY))

    channel = Channel.objects.get()
    assert channel.open_address() == CANARY
    assert "hooks.slack.com" not in channel.sealed_address
    for address in (page_of(channel), reverse("admin:triggers_channel_changelist")):
        page = operator.get(address).content.decode()
        assert CANARY not in page
        assert channel.sealed_address not in page


def test_leaving_the_field_empty_keeps_the_address_and_entering_one_ends_the_trouble(operator: Client) -> None:
    channel = ChannelFactory(kind="slack", address=CANARY, failures=3, last_error="The receiver answered 404.")

    operator.post(page_of(channel), form(name="another"))
    channel.refresh_from_db()
    assert (channel.name, channel.open_address(), channel.failures) == ("another", CANARY, 3)

    operator.post(page_of(channel), form(address=CANARY.replace("T1", "T2")))
    channel.refresh_from_db()
    assert (channel.open_address(), channel.failures) == (CANARY.replace("T1", "T2"), 0)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "needs its address"),
        ({"address": "https://example.com/x"}, "Not a Slack webhook"),
        ({"kind": "webhook", "address": "http://169.254.169.254/latest"}, "must start with https://"),
        ({"kind": "email", "quiet_from": "20:00"}, "both ends"),
    ],
)
def test_what_cannot_work_is_refused(operator: Client, fields: dict[str, Any], said: str) -> None:
    page = operator.post(reverse("admin:triggers_channel_add"), form(organization=OrganizationFactory().pk, **fields))

    assert said in page.content.decode()
    assert not Channel.objects.exists()


def test_mail_may_go_back_to_everybody_s_own_address(operator: Client) -> None:
    channel = ChannelFactory(kind="email", address="team@example.org")
    assert not channel.is_personal

    operator.post(page_of(channel), form(forget_address="on"))

    channel.refresh_from_db()
    assert channel.is_personal


def test_a_test_is_sent_to_whoever_asks(operator: Client, olga: User) -> None:
    channel = ChannelFactory(kind="email")

    operator.post(reverse("admin:triggers_channel_changelist"), {"action": "send_test", "_selected_action": [channel.pk]})

    row = Notification.objects.get()
    assert (row.kind, row.recipient, row.state) == ("test", olga, "waiting")


def test_what_gave_up_is_sent_again_and_nothing_else(operator: Client) -> None:
    channel = ChannelFactory()
    dead, unclear, sent = (NotificationFactory(channel=channel, state=state, attempts=8) for state in ("dead", "unclear", "sent"))

    page = operator.post(
        reverse(LIST), {"action": "send_again", "_selected_action": [dead.pk, unclear.pk, sent.pk]}, follow=True
    ).content.decode()

    assert "2 are on their way again." in page
    assert "1 were not" in page
    assert dict(Notification.objects.values_list("pk", "state")) == {dead.pk: "waiting", unclear.pk: "waiting", sent.pk: "sent"}


def test_staff_without_the_right_to_channels_send_nothing() -> None:
    organization = OrganizationFactory()
    row = NotificationFactory(channel=ChannelFactory(organization=organization), state="dead")
    looking = member(organization, is_staff=True)
    looking.user_permissions.add(Permission.objects.get(codename="view_notification"))

    client_of(looking).post(reverse(LIST), {"action": "send_again", "_selected_action": [row.pk]})

    row.refresh_from_db()
    assert row.state == "dead"


def test_rotating_credentials_seals_addresses_too(settings: Any) -> None:
    channel = ChannelFactory(address="https://example.com/hook")
    before = channel.sealed_address
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode(), *settings.CREDENTIAL_KEYS]

    call_command("rotate_credentials")

    channel.refresh_from_db()
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]
    assert channel.sealed_address != before
    assert channel.open_address() == "https://example.com/hook"
