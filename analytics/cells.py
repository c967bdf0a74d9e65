"""How heatmap cells are read: in a fixed number of queries, whatever the number of jobs and stages.

Open visits are always read live, through ``open_visits``, which the drilldown uses as well: that is why a cell
and its list of people agree. Statistics come from the numbers kept on each cell where they answer the question,
and are recomputed from the visits where they do not (another window, clock or moment, or several stages pooled).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import fmean

from django.db.models import Count, Q, QuerySet

from accounts.models import Organization
from analytics.clocks import CompiledCalendar, WorkingCalendar, compile_calendar
from analytics.estimators import Curve, Estimate, Stay, Unit, estimate_quantile
from analytics.heatmap import Ages, CellStatistics, Json, StageRef, Window, cell, stored_quantile
from analytics.models import StageMetric, StageVisit
from ats.models import CATEGORY_RANK, Job, Stage
from ats.selectors import UNRESOLVED
from connectors.events import Precision, StageCategory

DEFAULT_WINDOW_DAYS = 90
#: A visit this short was passed through: reached, but no duration.
PASSED_THROUGH = timedelta(seconds=60)
#: A bounded entry is only as good as its gap, seconds.
WIDEST_GAP = 86_400

#: A job's id and the id of what its visits are grouped by.
Key = tuple[int, int | str]


@dataclass(frozen=True, slots=True)
class Question:
    """What a heatmap or drilldown is asked: the common parameters, all resolved.

    ``live``: as things stand now, ``as_of`` being the moment of asking. Otherwise the visits are read as they
    stood at ``as_of``.
    """

    as_of: datetime
    live: bool = True
    clock: str = Unit.CALENDAR_DAYS
    window: Window | None = None

    @property
    def span(self) -> Window:
        return self.window or Window.of_days(DEFAULT_WINDOW_DAYS, self.as_of)

    @property
    def stored(self) -> bool:
        """Whether the numbers kept on each cell answer it."""
        return self.live and self.window is None and self.clock == Unit.CALENDAR_DAYS


def open_visits(question: Question) -> QuerySet[StageVisit]:
    """The visits open at the question's moment: THE query of a cell. Counts, ages and drilldown all start here."""
    visits = StageVisit.objects.order_by()  # the table's own order would join the applications
    if question.live:
        return visits.filter(left_at=None)
    return visits.filter(Q(left_at=None) | Q(left_at__gt=question.as_of), entered_at__lte=question.as_of)


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


