"""How heatmap cells are read: in a fixed number of queries, whatever the number of jobs and stages.

Open visits are always read live, through ``open_visits``, which the drilldown uses as well: that is why a cell
and its list of people agree. Statistics come from the numbers kept on each cell where they answer the question,
and are computed from the visits where they do not (another window or moment, or several stages pooled).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, QuerySet

from analytics import baselines
from analytics.baselines import Circle, Targets
from analytics.calendars import JobClock, JobClocks
from analytics.estimators import Unit
from analytics.frames import Frame
from analytics.heatmap import Ages, Json, StageRef, Window, cell
from analytics.models import WELL_DATED, CategoryMetric, StageMetric, StageVisit
from analytics.numbers import NOTHING, Asked, CellNumbers, Kept, Meanwhile, Place
from analytics.samples import Counts, Summary
from ats.models import CATEGORY_RANK, Job, Stage
from ats.selectors import TO_DECIDE, UNRESOLVED
from connectors.events import StageCategory

DEFAULT_WINDOW_DAYS = 90

#: A job's id and the id of what its visits are grouped by.
Key = tuple[int, int | str]


@dataclass(frozen=True, slots=True)
class Question:
    """What a heatmap or drilldown is asked: the common parameters, all resolved.

    ``live``: as things stand now, ``as_of`` being the moment of asking. Otherwise the answer is the one that
    would have been given at ``as_of``.
    """

    as_of: datetime
    live: bool = True
    clock: str = Unit.BUSINESS_DAYS
    window: Window | None = None

    @property
    def span(self) -> Window:
        return self.window or Window.of_days(DEFAULT_WINDOW_DAYS, self.as_of)

    @property
    def stored(self) -> bool:
        """Whether the numbers kept on each cell answer it."""
        return self.live and self.window is None

    @property
    def known_by(self) -> datetime | None:
        """Only what was recorded by then counts; None: everything."""
        return None if self.live else self.as_of


def open_visits() -> QuerySet[StageVisit]:
    """The open visits: THE query of a cell. Counts, ages and drilldown all start here. Within ``past.as_known`` for a
    question about the past: those of whom no end was known then.

    A skewed clock may date an entry ahead: its age is 0 until then, and who is said to have come there is no longer
    where they were before.
    """
    return StageVisit.objects.order_by().filter(left_at=None)  # the table's own order would join the applications


def stage_ref(stage: Stage) -> StageRef:
    return StageRef(id=stage.pk, name=str(stage), category=stage.category, order=stage.order)


def canonical(stage: Stage) -> StageRef:
    """The canonical stage of a stage: its category."""
    return category_ref(StageCategory(stage.category))


def category_ref(category: StageCategory) -> StageRef:
    """A category as a stage. The word is both id and name, so either leads to the drilldown."""
    order = CATEGORY_RANK[category] * 1000 if category in CATEGORY_RANK else None
    return StageRef(id=category.value, name=category.value, category=category.value, order=order)


#: The columns every org heatmap has; ``unmapped`` joins them where it is used.
CANONICAL_STAGES = tuple(category_ref(category) for category in CATEGORY_RANK)


@dataclass(frozen=True, slots=True)
class Standing:
    """A cell before anybody has looked at the clock: whose visits are open since when, and the numbers beside them."""

    ref: StageRef
    entered_open: Sequence[datetime]
    numbers: CellNumbers
    #: the numbers as of another moment, where they move with time alone (a percentile that is not reached)
    later: Callable[[datetime], CellNumbers] | None
    #: to be decided on, see ``ats.selectors.TO_DECIDE``
    issues_open: int
    #: whether anything is wrong with anybody here, decided on or not
    troubled: bool
    #: whether anybody was ever there
    used: bool


class CellReader:
    """The cells of some jobs for one question. What is behind them is read once, however often they are grouped.

    Jobs come with their organization selected. A question about the past is asked within ``past.as_known``.
    ``frame``: what stands around the cells of these jobs' one organization, where the caller has it; else it is read.
    """

    def __init__(self, jobs: Sequence[Job], question: Question, frame: Frame | None = None) -> None:
        self._jobs = jobs
        self._by_id = {job.pk: job for job in jobs}
        self._question = question
        self._frame = frame

    def read(self, group: Callable[[Stage], StageRef], *, columns: Sequence[StageRef] | None = None) -> dict[int, list[Json]]:
        """Per job its cells in pipeline order, stages that ``group`` names alike in one: of the stages the job has used, or
        with ``columns`` of these for every job, and of any other stage that some job uses."""
        clock = self._question.clock
        found: dict[int, list[Json]] = {}
        for job, job_clock, standings in self.standings(group, columns=columns):
            ages = Ages(job_clock, self._question.as_of)
            found[job.pk] = [
                cell(one.ref, entered_open=one.entered_open, ages=ages, clock=clock, numbers=one.numbers, issues_open=one.issues_open)
                for one in standings
            ]
        return found

    def standings(
        self, group: Callable[[Stage], StageRef], *, columns: Sequence[StageRef] | None = None
    ) -> Iterator[tuple[Job, JobClock, list[Standing]]]:
        """Each job with its clock and its cells; ``group`` and columns as in ``read``."""
        named = {stage.pk: group(stage) for stage in self._stages}
        entered: dict[Key, list[datetime]] = defaultdict(list)
        counted: dict[Key, list[datetime]] = defaultdict(list)
        for (job_id, stage_id), (moments, of_counted_length) in self._waiting.items():
            entered[job_id, named[stage_id].id] += moments
            counted[job_id, named[stage_id].id] += of_counted_length
        to_decide: dict[Key, int] = defaultdict(int)
        for job_id, stage_id, count in self._issue_counts:
            if stage_id in named:
                to_decide[job_id, named[stage_id].id] += count

        used = {*entered, *((job_id, named[stage_id].id) for job_id, stage_id in self._metrics)}
        refs = sorted({*named.values(), *(columns or ())}, key=lambda ref: ref.sort_key)
        shown = {job.pk: [ref for ref in refs if columns is not None or (job.pk, ref.id) in used] for job in self._jobs}
        numbers = self._numbers(named, shown, counted)
        for job in self._jobs:
            yield (
                job,
                self._clocks.of(job),
                [
                    Standing(
                        ref,
                        entered.get((job.pk, ref.id), ()),
                        *numbers[job.pk, ref.id],
                        to_decide.get((job.pk, ref.id), 0),
                        (job.pk, ref.id) in to_decide,
                        (job.pk, ref.id) in used,
                    )
                    for ref in shown[job.pk]
                ],
            )

    @cached_property
    def _waiting(self) -> dict[tuple[int, int], tuple[list[datetime], list[datetime]]]:
        """By (job, stage) when each open visit began, and of these when those did whose length counts."""
        rows = open_visits().filter(job_id__in=self._by_id).values_list("job_id", "stage_id")
        told = rows.annotate(entered=ArrayAgg("entered_at"), counted=ArrayAgg("entered_at", filter=WELL_DATED, default=[]))
        return {(job_id, stage_id): (entered, counted) for job_id, stage_id, entered, counted in told}

    @cached_property
    def _clocks(self) -> JobClocks:
        earliest = min((min(moments) for moments, _ in self._waiting.values()), default=self._question.as_of)
        calendars = self._frame.calendars if self._frame else None
        return JobClocks(self._jobs, self._question.as_of, earliest, known_by=self._question.known_by, definitions=calendars)

    @cached_property
    def _metrics(self) -> dict[tuple[int, int], StageMetric | None]:
        """The (job, stage) pairs ever used, with what is kept on them; about the past only the pairs are known."""
        if not self._question.live:
            visits = StageVisit.objects.order_by().filter(job_id__in=self._by_id)
            return dict.fromkeys(visits.values_list("job_id", "stage_id").distinct())
        return {(row.job_id, row.stage_id): row for row in StageMetric.objects.filter(job_id__in=self._by_id) if row.was_entered}

    @cached_property
    def _stages(self) -> list[Stage]:
        """All that these jobs have used."""
        stage_ids = {stage_id for _, stage_id in (*self._waiting, *self._metrics)}
        known = self._frame.stages if self._frame else {}
        found = [known[stage_id] for stage_id in stage_ids if stage_id in known]
        if len(found) < len(stage_ids):  # without a frame all of them; with one, those that came after it was read
            found += Stage.objects.filter(pk__in=[stage_id for stage_id in stage_ids if stage_id not in known])
        return found

    @cached_property
    def _issue_counts(self) -> list[tuple[int, int, int]]:
        """(job, stage, issues to decide on) wherever any issue is unresolved. Through the relation that Issue declares: this
        app does not import the later one."""
        return list(
            Job.objects.filter(pk__in=self._by_id, issues__status__in=UNRESOLVED)
            .order_by()
            .values("pk", "issues__stage_id")
            .annotate(to_decide=Count("issues", filter=TO_DECIDE))
            .values_list("pk", "issues__stage_id", "to_decide")
        )

    @cached_property
    def _organizations(self) -> set[int]:
        return {job.organization_id for job in self._jobs}

    @cached_property
    def _targets(self) -> Targets:
        return self._frame.targets if self._frame else Targets.of(self._organizations)

    @cached_property
    def _circles(self) -> Mapping[Circle, Summary]:
        return self._frame.circles if self._frame else baselines.kept_circles(self._organizations)

    def _numbers(
        self, named: Mapping[int, StageRef], shown: Mapping[int, Sequence[StageRef]], counted: Mapping[Key, Sequence[datetime]]
    ) -> dict[Key, tuple[CellNumbers, Callable[[datetime], CellNumbers] | None]]:
        """Of each cell that is ``shown``, by job; nobody need have been there. ``named``: the cell of each stage; ``counted``:
        when its open visits began whose length counts."""
        stages: dict[Key, list[int]] = {(job_id, ref.id): [] for job_id, refs in shown.items() for ref in refs}
        for job_id, stage_id in self._metrics:
            stages[job_id, named[stage_id].id].append(stage_id)
        refs = {(job_id, ref.id): ref for job_id, own in shown.items() for ref in own}
        places = {key: self._place(key[0], refs[key], stage_ids) for key, stage_ids in stages.items()}
        question = self._question
        asked = Asked(question.span, question.as_of, str(question.clock), question.known_by)
        if not question.live:
            return {key: (numbers, None) for key, numbers in zip(places, asked.compared(list(places.values())), strict=True)}
        # only a category has numbers of its own beside those of its stages
        pooled = any(isinstance(ref.id, str) for ref in named.values())
        pools = {(row.job_id, row.category): row for row in CategoryMetric.objects.filter(job__in=self._by_id)} if pooled else {}
        rows = {
            key: Kept([row for stage_id in stage_ids if (row := self._metrics[key[0], stage_id])], pools.get((key[0], str(key[1]))))
            for key, stage_ids in stages.items()
            if stage_ids
        }
        afresh = [key for key in rows if not question.stored or rows[key].row is None]
        computed = dict(zip(afresh, asked.of([places[key] for key in afresh]), strict=True))
        found = {}
        for key, place in places.items():
            kept = rows.get(key, NOTHING)
            at = self._numbers_at(kept, place, counted.get(key, ()), computed.get(key))
            found[key] = at(question.as_of), at if kept.is_open_ended and counted.get(key) else None
        return found

    def _numbers_at(
        self, kept: Kept, place: Place, counted: Sequence[datetime], asked: tuple[Summary, Counts] | None
    ) -> Callable[[datetime], CellNumbers]:
        clock, job_clock, circles = self._question.clock, self._clocks.of(place.job), self._circles
        return lambda as_of: kept.numbers(place, clock, circles, Meanwhile(counted, as_of, job_clock), asked)

    def _place(self, job_id: int, ref: StageRef, stage_ids: Sequence[int]) -> Place:
        pooled = isinstance(ref.id, str)
        # a category ends where the next one begins: moving on within it is no advance
        place = None if ref.order is None else ref.order + 999 if pooled else ref.order
        job = self._by_id[job_id]
        return Place(job, tuple(stage_ids), ref.category, place, self._targets.target(job, stage_ids, ref.category))
