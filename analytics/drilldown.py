"""The people behind a heatmap cell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from analytics import baselines
from analytics.bands import Band, Yardstick
from analytics.baselines import Course, Targets, measure_with
from analytics.calendars import JobClock, JobClocks
from analytics.cells import Question, open_visits
from analytics.heatmap import Ages, Json
from analytics.models import WELL_DATED, CategoryMetric, StageMetric, StageVisit
from analytics.numbers import Asked, Kept, Meanwhile, Place
from analytics.paces import baselines_of, course_of, told_pace
from ats.models import Application, Job, Stage, candidate_name
from ats.selectors import UNRESOLVED
from connectors.events import Precision, StageCategory


class AmbiguousStage(Exception):
    """Several stages of the job carry the name; the message names their ids."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of the people in a cell are asked for; empty means all. Ages in days of the question's clock."""

    bands: Collection[str] = ()
    min_age: float | None = None
    max_age: float | None = None
    severities: Collection[str] = ()
    issue_types: Collection[str] = ()

    @property
    def by_age(self) -> bool:
        return bool(self.bands) or self.min_age is not None or self.max_age is not None

    @property
    def by_issue(self) -> bool:
        return bool(self.severities or self.issue_types)


#: What is told of a person in a cell, in one row of one query.
FIELDS = (
    "pk",
    "application_id",
    "stage_id",
    "entered_at",
    "entry_precision",
    "application__external_id",
    "application__status",
    "application__applied_at",
    "application__last_activity_at",
    "application__last_event_at",
    "application__candidate_id",
    "application__candidate__external_id",
    "application__candidate__name",
    "application__candidate__email",
    "application__candidate__source",
)


def find_stages(job: Job, name: str, known: Sequence[Stage] | None = None) -> list[Stage]:
    """The stages ``name`` stands for in this job: none if it means nothing there.

    In this order: a canonical stage as the org heatmap serves it (``interview``, all stages of that category), a
    stage's name, a stage's name in another case, a stage's id. Raises ``AmbiguousStage``. ``known``: all stages of the
    job's connector by id, where the caller has them at hand; else they are read.
    """
    stages = Stage.objects.filter(connector_id=job.connector_id).order_by("id") if known is None else known
    if name in set(StageCategory):
        return [stage for stage in stages if stage.category == name]
    for same in (str.__eq__, lambda a, b: a.casefold() == b.casefold()):
        if named := [stage for stage in stages if same(str(stage), name)]:
            return [_only(named, name)]
    return [stage for stage in stages if str(stage.pk) == name]


def _only(stages: Sequence[Stage], name: str) -> Stage:
    if len(stages) > 1:
        ids = ", ".join(str(stage.pk) for stage in stages)
        raise AmbiguousStage(f"{len(stages)} stages of this job are called {name!r}; use one of the ids {ids} instead.")
    return stages[0]


def measure_of(job: Job, stages: Sequence[Stage], question: Question) -> Yardstick:
    """What the ages in this cell are measured with: the same as its heatmap cell says."""
    category, targets = stages[0].category, Targets.of([job.organization_id])
    if question.live:
        rows = [row for row in StageMetric.objects.filter(job=job, stage__in=stages) if row.was_entered]
        pool = CategoryMetric.objects.filter(job=job, category=category).first() if len(rows) > 1 else None
        used = tuple(row.stage_id for row in rows)
        place, circles = Place(job, used, category, None), baselines.kept_circles([job.organization_id])
        kept = Kept(rows, pool)
        usual = kept.usual(place, circles, _meanwhile(job, stages, question) if kept.has_open_limit else None)
        return measure_with(usual, category, targets.target(job, used, category))
    visits = StageVisit.objects.order_by().filter(job=job, stage__in=stages)
    used = tuple(visits.values_list("stage_id", flat=True).distinct())
    asked = Asked(question.span, question.as_of, str(question.clock), question.known_by)
    usual = asked.usual(Place(job, used, category, None)) if used else None
    return measure_with(usual, category, targets.target(job, used, category))


def _meanwhile(job: Job, stages: Sequence[Stage], question: Question) -> Meanwhile:
    entered = list(open_visits().filter(WELL_DATED, job=job, stage__in=stages).values_list("entered_at", flat=True))
    earliest = min(entered, default=question.as_of)
    return Meanwhile(entered, question.as_of, JobClocks([job], question.as_of, earliest).of(job))


def visits_in_cell(
    job: Job, stages: Sequence[Stage], question: Question, wanted: Wanted, measure: Yardstick, clock: JobClock | None = None
) -> QuerySet[StageVisit, Any]:
    """The open visits of a cell, all of them unless ``wanted`` says otherwise; ready to be paged by ``entered_at``.

    Rows of ``FIELDS``: three model instances for each person would take longer than all the rest of a page.

    ``clock``: the job's, where the caller has it at hand; else it is read.
    """
    visits = open_visits().filter(job=job, stage__in=stages)
    if wanted.by_age:
        visits = visits.filter(_entered_when(job, question, wanted, measure, list(visits.values_list("entered_at", flat=True)), clock))
    if wanted.by_issue:
        # one filter() call: severity and type must be of the same issue
        conditions = {"issues__severity__in": wanted.severities, "issues__issue_type__in": wanted.issue_types}
        troubled = Application.objects.filter(
            issues__status__in=UNRESOLVED,
            issues__job=job,
            issues__stage__in=stages,
            **{lookup: list(words) for lookup, words in conditions.items() if words},
        )
        visits = visits.filter(application__in=troubled.order_by().values("pk"))
    return visits.values_list(*FIELDS, named=True)


