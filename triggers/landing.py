"""The day's numbers, on the admin's first page: what waits for a decision, what is due, what stands still.

A fixed number of queries, each over rows that are unfinished, whatever the size of the ledger. Everybody sees the
numbers of their own organizations; operators see them all.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.staff import midnight_of, within
from connectors.models import Batch, Connector, RawEvent, SyncRun
from connectors.selectors import with_progress
from issues.models import Issue, Severity
from issues.selectors import listed, to_decide
from triggers.models import Notification, Task

#: runs shown; more than that are not under way at once
MOST_RUNS = 8
#: issues named on the page, worst first
WORST = 6


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's hook: what ``templates/admin/index.html`` shows."""
    now = timezone.now()
    return context | {
        "title": "Today",
        "severity_tiles": _severities(request),
        "tiles": [*_issues_today(request, now), *_tasks(request, now), *_standing_still(request)],
        "worst": list(_open_issues(request).select_related("job", "stage").order_by("-score", "pk")[:WORST]),
        "connectors": _connectors(request, now),
        "runs": list(_runs(request)[:MOST_RUNS]),
    }


def critical_issues(request: HttpRequest) -> int:
    return _open_issues(request).filter(severity=Severity.CRITICAL).count()


def dead_letters(request: HttpRequest) -> int:
    return _dead_letters(request).count()


#: what the side bar counts
COUNTS: dict[str, Callable[[HttpRequest], int]] = {"critical_issues": critical_issues, "dead_letters": dead_letters}


def _open_issues(request: HttpRequest) -> QuerySet[Issue]:
    return within(to_decide(Issue.objects.all()), request, "organization")


def _dead_letters(request: HttpRequest) -> QuerySet[RawEvent]:
    return within(RawEvent.objects.filter(state=RawEvent.State.DEAD), request, "connector__organization")


def _tile(label: str, count: int, model: str, query: dict[str, Any], *, about: str = "", alarm: bool = False) -> dict[str, Any]:
    where = f"{reverse(f'admin:{model}_changelist')}?{urlencode(query)}"
    return {"label": label, "count": count, "where": where, "about": about, "word": ("alarm" if count else "calm") if alarm else ""}


def _severities(request: HttpRequest) -> list[dict[str, Any]]:
    counted = dict(_open_issues(request).order_by().values_list("severity").annotate(Count("pk")))
    tiles = []
    for word, label in reversed(Severity.choices):
        tile = _tile(f"{label} issues", counted.get(word, 0), "issues_issue", {"status__exact": "open", "severity__exact": word})
        tiles.append(tile | {"word": word})
    return tiles


def _issues_today(request: HttpRequest, now: datetime) -> list[dict[str, Any]]:
    midnight = midnight_of(request, now)
    new = within(listed(Issue.objects.filter(detected_at__gte=midnight)), request, "organization").aggregate(
        new=Count("pk"), gone=Count("pk", filter=Q(status=Issue.Status.RESOLVED))
    )
    about = f"{new['gone']} of them gone by now" if new["gone"] else "detected since midnight"
    return [_tile("New today", new["new"], "issues_issue", {"detected_at__gte": midnight.isoformat()}, about=about)]


def _tasks(request: HttpRequest, now: datetime) -> list[dict[str, Any]]:
    tomorrow = midnight_of(request, now) + timedelta(days=1)
    unfinished = within(Task.objects.exclude(status__in=Task.ENDED), request, "organization")
    mine = Q(assignee=request.user.pk)
    counts = unfinished.aggregate(
        today=Count("pk", filter=Q(due_at__lt=tomorrow)),
        late=Count("pk", filter=Q(due_at__lt=now)),
        mine=Count("pk", filter=mine),
        mine_late=Count("pk", filter=mine & Q(due_at__lt=now)),
        nobody=Count("pk", filter=Q(assignee=None)),
    )
    return [
        _tile("Tasks due today", counts["today"], "triggers_task", {"due": "today"}, about=f"{counts['late']} overdue"),
        _tile("My tasks", counts["mine"], "triggers_task", {"due": "mine"}, about=f"{counts['mine_late']} overdue"),
        _tile("Tasks nobody has", counts["nobody"], "triggers_task", {"due": "nobody"}, about="no member has the role"),
    ]


def _standing_still(request: HttpRequest) -> list[dict[str, Any]]:
    unsent = within(Notification.objects.filter(state__in=[Notification.State.DEAD, Notification.State.UNCLEAR]), request, "organization")
    gave_up = within(Batch.objects.filter(finished_at=None).exclude(failed_at=None), request, "organization").count()
    return [
        _tile("Dead letters", _dead_letters(request).count(), "connectors_rawevent", {"state__exact": "dead"}, alarm=True,
              about="raw events set aside"),
        _tile("Batches that gave up", gave_up, "connectors_batch", {"failed_at__isempty": 0, "finished_at__isempty": 1}, alarm=True,
              about="replay takes them up"),
        _tile("Messages not sent", unsent.count(), "triggers_notification", {"state__in": "dead,unclear"}, alarm=True,
              about="gave up, or may have arrived"),
    ]  # fmt: skip


def _connectors(request: HttpRequest, now: datetime) -> list[dict[str, Any]]:
    """Stalest first; a connector is stale when rules no longer trust what it brought."""
    rows = within(Connector.objects.select_related("organization"), request, "organization").order_by("fresh_at", "pk")
    return [
        {"row": row, "stale": row.fresh_at is None or row.fresh_at < now - settings.STALE_AFTER, "where": reverse(
            "admin:connectors_connector_change", args=[row.pk])}
        for row in rows[:MOST_RUNS]
    ]  # fmt: skip


def _runs(request: HttpRequest) -> QuerySet[SyncRun]:
    under_way = SyncRun.objects.exclude(state__in=SyncRun.ENDED).select_related("connector")
    return with_progress(within(under_way, request, "connector__organization")).order_by("-pk")
