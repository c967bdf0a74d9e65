from __future__ import annotations

from datetime import datetime, timedelta

import factory
from django.db.models import F
from django.utils import timezone

from analytics.models import StageMetric, StageVisit
from ats.models import Job, Stage
from tests.factories.ats import ApplicationFactory, CandidateEventFactory, JobFactory, StageFactory


class StageVisitFactory(factory.django.DjangoModelFactory):
    """A visit with its application and the event that began it; open unless ``left_at`` is given."""

    class Meta:
        model = StageVisit

    class Params:
        began = factory.LazyFunction(timezone.now)

    job = factory.SubFactory(JobFactory)
    stage = factory.SubFactory(StageFactory, connector=factory.SelfAttribute("..job.connector"))
    application = factory.SubFactory(ApplicationFactory, job=factory.SelfAttribute("..job"), current_stage=factory.SelfAttribute("..stage"))
    organization = factory.SelfAttribute("job.organization")
    n = 1
    entered_at = factory.SelfAttribute("began")
    entry_event = factory.SubFactory(
        CandidateEventFactory,
        application=factory.SelfAttribute("..application"),
        stage_to=factory.SelfAttribute("..stage"),
        occurred_at=factory.SelfAttribute("..entered_at"),
    )


class StageMetricFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = StageMetric

    job = factory.SubFactory(JobFactory)
    stage = factory.SubFactory(StageFactory, connector=factory.SelfAttribute("..job.connector"))
    organization = factory.SelfAttribute("job.organization")


def waiting(job: Job, stage: Stage, *, since: datetime | None = None, days: float = 0.0, **visit: object) -> StageVisit:
    """Somebody who has waited in a stage for so many calendar days, counted on the cell as the flow would."""
    began = since or timezone.now() - timedelta(days=days)
    StageMetric.objects.get_or_create(job=job, stage=stage, defaults={"organization": job.organization})
    StageMetric.objects.filter(job=job, stage=stage).update(
        open=F("open") + 1, entered=F("entered") + 1, window_entered=F("window_entered") + 1
    )
    made: StageVisit = StageVisitFactory(job=job, stage=stage, began=began, **visit)
    return made