def _entered_when(job: Job, question: Question, wanted: Wanted, measure: Yardstick, entered: list[datetime], clock: JobClock | None) -> Q:
    """The wanted ages as ranges of ``entered_at``.

    An age only falls as the entry gets later, so each band is one unbroken range: exactly the visits that the
    cell counts in it, to the last rounded digit, and the database can page through them.
    """
    entered.sort()
    ages = ages_of(job, entered, question, clock)
    bands = [measure.thresholds.band(age) for age in ages.bd(entered)]
    on_clock = ages.on(question.clock, entered)
    kept: Q = Q(pk__in=[])
    for band in wanted.bands or Band:
        times = [moment for moment, own, age in zip(entered, bands, on_clock, strict=True) if own == band and _within(age, wanted)]
        if times:
            kept |= Q(entered_at__gte=times[0], entered_at__lte=times[-1])
    return kept


def _within(age: float, wanted: Wanted) -> bool:
    return (wanted.min_age is None or age >= wanted.min_age) and (wanted.max_age is None or age <= wanted.max_age)


def ages_of(job: Job, entered: Sequence[datetime], question: Question, clock: JobClock | None = None) -> Ages:
    earliest = min(entered, default=question.as_of)
    if clock is not None and (not entered or clock.calendar.earliest <= earliest):
        return Ages(clock, question.as_of)
    clocks = JobClocks([job], question.as_of, earliest, known_by=question.known_by)
    return Ages(clocks.of(job), question.as_of)


def rows(
    job: Job,
    visits: Sequence[Any],
    stages: Sequence[Stage],
    question: Question,
    measure: Yardstick,
    clock: JobClock | None = None,
    *,
    troubled: bool = True,
    courses: dict[tuple[int, ...], Course] | None = None,
) -> list[Json]:
    """One page as the API tells it, each visit with the person's pace and the application's unresolved issues here.

    ``visits``: of ``visits_in_cell``. ``troubled``: whether the cell has any unresolved issue; they are read only then.
    ``courses``: curves that were found before, for as long as nothing changes in the job; one that is found now is added.
    """
    if not visits:
        return []
    entered = [visit.entered_at for visit in visits]
    ages, names = ages_of(job, entered, question, clock), {stage.pk: str(stage) for stage in stages}
    on_clock, in_bd = ages.on(question.clock, entered), ages.bd(entered)
    issues = _issues(job, visits) if troubled else {}
    courses, own = {} if courses is None else courses, tuple(names)
    if own not in courses:
        (courses[own],) = baselines_of([(stages[0].category, course_of(job, own, question, clock))], job, question)
    course = courses[own]
    return [
        _row(visit, stage=names[visit.stage_id], age=age, unit=str(question.clock), band=str(measure.thresholds.band(age_bd)))
        | {"pace": told_pace(course, age_bd), "issues": issues.get((visit.application_id, visit.stage_id), [])}
        for visit, age, age_bd in zip(visits, on_clock, in_bd, strict=True)
    ]


def _row(visit: Any, *, stage: str, age: float, unit: str, band: str) -> Json:
    name = candidate_name(visit.application__candidate__name, visit.application__candidate__external_id)
    return {
        "candidate": {"id": visit.application__candidate_id, "name": name, "email": visit.application__candidate__email},
        "application": {
            "id": visit.application_id,
            "external_id": visit.application__external_id,
            "status": visit.application__status,
            "applied_at": visit.application__applied_at,
        },
        "stage": {"id": visit.stage_id, "name": stage},
        "entered_at": visit.entered_at,
        "entry_precision": visit.entry_precision,
        "age": age,
        "age_unit": unit,
        # it began before we watched: the true age is higher
        "age_is_lower_bound": visit.entry_precision == Precision.UNKNOWN,
        "band": band,
        "source": visit.application__candidate__source,
        "last_activity_at": visit.application__last_activity_at,
        "last_event_at": visit.application__last_event_at,
    }


def _issues(job: Job, visits: Sequence[Any]) -> dict[tuple[int, int], list[Json]]:
    """Unresolved issues by (application, stage), worst first, read through the relation Issue declares."""
    found: dict[tuple[int, int], list[Json]] = defaultdict(list)
    fields = ("id", "issue_type", "severity", "status", "sentence", "detected_at")
    for application_id, stage_id, *values in (
        Application.objects.filter(pk__in=[visit.application_id for visit in visits], issues__status__in=UNRESOLVED, issues__job=job)
        .order_by("-issues__score", "issues__id")
        .values_list("pk", "issues__stage_id", *(f"issues__{field}" for field in fields))
    ):
        found[application_id, stage_id].append(dict(zip(fields, values, strict=True)))
    return found
