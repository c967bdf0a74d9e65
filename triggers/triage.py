"""Staff: the triage inbox with what this app knows of issues: their tasks, whom they are given to, saved filters."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.models import Membership, User
from accounts.staff import StaffAdmin, within
from issues.admin import IssueAdmin
from issues.models import Issue
from triggers.decisions import IllegalChange, assign_issue
from triggers.models import SavedFilter, Task, TaskChange

#: of a list's address, what says which page of it is shown
NOT_SAVED = ("p", "page", "all", "_changelist_filters")


def colleagues(request: HttpRequest, organization_id: int | None = None) -> QuerySet[User]:
    """Who may get a task: active members of the organization, or of those the person may see."""
    memberships = within(Membership.objects.filter(user__is_active=True), request, "organization")
    if organization_id is not None:
        memberships = memberships.filter(organization=organization_id)
    return User.objects.filter(pk__in=memberships.values("user")).order_by("username")


class AssignForm(forms.Form):
    assignee = forms.ModelChoiceField(queryset=User.objects.none(), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, people: QuerySet[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["assignee"].queryset = people  # type: ignore[attr-defined]


class DeskFilter(admin.SimpleListFilter):
    """By who has the task."""

    title = "assigned to"
    parameter_name = "desk"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("me", "Me"), ("somebody", "Somebody"), ("nobody", "Nobody")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Issue]) -> QuerySet[Issue]:
        unfinished = Task.objects.exclude(status__in=Task.ENDED).exclude(assignee=None)
        if self.value() == "me":
            return queryset.filter(pk__in=unfinished.filter(assignee=cast(User, request.user)).values("issue"))
        if self.value() == "somebody":
            return queryset.filter(pk__in=unfinished.values("issue"))
        return queryset.exclude(pk__in=unfinished.values("issue")) if self.value() == "nobody" else queryset


@admin.register(Issue)
class TriageAdmin(IssueAdmin):
    list_display = (*IssueAdmin.list_display[:-1], "desk", *IssueAdmin.list_display[-1:])
    list_filter = (DeskFilter, *IssueAdmin.list_filter)
    actions = (*IssueAdmin.actions[:1], "assign", *IssueAdmin.actions[1:])

    def get_queryset(self, request: HttpRequest) -> QuerySet[Issue]:
        open_tasks = Task.objects.exclude(status__in=Task.ENDED).select_related("assignee")
        return super().get_queryset(request).prefetch_related(Prefetch("tasks", queryset=open_tasks, to_attr="open_tasks"))

    @display(description="Assigned to")
    def desk(self, issue: Any) -> str:
        return ", ".join(str(task.assignee) for task in issue.open_tasks if task.assignee)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("save-filter", self.admin_site.admin_view(self.save_filter_view), name="issues_issue_save_filter"),
            path("forget-filter/<int:pk>", self.admin_site.admin_view(self.forget_filter_view), name="issues_issue_forget_filter"),
            path("<path:object_id>/assign", self.admin_site.admin_view(self.assign_view), name="issues_issue_assign"),
        ]
        return [*own, *super().get_urls()]

    # --- one issue ---
    def about(self, request: HttpRequest, issue: Issue) -> dict[str, Any]:
        tasks = issue.tasks.select_related("assignee", "rule").order_by("-pk")
        changes = TaskChange.objects.filter(task__issue=issue).select_related("actor").order_by("-pk")[:30]
        form = AssignForm(people=colleagues(request, issue.organization_id))
        return {
            **super().about(request, issue),
            "issue_tasks": tasks,
            "task_changes": changes,
            "assign_form": form if self.has_decide_permission(request) else None,
            "assign_url": reverse("admin:issues_issue_assign", args=[issue.pk]),
        }

    def assign_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        issue = self.get_queryset(request).filter(pk=object_id).first() if object_id.isdecimal() else None
        if issue is None or not self.has_decide_permission(request):
            raise PermissionDenied
        form = AssignForm(request.POST, people=colleagues(request, issue.organization_id))
        if form.is_valid():
            self._assign(request, [issue.pk], form.cleaned_data["assignee"])
        else:
            self.message_user(request, "Choose somebody to give it to.", messages.WARNING)
        return HttpResponseRedirect(reverse("admin:issues_issue_change", args=[object_id]))

    # --- many issues ---
    @admin.action(description="Assign to …", permissions=["decide"])
    def assign(self, request: HttpRequest, queryset: QuerySet[Issue]) -> HttpResponse | None:
        form, page = self.asked(request, queryset, AssignForm, "assign", "Assign", people=colleagues(request))
        if page is None:
            self._assign(request, list(queryset.order_by("pk").values_list("pk", flat=True)), form.cleaned_data["assignee"])
        return page

    def _assign(self, request: HttpRequest, issue_ids: list[int], assignee: User) -> None:
        now, done = timezone.now(), 0
        for issue_id in issue_ids:
            try:
                assign_issue(issue_id=issue_id, assignee=assignee, now=now, actor=cast(User, request.user))
                done += 1
            except (IllegalChange, ValueError) as error:
                self.message_user(request, f"Issue {issue_id}: {error}", messages.WARNING)
        if done:
            self.message_user(request, f"{done} {'issue' if done == 1 else 'issues'} given to {assignee}.", messages.SUCCESS)

    # --- saved filters ---
    def bar(self, request: HttpRequest) -> dict[str, Any]:
        query = QueryDict(request.META.get("QUERY_STRING", ""), mutable=True)
        for name in NOT_SAVED:
            query.pop(name, None)
        now = query.urlencode()
        saved = SavedFilter.objects.filter(owner=cast(User, request.user))
        return {
            **super().bar(request),
            "saved_filters": [{"row": one, "chosen": one.query == now} for one in saved],
            "filter_query": now,
        }

    def save_filter_view(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        name, query = request.POST.get("name", "").strip()[:60], request.POST.get("query", "")[:500]
        if name:
            SavedFilter.objects.update_or_create(owner=cast(User, request.user), name=name, defaults={"query": query})
        return HttpResponseRedirect(f"{reverse('admin:issues_issue_changelist')}?{query}")

    def forget_filter_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        SavedFilter.objects.filter(owner=cast(User, request.user), pk=pk).delete()
        return HttpResponseRedirect(reverse("admin:issues_issue_changelist"))


@admin.register(SavedFilter)
class SavedFilterAdmin(StaffAdmin):
    """Everybody's own; they are saved above the triage inbox."""

    organization_path = ""
    list_display = ("name", "query", "owner")
    list_select_related = ("owner",)
    fields = ("name", "query")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SavedFilter]:
        if getattr(request.user, "is_superuser", False):
            return super().get_queryset(request)
        return SavedFilter.objects.filter(owner=cast(User, request.user))

    def save_model(self, request: HttpRequest, obj: SavedFilter, form: Any, change: bool) -> None:
        if not change:
            obj.owner = cast(User, request.user)
        super().save_model(request, obj, form, change)
