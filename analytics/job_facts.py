"""Reads what a job's statistics are computed from: in a fixed number of queries, as known at the question's moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from analytics import baselines, past
from analytics.baselines import Course
from analytics.calendars import BEGINNING, JobClock, JobClocks
from analytics.cells import Question, stage_ref
from analytics.estimators import Unit
from analytics.forecast_facts import ground_of
from analytics.funnel import ways_of
from analytics.heatmap import StageRef, Window
from analytics.milestones import WANTED, Milestones, Told, milestones
from analytics.models import StageMetric, StageVisit
from analytics.numbers import Asked, CellNumbers, Kept, Meanwhile, Place
from analytics.observed import SEEN_FIELDS, Observer, Seen, curve_of
from analytics.paces import baselines_of
from analytics.samples import BASELINE_DAYS
from analytics.telling import Facts
from ats import appointments
from ats.appointments import INBOUND, Appointments
from ats.models import APPOINTMENT, CATEGORY_RANK, Application, CandidateEvent, Job, Stage
from connectors.events import MOVING_EVENTS, EventType, JobStatus, StageCategory


def visits_of(job: Job, question: Question, *, stage_ids: Sequence[int] | None = None) -> list[Seen]:
    """The job's visits; within ``past.as_known`` those known then."""
    rows = StageVisit.objects.order_by().filter(job=job)
    if stage_ids is not None:
        rows = rows.filter(stage__in=stage_ids)
    return [Seen(*row) for row in rows.values_list(*SEEN_FIELDS)]


def facts_of(job: Job, question: Question) -> Facts:
    """Everything ``stats.statistics`` needs; within ``past.as_known`` for a question about the past."""
    visits = visits_of(job, question)
    stages = sorted(
        (stage_ref(stage) for stage in Stage.objects.filter(pk__in={seen.stage_id for seen in visits})), key=lambda ref: ref.sort_key
    )
    told = _milestones(job, visits, question)
    opened_at = _opened_at(job, question)
    clock = JobClocks([job], question.as_of, _earliest(visits, told, question), known_by=question.known_by).of(job)
    return Facts(
        as_of=question.as_of,
        window=question.span,
        clock=str(question.clock),
        job_clock=clock,
        opened_at=opened_at,
        stages=stages,
        cells=_cells(job, stages, question, visits, clock),
        courses=_courses(job, stages, question, visits, clock),
        visits=visits,
        ways=ways_of(visits, question.as_of),
        milestones=told,
        sources=dict(Application.objects.filter(pk__in=told).order_by().values_list("pk", "candidate__source")),
        appointments=_appointments(told, question),
        interview_place=CATEGORY_RANK[StageCategory.INTERVIEW] * 1000,
        ground=ground_of(job, question, visits, opened_at),
    )


def _courses(job: Job, stages: Sequence[StageRef], question: Question, visits: Sequence[Seen], clock: JobClock) -> dict[int | str, Course]:
    observer = Observer(Window.of_days(BASELINE_DAYS, question.as_of), question.as_of, Unit.BUSINESS_DAYS, clock)
    here = {ref.id: [seen for seen in visits if seen.stage_id == ref.id] for ref in stages}
    waited_in = [ref for ref in stages if not all(seen.is_over for seen in here[ref.id])]
    cells = [(ref.category, curve_of(observer.observe(here[ref.id]))) for ref in waited_in]
    return {ref.id: course for ref, course in zip(waited_in, baselines_of(cells, job, question), strict=True)}


def _earliest(visits: Sequence[Seen], told: dict[int, Milestones], question: Question) -> datetime:
    moments = [seen.entered_at for seen in visits] + [own.applied_at for own in told.values() if own.applied_at is not None]
    return max(min(moments, default=question.as_of), BEGINNING)


