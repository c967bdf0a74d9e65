"""The admin's side bar: the day first, then where the numbers come from, then what is set once and left alone."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from triggers import landing

#: group → (title, icon, app_model, query, badge)
GROUPS: tuple[tuple[str, tuple[tuple[str, str, str, str, str], ...]], ...] = (
    (
        "Today",
        (
            ("Triage", "inbox", "issues_issue", "?status__exact=open", "critical_issues"),
            ("Tasks", "task_alt", "triggers_task", "?due=unfinished", ""),
        ),
    ),
    (
        "Sources",
        (
            ("Connectors", "cable", "connectors_connector", "", ""),
            ("Sync runs", "sync", "connectors_syncrun", "", ""),
            ("Dead letters", "mark_email_unread", "connectors_rawevent", "?state__exact=dead", "dead_letters"),
            ("Batches", "stacks", "connectors_batch", "", ""),
        ),
    ),
    (
        "Pipeline",
        (
            ("Stage mapping", "account_tree", "ats_stage", "", ""),
            ("Jobs", "work", "ats_job", "", ""),
            ("Candidates", "person_search", "ats_candidate", "", ""),
            ("Working calendars", "calendar_month", "analytics_workingcalendar", "", ""),
        ),
    ),
    (
        "Rules",
        (
            ("Rule settings", "tune", "issues_rulesetting", "", ""),
            ("Backtests", "history", "issues_backtest", "", ""),
            ("Trigger rules", "rule", "triggers_triggerrule", "", ""),
            ("Absences", "beach_access", "triggers_absence", "", ""),
            ("Channels", "campaign", "triggers_channel", "", ""),
            ("Notifications", "outgoing_mail", "triggers_notification", "", ""),
        ),
    ),
    (
        "System",
        (
            ("Schedules", "schedule", "django_celery_beat_periodictask", "", ""),
            ("Processes", "monitor_heart", "config_heartbeat", "", ""),
            ("Organizations", "apartment", "accounts_organization", "", ""),
            ("Users", "group", "accounts_user", "", ""),
            ("Memberships", "badge", "accounts_membership", "", ""),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """What the person may open. Everything else is under *All applications*."""
    registered = {f"{model._meta.app_label}_{model._meta.model_name}": one for model, one in admin.site._registry.items()}
    groups: list[dict[str, Any]] = []
    for number, (title, entries) in enumerate(GROUPS):
        items: list[dict[str, Any]] = []
        if number == 0:
            items.append({"title": "Heatmap", "icon": "grid_view", "link": reverse("board"), "active": False})
            items.append({"title": "The day's numbers", "icon": "today", "link": reverse("admin:index")})
        for name, icon, model, query, badge in entries:
            page = registered.get(model)
            if page is None or not page.has_view_permission(request):
                continue
            address = reverse(f"admin:{model}_changelist")
            # a badge leads to rows a query chooses, but the entry stays lit wherever its table is shown
            items.append({"title": name, "icon": icon, "link": address + query, "active": request.path.startswith(address)})
            if badge and (count := landing.COUNTS[badge](request)):
                items[-1] |= {"badge": str(count) if count < 1000 else "999+", "badge_variant": "danger"}
        groups.append({"title": title, "items": items, "separator": number > 0})
    return groups
