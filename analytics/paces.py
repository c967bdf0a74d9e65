"""How far along somebody's wait is (M05): the share of the stage's stays of 180 days that were over by his age."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import Q

from analytics.calendars import JobClock, JobClocks
from analytics.cells import Question
from analytics.estimators import ENOUGH_EXITS, Curve, Unit, pace
from analytics.heatmap import Json, Window
from analytics.models import Baseline, StageVisit
from analytics.observed import SEEN_FIELDS, Observer, Seen, curve_of
from analytics.samples import BASELINE_DAYS
from ats.models import Job


def course_of(job: Job, stage_ids: Sequence[int], question: Question, clock: JobClock | None) -> Curve:
    """The stays of 180 days in some stages of a job. ``clock``: the job's, where the caller has it at hand."""
    window = Window.of_days(BASELINE_DAYS, question.as_of)
    if clock is None or clock.calendar.earliest > window.since - timedelta(days=1):
        clock = JobClocks([job], question.as_of, window.since, known_by=question.known_by).of(job)
    rows = StageVisit.objects.order_by().filter(
        Q(left_at=None) | Q(left_at__gte=window.since), job=job, stage__in=stage_ids, entered_at__gte=window.since
    )
    seen = [Seen(*row) for row in rows.values_list(*SEEN_FIELDS)]
    return curve_of(Observer(window, question.as_of, Unit.BUSINESS_DAYS, clock).observe(seen))


def told_pace(course: Curve, age: float) -> Json:
    """Of one person; ``age`` in business days. Null under 20 exits."""
    found, known = pace(course, age), course.n_exits >= ENOUGH_EXITS
    return {
        "definition_id": "M05",
        "value": found.value if known else None,
        "unit": str(found.unit),
        "n": found.n,
        "n_exits": found.n_exits,
        "n_open": found.n_open,
        "confidence": str(found.confidence),
        "baseline_level": str(Baseline.Level.JOB) if known else None,
    }
