from __future__ import annotations

from datetime import timedelta

import factory
from django.utils import timezone

from ats.models import Application, Candidate, CandidateEvent, ErasureReceipt, FormerPlace, Job, Stage
from connectors.events import EventType, StageCategory
from tests.factories.connectors import ConnectorFactory


class _OfConnector(factory.django.DjangoModelFactory):
    class Meta:
        abstract = True

    connector = factory.SubFactory(ConnectorFactory)
    organization = factory.SelfAttribute("connector.organization")
    external_id = factory.Sequence(str)


class JobFactory(_OfConnector):
    class Meta:
        model = Job

    title = factory.Sequence(lambda n: f"Engineer {n}")
    department = "Engineering"


class StageFactory(_OfConnector):
    class Meta:
        model = Stage

    name = factory.Sequence(lambda n: f"Phone screen {n}")
    category = StageCategory.SCREEN


class FormerPlaceFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = FormerPlace

    stage = factory.SubFactory(StageFactory)
    until = factory.LazyFunction(lambda: timezone.now() - timedelta(days=400))
    category = StageCategory.REVIEW
    position = 0


class CandidateFactory(_OfConnector):
    class Meta:
        model = Candidate

    name = factory.Sequence(lambda n: f"Candidate {n}")
    email = factory.LazyAttribute(lambda o: f"{o.external_id}@example.org")
    source = "Referral"


class ApplicationFactory(_OfConnector):
    class Meta:
        model = Application

    connector = factory.SelfAttribute("job.connector")
    job = factory.SubFactory(JobFactory)
    candidate = factory.SubFactory(CandidateFactory, connector=factory.SelfAttribute("..connector"))
    applied_at = factory.LazyFunction(timezone.now)


class CandidateEventFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = CandidateEvent

    application = factory.SubFactory(ApplicationFactory)
    organization = factory.SelfAttribute("application.organization")
    connector = factory.SelfAttribute("application.connector")
    job = factory.SelfAttribute("application.job")
    provider_event_id = factory.Sequence(lambda n: f"test:event:{n}")
    event_type = EventType.STAGE_CHANGED
    occurred_at = factory.LazyFunction(timezone.now)
    recorded_at = factory.SelfAttribute("occurred_at")
    raw_event_id = 1


class ErasureReceiptFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = ErasureReceipt

    candidate = factory.SubFactory(CandidateFactory)
    organization = factory.SelfAttribute("candidate.organization")
    reason = factory.Sequence(lambda n: f"Request {n}")
    erased_at = factory.LazyFunction(timezone.now)
