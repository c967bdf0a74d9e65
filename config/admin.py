"""Staff: rows that belong to libraries, dressed like the rest. API tokens are not shown: ``manage.py api_token`` makes them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils import timezone
from django_celery_beat import admin as beat
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from knox import admin as _registers_tokens  # noqa: F401  (must have run before they are taken off)
from knox.models import get_token_model
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from config import schedules
from config.models import Heartbeat

admin.site.unregister(get_token_model())
# the sun rules nothing here, and a schedule by it has no slots
for model in (Group, PeriodicTask, IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule):
    admin.site.unregister(model)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass


class TaskSelect(UnfoldAdminSelectWidget, beat.TaskSelectWidget):
    pass


class PeriodicTaskForm(beat.PeriodicTaskForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskSelect()


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(beat.PeriodicTaskAdmin, ModelAdmin):
    form = PeriodicTaskForm
    date_hierarchy = None
    list_display = ("name", "enabled", "scheduler", "next_run", "last_run", "last_result")
    list_filter = ("enabled", "state__outcome")
    list_select_related = ("interval", "crontab", "clocked", "state")
    readonly_fields = (*beat.PeriodicTaskAdmin.readonly_fields, "next_run", "last_run", "last_result")
    fieldsets = (*beat.PeriodicTaskAdmin.fieldsets, ("How it is doing", {"fields": ("next_run", "last_run", "last_result")}))

    @admin.display(description="next run (UTC)")
    def next_run(self, row: PeriodicTask) -> str:
        if not row.enabled:
            return "switched off"
        try:
            standing = schedules.standing(row, timezone.now())
        except schedules.NoSlots:
            return "never: it says no time"
        if standing.next_at is None:
            return "never again"
        return f"{standing.next_at:%Y-%m-%d %H:%M:%S}" + (" (overdue)" if standing.late_seconds else "")

    @admin.display(description="last run (UTC)", ordering="state__sent_at")
    def last_run(self, row: PeriodicTask) -> str:
        state = getattr(row, "state", None)
        return f"{state.sent_at:%Y-%m-%d %H:%M:%S}" if state else "never"

    @admin.display(description="last result", ordering="state__outcome")
    def last_result(self, row: PeriodicTask) -> str:
        state = getattr(row, "state", None)
        if state is None or state.finished_at is None:
            return "sent, not ended yet" if state else ""
        took = f" in {state.seconds:.1f} s" if state.seconds is not None else ""
        return f"{state.get_outcome_display().lower()}{took}{f': {state.error}' if state.error else ''}"


@admin.register(Heartbeat)
class HeartbeatAdmin(ModelAdmin):
    """Which processes run, and which queues beat's messages come through. Written by them, read by people."""

    list_display = ("kind", "name", "started_at", "at")
    list_filter = ("kind",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Heartbeat | None = None) -> bool:
        return False


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(beat.IntervalScheduleAdmin, ModelAdmin):
    pass


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(beat.CrontabScheduleAdmin, ModelAdmin):
    pass


@admin.register(ClockedSchedule)
class ClockedScheduleAdmin(beat.ClockedScheduleAdmin, ModelAdmin):
    pass
