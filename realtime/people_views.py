"""The page of a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone

from accounts.models import Organization
from analytics.calendars import JobClocks
from analytics.clocks import cd
from ats.models import CATEGORY_RANK, Application, Candidate
from ats.selectors import applications_of, candidates_of, timeline_of
from issues.models import Issue
from realtime import charts, selectors
from realtime.frame import looked_at, page
from realtime.job_views import events_told

RANK = {str(category): place for category, place in CATEGORY_RANK.items()}


@looked_at
def candidate(request: HttpRequest, candidate_id: int) -> HttpResponse:
    """One person: their way through each job, and everything that happened, newest first."""
    own = candidates_of(request.user).select_related("organization", "current_stage")
    found: Candidate = get_object_or_404(own, pk=candidate_id)
    position = selectors.position_of(found.organization)
    applications = list(applications_of(found))
    now = timezone.now()
    return page(
        request,
        "realtime/candidate.html",
        found.organization,
        position=position,
        candidate=found,
        ways=_ways(found.organization, applications, now),
        events=events_told(list(timeline_of(applications))[::-1]),
    )


def _ways(organization: Organization, applications: Sequence[Application], now: datetime) -> list[dict[str, Any]]:
    """Each application's way; a stay that goes on is as long as it is by now."""
    jobs = {application.job.pk: application.job for application in applications if application.job is not None}
    for job in jobs.values():
        job.organization = organization  # else each would be asked for its own
    begun = [visit.entered_at for application in applications for visit in application.visits.all()]
    clocks = JobClocks(list(jobs.values()), now, min(begun, default=now))
    ways = []
    for application in applications:
        visits: list[Any] = list(application.visits.all())
        going_on = [visit for visit in visits if visit.left_at is None]
        if application.job is not None and going_on:
            ages = clocks.of(application.job).bd([visit.entered_at for visit in going_on], now)
            for visit, age in zip(going_on, ages, strict=True):
                visit.bd = age
        ways.append(_way(application, visits, now))
    return ways


def _way(application: Application, visits: list[Any], now: datetime) -> dict[str, Any]:
    """An application's stays between its beginning and its end, or now."""
    begun = [visit.entered_at for visit in visits]
    since = min([*begun, *([application.applied_at] if application.applied_at else [])], default=now)
    ended = [visit.left_at for visit in visits if visit.left_at is not None]
    until = max(ended, default=now) if len(ended) == len(visits) else now
    return {
        "application": application,
        "visits": visits,
        "stretches": charts.stretches(visits, since=since, until=until, rank=RANK),
        "since": since,
        "until": until,
        "days": cd(since, until),
        "issues": [issue for issue in application.issues.all() if issue.status != Issue.Status.RESOLVED],
    }
