"""Staff: what browsers were told."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.staff import EvidenceAdmin, LongEvidenceAdmin, OwnRows, pretty
from realtime.models import Ticket, Update, UpdateCounter


@admin.register(Update)
class UpdateAdmin(LongEvidenceAdmin):
    list_display = ("number", "kind", "job", "organization", "created_at")
    list_filter = ("kind", ("organization", OwnRows))
    list_select_related = ("job", "organization")
    exclude = ("payload",)
    readonly_fields = ("content",)
    ordering = ("-id",)

    @display(description="Content")
    def content(self, update: Update) -> SafeString:
        return pretty(update.payload)


@admin.register(UpdateCounter)
class UpdateCounterAdmin(EvidenceAdmin):
    list_display = ("organization", "last_number")
    list_select_related = ("organization",)


@admin.register(Ticket)
class TicketAdmin(EvidenceAdmin):
    organization_path = ""
    list_display = ("user", "expires_at")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    fields = ("user", "expires_at")
