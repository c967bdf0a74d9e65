"""manage.py api_token USERNAME"""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from knox.models import AuthToken

from tests.factories.accounts import UserFactory
from tests.factories.worlds import make_world

pytestmark = pytest.mark.django_db


def token_of(username: str) -> str:
    output = StringIO()
    call_command("api_token", username, stdout=output)
    return output.getvalue()


def test_the_token_is_one_line_and_opens_the_api() -> None:
    world = make_world("acme")

    printed = token_of("acme-recruiter")

    assert printed.count("\n") == 1
    response = Client().get("/ats/jobs", headers={"Authorization": f"Token {printed.strip()}"})
    assert [job["id"] for job in response.json()["results"]] == [world.job.pk]


def test_only_a_digest_is_kept() -> None:
    UserFactory(username="alice")

    token = token_of("alice").strip()

    row = AuthToken.objects.get()
    assert token not in (row.digest, row.token_key)
    assert token[: len(row.token_key)] == row.token_key  # a prefix to find it by, far too short to use


@pytest.mark.parametrize("header", ["Token nonsense", "Token", "Token a b", "Token \xff", "Token a\x00b"])
def test_a_wrong_token_is_refused_and_says_how_to_log_in(header: str) -> None:
    response = Client().get("/ats/jobs", headers={"Authorization": header})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Token"
    assert response.headers["Content-Type"] == "application/problem+json"


def test_a_token_ends_with_its_person_s_access() -> None:
    world = make_world("acme")
    token = token_of("acme-recruiter").strip()
    world.recruiter.is_active = False
    world.recruiter.save()

    assert Client().get("/ats/jobs", headers={"Authorization": f"Token {token}"}).status_code == 401


@pytest.mark.parametrize(("username", "complaint"), [("nobody", "no user called 'nobody'"), ("gone", "not active")])
def test_the_command_says_why_it_cannot(username: str, complaint: str) -> None:
    UserFactory(username="gone", is_active=False)

    with pytest.raises(CommandError, match=complaint):
        token_of(username)