class CellReader:
    """The cells of some jobs for one question, their stages grouped by ``group``.

    Jobs come with their organization selected.
    """

    def __init__(self, jobs: Sequence[Job], question: Question, group: Callable[[Stage], StageRef]) -> None:
        self._jobs = jobs
        self._job_ids = [job.pk for job in jobs]
        self._question = question
        self._group = group

    def read(self, *, columns: Sequence[StageRef] | None = None) -> dict[int, list[Json]]:
        """Per job its cells in pipeline order: of the stages it has used, or with ``columns`` of these for every
        job, and of any other stage that some job uses."""
        open_rows = list(open_visits(self._question).filter(job_id__in=self._job_ids).values_list("job_id", "stage_id", "entered_at"))
        metrics = list(StageMetric.objects.filter(job_id__in=self._job_ids))
        issues = self._issue_counts()
        self._find_stages({row[1] for row in open_rows} | {metric.stage_id for metric in metrics})
        waiting: dict[Key, list[datetime]] = defaultdict(list)
        for job_id, stage_id, entered_at in open_rows:
            waiting[self._key(job_id, stage_id)].append(entered_at)
        statistics = self._statistics(metrics)
        ages = self._ages(earliest=min((row[2] for row in open_rows), default=self._question.as_of))
        unresolved: dict[Key, int] = defaultdict(int)
        for job_id, stage_id, count in issues:
            if stage_id in self._refs:
                unresolved[self._key(job_id, stage_id)] += count

        used = {*waiting, *statistics}
        refs = sorted({*self._refs.values(), *(columns or ())}, key=lambda ref: ref.sort_key)
        return {
            job.pk: [
                cell(
                    ref,
                    entered_open=waiting.get((job.pk, ref.id), ()),
                    ages=ages[job.organization_id],
                    clock=self._question.clock,
                    statistics=statistics.get((job.pk, ref.id), NOTHING_MEASURED),
                    issues_open=unresolved.get((job.pk, ref.id), 0),
                )
                for ref in refs
                if columns is not None or (job.pk, ref.id) in used
            ]
            for job in self._jobs
        }

    def _find_stages(self, stage_ids: Iterable[int]) -> None:
        self._refs = {stage.pk: self._group(stage) for stage in Stage.objects.filter(pk__in=list(stage_ids))}

    def _key(self, job_id: int, stage_id: int) -> Key:
        return job_id, self._refs[stage_id].id

    def _issue_counts(self) -> Iterable[tuple[int, int, int]]:
        """(job, stage, unresolved issues). Through the relation that Issue declares: this app does not import the later one."""
        return (
            Job.objects.filter(pk__in=self._job_ids, issues__status__in=UNRESOLVED)
            .order_by()
            .values("pk", "issues__stage_id")
            .annotate(unresolved=Count("issues"))
            .values_list("pk", "issues__stage_id", "unresolved")
        )

    def _statistics(self, metrics: Sequence[StageMetric]) -> dict[Key, CellStatistics]:
        of_key: dict[Key, list[StageMetric]] = defaultdict(list)
        for metric in metrics:
            of_key[self._key(metric.job_id, metric.stage_id)].append(metric)
        if not self._question.stored:
            return self._measured(of_key, self._counted())
        single = {key: stored(group[0]) for key, group in of_key.items() if len(group) == 1}
        pooled = {key: group for key, group in of_key.items() if len(group) > 1}
        counts = {key: (sum(m.window_entered for m in group), sum(m.window_exited for m in group)) for key, group in pooled.items()}
        return single | (self._measured(pooled, counts) if pooled else {})

    def _measured(self, keys: Iterable[Key], counts: Mapping[Key, tuple[int, int]]) -> dict[Key, CellStatistics]:
        """Statistics of these cells from the visits themselves; ``counts`` are (entered, exited)."""
        stays: dict[Key, list[Stay]] = {key: [] for key in keys}
        completed: dict[Key, list[float]] = defaultdict(list)
        for key, stay, seconds in self._sample():
            if key in stays:
                stays[key].append(stay)
                if stay.is_exit:
                    completed[key].append(seconds / 3600)
        unit, found = Unit(self._question.clock), {}
        for key, sample in stays.items():
            curve = Curve.of_stays(sample)
            entered, exited = counts.get(key, (0, 0))
            found[key] = CellStatistics(
                entered=entered,
                exited=exited,
                avg_duration_hours=fmean(completed[key]) if completed[key] else None,
                p50=estimate_quantile(curve, 0.50, unit),
                p85=_without_interval(estimate_quantile(curve, 0.85, unit)),
            )
        return found

    def _sample(self) -> Iterable[tuple[Key, Stay, float]]:
        """The visits a duration statistic may use, with their seconds; the same conditions as ``sql/refresh_cells.sql``."""
        span, as_of = self._question.span, self._question.as_of
        visits = (
            StageVisit.objects.order_by()
            .filter(
                Q(entry_precision=Precision.EXACT) | Q(entry_precision=Precision.BOUNDED, entry_gap__lte=WIDEST_GAP),
                job_id__in=self._job_ids,
                entered_at__gte=span.since,
                entered_at__lt=min(span.until, as_of),
            )
            .values_list("job_id", "stage_id", "entered_at", "left_at", "exit_kind")
        )
        rows = [
            (job_id, stage_id, entered, as_of if left is None else min(left, as_of), kind if left is not None and left <= as_of else None)
            for job_id, stage_id, entered, left, kind in visits
            if (as_of if left is None else min(left, as_of)) - entered >= PASSED_THROUGH and stage_id in self._refs
        ]
        days = self._days(rows)
        for (job_id, stage_id, entered, left, kind), length in zip(rows, days, strict=True):
            yield self._key(job_id, stage_id), Stay(length, kind), (left - entered).total_seconds()

    def _days(self, rows: Sequence[tuple[int, int, datetime, datetime, str | None]]) -> list[float]:
        if self._question.clock == Unit.CALENDAR_DAYS:
            return [(left - entered) / timedelta(days=1) for _, _, entered, left, _ in rows]
        organization = {job.pk: job.organization for job in self._jobs}
        earliest = min((row[2] for row in rows), default=self._question.as_of)
        return [
            compiled_for(organization[job_id], earliest=earliest, as_of=self._question.as_of).bd(entered, left)
            for job_id, _, entered, left, _ in rows
        ]

    def _counted(self) -> dict[Key, tuple[int, int]]:
        """Visits that began, and that ended, in the window and by ``as_of``."""
        span = self._question.span
        until = min(span.until, self._question.as_of)
        began = Q(entered_at__gte=span.since, entered_at__lt=until)
        ended = Q(left_at__gte=span.since, left_at__lt=until)
        counts: dict[Key, tuple[int, int]] = {}
        for job_id, stage_id, entered, exited in (
            StageVisit.objects.filter(began | ended, job_id__in=self._job_ids)
            .order_by()
            .values("job_id", "stage_id")
            .annotate(entered=Count("pk", filter=began), exited=Count("pk", filter=ended))
            .values_list("job_id", "stage_id", "entered", "exited")
        ):
            if stage_id in self._refs:
                before = counts.get(key := self._key(job_id, stage_id), (0, 0))
                counts[key] = before[0] + entered, before[1] + exited
        return counts

    def _ages(self, *, earliest: datetime) -> dict[int, Ages]:
        as_of, found = self._question.as_of, {}
        for job in self._jobs:
            if job.organization_id not in found:
                found[job.organization_id] = Ages(compiled_for(job.organization, earliest=earliest, as_of=as_of), as_of)
        return found


