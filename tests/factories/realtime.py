from __future__ import annotations

import factory
from django.utils import timezone

from realtime.models import Ticket, Update, UpdateCounter
from tests.factories.accounts import OrganizationFactory, UserFactory


class UpdateCounterFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = UpdateCounter

    organization = factory.SubFactory(OrganizationFactory)
    last_number = 1


class UpdateFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Update

    organization = factory.SubFactory(OrganizationFactory)
    number = factory.Sequence(lambda n: n + 1)
    kind = "reload"
    payload = factory.LazyFunction(dict)
    created_at = factory.LazyFunction(timezone.now)


class TicketFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Ticket

    digest = factory.Sequence(lambda n: f"{n:064d}")
    user = factory.SubFactory(UserFactory)
    expires_at = factory.LazyFunction(timezone.now)
