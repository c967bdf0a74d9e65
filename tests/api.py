"""Clients of people, for tests of endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.test import Client

from accounts.models import User


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def all_rows(client: Client, address: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """The rows of every page, following ``next``."""
    response = client.get(address, parameters)
    while True:
        assert response.status_code == 200, response.content
        yield from response.json()["results"]
        if response.json()["next"] is None:
            return
        response = client.get(response.json()["next"])
