"""Staff: working calendars to edit; visits and cells as computed, which nobody edits, for the ledger says what they are."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.decorators import display

from accounts.staff import EvidenceAdmin, LongEvidenceAdmin, OwnRows, StaffAdmin
from analytics import calendars, stage_workbench  # noqa: F401  (the workbench registers its page)
from analytics.models import (
    Baseline,
    BaselineRun,
    CalendarSegment,
    CategoryMetric,
    Change,
    StageMetric,
    StageTarget,
    StageVisit,
    WorkingCalendar,
)
from analytics.public_holidays import public_holidays


class WorkingCalendarForm(forms.ModelForm):
    class Meta:
        model = WorkingCalendar
        fields = ("organization", "job", "zone", "working_days", "opens_at", "closes_at", "country", "subdivision", "closing_days")

    def clean(self) -> dict[str, Any]:
        """What the clocks or the list of holidays would refuse is said here, at the field it concerns."""
        given = super().clean() or {}
        row = WorkingCalendar(**{name: given[name] for name in ("opens_at", "closes_at") if name in given}, working_days=[0], zone="UTC")
        try:
            calendars.definition(row)
        except ValueError as error:
            raise ValidationError({"closes_at": str(error)}) from None
        if given.get("country"):
            try:
                public_holidays(given["country"], [2026], subdivision=given.get("subdivision") or None)
            except ValueError as error:
                raise ValidationError({"country": str(error)}) from None
        return given


@admin.register(WorkingCalendar)
class WorkingCalendarAdmin(StaffAdmin):
    """Saving one has everything that was counted with it counted anew."""

    form = WorkingCalendarForm
    list_display = ("__str__", "zone", "country", "subdivision", "opens_at", "closes_at", "organization")
    list_select_related = ("organization", "job")
    list_filter = (("organization", OwnRows),)
    autocomplete_fields = ("job",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # an organization always has one
        return super().has_delete_permission(request, obj) and (obj is None or obj.job_id is not None)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def save_model(self, request: HttpRequest, obj: WorkingCalendar, form: Any, change: bool) -> None:
        count = calendars.save_calendar(obj)
        self.message_user(request, f"{count} applications are being measured anew.", messages.INFO)

    def delete_model(self, request: HttpRequest, obj: WorkingCalendar) -> None:
        calendars.delete_calendar(obj)


@admin.register(StageVisit)
class StageVisitAdmin(LongEvidenceAdmin):
    list_display = ("application", "job", "stage", "n", "entered_at", "left_at", "coloured_exit", "entry_precision")
    list_filter = (("left_at", admin.EmptyFieldListFilter), "exit_kind", "entry_precision")
    list_select_related = ("application", "job", "stage")
    search_fields = ("application__external_id__exact", "job__title")
    ordering = ("-entry_event",)

    @display(description="Ended", label={"advanced": "success", "hired": "success", "rejected": "danger", "withdrawn": "danger"})
    def coloured_exit(self, visit: StageVisit) -> tuple[str, str] | str:
        return (visit.exit_kind, visit.get_exit_kind_display()) if visit.exit_kind else "open"


@admin.register(StageMetric)
class StageMetricAdmin(EvidenceAdmin):
    list_display = ("job", "stage", "open", "entered", "exited", "p50", "p85", "n_exits", "dirty", "computed_at")
    list_filter = ("dirty", ("organization", OwnRows), "stage__category")
    list_select_related = ("job", "stage")
    search_fields = ("job__title", "stage__name")


@admin.register(StageTarget)
class StageTargetAdmin(StaffAdmin):
    """How long a stay may last; bands, heat and overdue days follow at once."""

    list_display = ("__str__", "job", "organization")
    list_select_related = ("organization", "job", "stage")
    list_filter = ("category", ("organization", OwnRows))
    autocomplete_fields = ("job", "stage")
    fields = ("organization", "job", "stage", "category", "business_days")


@admin.register(CalendarSegment)
class CalendarSegmentAdmin(LongEvidenceAdmin):
    organization_path = "calendar__organization"
    list_display = ("calendar", "starts_at", "ends_at", "bd_before", "bd_per_second")
    list_select_related = ("calendar__organization", "calendar__job")


@admin.register(CategoryMetric)
class CategoryMetricAdmin(EvidenceAdmin):
    list_display = ("job", "category", "bd_p50", "bd_p85", "n_exits", "computed_at")
    list_filter = (("organization", OwnRows), "category")
    list_select_related = ("job",)
    search_fields = ("job__title",)


@admin.register(Baseline)
class BaselineAdmin(EvidenceAdmin):
    list_display = ("level", "department", "category", "p50", "p85", "n_exits", "computed_at", "organization")
    list_filter = ("level", "category", ("organization", OwnRows))
    list_select_related = ("organization",)


@admin.register(BaselineRun)
class BaselineRunAdmin(EvidenceAdmin):
    list_display = ("organization", "computed_at", "seconds")
    list_select_related = ("organization",)


@admin.register(Change)
class ChangeAdmin(EvidenceAdmin):
    list_display = ("organization", "at", "xid", "job_ids")
    list_select_related = ("organization",)
