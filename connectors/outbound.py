"""Where a connector may talk to: the fence around outbound requests.

A base URL is typed by a person, so it is not trusted: https only, a provider's own hosts only, and the
address actually connected to must be a public one. The address is checked on the connected socket,
before a byte is sent, because a name checked beforehand may resolve differently a moment later.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import SplitResult, urlsplit

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from connectors.exceptions import NotConfigured


class Reach(StrEnum):
    """Which addresses a connector may connect to."""

    PUBLIC = "public"
    LOOPBACK = "loopback"  #: a server on this very machine, e.g. the sandbox
    ANY = "any"  #: an operator said so (a provider reached through a private network)

    def allows(self, address: str) -> bool:
        ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        if self is Reach.ANY:
            return True
        return ip.is_loopback if self is Reach.LOOPBACK else ip.is_global and not ip.is_multicast


def reach_of(settings: Mapping[str, Any]) -> Reach:
    """``insecure_http`` (local server) and ``allow_private`` are for operators; without them: public only."""
    if settings.get("insecure_http") is True:
        return Reach.LOOPBACK
    return Reach.ANY if settings.get("allow_private") is True else Reach.PUBLIC


def check_base_url(base_url: str, *, hosts: Sequence[str], reach: Reach) -> SplitResult:
    """The parsed URL, or ``NotConfigured`` with one sentence. No I/O.

    ``hosts`` are the provider's own: names, or ``*.domain`` for one label below a domain. They are not
    asked of an operator who set ``allow_private`` or ``insecure_http``.
    """
    url = _split(base_url)
    if url.username is not None or url.password is not None or url.query or url.fragment:
        raise NotConfigured("The base URL must hold no user, password, query or fragment; put the key in the secret.")
    if reach is Reach.LOOPBACK:
        if url.scheme not in ("http", "https") or not _is_loopback_name(url.hostname or ""):
            raise NotConfigured("insecure_http is only for a server on this machine: use http://127.0.0.1:PORT.")
        return url
    if url.scheme != "https":
        raise NotConfigured(f"The base URL starts with {url.scheme or 'nothing'}://, but a key only travels over https://.")
    if reach is Reach.PUBLIC and not any(_matches(url.hostname or "", pattern) for pattern in hosts):
        raise NotConfigured(f"The base URL's host {url.hostname} is not one of {', '.join(hosts)}; check the address.")
    return url


def _split(base_url: str) -> SplitResult:
    try:
        url = urlsplit(base_url.strip())
        url.port  # noqa: B018  reading it is what validates it
    except ValueError:
        raise NotConfigured("The base URL cannot be read; write it like https://example.com/path.") from None
    if not url.hostname:
        raise NotConfigured("The base URL names no host; write it like https://example.com/path.")
    return url


def _is_loopback_name(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _matches(host: str, pattern: str) -> bool:
    if not pattern.startswith("*."):
        return host == pattern
    label, _, domain = host.partition(".")
    return bool(label) and domain == pattern[2:]


class GuardedAdapter(HTTPAdapter):
    """A requests transport that hangs up when the connected address is out of reach."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _guarded_pools(self._reach)


def _guarded_pools(reach: Reach) -> dict[str, type[HTTPConnectionPool]]:
    class Guard(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            connected = super()._new_conn()
            address = connected.getpeername()[0]
            if not reach.allows(address):
                connected.close()
                raise NotConfigured(f"The host {self.host} leads to {address}, which is not a {reach} address; nothing was sent.")
            return connected

    class SecureGuard(HTTPSConnection, Guard):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Guard

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureGuard

    return {"http": Pool, "https": SecurePool}
