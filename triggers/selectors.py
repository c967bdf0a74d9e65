"""Reads of tasks. Every queryset starts from the person's organizations."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, IntegerField, QuerySet, Value, When

from accounts.selectors import organizations_of
from issues.models import Severity
from triggers.models import Task

#: To order tasks by: critical before high before medium before low.
GRAVEST_FIRST = Case(
    *(When(priority=severity, then=Value(rank)) for rank, severity in enumerate(reversed(Severity.values))),
    output_field=IntegerField(),
)


def tasks_of(user: Any) -> QuerySet[Task]:
    return Task.objects.filter(organization__in=organizations_of(user))


def with_subjects(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """Issue, job, stage, person, rule and assignee in one query."""
    return tasks.select_related("assignee", "rule", "issue__job", "issue__stage", "issue__application__candidate")
