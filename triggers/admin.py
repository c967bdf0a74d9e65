"""Staff: the rules that turn issues into tasks, and the tasks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from accounts.models import User
from accounts.staff import OwnRows, StaffAdmin
from issues.admin import SEVERITY_COLOURS
from triggers.decisions import EDITABLE, IllegalChange, check_changes, edit_task
from triggers.models import Task, TriggerRule

STATUS_COLOURS = {"open": "danger", "in_progress": "warning", "done": "success", "dismissed": "info", "obsolete": "info"}


@admin.register(TriggerRule)
class TriggerRuleAdmin(StaffAdmin):
    list_display = ("__str__", "issue_type", "min_severity", "assignee_role", "due_in_business_days", "enabled", "organization")
    list_filter = ("enabled", "assignee_role", ("organization", OwnRows))
    list_select_related = ("organization",)


class TaskForm(forms.ModelForm):
    class Meta:
        model = Task
        fields = EDITABLE

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            # the instance carries what was entered only after cleaning, so the rules see the row as it is
            check_changes(
                Task.objects.select_related("issue").get(pk=self.instance.pk), {name: cleaned[name] for name in self.changed_data}
            )
        except (IllegalChange, ValueError) as error:
            raise forms.ValidationError(str(error)) from None
        return cleaned


@admin.register(Task)
class TaskAdmin(StaffAdmin):
    form = TaskForm
    list_display = ("title", "coloured_priority", "coloured_status", "assignee", "due_at", "organization")
    list_filter = ("status", "priority", ("organization", OwnRows))
    list_select_related = ("assignee", "organization", "issue")
    search_fields = ("title", "assignee__username")
    raw_id_fields = ("assignee",)
    readonly_fields = ("title", "issue", "priority", "organization", "created_at", "ended_at", "version")
    fields = ("title", "issue", "priority", "status", "assignee", "due_at", "note", "created_at", "ended_at", "version", "organization")
    actions = ("mark_done", "dismiss")
    ordering = ("due_at", "id")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "assignee":
            # the admin of users is for operators, but a task may go to any colleague
            kwargs["queryset"] = User.objects.filter(memberships__organization__in=self._organizations(request)).distinct()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def _organizations(self, request: HttpRequest) -> QuerySet[Any]:
        return self.get_queryset(request).order_by().values("organization")

    @display(description="Priority", label=SEVERITY_COLOURS, ordering="priority")
    def coloured_priority(self, task: Task) -> tuple[str, str]:
        return task.priority, task.get_priority_display()

    @display(description="Status", label=STATUS_COLOURS, ordering="status")
    def coloured_status(self, task: Task) -> tuple[str, str]:
        return task.status, task.get_status_display()

    def save_model(self, request: HttpRequest, obj: Task, form: Any, change: bool) -> None:
        edit_task(task_id=obj.pk, changes={name: form.cleaned_data[name] for name in form.changed_data}, now=timezone.now())

    @admin.action(description="Mark as done", permissions=["change"])
    def mark_done(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._set_status(request, queryset, Task.Status.DONE)

    @admin.action(description="Dismiss", permissions=["change"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._set_status(request, queryset, Task.Status.DISMISSED)

    def _set_status(self, request: HttpRequest, queryset: QuerySet[Task], status: Task.Status) -> None:
        done = 0
        for task_id in queryset.order_by("pk").values_list("pk", flat=True):
            try:
                edit_task(task_id=task_id, changes={"status": status}, now=timezone.now())
                done += 1
            except IllegalChange as error:
                self.message_user(request, f"Task {task_id}: {error}", messages.WARNING)
        self.message_user(request, f"{done} tasks are {Task.Status(status).label.lower()}.", messages.SUCCESS)
