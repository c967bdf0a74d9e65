"""Whose page may listen by a cookie: scheme, host and port, and what proxies do to them."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from django.test import RequestFactory
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from realtime import origins
from tests.realtime.tenants import session_of

PROXY = ("HTTP_X_FORWARDED_PROTO", "https")


def page_of(host: str, *, told: str = "", secure: bool = False) -> Any:
    return RequestFactory().get("/realtime/updates", headers={"Host": host} | ({"X-Forwarded-Proto": told} if told else {}), secure=secure)


def socket_of(host: str, *, told: str = "", secure: bool = False) -> Any:
    headers = [(b"host", host.encode())] + ([(b"x-forwarded-proto", told.encode())] if told else [])
    scope = {"type": "websocket", "scheme": "wss" if secure else "ws", "path": "/ws/updates", "query_string": b"", "headers": headers}
    return origins.handshake(scope)


@pytest.mark.parametrize("request_to", [page_of, socket_of])
@pytest.mark.parametrize(
    ("origin", "ours"),
    [
        ("http://app.example:8000", True),
        ("http://app.example:8001", False),
        ("http://app.example", False),
        ("https://app.example:8000", False),
        ("http://other.example:8000", False),
        ("http://app.example:8000.evil.example", False),
        ("http://app.example:8000@evil.example", False),
        ("http://[app.example:8000", False),
        ("null", False),
        ("", False),
    ],
)
def test_scheme_host_and_port_must_be_those_of_the_request(settings: Any, request_to: Any, origin: str, ours: bool) -> None:
    settings.ALLOWED_HOSTS = ["app.example", "other.example"]

    assert origins.is_ours(origin, request_to("app.example:8000")) is ours


@pytest.mark.parametrize("request_to", [page_of, socket_of])
def test_a_host_that_is_none_of_ours_vouches_for_nobody(settings: Any, request_to: Any) -> None:
    settings.ALLOWED_HOSTS = ["app.example"]

    assert not origins.is_ours("http://rebound.example", request_to("rebound.example"))


@pytest.mark.parametrize(
    ("request_to", "told"), [(page_of, "https"), (socket_of, "https"), (socket_of, "wss")], ids=["page", "socket", "socket told as wss"]
)
def test_behind_a_proxy_that_ends_tls_the_scheme_is_the_one_it_tells(settings: Any, request_to: Any, told: str) -> None:
    settings.ALLOWED_HOSTS = ["app.example"]

    unbelieved = request_to("app.example", told=told)
    assert not origins.is_ours("https://app.example", unbelieved), "anybody may send that header: not without TRUST_PROXY"
    settings.SECURE_PROXY_SSL_HEADER = PROXY
    asked = request_to("app.example", told=told)
    assert origins.is_ours("https://app.example", asked)
    assert not origins.is_ours("http://app.example", asked), "a page somebody on the way may have written"


@pytest.mark.parametrize("request_to", [page_of, socket_of])
def test_trusted_origins_are_trusted_where_a_proxy_changes_the_host(settings: Any, request_to: Any) -> None:
    settings.ALLOWED_HOSTS = ["web"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example", "https://*.hiring.example"]
    asked = request_to("web:8000")

    trusted = ["https://app.example", "https://acme.hiring.example"]
    foreign = ["http://app.example", "https://app.example:444", "http://acme.hiring.example", "https://hiring.example.evil", "https://[x"]
    assert [origins.is_ours(one, asked) for one in trusted] == [True, True]
    assert [origins.is_ours(one, asked) for one in foreign] == [False] * len(foreign)


@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
def test_a_page_on_another_port_or_scheme_of_our_host_hears_nothing(acme: Any, address: str) -> None:
    session = session_of(acme.member("alice"))
    port = int(address.rpartition(":")[2])

    for origin in map(
        Origin, (f"http://127.0.0.1:{port - 1}", "http://127.0.0.1", f"https://127.0.0.1:{port}", f"http://localhost:{port}")
    ):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{port}/ws/updates", origin=origin, additional_headers={"Cookie": f"sessionid={session}"})
        answer = requests.get(f"{address}/realtime/updates", cookies={"sessionid": session}, headers={"Origin": origin}, timeout=10)
        assert (refused.value.response.status_code, answer.status_code) == (403, 403), origin


@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("site", "status"), [("same-site", 403), ("cross-site", 403), ("same-origin", 200), ("none", 200)])
def test_a_neighbours_image_opens_no_stream(acme: Any, address: str, site: str, status: int) -> None:
    """It brings the cookie along and tells no origin."""
    cookies = {"sessionid": session_of(acme.member("alice"))}
    headers = {"Sec-Fetch-Site": site}

    with requests.get(f"{address}/realtime/updates", cookies=cookies, headers=headers, stream=True, timeout=10) as answer:
        assert answer.status_code == status
