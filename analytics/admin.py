"""Staff: visits and cells, as computed. Both can be rebuilt from the ledger, so nobody edits them."""

from __future__ import annotations

from django.contrib import admin
from unfold.decorators import display

from accounts.staff import EvidenceAdmin, LongEvidenceAdmin, OwnRows
from analytics.models import StageMetric, StageVisit


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
