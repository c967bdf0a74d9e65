"""Staff: the ledger as it is, and how things stand. Stages are mapped in ``analytics.stage_workbench``, which knows what depends on it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from accounts.staff import EvidenceAdmin, LongEvidenceAdmin, OwnRows, StaffAdmin, pretty
from ats.models import Application, Candidate, CandidateEvent, ErasureReceipt, FormerPlace, Job

JOB_COLOURS = {"open": "success", "draft": "info", "on_hold": "warning"}
APPLICATION_COLOURS = {"active": "success", "hired": "info", "on_hold": "warning", "rejected": "danger", "withdrawn": "danger"}


@admin.register(Job)
class JobAdmin(StaffAdmin):
    """What the ATS tells of a job, and the two things it does not: how many people are wanted, and whether it ever ends."""

    list_display = ("__str__", "department", "coloured_status", "opened_at", "openings", "evergreen", "hiring_lead", "connector")
    list_filter = ("status", "evergreen", ("connector", OwnRows), ("organization", OwnRows))
    list_select_related = ("connector",)
    search_fields = ("title", "department", "external_id__exact")
    fields = (
        "title", "department", "location", "status", "opened_at", "openings", "evergreen", "hiring_lead", "connector", "organization",
        "external_id", "status_at", "facts_at",
    )  # fmt: skip
    readonly_fields = tuple(name for name in fields if name not in {"openings", "evergreen"})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="Status", label=JOB_COLOURS, ordering="status")
    def coloured_status(self, job: Job) -> tuple[str, str]:
        return job.status, job.get_status_display()


class ApplicationInline(TabularInline):
    model = Application
    fields = ("external_id", "job", "status", "current_stage", "applied_at", "last_event_at")
    readonly_fields = fields
    extra = 0
    can_delete = False
    show_change_link = True
    fk_name = "candidate"

    def has_add_permission(self, request: HttpRequest, obj: Any) -> bool:
        return False


@admin.register(Candidate)
class CandidateAdmin(LongEvidenceAdmin):
    list_display = ("__str__", "source", "current_stage", "last_event_at", "connector")
    list_filter = (("connector", OwnRows), ("erased_at", admin.EmptyFieldListFilter))
    list_select_related = ("connector", "current_stage")
    search_fields = ("name", "email", "external_id__exact")
    inlines = (ApplicationInline,)
    ordering = ("-id",)


@admin.register(Application)
class ApplicationAdmin(LongEvidenceAdmin):
    list_display = ("external_id", "candidate", "job", "coloured_status", "current_stage", "applied_at", "last_event_at")
    list_filter = ("status", ("connector", OwnRows))
    list_select_related = ("candidate", "job", "current_stage")
    search_fields = ("external_id__exact", "candidate__name", "job__title")
    ordering = ("-id",)

    @display(description="Status", label=APPLICATION_COLOURS, ordering="status")
    def coloured_status(self, application: Application) -> tuple[str, str]:
        return application.status, application.get_status_display()


@admin.register(CandidateEvent)
class CandidateEventAdmin(LongEvidenceAdmin):
    """The ledger. Append-only: the database refuses changes, and so does this page."""

    list_display = ("event_type", "application", "stage_from", "stage_to", "actor_name", "occurred_at", "precision")
    list_filter = ("event_type", "precision", ("connector", OwnRows))
    list_select_related = ("application", "stage_from", "stage_to")
    search_fields = ("provider_event_id__exact", "application__external_id__exact")
    exclude = ("metadata",)
    readonly_fields = ("details",)
    ordering = ("-id",)

    @display(description="Metadata")
    def details(self, event: CandidateEvent) -> SafeString:
        return pretty(event.metadata)


@admin.register(FormerPlace)
class FormerPlaceAdmin(EvidenceAdmin):
    """Where stages stood before a pipeline was changed. Written by saving a stage with a moment, see ``ats.mapping``."""

    organization_path = "stage__organization"
    list_display = ("stage", "category", "position", "until")
    list_filter = ("category", ("stage__connector", OwnRows))
    list_select_related = ("stage",)
    search_fields = ("stage__name",)


@admin.register(ErasureReceipt)
class ErasureReceiptAdmin(EvidenceAdmin):
    """What ``manage.py erase_candidate`` did. Receipts are written by it alone."""

    list_display = ("__str__", "reason", "erased_at", "erased_by", "organization")
    list_filter = (("organization", OwnRows),)
    list_select_related = ("organization",)
    exclude = ("counts",)
    readonly_fields = ("rows",)

    @display(description="Rows changed")
    def rows(self, receipt: ErasureReceipt) -> SafeString:
        return pretty(receipt.counts)