def _milestones(job: Job, visits: Sequence[Seen], question: Question) -> dict[int, Milestones]:
    """Of everybody who was ever in a stage of the job, or stands in the job without one."""
    seen = {visit.application_id for visit in visits}
    without_stage = set(Application.objects.filter(job=job).order_by().values_list("pk", flat=True)) - seen
    if question.known_by is not None:
        # the snapshots tell of today: whoever has changed since may have stood here then
        without_stage |= past.changed_since() - seen
    events = CandidateEvent.objects.filter(application__in=seen | without_stage, event_type__in=WANTED)
    if question.known_by is not None:
        events = events.filter(recorded_at__lte=question.known_by)
    of: dict[int, list[Told]] = {}
    job_of: dict[int, int] = {}
    columns = ("application_id", "event_type", "occurred_at", "job_id", "metadata__direction")
    rows = events.order_by("application_id", *CandidateEvent.FOLD_ORDER).values_list(*columns)
    for application_id, event_type, at, job_id, direction in rows:
        if job_id is not None and (event_type in MOVING_EVENTS or application_id not in job_of):
            job_of[application_id] = job_id
        inbound = event_type == EventType.EMAIL_LOGGED and str(direction).lower() in INBOUND
        here = (job_id or job_of.get(application_id, job.pk)) == job.pk
        of.setdefault(application_id, []).append(Told(event_type, at, inbound, here))
    return {
        application_id: milestones(own)
        for application_id, own in of.items()
        if application_id in seen or question.known_by is None or job_of.get(application_id) == job.pk
    }


def _appointments(application_ids: Iterable[int], question: Question) -> dict[int, Appointments]:
    """Interviews and feedback, folded as the rule of missing feedback folds them."""
    events = CandidateEvent.objects.filter(APPOINTMENT, application__in=list(application_ids), occurred_at__lte=question.as_of)
    if question.known_by is not None:
        events = events.filter(recorded_at__lte=question.known_by)
    columns = ("application_id", "event_type", "occurred_at", "provider_event_id", "actor_external_id", "metadata")
    of: dict[int, list[appointments.Told]] = {}
    for pk, kind, at, key, actor, metadata in events.order_by("application_id", *CandidateEvent.FOLD_ORDER).values_list(*columns):
        of.setdefault(pk, []).append(appointments.Told(event_type=kind, at=at, key=key, actor=actor, metadata=metadata))
    return {pk: appointments.fold(own) for pk, own in of.items()}


def _opened_at(job: Job, question: Question) -> datetime | None:
    if job.opened_at is not None:
        return job.opened_at
    events = CandidateEvent.objects.filter(job=job, event_type=EventType.JOB_STATUS_CHANGED, metadata__status=JobStatus.OPEN)
    if question.known_by is not None:
        events = events.filter(recorded_at__lte=question.known_by)
    return events.order_by("occurred_at").values_list("occurred_at", flat=True).first()


def _cells(
    job: Job, stages: Sequence[StageRef], question: Question, visits: Sequence[Seen], clock: JobClock
) -> dict[int | str, CellNumbers]:
    """Limits of the stages, as their heatmap cells have them."""
    targets = baselines.Targets.of([job.organization_id])
    places = [Place(job, (int(ref.id),), ref.category, ref.order, targets.target(job, (int(ref.id),), ref.category)) for ref in stages]
    if not question.live:
        asked = Asked(question.span, question.as_of, str(question.clock), question.known_by)
        return {ref.id: numbers for ref, numbers in zip(stages, asked.compared(places), strict=True)}
    rows = {row.stage_id: row for row in StageMetric.objects.filter(job=job)}
    circles = baselines.kept_circles([job.organization_id])
    found: dict[int | str, CellNumbers] = {}
    for ref, place in zip(stages, places, strict=True):
        waiting = [seen.entered_at for seen in visits if seen.stage_id == ref.id and not seen.is_over and seen.is_well_dated]
        kept = Kept([rows[int(ref.id)]] if int(ref.id) in rows else [])
        found[ref.id] = kept.numbers(place, str(question.clock), circles, Meanwhile(waiting, question.as_of, clock))
    return found
