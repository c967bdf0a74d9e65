"""Who works in an organization, and who is away today. Reads only."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from accounts.models import Membership, Organization
from triggers.models import Absence
from triggers.playbook import Away, Staff


def staff_of(organization: Organization, at: datetime) -> Staff:
    """Active members by role, in two queries. Today is the organization's."""
    by_role: dict[str, list[int]] = {}
    names: dict[int, str] = {}
    memberships = Membership.objects.filter(organization=organization, user__is_active=True).select_related("user").order_by("user_id")
    for membership in memberships:
        by_role.setdefault(membership.role, []).append(membership.user_id)
        names[membership.user_id] = membership.user.get_full_name()
    today = local_day(organization, at)
    absences = Absence.objects.filter(organization=organization, first_day__lte=today, last_day__gte=today)
    # of overlapping absences the longest counts, and its substitute
    rows = absences.order_by("last_day", "pk").values_list("user_id", "last_day", "substitute_id")
    away = {user_id: Away(last_day=last_day, substitute_id=substitute_id) for user_id, last_day, substitute_id in rows}
    return Staff(by_role=by_role, names=names, away=away)


def local_day(organization: Organization, at: datetime) -> date:
    return at.astimezone(ZoneInfo(organization.time_zone)).date()
