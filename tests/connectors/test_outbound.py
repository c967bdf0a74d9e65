"""Which addresses a connector may be pointed to."""

from __future__ import annotations

import pytest

from connectors.exceptions import NotConfigured
from connectors.outbound import Reach, check_base_url, reach_of

HOSTS = ("*.bamboohr.com",)


@pytest.mark.parametrize(
    "url", ["https://acme.bamboohr.com", "https://api.bamboohr.com/api/gateway.php/acme/v1", "https://ACME.bamboohr.com/"]
)
def test_the_providers_own_hosts_are_accepted(url: str) -> None:
    assert check_base_url(url, hosts=HOSTS, reach=Reach.PUBLIC).hostname


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.bamboohr.com",
        "https://acme.bamboohr.com.evil.example",
        "https://bamboohr.com",
        "https://evil.example/acme.bamboohr.com",
        "https://a.b.bamboohr.com",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://user:pw@acme.bamboohr.com",
        "https://acme.bamboohr.com?x=1",
        "https://acme.bamboohr.com:port",
        "file:///etc/passwd",
        "acme.bamboohr.com",
        "",
    ],
)
def test_anything_else_is_refused_before_connecting(url: str) -> None:
    with pytest.raises(NotConfigured):
        check_base_url(url, hosts=HOSTS, reach=Reach.PUBLIC)


def test_http_is_for_this_machine_only_and_only_when_asked_for() -> None:
    assert reach_of({"insecure_http": True}) is Reach.LOOPBACK
    assert reach_of({"insecure_http": "yes"}) is Reach.PUBLIC
    check_base_url("http://127.0.0.1:8700", hosts=HOSTS, reach=Reach.LOOPBACK)
    with pytest.raises(NotConfigured, match="this machine"):
        check_base_url("http://10.0.0.1", hosts=HOSTS, reach=Reach.LOOPBACK)
    with pytest.raises(NotConfigured, match="https"):
        check_base_url("http://127.0.0.1", hosts=HOSTS, reach=Reach.ANY)


@pytest.mark.parametrize(
    ("address", "public", "loopback"),
    [
        ("93.184.216.34", True, False),
        ("2606:2800:220:1::1", True, False),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("::ffff:10.0.0.1", False, False),
        ("10.1.2.3", False, False),
        ("169.254.169.254", False, False),
        ("100.64.0.1", False, False),
        ("fe80::1%eth0", False, False),
        ("fc00::1", False, False),
        ("0.0.0.0", False, False),
        ("224.0.0.1", False, False),
    ],
)
def test_reach_says_which_addresses_are_allowed(address: str, public: bool, loopback: bool) -> None:
    assert Reach.PUBLIC.allows(address) is public
    assert Reach.LOOPBACK.allows(address) is loopback
    assert Reach.ANY.allows(address)
