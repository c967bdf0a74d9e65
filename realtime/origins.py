"""Whether the page behind a cookie is one of ours: scheme, host and port, by the rule Django holds form posts to.

So a page that may post may listen, behind whatever proxy: ``TRUST_PROXY`` says what scheme the browser used, and
``CSRF_TRUSTED_ORIGINS`` names origins that the Host header does not tell.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.utils.http import is_same_domain

#: what a handshake calls the schemes of pages; some proxies write it into the header that tells the scheme, too
_OF_PAGES = {"ws": "http", "wss": "https"}


def is_ours(origin: str, request: HttpRequest) -> bool:
    """``origin`` as the browser sent it; ``request`` tells where it was sent to."""
    return origin == _own(request) or any(_covers(trusted, origin) for trusted in settings.CSRF_TRUSTED_ORIGINS)


def _own(request: HttpRequest) -> str | None:
    try:
        return f"{request.scheme}://{request.get_host()}"
    except DisallowedHost:
        return None


def _covers(trusted: str, origin: str) -> bool:
    """``https://*.example.com`` covers every subdomain, anything else itself."""
    scheme, _, host = trusted.partition("://")
    if not host.startswith("*"):
        return origin == trusted
    try:
        asking = urlsplit(origin)
    except ValueError:
        return False
    return asking.scheme == scheme and is_same_domain(asking.netloc, host.lstrip("*"))


def handshake(scope: dict[str, Any]) -> HttpRequest:
    """A WebSocket's opening request as the one for its page would have been."""
    proxy = settings.SECURE_PROXY_SSL_HEADER
    header = proxy[0].removeprefix("HTTP_").replace("_", "-").lower().encode() if proxy else None
    headers = [(name, _page_scheme(value) if name == header else value) for name, value in scope["headers"]]
    scheme = _OF_PAGES[scope.get("scheme", "ws")]
    return ASGIRequest({**scope, "type": "http", "method": "GET", "scheme": scheme, "headers": headers}, BytesIO())


def _page_scheme(value: bytes) -> bytes:
    word = value.decode("latin-1").strip()
    return _OF_PAGES.get(word, word).encode("latin-1")
