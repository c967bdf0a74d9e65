"""Query parameters of the list of issues."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django.utils import timezone

from connectors.events import StageCategory
from issues.models import Issue, Severity
from issues.selectors import listed


class PersonFilter(django_filters.CharFilter):
    """``me``, ``none``, a user's id or username, of the people a relation names."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        if value == "none":
            return qs.filter(**{f"{self.field_name}__isnull": True})
        user = getattr(self.parent.request, "user", None)
        person = str(user.pk) if value == "me" and user is not None else value
        is_id = person.isdecimal() and len(person) <= 18
        named = {self.field_name: int(person)} if is_id else {f"{self.field_name}__username": person}
        # a sub-select, so that several tasks of one issue do not repeat it
        return qs.filter(pk__in=qs.model._default_manager.filter(**named).values("pk"))


class YesNoField(forms.Field):
    """``true`` or ``false`` in any case; anything else is refused rather than taken for nothing."""

    def to_python(self, value: Any) -> bool | None:
        if value in self.empty_values:
            return None
        if value.lower() not in ("true", "false"):
            raise forms.ValidationError("Must be true or false.", code="invalid")
        return bool(value.lower() == "true")


class YesNoFilter(django_filters.BooleanFilter):
    field_class = YesNoField


class StageFilter(django_filters.CharFilter):
    """A stage by any of the words a heatmap cell or the address of a drilldown has for it."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        if value in set(StageCategory):
            return qs.filter(**{f"{self.field_name}__category": value})
        called = Q(**{f"{self.field_name}__name__iexact": value})
        if value.isdecimal() and len(value) <= 18:
            called |= Q(**{f"{self.field_name}_id": int(value)})
        return qs.filter(called)


class IssueFilter(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=Issue.Status.choices, help_text="May be repeated.")
    severity = django_filters.MultipleChoiceFilter(choices=Severity.choices, help_text="May be repeated.")
    issue_type = django_filters.CharFilter(max_length=32)
    job = django_filters.NumberFilter(field_name="job_id", min_value=0, max_value=2**63 - 1, decimal_places=0, help_text="Job id.")
    stage = StageFilter(field_name="stage", max_length=200, help_text="A stage as heatmaps tell it: its id, its name or its category.")
    assignee = PersonFilter(
        field_name="tasks__assignee", max_length=150, help_text="`me`, `none`, a user id or a username: who has a task for it."
    )
    group = django_filters.NumberFilter(
        field_name="group_id", min_value=0, max_value=2**63 - 1, decimal_places=0, help_text="Members of this group issue."
    )
    in_group = django_filters.ChoiceFilter(
        method="membership",
        choices=[("false", "no"), ("true", "yes"), ("any", "whether or not")],
        help_text="Members of groups: `false` (the default) leaves them out, for the group speaks for them; `true` lists only "
        "them; `any` lists both. With `group` its members are listed.",
    )
    inferred = YesNoFilter(method="by_proxy", help_text="Found by a proxy, or not.")
    age = django_filters.NumberFilter(method="aged", min_value=0, max_value=100_000, help_text="The same as `min_age`.")
    min_age = django_filters.NumberFilter(method="aged", min_value=0, max_value=100_000, help_text="Days since detection, at least.")
    max_age = django_filters.NumberFilter(method="aged", min_value=0, max_value=100_000, help_text="Days since detection, at most.")

    class Meta:
        model = Issue
        fields: list[str] = []

    def filter_queryset(self, queryset: QuerySet[Issue]) -> QuerySet[Issue]:
        found: QuerySet[Issue] = super().filter_queryset(queryset)
        given = self.form.cleaned_data
        return found if given["in_group"] or given["group"] is not None else listed(found)

    def membership(self, queryset: QuerySet[Issue], name: str, value: str) -> QuerySet[Issue]:
        return queryset if value == "any" else queryset.filter(group__isnull=value == "false")

    def by_proxy(self, queryset: QuerySet[Issue], name: str, value: bool) -> QuerySet[Issue]:
        inferred = Q(evidence__contains={"inferred": True})
        return queryset.filter(inferred if value else ~inferred)

    def aged(self, queryset: QuerySet[Issue], name: str, value: Decimal) -> QuerySet[Issue]:
        moment = timezone.now() - timedelta(days=float(value))
        return queryset.filter(detected_at__lte=moment) if name != "max_age" else queryset.filter(detected_at__gte=moment)
