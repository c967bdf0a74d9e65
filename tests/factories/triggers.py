from __future__ import annotations

import factory
from django.utils import timezone

from accounts.models import Role
from issues.models import Severity
from tests.factories.accounts import MembershipFactory, OrganizationFactory, UserFactory
from tests.factories.issues import IssueFactory
from triggers.models import Absence, Channel, EscalationStep, Notification, SavedFilter, Task, TaskChange, TriggerRule


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


class EscalationStepFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = EscalationStep

    rule = factory.SubFactory(TriggerRuleFactory)
    after_business_days = 3
    assignee_role = Role.HIRING_MANAGER


class AbsenceFactory(factory.django.DjangoModelFactory):
    """Somebody of the organization is away today, and only today unless told otherwise."""

    class Meta:
        model = Absence

    organization = factory.SubFactory(OrganizationFactory)
    user = factory.LazyAttribute(lambda absence: MembershipFactory(organization=absence.organization).user)
    first_day = factory.LazyFunction(lambda: timezone.now().date())
    last_day = factory.SelfAttribute("first_day")


class TaskChangeFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = TaskChange

    task = factory.SubFactory(TaskFactory)
    at = factory.LazyFunction(timezone.now)
    what = TaskChange.What.OPENED


class SavedFilterFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = SavedFilter

    owner = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"Filter {n}")
    query = "severity__exact=critical"


class ChannelFactory(factory.django.DjangoModelFactory):
    """A webhook that speaks at any hour; ``address`` is sealed as the admin would."""

    class Meta:
        model = Channel
        skip_postgeneration_save = True

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"channel {n}")
    kind = Channel.Kind.WEBHOOK
    rest_on_days_off = False

    @factory.post_generation
    def address(channel: Channel, create: bool, value: str | None, **_: object) -> None:
        if value:
            channel.set_address(value)
            channel.save()


class NotificationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Notification

    channel = factory.SubFactory(ChannelFactory)
    organization = factory.SelfAttribute("channel.organization")
    kind = Notification.Kind.TEST
    key = factory.Sequence(lambda n: f"key-{n}")
    next_attempt_at = factory.LazyFunction(timezone.now)
    created_at = factory.LazyFunction(timezone.now)
