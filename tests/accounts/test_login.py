"""The log-in page."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from tests.factories.worlds import make_world

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


@pytest.fixture
def alice() -> User:
    user = make_world("acme").recruiter
    user.set_password(PASSWORD)
    user.save()
    return user


def log_in(alice: User, password: str = PASSWORD, following: str = "") -> object:
    return Client().post("/login", {"username": alice.username, "password": password, "next": following})


def test_the_right_password_leads_in(alice: User) -> None:
    response = log_in(alice)

    assert (response.status_code, response.headers["Location"]) == (302, "/")  # type: ignore[attr-defined]


def test_the_wrong_one_says_so_without_saying_which_of_the_two_was_wrong(alice: User) -> None:
    wrong_password = log_in(alice, "guess").content.decode()  # type: ignore[attr-defined]
    nobody = Client().post("/login", {"username": "nobody", "password": "guess"}).content.decode()

    for page in (wrong_password, nobody):
        assert "do not go together" in page


@pytest.mark.parametrize(("following", "location"), [("/issues", "/issues"), ("https://evil.example/", "/"), ("//evil.example", "/")])
def test_one_is_led_on_within_the_site_only(alice: User, following: str, location: str) -> None:
    assert log_in(alice, following=following).headers["Location"] == location  # type: ignore[attr-defined]


def test_what_was_typed_is_shown_as_text() -> None:
    page = Client().post("/login", {"username": '"><script>', "password": "x"}).content.decode()

    assert '"><script>' not in page


def test_a_page_asks_to_log_in_and_then_leads_back(alice: User) -> None:
    client = Client()
    asked = client.get("/issues").headers["Location"]

    page = client.get(asked).content.decode()

    assert 'name="next" value="/issues"' in page
