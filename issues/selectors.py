"""Reads of issues. Every queryset starts from the person's organizations."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet

from accounts.selectors import organizations_of
from issues.models import Issue, IssueTransition


def issues_of(user: Any) -> QuerySet[Issue]:
    return Issue.objects.filter(organization__in=organizations_of(user))


def listed(issues: QuerySet[Issue]) -> QuerySet[Issue]:
    """As people see them in lists and counts: a group stands for its members."""
    return issues.filter(group=None)


def to_decide(issues: QuerySet[Issue]) -> QuerySet[Issue]:
    """What every count of open issues counts, and every inbox shows first: nobody has decided on it yet."""
    return listed(issues).filter(status=Issue.Status.OPEN)


def with_subjects(issues: QuerySet[Issue]) -> QuerySet[Issue]:
    """Job, stage, person and tasks, in a fixed number of queries. Tasks belong to a later app: by relation only."""
    return issues.select_related("job", "stage", "application__candidate").prefetch_related("tasks__assignee")


def with_history(issues: QuerySet[Issue]) -> QuerySet[Issue]:
    transitions = IssueTransition.objects.select_related("actor").order_by("pk")
    members = Issue.objects.select_related("application__candidate").order_by("-score", "pk")
    return with_subjects(issues).prefetch_related(Prefetch("transitions", queryset=transitions), Prefetch("members", queryset=members))
