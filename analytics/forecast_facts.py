"""Reads what a job's forecast is computed from: its own stays, and those of jobs alike where its own are too few."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import numpy as np
from django.db import connection
from django.db.models import Q

from analytics.cells import Question, stage_ref
from analytics.estimators import ENOUGH_EXITS, EXIT_KINDS
from analytics.forecast import PAST_FORECASTS, SPAN_DAYS, Ground, Stays, in_days
from analytics.models import ExitKind, StageMetric, StageVisit
from analytics.observed import Seen
from analytics.samples import BASELINE_DAYS
from analytics.simulation import HIRED, OUT
from ats.models import CATEGORY_RANK, CandidateEvent, Job, Stage
from config import sql
from connectors.events import EventType, JobStatus, StageCategory

#: so many jobs of a department, and of an organization, teach what the job itself does not: the newest
POOL_JOBS = 20
#: the oldest stays that a past forecast looks at
LOOK_BACK = timedelta(days=BASELINE_DAYS + PAST_FORECASTS * SPAN_DAYS)


@dataclass(frozen=True, slots=True)
class _Stay:
    """One row of ``Stays``, in its order of columns."""

    application: int
    stage: int
    category: int
    entered: float
    left: float
    is_exit: bool
    whereto: int
    well_dated: bool
    own: bool
    near: bool
    first: bool


def ground_of(job: Job, question: Question, visits: Sequence[Seen], opened_at: datetime | None) -> Ground:
    """``visits``: all of the job's, as known at the question's moment."""
    stages = list(Stage.objects.filter(organization=job.organization_id))
    categories = {stage.pk: CATEGORY_RANK.get(StageCategory(stage.category), -1) for stage in stages}
    lands = _landing(job, stages)
    own = _own_stays(visits, categories, question.as_of)
    pools = _pools(job, question, categories, lands) if _wants_pools(own, in_days(question.as_of)) else []
    return Ground(
        job_id=job.pk,
        as_of=question.as_of,
        stays=_columns([*own, *pools]),
        categories=categories,
        statuses=_statuses(job, question),
        opened=None if opened_at is None else in_days(opened_at),
        names={stage.pk: stage_ref(stage) for stage in stages},
        openings=None if job.evergreen else job.openings,
        evergreen=job.evergreen,
    )


def _landing(job: Job, stages: Iterable[Stage]) -> dict[int, int]:
    """What a stage of any account is in this job's: itself, or the first of its category; missing: nothing like it."""
    own = sorted((stage for stage in stages if stage.connector_id == job.connector_id), key=lambda stage: (stage.position, stage.pk))
    first = {stage.category: stage.pk for stage in reversed(own) if stage.category != StageCategory.UNMAPPED}
    return {stage.pk: stage.pk if stage.connector_id == job.connector_id else first.get(stage.category, OUT) for stage in stages}


def _own_stays(visits: Sequence[Seen], categories: Mapping[int, int], as_of: datetime) -> list[_Stay]:
    following = {(seen.application_id, seen.n): seen.stage_id for seen in visits}
    firsts: dict[int, int] = {}
    for seen in visits:
        firsts[seen.application_id] = min(seen.n, firsts.get(seen.application_id, seen.n))
    return [
        _Stay(
            application=seen.application_id,
            stage=seen.stage_id,
            category=categories.get(seen.stage_id, -1),
            entered=in_days(seen.entered_at),
            left=in_days(seen.left_at) if seen.left_at is not None and seen.ended(as_of) else np.inf,
            is_exit=seen.ending(as_of) in EXIT_KINDS,
            whereto=_whereto(seen.ending(as_of), following.get((seen.application_id, seen.n + 1))),
            well_dated=seen.is_well_dated,
            own=True,
            near=True,
            first=firsts[seen.application_id] == seen.n,
        )
        for seen in sorted(visits, key=lambda seen: (seen.entered_at, seen.visit_id))
    ]


def _whereto(kind: str | None, following: int | None) -> int:
    if kind == ExitKind.HIRED:
        return HIRED
    moved = kind in {ExitKind.ADVANCED, ExitKind.MOVED_BACK, ExitKind.LATERAL}
    return following if moved and following is not None else OUT


