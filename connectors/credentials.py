"""Connector credentials at rest: Fernet, several keys for rotation, bound to their connector.

The connector's id is sealed inside, so a ciphertext copied to another row opens nothing.
"""

from __future__ import annotations

import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from connectors.exceptions import NotConfigured


def seal(connector_id: int, secret: str) -> str:
    return _keys().encrypt(json.dumps([connector_id, secret]).encode()).decode()


def unseal(connector_id: int, sealed: str) -> str:
    """The secret. Raises ``NotConfigured`` if no key opens it or it belongs to another connector."""
    try:
        owner, secret = json.loads(_keys().decrypt(sealed.encode()))
    except InvalidToken:
        raise NotConfigured(
            f"The credential of connector {connector_id} cannot be opened: none of CREDENTIAL_KEYS fits. "
            "Add the key it was sealed with, or enter the credential again."
        ) from None
    if owner != connector_id:
        raise NotConfigured(f"The credential stored for connector {connector_id} was sealed for another one. Enter it again.")
    return str(secret)


def rotate(connector_id: int, sealed: str) -> str:
    """The same secret under the newest key. Raises ``NotConfigured`` as ``unseal`` does."""
    return seal(connector_id, unseal(connector_id, sealed))


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])
