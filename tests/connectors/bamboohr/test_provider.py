from __future__ import annotations

from typing import Any

import pytest

from connectors.bamboohr.provider import BambooHR
from connectors.exceptions import NotConfigured, PayloadNotUnderstood
from tests.connectors.bamboohr.harness import KEY

BASE = "https://acme.bamboohr.com/api/v1"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"requests_per_second": 50},
        {"requests_per_second": 0.5, "refresh_budget": 0, "max_pages": 3},
        {"auth": "oauth"},
        {"stage_map": {"27": "assessment", "30": "rejected", "ONHOLD": "review"}},
        {"stage_map": {27: "on_hold"}},
    ],
)
def test_sound_settings_pass(settings: dict[str, Any]) -> None:
    BambooHR().check_settings(base_url=BASE, secret=KEY, settings=settings)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"requests_per_second": 0}, "requests_per_second"),
        ({"requests_per_second": "fast"}, "requests_per_second"),
        ({"requests_per_second": True}, "requests_per_second"),
        ({"requests_per_second": float("nan")}, "requests_per_second"),
        ({"requests_per_second": float("inf")}, "requests_per_second"),
        ({"refresh_budget": -1}, "refresh_budget"),
        ({"refresh_budget": 1.5}, "refresh_budget"),
        ({"max_pages": 0}, "max_pages"),
        ({"auth": "digest"}, "auth"),
        ({"insecure_http": "yes"}, "insecure_http"),
        ({"allow_private": 1}, "allow_private"),
        ({"stage_map": []}, "stage_map"),
        ({"stage_map": {"27": "limbo"}}, "stage_map"),
        ({"stage_map": {"27": ["review"]}}, "stage_map"),
    ],
)
def test_an_unusable_setting_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(NotConfigured, match=named):
        BambooHR().check_settings(base_url=BASE, secret=KEY, settings=settings)


@pytest.mark.parametrize("secret", ["", "two words", "key:with:colon", "k\ney", "schlüssel"])
def test_a_secret_that_cannot_be_a_key_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(NotConfigured) as refused:
        BambooHR().check_settings(base_url=BASE, secret=secret, settings={})

    assert not secret or secret not in str(refused.value)


@pytest.mark.parametrize("base_url", ["", "http://acme.bamboohr.com", "https://evil.example/api/v1", "https://10.0.0.8/api/v1"])
def test_a_base_url_elsewhere_is_refused(base_url: str) -> None:
    with pytest.raises(NotConfigured):
        BambooHR().check_settings(base_url=base_url, secret=KEY, settings={})


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("gossip", {}),
        ("application", {}),
        ("application", {"application": 7, "run": "soon"}),
        ("job", {"current": None}),
        ("statuses", {"observed_at": "2026-01-01T00:00:00Z", "statuses": {}}),
    ],
)
def test_an_observation_never_stored_like_this_is_not_understood(kind: str, payload: dict[str, Any]) -> None:
    with pytest.raises(PayloadNotUnderstood):
        BambooHR().map(kind, payload)


def test_it_declares_that_there_is_no_history_and_there_are_no_interviews() -> None:
    told = BambooHR().capabilities

    assert told.polls
    assert not any((told.stage_history, told.incremental_read, told.interviews, told.webhooks, told.per_job_stages))
