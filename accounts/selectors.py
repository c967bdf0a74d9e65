"""Whose rows a person may see. Every queryset in the project starts from one of these."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from accounts.models import ACTING_ROLES, Membership, Organization


def organizations_of(user: Any) -> QuerySet[Organization]:
    """The organizations ``user`` belongs to; none for anonymous people. Superusers get no shortcut here:
    the API speaks for members, the admin for operators."""
    if not getattr(user, "is_authenticated", False) or not user.is_active:
        return Organization.objects.none()
    return Organization.objects.filter(memberships__user=user)


def organizations_to_join(user: Any) -> QuerySet[Organization]:
    """Those a superuser may still become a member of, in the admin. Nobody else hears of what is not theirs."""
    if not getattr(user, "is_superuser", False) or not user.is_active:
        return Organization.objects.none()
    return Organization.objects.exclude(memberships__user=user).order_by("name")


def organization_ids(user: Any) -> list[int]:
    """Ids, for raw SQL and for ``filter(organization_id__in=…)``; one query."""
    if not getattr(user, "is_authenticated", False) or not user.is_active:
        return []
    return list(Membership.objects.filter(user=user).values_list("organization_id", flat=True))


def may_act(user: Any, organization_id: int) -> bool:
    """Whether ``user``'s role in the organization lets them change things."""
    return Membership.objects.filter(user=user, organization_id=organization_id, role__in=ACTING_ROLES).exists()
