"""Query parameters of the list of tasks."""

from __future__ import annotations

import django_filters
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Role
from issues.filters import PersonFilter, YesNoFilter
from issues.models import Severity
from triggers.models import Task


class TaskFilter(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=Task.Status.choices, help_text="May be repeated.")
    priority = django_filters.MultipleChoiceFilter(choices=Severity.choices, help_text="May be repeated.")
    assignee = PersonFilter(field_name="assignee", max_length=150, help_text="`me`, `none`, a user id or a username.")
    issue = django_filters.NumberFilter(field_name="issue_id", min_value=0, max_value=2**63 - 1, decimal_places=0, help_text="Issue id.")
    job = django_filters.NumberFilter(field_name="issue__job_id", min_value=0, max_value=2**63 - 1, decimal_places=0, help_text="Job id.")
    issue_type = django_filters.CharFilter(field_name="issue__issue_type", max_length=32)
    role = django_filters.MultipleChoiceFilter(choices=Role.choices, help_text="Whom it was meant for. May be repeated.")
    overdue = YesNoFilter(method="late", help_text="`true`: due and neither done nor dismissed.")
    due_after = django_filters.IsoDateTimeFilter(field_name="due_at", lookup_expr="gte", help_text="ISO 8601.")
    due_before = django_filters.IsoDateTimeFilter(field_name="due_at", lookup_expr="lt", help_text="ISO 8601.")

    class Meta:
        model = Task
        fields: list[str] = []

    def late(self, queryset: QuerySet[Task], name: str, value: bool) -> QuerySet[Task]:
        late = Q(due_at__lt=timezone.now()) & ~Q(status__in=Task.ENDED)
        return queryset.filter(late) if value else queryset.exclude(late)
