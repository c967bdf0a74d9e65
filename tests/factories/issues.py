from __future__ import annotations

import factory
from django.utils import timezone

from analytics.models import StageVisit
from issues.models import Issue, IssueTransition, Severity, Watch
from tests.factories.accounts import OrganizationFactory
from tests.factories.ats import ApplicationFactory


class IssueFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Issue

    organization = factory.SubFactory(OrganizationFactory)
    issue_type = "stuck"
    fingerprint = factory.Sequence(lambda n: f"stuck:{n}")
    severity = Severity.HIGH
    score = 70.0
    sentence = "Waiting in the stage for 20 business days; the limit is 7."
    evidence = factory.LazyFunction(lambda: {"age": 20.0, "limit": 7.0})
    detected_at = factory.LazyFunction(timezone.now)
    opened_at = factory.SelfAttribute("detected_at")
    last_seen_at = factory.SelfAttribute("detected_at")


class WatchFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Watch

    application = factory.SubFactory(ApplicationFactory)
    organization = factory.SelfAttribute("application.organization")
    connector_id = factory.SelfAttribute("application.connector_id")
    due_at = factory.LazyFunction(timezone.now)


class IssueTransitionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = IssueTransition

    issue = factory.SubFactory(IssueFactory)
    status_to = Issue.Status.OPEN
    at = factory.LazyFunction(timezone.now)


def issue_about(visit: StageVisit, **fields: object) -> Issue:
    """An issue about somebody waiting in a stage."""
    made: Issue = IssueFactory(
        organization=visit.job.organization, application=visit.application, visit=visit, job=visit.job, stage=visit.stage, **fields
    )
    return made