# --- kept statistics -----------------------------------------------------------------------------
def stored(metric: StageMetric) -> CellStatistics:
    """What is kept on one cell."""
    return CellStatistics(
        entered=metric.window_entered,
        exited=metric.window_exited,
        avg_duration_hours=metric.avg_duration_hours,
        p50=_kept(metric, 0.50, metric.p50, metric.p50_low, metric.p50_high),
        p85=_kept(metric, 0.85, metric.p85, None, None),
    )


def _kept(metric: StageMetric, p: float, value: float | None, low: float | None, high: float | None) -> Estimate:
    return stored_quantile(p, value=value, low=low, high=high, n=metric.n, n_exits=metric.n_exits, longest=metric.longest)


def _without_interval(estimate: Estimate) -> Estimate:
    """As kept cells tell it: only the median carries its interval."""
    return Estimate(
        value=estimate.value, unit=estimate.unit, n=estimate.n, n_exits=estimate.n_exits, n_open=estimate.n_open,
        confidence=estimate.confidence, lower_bound=estimate.lower_bound,
    )  # fmt: skip


_EMPTY = Curve.of(exits=())
NOTHING_MEASURED = CellStatistics(
    entered=0,
    exited=0,
    avg_duration_hours=None,
    p50=estimate_quantile(_EMPTY, 0.50, Unit.CALENDAR_DAYS),
    p85=estimate_quantile(_EMPTY, 0.85, Unit.CALENDAR_DAYS),
)


# --- calendars -----------------------------------------------------------------------------------
def calendar_of(organization: Organization) -> WorkingCalendar:
    """The working calendar that ages and limits of this organization are held to."""
    return WorkingCalendar(zone=organization.time_zone)


def compiled_for(organization: Organization, *, earliest: datetime, as_of: datetime) -> CompiledCalendar:
    """Its compiled form from before ``earliest`` to after ``as_of``, in whole years so that one serves many requests."""
    first = min(earliest, as_of).year - 1
    return compile_calendar(calendar_of(organization), date(first, 1, 1), date(as_of.year + 2, 1, 1))
