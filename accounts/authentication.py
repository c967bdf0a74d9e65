"""``Authorization: Token …``. Tokens are stored as digests only (knox), so a leaked table opens nothing."""

from knox.auth import TokenAuthentication as KnoxTokenAuthentication


class TokenAuthentication(KnoxTokenAuthentication):
    """Named here so that settings, OpenAPI and sockets speak of one class."""
