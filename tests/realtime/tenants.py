"""Believable tenants and people for the tests of live updates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import count

from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from accounts.models import Membership, Organization, Role, User
from analytics.models import StageMetric, StageVisit
from ats.models import Application, Candidate, Job, Stage
from connectors.events import EventType
from connectors.models import Batch, Connector
from tests.factories.ats import CandidateEventFactory

_ids = count(1)


@dataclass
class Tenant:
    """An organization with one connector, two stages and as many jobs as asked for."""

    organization: Organization
    connector: Connector
    review: Stage
    interview: Stage

    def job(self, title: str = "Data Engineer") -> Job:
        return Job.objects.create(organization=self.organization, connector=self.connector, external_id=f"j{next(_ids)}", title=title)

    def apply(self, job: Job, *, days_ago: float = 1) -> Application:
        """An application waiting in review, with its visit and cell."""
        number = next(_ids)
        candidate = Candidate.objects.create(
            organization=self.organization, connector=self.connector, external_id=f"c{number}", name="Grace Hopper"
        )
        application = Application.objects.create(
            organization=self.organization, connector=self.connector, external_id=f"a{number}",
            candidate=candidate, job=job, current_stage=self.review,
        )  # fmt: skip
        StageVisit.objects.create(
            entry_event_id=number, organization=self.organization, application=application, n=1, job=job, stage=self.review,
            entered_at=timezone.now() - timedelta(days=days_ago),
        )  # fmt: skip
        metric, _ = StageMetric.objects.get_or_create(organization=self.organization, job=job, stage=self.review)
        metric.open += 1
        metric.entered += 1
        metric.save()
        return application

    def apply_on_record(self, job: Job, *, days_ago: float) -> Application:
        """The same with the fact it comes from, recorded when it happened: who asks about the past goes by that."""
        application = self.apply(job, days_ago=days_ago)
        CandidateEventFactory(
            application=application,
            event_type=EventType.APPLICATION_CREATED,
            stage_to=self.review,
            occurred_at=timezone.now() - timedelta(days=days_ago),
        )
        return application

    def crowd(self, job: Job, number: int) -> list[Application]:
        """So many applications on a job, with nothing derived from them."""
        owner = {"organization": self.organization, "connector": self.connector}
        people = Candidate.objects.bulk_create(Candidate(**owner, external_id=f"c{next(_ids)}") for _ in range(number))
        rows = (Application(**owner, external_id=f"a{one.external_id}", candidate=one, job=job) for one in people)
        return Application.objects.bulk_create(rows)

    def batch(self, *applications: Application) -> Batch:
        return Batch.objects.create(
            organization=self.organization, connector=self.connector, step="realtime.push",
            application_ids=[one.pk for one in applications], next_attempt_at=timezone.now(),
        )  # fmt: skip

    def member(self, username: str, *, role: str = Role.RECRUITER) -> User:
        user = User.objects.create_user(username)
        Membership.objects.create(organization=self.organization, user=user, role=role)
        return user


def make_tenant(slug: str) -> Tenant:
    organization = Organization.objects.create(slug=slug, name=slug.title())
    connector = Connector.objects.create(organization=organization, provider="files", name="ats")
    review, interview = (
        Stage.objects.create(organization=organization, connector=connector, external_id=word, name=word.title(), category=word)
        for word in ("review", "interview")
    )
    return Tenant(organization, connector, review, interview)


def token_of(user: User) -> str:
    return str(AuthToken.objects.create(user)[1])


def session_of(user: User) -> str:
    """The value of a logged-in browser's session cookie."""
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value
