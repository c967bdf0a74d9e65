"""Query parameters of lists of jobs."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Q, QuerySet

from ats.models import Job, choices
from connectors.events import JobStatus


class JobFilter(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=choices(JobStatus), help_text="May be repeated.")
    department = django_filters.CharFilter(lookup_expr="iexact", max_length=200, help_text="Exact name, in any case.")
    search = django_filters.CharFilter(
        method="matching", max_length=200, help_text="Part of the title, department, location or id in the ATS."
    )

    class Meta:
        model = Job
        fields: list[str] = []

    def matching(self, queryset: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        words: Any = Q()
        for word in value.split():
            words &= Q(title__icontains=word) | Q(department__icontains=word) | Q(location__icontains=word) | Q(external_id=word)
        return queryset.filter(words)
