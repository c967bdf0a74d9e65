"""Reads of the ledger and its snapshots. Every queryset starts from the person's organizations.

Visits and issues belong to later apps, which this one does not import: they are read through the relations
they declare on ``Application`` and ``Job``.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts.selectors import organizations_of
from ats.models import Application, Candidate, CandidateEvent, Job

#: Issue statuses that are not over; a test holds them to ``issues.models.Issue.Status``.
UNRESOLVED = ("open", "acknowledged", "snoozed")
#: What every number called ``issues_open`` counts: nobody has decided on it yet, and a group stands for its members.
#: Conditions on the relation ``issues``; a test holds them to ``issues.selectors.to_decide``.
TO_DECIDE = Q(issues__status="open", issues__group=None)


def jobs_of(user: Any) -> QuerySet[Job]:
    return Job.objects.filter(organization__in=organizations_of(user))


def candidates_of(user: Any) -> QuerySet[Candidate]:
    return Candidate.objects.filter(organization__in=organizations_of(user))


def with_counts(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """``open``: people now in a stage of the job; ``issues_open``: see ``TO_DECIDE``. One indexed look-up each per row."""
    waiting = Job.objects.filter(pk=OuterRef("pk")).order_by().values("pk").annotate(total=Sum("stage_metrics__open")).values("total")
    issues = Job.objects.filter(TO_DECIDE, pk=OuterRef("pk")).order_by().values("pk").annotate(total=Count("issues")).values("total")
    return jobs.annotate(
        open=Coalesce(Subquery(waiting, output_field=IntegerField()), 0),
        issues_open=Coalesce(Subquery(issues, output_field=IntegerField()), 0),
    )


def applications_of(candidate: Candidate) -> QuerySet[Application]:
    """Newest first, with job, stage, visits and issues; a fixed number of queries."""
    return (
        Application.objects.filter(candidate=candidate)
        .select_related("job", "current_stage")
        .prefetch_related("visits__stage", "issues")
        .order_by("-applied_at", "-pk")
    )


def timeline_of(applications: list[Application]) -> QuerySet[CandidateEvent]:
    """Everything that happened to these applications, in the order in which it happened."""
    return (
        CandidateEvent.objects.filter(application__in=applications)
        .select_related("stage_from", "stage_to")
        .order_by(*CandidateEvent.FOLD_ORDER)
    )
