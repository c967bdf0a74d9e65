"""Writes about people and tokens."""

from __future__ import annotations

from typing import cast

from django.db import transaction
from django.utils.text import slugify
from knox.models import AuthToken

from accounts.models import Membership, Organization, Role, User


def issue_token(*, user: User) -> str:
    """A new API token for ``user``. Only its digest is kept: this is the one time it can be read."""
    _, token = AuthToken.objects.create(user=user)
    return cast(str, token)


@transaction.atomic
def found_organization(*, founder: User, name: str, time_zone: str) -> Organization:
    """A new tenant with its founder as administrator. ``name`` becomes the slug; the caller has seen that it is free."""
    organization = Organization.objects.create(slug=slugify(name), name=name, time_zone=time_zone)
    Membership.objects.create(organization=organization, user=founder, role=Role.ADMIN)
    return organization
