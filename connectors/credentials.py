"""Connector credentials at rest: Fernet, several keys for rotation, bound to their connector.

The connector's id is sealed inside, so a ciphertext copied to another row opens nothing. Other owners of secrets (the
addresses of channels) seal a word of their own in: an owner is an id of a connector, or a text.
"""

from __future__ import annotations

import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from connectors.exceptions import NotConfigured


def seal(owner: int | str, secret: str) -> str:
    return _keys().encrypt(json.dumps([owner, secret]).encode()).decode()


def unseal(owner: int | str, sealed: str) -> str:
    """The secret. Raises ``NotConfigured`` if no key opens it or it belongs to another owner."""
    whose = f"connector {owner}" if isinstance(owner, int) else owner
    try:
        sealed_for, secret = json.loads(_keys().decrypt(sealed.encode()))
    except InvalidToken:
        raise NotConfigured(
            f"The credential of {whose} cannot be opened: none of CREDENTIAL_KEYS fits. "
            "Add the key it was sealed with, or enter the credential again."
        ) from None
    if sealed_for != owner:
        raise NotConfigured(f"The credential stored for {whose} was sealed for another one. Enter it again.")
    return str(secret)


def rotate(owner: int | str, sealed: str) -> str:
    """The same secret under the newest key. Raises ``NotConfigured`` as ``unseal`` does."""
    return seal(owner, unseal(owner, sealed))


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])
