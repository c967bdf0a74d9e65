"""Writes about people and tokens."""

from __future__ import annotations

from typing import cast

from knox.models import AuthToken

from accounts.models import User


def issue_token(*, user: User) -> str:
    """A new API token for ``user``. Only its digest is kept: this is the one time it can be read."""
    _, token = AuthToken.objects.create(user=user)
    return cast(str, token)
