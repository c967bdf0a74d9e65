"""What people see where something is refused or broken: a page of ours that says what to do, whatever the reason."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client, RequestFactory

from config.urls import handler500

pytestmark = pytest.mark.django_db


def test_a_role_that_is_not_enough_is_told_so(acme: Any) -> None:
    client = Client()
    client.force_login(acme.member("alice"))

    response = client.post("/setup", {"step": "sync"})

    assert response.status_code == 403
    assert "Your role does not allow this" in response.content.decode()


def test_a_form_that_is_too_old_is_told_so() -> None:
    response = Client(enforce_csrf_checks=True).post("/login", {"username": "alice", "password": "secret"})

    assert response.status_code == 403
    assert "This form is too old" in response.content.decode()


def test_a_damaged_request_is_told_so(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["stagewatch.example"]

    response = Client().get("/login", headers={"host": "elsewhere.example"})

    assert response.status_code == 400
    assert "This request cannot be understood" in response.content.decode()


def test_too_many_attempts_are_told_when_to_come_back() -> None:
    client = Client()

    responses = [client.post("/login", {"username": "mallory", "password": "guess"}) for _ in range(settings.AXES_FAILURE_LIMIT + 1)]

    assert responses[-1].status_code == 429
    assert responses[-1]["Retry-After"] == "900"
    assert "Try again in 15 minutes" in responses[-1].content.decode()


def test_a_mistake_of_ours_is_told_without_any_help_of_the_application() -> None:
    response = handler500(RequestFactory().get("/"))

    assert response.status_code == 500
    assert "Something went wrong on our side" in response.content.decode()


@pytest.mark.parametrize(
    "path", ["/?search=%00", "/?department=%00", "/?status=%00", "/issues?issue_type=%00", "/sums?of=waiting&search=%00"]
)
def test_an_address_no_database_can_be_asked_for_is_told_so(acme: Any, path: str) -> None:
    client = Client()
    client.force_login(acme.member("alice"))

    response = client.get(path)

    assert response.status_code == 400
    assert "This request cannot be understood" in response.content.decode()
