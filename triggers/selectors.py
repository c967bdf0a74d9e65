"""Reads of tasks. Every queryset starts from the person's organizations."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from accounts.selectors import organizations_of
from triggers.models import Task


def tasks_of(user: Any) -> QuerySet[Task]:
    return Task.objects.filter(organization__in=organizations_of(user))


def with_subjects(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """Issue, job, stage, person and assignee in one query."""
    return tasks.select_related("assignee", "issue__job", "issue__stage", "issue__application__candidate")
