"""Whose address a request comes from, where proxies stand between."""

from __future__ import annotations

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client(request: HttpRequest) -> str:
    """The address next to our own proxies (``TRUSTED_PROXIES``); "" where a Unix socket tells none.

    Each proxy writes whom it heard at the end of ``X-Forwarded-For``, so the header is read from there, as long as the one
    who wrote is ours. What stands before that was sent along by the client and is not believed.
    """
    heard: str = request.META.get("REMOTE_ADDR", "")
    for told in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        if not _is_ours(heard) or not _is_address(told.strip()):
            break
        heard = told.strip()
    return heard


def _is_ours(address: str) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in settings.TRUSTED_PROXIES)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
