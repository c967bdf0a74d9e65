"""What every page of the admin shares: whose rows it shows, and how evidence is shown.

Operators (superusers) see across organizations. Other staff see their own organizations' rows only, on lists,
single pages, choices of related rows, filters and actions alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, time
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from accounts.models import Organization
from accounts.selectors import organizations_of


class StaffAdmin(ModelAdmin):
    """Base of all our admin pages."""

    #: lookup from a row to its organization; empty: belongs to none, so for operators only
    organization_path: ClassVar[str] = "organization"
    list_per_page = 50
    show_full_result_count = False
    list_fullwidth = True
    compressed_fields = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return within(super().get_queryset(request), request, self.organization_path)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return super().formfield_for_foreignkey(db_field, request, **self._choosable(db_field, request) | kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(db_field, request, **self._choosable(db_field, request) | kwargs)

    def _choosable(self, db_field: Field[Any, Any], request: HttpRequest) -> dict[str, QuerySet[Any]]:
        """What a related field may name: what the person may see. Empty for models that are not ours."""
        related = db_field.related_model
        registered = self.admin_site._registry.get(related) if related is not None else None
        return {"queryset": registered.get_queryset(request)} if isinstance(registered, StaffAdmin) else {}


def within(rows: QuerySet[Any], request: HttpRequest, organization_path: str) -> QuerySet[Any]:
    """The rows the person may see in the admin."""
    if getattr(request.user, "is_superuser", False):
        return rows
    if not organization_path:
        return rows.none()
    if organization_path == "self":
        return rows.filter(pk__in=organizations_of(request.user).values("pk"))
    return rows.filter(**{f"{organization_path}__in": organizations_of(request.user).values("pk")})


def midnight_of(request: HttpRequest, now: datetime) -> datetime:
    """When the person's day began: in their organization's zone, where they have one; of UTC where they see several zones."""
    zones = set(within(Organization.objects.all(), request, "self").order_by().values_list("time_zone", flat=True)[:20])
    zone = ZoneInfo(zones.pop() if len(zones) == 1 else "UTC")
    return datetime.combine(now.astimezone(zone).date(), time.min, tzinfo=zone)


class EvidenceAdmin(StaffAdmin):
    """Rows that the machine writes and people only read."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class LongEvidenceAdmin(EvidenceAdmin):
    """The same for tables too long to be counted for every page of a list."""

    paginator = InfinitePaginator


class OwnRows(admin.RelatedFieldListFilter):
    """A list filter by related row that offers only rows the person may see."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        registered = model_admin.admin_site._registry.get(field.related_model)
        if not isinstance(registered, StaffAdmin):
            return super().field_choices(field, request, model_admin)
        return [(row.pk, str(row)) for row in registered.get_queryset(request)]


def pretty(value: Any) -> SafeString:
    """A JSON value as people read it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str)
    return format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>', text)


def key_values(pairs: Iterable[tuple[str, object]]) -> str:
    """Counters in one cell of a list: ``fetched 120 · created 80``."""
    return " · ".join(f"{name} {value}" for name, value in pairs)
