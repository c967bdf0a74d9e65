"""Staff: triage. Rows change through decisions only, each with its line in the audit trail.

``triggers.triage`` adds to these pages what this app does not know: tasks, and who they are for.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.decorators import display

from accounts.models import User
from accounts.staff import EvidenceAdmin, LongEvidenceAdmin, OwnRows
from ats.selectors import timeline_of
from issues import evidence
from issues.backtest_admin import address_of_question
from issues.decisions import decide_all
from issues.forms import OptionalReasonForm, ReasonForm, SnoozeForm
from issues.lifecycle import LEGAL, PAST, Action
from issues.models import Issue, IssueTransition, Severity, Watch

#: low stays grey
SEVERITY_COLOURS = {"medium": "info", "high": "warning", "critical": "danger"}
STATUS_COLOURS = {"open": "danger", "acknowledged": "warning", "snoozed": "info", "resolved": "success"}
#: refusals told one by one before the rest is counted
MOST_REFUSALS = 5
#: events of a candidate shown beside an issue, newest first
TIMELINE = 60
#: of a group, worst first
MOST_MEMBERS = 50
SNOOZES = {"day": timedelta(days=1), "week": timedelta(days=7)}


class MemberFilter(admin.SimpleListFilter):
    """A group stands for its members, so they are listed where somebody asks for them."""

    title = "groups"
    parameter_name = "members"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("shown", "With the members of groups"), ("only", "Only members of groups")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Issue]) -> QuerySet[Issue]:
        if self.value() == "shown":
            return queryset
        return queryset.exclude(group=None) if self.value() == "only" else queryset.filter(group=None)


class IssueAdmin(EvidenceAdmin):
    list_display: tuple[Any, ...] = ("coloured_severity", "coloured_status", "sentence", "place", "person", "detected")
    list_display_links = ("sentence",)
    list_filter: tuple[Any, ...] = ("status", "severity", "issue_type", MemberFilter, "stage__category", ("organization", OwnRows))
    list_filter_sheet = True
    list_select_related = ("job", "stage", "application__candidate")
    list_before_template = "admin/issues/issue/bar.html"
    change_form_template = "admin/issues/issue/page.html"
    search_fields = ("sentence", "job__title", "application__external_id__exact", "fingerprint__exact")
    search_help_text = "Words of the sentence or the job, or the ATS's id of an application"
    actions: tuple[str, ...] = ("acknowledge", "snooze_a_day", "snooze_a_week", "snooze_until", "resolve", "reopen")
    ordering = ("-score", "id")

    @display(description="Severity", label=SEVERITY_COLOURS, ordering="score")
    def coloured_severity(self, issue: Issue) -> tuple[str, str]:
        return issue.severity, f"{issue.get_severity_display()} {issue.score:.0f}"

    @display(description="Status", label=STATUS_COLOURS, ordering="status")
    def coloured_status(self, issue: Issue) -> tuple[str, str]:
        return issue.status, issue.get_status_display()

    @display(description="Where", ordering="job__title")
    def place(self, issue: Issue) -> str:
        return " · ".join(str(one) for one in (issue.job, issue.stage) if one)

    @display(description="Detected", ordering="detected_at")
    def detected(self, issue: Issue) -> str:
        return issue.detected_at.strftime("%d %b, %H:%M")

    @display(description="Candidate")
    def person(self, issue: Issue) -> str:
        return str(issue.application.candidate) if issue.application else ""

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """The page itself edits nothing, so Django's permission to change issues is what allows deciding."""
        return bool(request.user.has_perm("issues.change_issue"))

    # --- the list ---
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None and "cl" in response.context_data:
            response.context_data |= self.bar(request)
        return response

    def bar(self, request: HttpRequest) -> dict[str, Any]:
        """Counts above the list, of everything the person may see: a chip leads to the rows it counts."""
        counted = (
            self.get_queryset(request).filter(group=None).exclude(status=Issue.Status.RESOLVED).order_by().values_list("status", "severity")
        )
        counts = {key[:2]: key[2] for key in counted.annotate(total=Count("pk"))}
        chosen = (request.GET.get("status__exact"), request.GET.get("severity__exact"))
        severities = [_chip(label, "open", word, counts.get(("open", word), 0), chosen) for word, label in reversed(Severity.choices)]
        statuses = [
            _chip(label, word, None, sum(total for (status, _), total in counts.items() if status == word), chosen)
            for word, label in Issue.Status.choices
            if word != Issue.Status.RESOLVED
        ]
        asked = {"rule": request.GET.get("issue_type__exact"), "organization": request.GET.get("organization__id__exact")}
        return {"severity_chips": severities, "status_chips": statuses, "backtest_url": address_of_question(**asked)}

    # --- one issue ---
    def get_urls(self) -> list[URLPattern]:
        decide_here = path("<path:object_id>/decide", self.admin_site.admin_view(self.decide_view), name="issues_issue_decide")
        return [decide_here, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        rows = self.get_queryset(request).select_related("job", "stage", "application__candidate", "organization")
        issue = rows.filter(pk=unquote(object_id)).first() if unquote(object_id).isdecimal() else None
        about = self.about(request, issue) if issue else {}
        response: HttpResponse = super().change_view(request, object_id, form_url, {**(extra_context or {}), **about})
        return response

    def about(self, request: HttpRequest, issue: Issue) -> dict[str, Any]:
        """What the page of one issue shows."""
        events = timeline_of([issue.application]).reverse()[:TIMELINE] if issue.application else []
        return {
            "issue": issue,
            "title": issue.get_severity_display() + " issue",
            "severity_label": SEVERITY_COLOURS.get(issue.severity, ""),
            "status_label": STATUS_COLOURS.get(issue.status, ""),
            "lines": evidence.lines(issue.evidence),
            "transitions": issue.transitions.select_related("actor").order_by("-pk"),
            "events": list(events),
            "members": issue.members.select_related("application__candidate").order_by("-score", "pk")[:MOST_MEMBERS]
            if issue.is_group
            else [],
            "decisions": [action for action in Action if issue.status in LEGAL[action] and LEGAL[action][issue.status] != issue.status],
            "may_decide": self.has_decide_permission(request),
            "decide_url": reverse("admin:issues_issue_decide", args=[issue.pk]),
            "backtest_url": address_of_question(
                organization=issue.organization_id, rule=issue.issue_type, job=issue.job_id, stage=issue.stage_id
            ),
        }

    def decide_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """One decision about one issue, from its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        rows = self.get_queryset(request).filter(pk=object_id) if object_id.isdecimal() else Issue.objects.none()
        if not self.has_decide_permission(request) or not rows.exists():
            raise PermissionDenied
        given = request.POST.get("action", "")
        if given not in list(Action):
            raise PermissionDenied
        until_change = request.POST.get("for") == "change"
        pause = SNOOZES.get(request.POST.get("for", ""), SNOOZES["day"])
        until = timezone.now() + pause if given == Action.SNOOZE and not until_change else None
        reason = request.POST.get("reason", "")[:2000]
        self.decide_on(request, rows, Action(given), until=until, until_change=until_change and given == Action.SNOOZE, reason=reason)
        return HttpResponseRedirect(reverse("admin:issues_issue_change", args=[object_id]))

    # --- many issues ---
    @admin.action(description="Acknowledge", permissions=["decide"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Issue]) -> None:
        self.decide_on(request, queryset, Action.ACKNOWLEDGE)

    @admin.action(description="Snooze for a day", permissions=["decide"])
    def snooze_a_day(self, request: HttpRequest, queryset: QuerySet[Issue]) -> None:
        self.decide_on(request, queryset, Action.SNOOZE, until=timezone.now() + SNOOZES["day"])

    @admin.action(description="Snooze for a week", permissions=["decide"])
    def snooze_a_week(self, request: HttpRequest, queryset: QuerySet[Issue]) -> None:
        self.decide_on(request, queryset, Action.SNOOZE, until=timezone.now() + SNOOZES["week"])

    @admin.action(description="Snooze until …", permissions=["decide"])
    def snooze_until(self, request: HttpRequest, queryset: QuerySet[Issue]) -> HttpResponse | None:
        form, page = self.asked(request, queryset, SnoozeForm, "snooze_until", "Snooze")
        if page is None:
            given = form.cleaned_data
            self.decide_on(request, queryset, Action.SNOOZE, until=given["until"], reason=given["reason"])
        return page

    @admin.action(description="Resolve …", permissions=["decide"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[Issue]) -> HttpResponse | None:
        form, page = self.asked(request, queryset, ReasonForm, "resolve", "Resolve")
        if page is None:
            self.decide_on(request, queryset, Action.RESOLVE, reason=form.cleaned_data["reason"])
        return page

    @admin.action(description="Reopen …", permissions=["decide"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[Issue]) -> HttpResponse | None:
        form, page = self.asked(request, queryset, OptionalReasonForm, "reopen", "Reopen")
        if page is None:
            self.decide_on(request, queryset, Action.REOPEN, reason=form.cleaned_data["reason"])
        return page

    def asked(
        self, request: HttpRequest, queryset: QuerySet[Issue], form_class: type[forms.Form], action: str, verb: str, **given: Any
    ) -> tuple[forms.Form, HttpResponse | None]:
        """The form of an action: filled in and right (no page), or the page that asks for it."""
        form = form_class(request.POST if "apply" in request.POST else None, **given)
        if form.is_valid():
            return form, None
        chosen = request.POST.getlist("_selected_action")
        across = request.POST.get("select_across", "0")
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb} {queryset.count()} issues", "form": form, "action": action, "verb": verb, "opts": self.opts,
            "chosen": chosen, "select_across": across, "sentences": queryset.values_list("sentence", flat=True)[:10],
        }  # fmt: skip
        return form, TemplateResponse(request, "admin/issues/issue/ask.html", context)

    def decide_on(
        self,
        request: HttpRequest,
        queryset: QuerySet[Issue],
        action: Action,
        *,
        until: datetime | None = None,
        until_change: bool = False,
        reason: str = "",
    ) -> None:
        chosen = list(queryset.values_list("pk", flat=True))
        refusals = decide_all(
            issue_ids=chosen, action=action, actor=cast(User, request.user), now=timezone.now(), reason=reason or "in the admin",
            until=until, until_change=until_change,
        )  # fmt: skip
        done = len(chosen) - len(refusals)
        for issue_id, refusal in list(refusals.items())[:MOST_REFUSALS]:
            self.message_user(request, f"Issue {issue_id}: {refusal}", messages.WARNING)
        if len(refusals) > MOST_REFUSALS:
            self.message_user(request, f"{len(refusals) - MOST_REFUSALS} more were refused.", messages.WARNING)
        self.message_user(request, f"{done} {'issue' if done == 1 else 'issues'} {PAST[action]}.", messages.SUCCESS)


def _chip(label: str, status: str, severity: str | None, total: int, chosen: tuple[str | None, str | None]) -> dict[str, Any]:
    query = f"?status__exact={status}" + (f"&severity__exact={severity}" if severity else "")
    return {"label": label, "word": severity or status, "total": total, "query": query, "chosen": chosen == (status, severity)}


@admin.register(IssueTransition)
class IssueTransitionAdmin(LongEvidenceAdmin):
    """The audit trail of all issues."""

    organization_path = "issue__organization"
    list_display = ("at", "issue", "status_from", "status_to", "actor", "reason")
    list_filter = ("status_to",)
    list_select_related = ("issue", "actor")
    ordering = ("-id",)


@admin.register(Watch)
class WatchAdmin(LongEvidenceAdmin):
    """The due queue: who will be looked at when."""

    list_display = ("application", "due_at", "organization")
    list_filter = (("organization", OwnRows),)
    list_select_related = ("application", "organization")
    ordering = ("connector_id", "due_at")
