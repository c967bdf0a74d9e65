"""The stays a cell is compared with: behind its limit and its people's pace, and behind its delay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import QuerySet

from analytics.calendars import BEGINNING, JobClocks
from analytics.cells import CellReader, Question, canonical, stage_ref
from analytics.estimators import Unit
from analytics.heatmap import Json, Window
from analytics.models import Baseline, StageVisit
from analytics.numbers import CellNumbers
from analytics.observed import SEEN_FIELDS, Observer, Seen
from analytics.samples import BASELINE_DAYS
from ats.models import Job, Stage


class Behind(StrEnum):
    LIMIT = "limit"  #: the limit of the cell, whatever it is configured to be, and the pace of its people
    DELAY = "delay"  #: the delay: other jobs only


@dataclass(frozen=True, slots=True)
class Compared:
    """A cell of a job, what of it is asked about, and at which level its baseline was found (None: nowhere)."""

    job: Job
    stages: Sequence[Stage]
    question: Question
    behind: Behind
    level: Baseline.Level | None

    @property
    def window(self) -> Window:
        return Window.of_days(BASELINE_DAYS, self.question.as_of)


def compared(job: Job, stages: Sequence[Stage], question: Question, behind: Behind, *, pooled: bool) -> Compared:
    """Within ``past.as_known`` for a question about the past. ``pooled``: the cell is a canonical stage."""
    found = _numbers(job, stages[0], question, pooled=pooled)
    if behind == Behind.LIMIT:
        return Compared(job, stages, question, behind, found.level)
    return Compared(job, stages, question, behind, found.usual.level if found.usual else None)


def _numbers(job: Job, stage: Stage, question: Question, *, pooled: bool) -> CellNumbers:
    group = canonical if pooled else stage_ref
    wanted = group(stage)
    ((_, _, standings),) = CellReader([job], question).standings(group, columns=[wanted])
    return next(one.numbers for one in standings if one.ref.id == wanted.id)


def stays_behind(asked: Compared) -> QuerySet[StageVisit, Any]:
    """All that began in the 180 days; where no level has a baseline, the cell's own (behind a limit) or none (behind a delay)."""
    job, window = asked.job, asked.window
    visits = StageVisit.objects.order_by().filter(entered_at__gte=window.since, entered_at__lt=window.until)
    if asked.level is None and asked.behind == Behind.DELAY:
        visits = visits.none()
    elif asked.level is None or asked.level == Baseline.Level.JOB:
        visits = visits.filter(job=job, stage__in=asked.stages)
    else:
        visits = visits.filter(organization=job.organization_id, stage__category=asked.stages[0].category, job__isnull=False)
        if asked.level == Baseline.Level.DEPARTMENT:
            visits = visits.filter(job__department=job.department)
        if asked.behind == Behind.DELAY:
            visits = visits.exclude(job=job)
    return visits.values_list("pk", "job_id", *SEEN_FIELDS, named=True)


def told_stays(asked: Compared, visits: Sequence[Any]) -> list[Json]:
    """One page of ``stays_behind``: each stay counted, or left out for a reason; business days."""
    jobs = {job.pk: job for job in Job.objects.filter(pk__in={visit.job_id for visit in visits}).select_related("organization")}
    names = {stage.pk: str(stage) for stage in Stage.objects.filter(pk__in={visit.stage_id for visit in visits})}
    question = asked.question
    earliest = max(min((visit.entered_at for visit in visits), default=question.as_of), BEGINNING)
    clocks = JobClocks(list(jobs.values()), question.as_of, earliest, known_by=question.known_by)
    told = []
    for visit in visits:
        observer = Observer(asked.window, question.as_of, Unit.BUSINESS_DAYS, clocks.of(jobs[visit.job_id]))
        (seen,) = observer.observe([Seen(*(getattr(visit, name) for name in SEEN_FIELDS))])
        told.append(
            {
                "baseline_level": str(asked.level) if asked.level else None,
                "job": {"id": visit.job_id, "title": str(jobs[visit.job_id])},
                "stage": {"id": visit.stage_id, "name": names[visit.stage_id]},
                **dict.fromkeys(("days", "taken_as", "exit_kind", "reason")),
                **seen.as_dict(question.as_of),
            }
        )
    return told
