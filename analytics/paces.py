"""How far along somebody's wait is (M05): the share of the baseline's stays that were over by his age.

The baseline is the one limits go by: the stage's own 180 days, else the category's in the department, else in the organization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from analytics import wide
from analytics.array_cells import Cells, sample
from analytics.array_clocks import Array
from analytics.baselines import Course, kept_wider_courses, wider_courses_at
from analytics.calendars import JobClock, JobClocks
from analytics.cells import Question
from analytics.estimators import ENOUGH_EXITS, Curve, pace
from analytics.heatmap import Json, Window
from analytics.models import Baseline
from analytics.samples import BASELINE_DAYS
from analytics.suspect_cells import VISIT
from analytics.suspects import read, unpacked
from ats.models import Job

_SINCE = "stage_id = any(%(stages)s) and entered_at >= %(since)s and (left_at >= %(since)s or left_at is null)"


def baselines_of(cells: Sequence[tuple[str, Curve]], job: Job, question: Question) -> list[Course]:
    """What the people of some cells of a job are compared with; each cell by its category and own curve. Within
    ``past.as_known`` about the past."""
    wanting = {category for category, own in cells if own.n_exits < ENOUGH_EXITS}
    if question.live:
        wider = kept_wider_courses(job, wanting)
    else:
        wider = wider_courses_at(job, wanting, question.as_of, known_by=question.known_by)
    return [
        Course(Baseline.Level.JOB, own) if own.n_exits >= ENOUGH_EXITS else wider.get(category, Course(None, own))
        for category, own in cells
    ]


def course_of(job: Job, stage_ids: Sequence[int], question: Question, clock: JobClock | None) -> Curve:
    """The stays of 180 days in some stages of a job. ``clock``: the job's, where the caller has it at hand.

    A large cell has thousands of them, and a page of its people takes a few milliseconds: so they are read as arrays.
    """
    window = Window.of_days(BASELINE_DAYS, question.as_of)
    if clock is None or clock.calendar.earliest > window.since - timedelta(days=1):
        clock = JobClocks([job], question.as_of, window.since, known_by=question.known_by).of(job)
    rows = read("analytics_stagevisit", VISIT, [job.pk], key="job_id", only=_SINCE, stages=list(stage_ids), since=window.since)
    visits = unpacked(rows, kind=1, well_dated=0)
    visits["well_dated"] = visits["well_dated"] != 0
    since, now = (np.array([wide.micros(at)]) for at in (window.since, question.as_of))
    _, days, is_exit, is_open = sample(visits, Cells(np.zeros(len(visits["job"]), np.int64), since, now, now), _OneClock(clock))
    return Curve.of(exits=days[is_exit].tolist(), still_open=days[is_open].tolist(), cut_off=days[~is_exit & ~is_open].tolist())


@dataclass(frozen=True, slots=True)
class _OneClock:
    """A job's clock for moments in arrays (seconds since 1970)."""

    clock: JobClock

    def between(self, job: Array, since: Array, until: Array) -> Array:
        days = np.empty(len(since))
        for end in np.unique(until):  # of open stays there is one
            which = until == end
            starts = [datetime.fromtimestamp(at, UTC) for at in since[which].tolist()]
            days[which] = self.clock.bd(starts, datetime.fromtimestamp(end, UTC))
        return days


def told_pace(course: Course, age: float) -> Json:
    """Of one person; ``age`` in business days. Null where no level has 20 exits."""
    found = pace(course.curve, age)
    return {
        "definition_id": "M05",
        "value": found.value if course.level else None,
        "unit": str(found.unit),
        "n": found.n,
        "n_exits": found.n_exits,
        "n_open": found.n_open,
        "confidence": str(found.confidence),
        "baseline_level": str(course.level) if course.level else None,
    }
