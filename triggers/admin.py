"""Staff: the rules that turn issues into tasks, the tasks, who is away. The triage inbox is in ``triage``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.models import User
from accounts.staff import LongEvidenceAdmin, OwnRows, StaffAdmin, midnight_of
from issues.admin import SEVERITY_COLOURS
from issues.models import Issue
from issues.rules import RULES
from triggers import channel_admin, triage  # noqa: F401  (they register their pages)
from triggers.decisions import EDITABLE, IllegalChange, check_changes, edit_task
from triggers.models import Absence, EscalationStep, Task, TaskChange, TriggerRule
from triggers.services import rearm
from triggers.triage import colleagues

STATUS_COLOURS = {"open": "danger", "in_progress": "warning", "done": "success", "dismissed": "info", "obsolete": "info"}


class TriggerRuleForm(forms.ModelForm):
    issue_type = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget, help_text="Which rule's issues.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "issue_type" in self.fields:
            known = {rule.name for rule in RULES} | set(Issue.objects.order_by().values_list("issue_type", flat=True).distinct()[:100])
            known |= {self.instance.issue_type} - {""}
            words = [("", "Every type"), *((name, name.replace("_", " ").capitalize()) for name in sorted(known))]
            self.fields["issue_type"].choices = words  # type: ignore[attr-defined]


class LadderInline(TabularInline):
    model = EscalationStep
    extra = 0
    verbose_name_plural = "Escalation: who hears of it when nobody has ended the task"


@admin.register(TriggerRule)
class TriggerRuleAdmin(StaffAdmin):
    form = TriggerRuleForm
    list_display = (
        "__str__", "enabled", "order", "issue_type", "min_severity", "assignee_role", "due_in_business_days", "ladder_words", "usefulness",
        "organization",
    )  # fmt: skip
    list_filter = ("enabled", "assignee_role", ("organization", OwnRows))
    list_select_related = ("organization",)
    search_fields = ("name", "issue_type", "title_template")
    autocomplete_fields = ("job",)
    fieldsets = (
        (None, {"fields": ("organization", "name", "enabled", "order")}),
        ("For which issues", {"fields": ("issue_type", "min_severity", "min_score", "job", "department", "stage_category")}),
        ("What follows", {"fields": ("title_template", "assignee_role", "due_in_business_days", "priority", "notify")}),
    )
    inlines = (LadderInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TriggerRule]:
        rated = Count("tasks", filter=Q(tasks__useful__isnull=False))
        rows: QuerySet[TriggerRule] = super().get_queryset(request).prefetch_related("ladder")
        return rows.annotate(rated=rated, useful=Count("tasks", filter=Q(tasks__useful=True)))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        rule = TriggerRule.objects.select_related("organization").get(pk=form.instance.pk)  # without what the page had read
        if change and (count := rearm(rule)):
            self.message_user(request, f"{count} unfinished tasks climb by the new ladder.", messages.INFO)

    @display(description="Escalation")
    def ladder_words(self, rule: TriggerRule) -> str:
        return ", ".join(f"day {step.after_business_days:g}: {step.get_assignee_role_display().lower()}" for step in rule.ladder.all())

    @display(description="Useful")
    def usefulness(self, rule: Any) -> str:
        return f"{rule.useful} of {rule.rated}" if rule.rated else ""


@admin.register(EscalationStep)
class EscalationStepAdmin(StaffAdmin):
    organization_path = "rule__organization"
    list_display = ("rule", "after_business_days", "assignee_role", "hand_over")
    list_select_related = ("rule",)


@admin.register(Absence)
class AbsenceAdmin(StaffAdmin):
    """While somebody is away their tasks that come due go to the substitute, or to a colleague of the role."""

    list_display = ("user", "first_day", "last_day", "substitute", "organization")
    list_filter = (("organization", OwnRows),)
    list_select_related = ("user", "substitute", "organization")
    search_fields = ("user__username",)
    fields = ("organization", "user", "first_day", "last_day", "substitute")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in ("user", "substitute"):
            kwargs["queryset"] = colleagues(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


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


class DueFilter(admin.SimpleListFilter):
    title = "what is due"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("unfinished", "Unfinished"),
            ("today", "Due today or before"),
            ("late", "Overdue"),
            ("mine", "Mine"),
            ("nobody", "Nobody's"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        if self.value() is None:
            return queryset
        now = timezone.now()
        tomorrow = midnight_of(request, now) + timedelta(days=1)
        chosen = {
            "today": Q(due_at__lt=tomorrow), "late": Q(due_at__lt=now), "mine": Q(assignee=request.user.pk), "nobody": Q(assignee=None),
        }.get(str(self.value()), Q())  # fmt: skip
        return queryset.exclude(status__in=Task.ENDED).filter(chosen)


@admin.register(Task)
class TaskAdmin(StaffAdmin):
    form = TaskForm
    list_display = ("title_by_now", "coloured_priority", "coloured_status", "assignee", "due_at", "level", "useful", "organization")
    list_filter = (DueFilter, "status", "priority", "role", "useful", ("organization", OwnRows))
    list_filter_sheet = True
    list_select_related = ("assignee", "organization", "rule", "issue__job", "issue__stage")
    search_fields = ("title", "assignee__username")
    readonly_fields = (
        "title_by_now", "title", "issue", "rule", "role", "level", "escalate_at", "priority", "organization", "created_at", "ended_at",
        "version", "what_became_of_it",
    )  # fmt: skip
    fields = (
        "title_by_now", "title", "issue", "status", "assignee", "due_at", "note", "useful", "priority", "role", "rule", "level",
        "escalate_at", "created_at", "ended_at", "version", "organization", "what_became_of_it",
    )  # fmt: skip
    actions = ("mark_done", "mark_done_useful", "mark_done_useless", "dismiss")
    ordering = ("due_at", "id")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None and "assignee" in form.base_fields:
            # the admin of users is for operators, but a task may go to any colleague of its own organization
            form.base_fields["assignee"].queryset = colleagues(request, obj.organization_id)
        return form

    @display(description="What to do", ordering="title")
    def title_by_now(self, task: Task) -> str:
        return task.title_now

    @display(description="Priority", label=SEVERITY_COLOURS, ordering="priority")
    def coloured_priority(self, task: Task) -> tuple[str, str]:
        return task.priority, task.get_priority_display()

    @display(description="Status", label=STATUS_COLOURS, ordering="status")
    def coloured_status(self, task: Task) -> tuple[str, str]:
        return task.status, task.get_status_display()

    @display(description="What became of it")
    def what_became_of_it(self, task: Task) -> SafeString:
        changes = task.changes.select_related("actor").order_by("-pk")[:50]
        rows = ((one.at.strftime("%d %b %Y, %H:%M"), str(one), f" by {one.actor}" if one.actor else "") for one in changes)
        return format_html('<ol class="sw-trail sw-page">{}</ol>', format_html_join("", "<li><time>{}</time><span>{}{}</span></li>", rows))

    def save_model(self, request: HttpRequest, obj: Task, form: Any, change: bool) -> None:
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        edit_task(task_id=obj.pk, changes=changes, now=timezone.now(), actor=cast(User, request.user))

    @admin.action(description="Mark as done", permissions=["change"])
    def mark_done(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._change(request, queryset, status=Task.Status.DONE)

    @admin.action(description="Mark as done: it was useful", permissions=["change"])
    def mark_done_useful(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._change(request, queryset, status=Task.Status.DONE, useful=True)

    @admin.action(description="Mark as done: it was not useful", permissions=["change"])
    def mark_done_useless(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._change(request, queryset, status=Task.Status.DONE, useful=False)

    @admin.action(description="Dismiss", permissions=["change"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._change(request, queryset, status=Task.Status.DISMISSED)

    def _change(self, request: HttpRequest, queryset: QuerySet[Task], **changes: Any) -> None:
        done = 0
        for task_id in queryset.order_by("pk").values_list("pk", flat=True):
            try:
                edit_task(task_id=task_id, changes=changes, now=timezone.now(), actor=cast(User, request.user))
                done += 1
            except IllegalChange as error:
                self.message_user(request, f"Task {task_id}: {error}", messages.WARNING)
        self.message_user(request, f"{done} tasks are {Task.Status(changes['status']).label.lower()}.", messages.SUCCESS)


@admin.register(TaskChange)
class TaskChangeAdmin(LongEvidenceAdmin):
    """The trail of all tasks."""

    organization_path = "task__organization"
    list_display = ("at", "task", "what", "before", "after", "actor")
    list_filter = ("what",)
    list_select_related = ("task", "actor")
    ordering = ("-id",)
