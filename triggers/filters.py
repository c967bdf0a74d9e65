"""Query parameters of the list of tasks."""

from __future__ import annotations

import django_filters

from issues.filters import PersonFilter
from issues.models import Severity
from triggers.models import Task


class TaskFilter(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=Task.Status.choices, help_text="May be repeated.")
    priority = django_filters.MultipleChoiceFilter(choices=Severity.choices, help_text="May be repeated.")
    assignee = PersonFilter(field_name="assignee", max_length=20, help_text="`me`, `none` or a user id.")
    issue = django_filters.NumberFilter(field_name="issue_id", min_value=0, max_value=2**63 - 1, decimal_places=0, help_text="Issue id.")
    job = django_filters.NumberFilter(field_name="issue__job_id", min_value=0, max_value=2**63 - 1, decimal_places=0, help_text="Job id.")
    due_before = django_filters.IsoDateTimeFilter(field_name="due_at", lookup_expr="lt", help_text="ISO 8601.")

    class Meta:
        model = Task
        fields: list[str] = []
