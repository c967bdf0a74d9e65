from __future__ import annotations

import factory
from django.utils import timezone

from issues.models import Severity
from tests.factories.accounts import OrganizationFactory
from tests.factories.issues import IssueFactory
from triggers.models import Task, TriggerRule


class TriggerRuleFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = TriggerRule

    organization = factory.SubFactory(OrganizationFactory)


class TaskFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Task

    issue = factory.SubFactory(IssueFactory)
    organization = factory.SelfAttribute("issue.organization")
    title = "Decide on the candidate"
    priority = Severity.HIGH
    created_at = factory.LazyFunction(timezone.now)
