"""Who may change something: the role in the organization decides."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import PermissionDenied

from accounts.selectors import may_act


def require_acting_role(user: Any, organization_id: int) -> None:
    """Raise ``PermissionDenied`` (403) unless the person's role in this organization lets them change things.

    Called after the object was found among the person's own: a stranger has already got a 404.
    """
    if not may_act(user, organization_id):
        raise PermissionDenied("Your role in this organization lets you look but not change; ask an administrator for another role.")
