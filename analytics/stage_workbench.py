"""Staff: which category each stage belongs to, what its name suggests, and what a change would do before it is made."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import connection
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.staff import OwnRows, StaffAdmin
from analytics.models import StageMetric
from analytics.remapping import Moves, effects
from ats.mapping import map_stage
from ats.models import Stage
from ats.stages import suggest_category
from config import sql
from connectors.events import StageCategory


def moves_of(stage: Stage) -> list[Moves]:
    """The stage's traffic with every other stage; one pass over its visits."""
    with connection.cursor() as cursor:
        cursor.execute(sql.text("analytics", "stage_moves"), {"stage": stage.pk})
        rows = cursor.fetchall()
    others = Stage.objects.in_bulk({stage_id for _, stage_id, _ in rows})
    return [Moves(outwards, others[stage_id].order if stage_id in others else None, count) for outwards, stage_id, count in rows]


class StageForm(forms.ModelForm):
    """A stage's place, and whether it was always there."""

    since = forms.DateTimeField(
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
        label="Since (UTC)",
        help_text="Empty: it was always so, and moves of the past are counted anew by it. "
        "A moment: the pipeline was changed then, and moves before it count as they did.",
    )

    class Meta:
        model = Stage
        fields = ("category", "position")

    def clean_since(self) -> datetime | None:
        since: datetime | None = self.cleaned_data["since"]
        if since is not None and since > timezone.now():
            raise forms.ValidationError("A pipeline cannot have been changed in the future.")
        return since


@admin.register(Stage)
class StageAdmin(StaffAdmin):
    """Map a stage by choosing its category; what is unmapped has no place in the pipeline."""

    form = StageForm
    list_display = ("__str__", "coloured_category", "suggestion", "people", "visits", "jobs", "position", "mapped_by_person", "connector")
    list_filter = ("category", "mapped_by_person", ("connector", OwnRows))
    list_select_related = ("connector",)
    search_fields = ("name", "external_id__exact")
    readonly_fields = ("organization", "connector", "external_id", "name", "suggested", "before", "mapped_by_person", "facts_at")
    fields = (
        "name", "suggested", "category", "position", "since", "before", "mapped_by_person", "connector", "organization",
        "external_id", "facts_at",
    )  # fmt: skip
    change_form_before_template = "admin/ats/stage/effects.html"
    actions = ("accept_suggestion",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None and "cl" in response.context_data:
            _count(response.context_data["cl"].result_list)
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        pk = unquote(object_id)
        stage = self.get_queryset(request).filter(pk=pk).first() if pk.isdecimal() else None
        context = dict(extra_context or {})
        if stage is not None and request.method == "GET":
            _count([stage])
            told = effects(moves_of(stage), current=StageCategory(stage.category), position=stage.position)
            suggested = suggest_category(stage.name)
            context |= {
                "stage": stage,
                "effects": [(one, one.category == stage.category, one.category == suggested) for one in told],
            }
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    @display(description="Category", label={"unmapped": "danger"}, ordering="category")
    def coloured_category(self, stage: Stage) -> tuple[str, str]:
        return stage.category, stage.get_category_display()

    @display(description="Suggested by its name", label={"differs": "warning", "none": "info"})
    def suggestion(self, stage: Stage) -> tuple[str, str] | str:
        suggested = suggest_category(stage.name)
        if suggested == StageCategory.UNMAPPED:
            return "none", "no idea"
        return ("same" if suggested == stage.category else "differs"), suggested.value

    @display(description="Suggested by its name")
    def suggested(self, stage: Stage) -> str:
        return suggest_category(stage.name).value

    @display(description="Before")
    def before(self, stage: Stage) -> str:
        return "; ".join(str(place) for place in stage.former_places.all()) or "–"

    @display(description="People now")
    def people(self, stage: Any) -> int:
        return int(stage.totals["open"])

    @display(description="Visits")
    def visits(self, stage: Any) -> int:
        return int(stage.totals["entered"])

    @display(description="Jobs")
    def jobs(self, stage: Any) -> int:
        return int(stage.totals["cells"])

    def save_model(self, request: HttpRequest, obj: Stage, form: Any, change: bool) -> None:
        count = map_stage(stage=obj, category=StageCategory(obj.category), position=obj.position, since=form.cleaned_data["since"])
        self.message_user(request, f"{count} applications are being measured anew.", messages.INFO)

    @admin.action(description="Map as suggested by the name", permissions=["change"])
    def accept_suggestion(self, request: HttpRequest, queryset: QuerySet[Stage]) -> None:
        mapped = touched = 0
        for stage in queryset.order_by("pk"):
            suggested = suggest_category(stage.name)
            if suggested not in (StageCategory.UNMAPPED, stage.category):
                touched += map_stage(stage=stage, category=suggested, position=stage.position)
                mapped += 1
        self.message_user(request, f"{mapped} stages mapped; {touched} applications are being measured anew.", messages.SUCCESS)


def _count(stages: Any) -> None:
    """``totals`` of each stage, from the cells; one query for all."""
    counted = StageMetric.objects.filter(stage__in=[stage.pk for stage in stages]).order_by().values_list("stage")
    totals = {pk: counts for pk, *counts in counted.annotate(open=Sum("open"), entered=Sum("entered"), cells=Count("pk"))}
    for stage in stages:
        stage.totals = dict(zip(("open", "entered", "cells"), totals.get(stage.pk, (0, 0, 0)), strict=True))
