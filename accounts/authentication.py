"""``Authorization: Token …``. Tokens are stored as digests only (knox), so a leaked table opens nothing."""

from __future__ import annotations

from typing import Any

from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from rest_framework.exceptions import AuthenticationFailed


class TokenAuthentication(KnoxTokenAuthentication):
    """Named here so that settings, OpenAPI and sockets speak of one class."""

    def authenticate_credentials(self, token: bytes) -> Any:
        if b"\x00" in token:  # PostgreSQL would refuse to look for it
            raise AuthenticationFailed("Invalid token.")
        try:
            return super().authenticate_credentials(token)
        except UnicodeDecodeError:  # bytes that are no text: knox would let the decoding error through (knox 5.1)
            raise AuthenticationFailed("Invalid token.") from None