def _wants_pools(own: Sequence[_Stay], now: float) -> bool:
    """Whether some stage of the job, now or at a past forecast, has fewer exits than a curve of its own needs."""
    stages = {stay.stage for stay in own}
    for number in range(PAST_FORECASTS + 1):
        at = now - number * SPAN_DAYS
        exits = [stay.stage for stay in own if stay.is_exit and stay.well_dated and at - BASELINE_DAYS <= stay.entered and stay.left <= at]
        if any(exits.count(stage) < ENOUGH_EXITS for stage in stages):
            return True
    return not stages


def _pools(job: Job, question: Question, categories: Mapping[int, int], lands: Mapping[int, int]) -> list[_Stay]:
    near = _newest(job, question, within_department=True) if job.department else []
    pairs = sorted({*near, *_newest(job, question, within_department=False)}, reverse=True)
    near_jobs, as_of = {job_id for job_id, _ in near}, in_days(question.as_of)
    found = []
    with connection.cursor() as cursor:
        sql.run(
            cursor,
            "analytics",
            "flow_visits",
            {
                "jobs": [job_id for job_id, _ in pairs],
                "stages": [stage_id for _, stage_id in pairs],
                "since": question.as_of - LOOK_BACK,
            },
        )
        rows = sorted(cursor.fetchall(), key=lambda row: (row[3], row[0], row[2]))
    for application, job_id, stage, entered, left, kind, well_dated, following in rows:
        if entered > as_of:
            continue
        over = left is not None and left <= as_of
        whereto = _whereto(kind if over else None, following)
        found.append(
            _Stay(
                application=application,
                stage=lands.get(stage, stage),
                category=categories.get(stage, -1),
                entered=entered,
                left=left if over else np.inf,
                is_exit=over and kind in EXIT_KINDS,
                whereto=lands.get(whereto, whereto),
                well_dated=well_dated,
                own=False,
                near=job_id in near_jobs,
                first=False,
            )
        )
    return found


def _newest(job: Job, question: Question, *, within_department: bool) -> list[tuple[int, int]]:
    """(job, stage) pairs of the newest jobs alike that anybody was in by the question's moment."""
    cells = StageMetric.objects.filter(organization=job.organization_id).exclude(job=job.pk).exclude(stage__category=StageCategory.UNMAPPED)
    if within_department:
        cells = cells.filter(job__department=job.department)
    cells = cells.filter(Q(entered__gt=0)).order_by("-job", "stage")
    found: list[tuple[int, int]] = []
    jobs: set[int] = set()
    for pair in cells.values_list("job_id", "stage_id").iterator(chunk_size=500):
        if pair[0] not in jobs and len(jobs) == POOL_JOBS:
            break
        if question.live or _was_entered(pair):
            found.append(pair)
            jobs.add(pair[0])
    return found


def _was_entered(pair: tuple[int, int]) -> bool:
    return StageVisit.objects.order_by().filter(job=pair[0], stage=pair[1]).exists()


def _statuses(job: Job, question: Question) -> list[tuple[float, str]]:
    events = CandidateEvent.objects.filter(job=job, event_type=EventType.JOB_STATUS_CHANGED)
    if question.known_by is not None:
        events = events.filter(recorded_at__lte=question.known_by)
    told = [
        (in_days(at), str(metadata.get("status", "")))
        for at, metadata in events.order_by(*CandidateEvent.FOLD_ORDER).values_list("occurred_at", "metadata")
    ]
    latest, standing = job.status_at, str(job.status)
    if latest is None:
        return (told and [(-np.inf, str(JobStatus.OPEN)), *told]) or [(-np.inf, standing)]
    if latest <= question.as_of and (not told or in_days(latest) > told[-1][0]):
        told.append((in_days(latest), standing))
    return [(-np.inf, str(JobStatus.OPEN)), *told]


#: column name → type of its entries
_KINDS = {"float": np.float64, "int": np.int64, "bool": np.bool_}


def _columns(stays: Sequence[_Stay]) -> Stays:
    return Stays(**{one.name: np.array([getattr(stay, one.name) for stay in stays], dtype=_KINDS[str(one.type)]) for one in fields(_Stay)})
