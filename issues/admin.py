"""Staff: triage. Rows change through decisions only, each with its line in the audit trail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from accounts.models import User
from accounts.staff import EvidenceAdmin, LongEvidenceAdmin, OwnRows, pretty
from issues.decisions import decide
from issues.lifecycle import PAST, Action, IllegalAction
from issues.models import Issue, IssueTransition, Watch

#: low stays grey
SEVERITY_COLOURS = {"medium": "info", "high": "warning", "critical": "danger"}
STATUS_COLOURS = {"open": "danger", "acknowledged": "warning", "snoozed": "info", "resolved": "success"}


class TransitionInline(TabularInline):
    model = IssueTransition
    fields = ("at", "status_from", "status_to", "actor", "reason")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any) -> bool:
        return False


@admin.register(Issue)
class IssueAdmin(EvidenceAdmin):
    list_display = ("coloured_severity", "coloured_status", "sentence", "job", "stage", "person", "detected_at", "score")
    list_display_links = ("sentence",)
    list_filter = ("status", "severity", "issue_type", ("organization", OwnRows))
    list_select_related = ("job", "stage", "application__candidate")
    search_fields = ("sentence", "job__title", "application__external_id__exact", "fingerprint__exact")
    fields = (
        "sentence", "severity", "score", "status", "proof", "job", "stage", "application", "visit", "detected_at", "opened_at",
        "last_seen_at", "snoozed_until", "resolved_at", "resolved_by", "organization", "issue_type", "fingerprint", "version",
    )  # fmt: skip
    readonly_fields = ("proof",)
    inlines = (TransitionInline,)
    actions = ("acknowledge", "snooze_a_day", "snooze_a_week", "resolve", "reopen")
    ordering = ("-score", "id")

    @display(description="Severity", label=SEVERITY_COLOURS, ordering="score")
    def coloured_severity(self, issue: Issue) -> tuple[str, str]:
        return issue.severity, issue.get_severity_display()

    @display(description="Status", label=STATUS_COLOURS, ordering="status")
    def coloured_status(self, issue: Issue) -> tuple[str, str]:
        return issue.status, issue.get_status_display()

    @display(description="Candidate")
    def person(self, issue: Issue) -> str:
        return str(issue.application.candidate) if issue.application else ""

    @display(description="Evidence")
    def proof(self, issue: Issue) -> SafeString:
        return pretty(issue.evidence)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """The page itself edits nothing, so Django's permission to change issues is what allows deciding."""
        return bool(request.user.has_perm("issues.change_issue"))

    @admin.action(description="Acknowledge", permissions=["decide"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Issue]) -> None:
        self._decide(request, queryset, Action.ACKNOWLEDGE)

    @admin.action(description="Snooze for a day", permissions=["decide"])
    def snooze_a_day(self, request: HttpRequest, queryset: QuerySet[Issue]) -> None:
        self._decide(request, queryset, Action.SNOOZE, timedelta(days=1))

    @admin.action(description="Snooze for a week", permissions=["decide"])
    def snooze_a_week(self, request: HttpRequest, queryset: QuerySet[Issue]) -> None:
        self._decide(request, queryset, Action.SNOOZE, timedelta(days=7))

    @admin.action(description="Resolve", permissions=["decide"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[Issue]) -> None:
        self._decide(request, queryset, Action.RESOLVE)

    @admin.action(description="Reopen", permissions=["decide"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[Issue]) -> None:
        self._decide(request, queryset, Action.REOPEN)

    def _decide(self, request: HttpRequest, queryset: QuerySet[Issue], action: Action, pause: timedelta | None = None) -> None:
        now, done = timezone.now(), 0
        for issue_id in queryset.order_by("pk").values_list("pk", flat=True):
            try:
                decide(
                    issue_id=issue_id, action=action, actor=cast(User, request.user), now=now, reason="in the admin",
                    until=now + pause if pause else None,
                )  # fmt: skip
                done += 1
            except IllegalAction as error:
                self.message_user(request, f"Issue {issue_id}: {error}", messages.WARNING)
        self.message_user(request, f"{done} issues {PAST[action]}.", messages.SUCCESS)


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
