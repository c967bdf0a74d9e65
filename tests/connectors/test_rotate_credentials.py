"""Changing the key that connector credentials are sealed with."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from connectors.exceptions import NotConfigured
from connectors.models import Connector
from tests.factories.connectors import ConnectorFactory

pytestmark = pytest.mark.django_db

OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))
SECRET = "hunter2-canary-key"


def sealed(settings: Any, key: str, **fields: Any) -> Connector:
    settings.CREDENTIAL_KEYS = [key]
    connector: Connector = ConnectorFactory(**fields)
    connector.set_secret(SECRET)
    connector.save()
    return connector


def rotate() -> str:
    output = StringIO()
    call_command("rotate_credentials", stdout=output)
    return output.getvalue()


def test_after_a_rotation_the_old_key_is_not_needed(settings: Any) -> None:
    connector = sealed(settings, OLD)
    settings.CREDENTIAL_KEYS = [NEW, OLD]

    assert rotate() == "1 credential sealed under the newest key\n"

    connector.refresh_from_db()
    settings.CREDENTIAL_KEYS = [NEW]
    assert connector.open_secret() == SECRET
    settings.CREDENTIAL_KEYS = [OLD]
    with pytest.raises(NotConfigured):
        connector.open_secret()


def test_connectors_without_a_credential_stay_without(settings: Any) -> None:
    settings.CREDENTIAL_KEYS = [NEW]
    connector = ConnectorFactory(provider="files", base_url="")

    assert rotate() == "0 credentials sealed under the newest key\n"

    connector.refresh_from_db()
    assert connector.sealed_secret == ""


def test_a_credential_no_key_opens_is_named_and_holds_up_no_other(settings: Any) -> None:
    lost = sealed(settings, LOST, name="lost")
    kept = sealed(settings, OLD, name="kept")
    settings.CREDENTIAL_KEYS = [NEW, OLD]

    with pytest.raises(CommandError, match=f"{lost.organization.slug}/lost: .*none of CREDENTIAL_KEYS fits") as refused:
        rotate()

    assert SECRET not in str(refused.value)
    settings.CREDENTIAL_KEYS = [NEW]
    kept.refresh_from_db()
    assert kept.open_secret() == SECRET


def test_a_credential_copied_from_another_connector_is_not_sealed_anew(settings: Any) -> None:
    settings.CREDENTIAL_KEYS = [OLD]
    owner, thief = sealed(settings, OLD), ConnectorFactory(name="thief")
    Connector.objects.filter(pk=thief.pk).update(sealed_secret=owner.sealed_secret)

    with pytest.raises(CommandError, match=r"thief: .*sealed for another one"):
        rotate()

    thief.refresh_from_db()
    assert thief.sealed_secret == owner.sealed_secret
