"""Guessing passwords ends, pages run nothing foreign, and a public installation passes Django's own inspection."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, RequestFactory

from accounts.models import User
from config import addresses
from tests.api import client_of
from tests.factories.accounts import UserFactory
from tests.factories.worlds import make_world

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.django_db


def log_in(password: str, *, username: str = "alice", address: str = "10.0.0.1") -> Any:
    return Client().post("/login", {"username": username, "password": password}, REMOTE_ADDR=address)


def test_guessing_a_password_ends(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    User.objects.create_user("alice", password="right horse battery")
    settings.AXES_FAILURE_LIMIT = 3
    with caplog.at_level(logging.WARNING):
        guesses = [log_in(f"wrong {n}").status_code for n in range(4)]
        shut_out = log_in("right horse battery")

    assert guesses == [200, 200, 429, 429]
    assert shut_out.status_code == 429
    assert "Try again in 15 minutes" in shut_out.content.decode()
    assert log_in("right horse battery", address="10.0.0.2").status_code == 302, "others cannot shut her out"
    assert "alice" not in caplog.text


def test_a_right_password_forgets_wrong_ones(settings: Any) -> None:
    User.objects.create_user("alice", password="right horse battery")
    settings.AXES_FAILURE_LIMIT = 3

    codes = [log_in(password).status_code for password in ("a", "b", "right horse battery", "c", "d", "right horse battery")]

    assert codes == [200, 200, 302, 200, 200, 302]


def test_guesses_through_our_proxy_are_told_apart_by_who_made_them(settings: Any) -> None:
    User.objects.create_user("alice", password="right horse battery")
    settings.AXES_FAILURE_LIMIT = 3
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]

    def through_the_proxy(password: str, told: str) -> int:
        sent = {"username": "alice", "password": password}
        return int(Client().post("/login", sent, REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": told}).status_code)

    # who guesses may claim another address each time: the proxy adds the true one behind it
    guesses = [through_the_proxy(f"wrong {n}", f"198.51.100.{n}, 203.0.113.9") for n in range(3)]

    assert guesses == [200, 200, 429]
    assert through_the_proxy("right horse battery", "203.0.113.10") == 302


@pytest.mark.parametrize(
    ("remote", "told", "client"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.7", "198.51.100.1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.7", "10.0.0.7"),
        ("", "198.51.100.1", ""),
    ],
)
def test_only_our_own_proxies_are_believed(settings: Any, remote: str, told: str, client: str) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]
    headers = {"X-Forwarded-For": told} if told else {}

    assert addresses.client(RequestFactory().get("/", REMOTE_ADDR=remote, headers=headers)) == client


@pytest.mark.parametrize("address", ["/", "/issues", "/tasks", "/login"])
def test_pages_of_ours_need_nothing_inline(address: str) -> None:
    """What the policy forbids must not be in the markup, or it would silently not work."""
    world = make_world("acme")
    client = Client() if address == "/login" else client_of(world.recruiter)

    page = client.get(address)

    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy or "default-src 'self'" in policy
    assert "unsafe" not in policy
    text = page.content.decode()
    assert page.status_code == 200
    assert re.findall(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=|javascript:", text) == []


@pytest.mark.parametrize("address", ["/admin/login/", "/ats/docs", "/ats/jobs", "/healthz", "/nowhere"])
def test_every_answer_has_a_policy(address: str) -> None:
    assert "frame-ancestors 'none'" in Client().get(address).headers["Content-Security-Policy"]


def test_a_public_installation_passes_djangos_inspection() -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECURE": "true",
        "TRUST_PROXY": "true",
        "DEBUG": "false",
        "SECRET_KEY": "a-test-key-that-is-long-enough-and-has-many-different-characters-0123456789",
        "ALLOWED_HOSTS": "stagewatch.example.com",
    }

    said = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert said.returncode == 0, said.stderr
    assert "no issues" in said.stdout + said.stderr


def test_staff_can_log_in_to_the_admin() -> None:
    UserFactory(is_staff=True)
    User.objects.create_superuser("root", password="right horse battery")

    assert Client().post("/admin/login/?next=/admin/", {"username": "root", "password": "right horse battery"}).status_code == 302
