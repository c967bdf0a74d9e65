from __future__ import annotations

from datetime import timedelta

import factory
from django.utils import timezone

from config import flow
from connectors.models import Batch, Connector, ProviderRecord, RawEvent, SyncRun
from tests.factories.accounts import OrganizationFactory


class ConnectorFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Connector

    organization = factory.SubFactory(OrganizationFactory)
    provider = "bamboohr"
    name = factory.Sequence(lambda n: f"bamboo-{n}")
    base_url = "https://acme.bamboohr.com"
    fresh_at = factory.LazyFunction(timezone.now)


class SyncRunFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = SyncRun

    connector = factory.SubFactory(ConnectorFactory)
    mode = SyncRun.Mode.DELTA


class BatchFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Batch

    organization = factory.SelfAttribute("connector.organization")
    connector = factory.SubFactory(ConnectorFactory)
    step = flow.NORMALIZE
    next_attempt_at = factory.LazyFunction(lambda: timezone.now() + timedelta(minutes=1))


class RawEventFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = RawEvent

    batch = factory.SubFactory(BatchFactory)
    connector = factory.SelfAttribute("batch.connector")
    kind = "application"
    payload = factory.LazyFunction(lambda: {"id": 1, "status": {"id": 2}})
    received_at = factory.LazyFunction(timezone.now)


class ProviderRecordFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = ProviderRecord

    connector = factory.SubFactory(ConnectorFactory)
    kind = "application"
    external_id = factory.Sequence(str)
