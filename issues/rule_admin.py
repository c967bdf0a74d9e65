"""Staff: how patient the rules are. What is edited here counts for everybody already waiting, from the next sweep on."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from unfold.decorators import action

from accounts.models import Organization
from accounts.staff import EvidenceAdmin, LongEvidenceAdmin, OwnRows, StaffAdmin, key_values, within
from issues.backtest_admin import address_of_question
from issues.models import CellWatch, RuleInputs, RuleSetting
from issues.services import apply_settings
from issues.thresholds import ADJUSTABLE
from issues.workings import workings

#: whose rules the page of settings tells of; operators of more find them in the API
MOST_ORGANIZATIONS = 5


@admin.register(RuleSetting)
class RuleSettingAdmin(StaffAdmin):
    """Of several settings the nearest wins, field by field: stage in a job, stage, job, organization."""

    list_display = ("__str__", "says", "organization")
    list_select_related = ("organization", "job", "stage")
    list_filter = ("rule", ("organization", OwnRows))
    search_fields = ("job__title", "stage__name", "rule")
    autocomplete_fields = ("job", "stage")
    fieldsets = (
        ("Where", {"fields": ("organization", "rule", "job", "stage")}),
        ("How patient", {"fields": ("enabled", "business_days", "factor", "clear_factor", "people", "group_from")}),
        ("What else", {"fields": ("proxy", "waits_for_candidate", "priority")}),
    )

    actions_detail = ("try_another_limit",)
    list_before_template = "admin/issues/rulesetting/rules.html"

    @admin.display(description="Says")
    def says(self, row: RuleSetting) -> str:
        values = ((name.replace("_", " "), getattr(row, name)) for name in ADJUSTABLE)
        return key_values((name, value) for name, value in values if value not in (None, ""))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        organizations = list(within(Organization.objects.order_by("name"), request, "self")[:MOST_ORGANIZATIONS])
        found = list(workings(organizations))
        shown = [
            {
                "row": row,
                "special": [one for one in found if one.organization == row and not one.is_plain],
                "plain": [one for one in found if one.organization == row and one.is_plain],
            }
            for row in organizations
        ]
        return super().changelist_view(request, {**(extra_context or {}), "organizations": shown})

    def has_backtest_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("issues.add_backtest"))

    @action(description="Try another limit", url_path="try-another-limit", permissions=["backtest"])
    def try_another_limit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What would it have meant in the past? Filled in from the setting."""
        row = get_object_or_404(self.get_queryset(request), pk=object_id if object_id.isdecimal() else 0)
        return HttpResponseRedirect(
            address_of_question(organization=row.organization_id, rule=row.rule, job=row.job_id, stage=row.stage_id)
        )

    def save_model(self, request: HttpRequest, obj: RuleSetting, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        self._apply(request, {obj.organization_id})

    def delete_model(self, request: HttpRequest, obj: RuleSetting) -> None:
        organization_id = obj.organization_id
        super().delete_model(request, obj)
        self._apply(request, {organization_id})

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        organizations = set(queryset.values_list("organization_id", flat=True))
        super().delete_queryset(request, queryset)
        self._apply(request, organizations)

    def _apply(self, request: HttpRequest, organization_ids: set[int]) -> None:
        for organization_id in sorted(organization_ids):
            apply_settings(organization_id)
        self.message_user(request, "Everybody already waiting is judged by it in the next sweep.", messages.INFO)


@admin.register(CellWatch)
class CellWatchAdmin(LongEvidenceAdmin):
    """The limits stages are held to, and when the rules look at them again."""

    list_display = ("job", "stage", "limit_days", "limit_source", "limit_n", "due_at")
    list_filter = ("limit_source", ("organization", OwnRows))
    list_select_related = ("job", "stage")
    ordering = ("connector_id", "due_at")


@admin.register(RuleInputs)
class RuleInputsAdmin(EvidenceAdmin):
    list_display = ("organization", "mark")
    list_select_related = ("organization",)
