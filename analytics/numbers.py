"""What is known of a cell beside who waits in it: kept with each cell, or computed for the question at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from analytics import baselines
from analytics.bands import Yardstick
from analytics.baselines import BD, Circle, Peers, Usual, circles_of, comparable, measure_with, nearest
from analytics.calendars import JobClock
from analytics.clocks import cd
from analytics.estimators import ENOUGH_EXITS, Delay, Unit, delay
from analytics.heatmap import Window
from analytics.models import Baseline, CategoryMetric, CellStatistics, StageMetric
from analytics.samples import BASELINE_DAYS, NO_COUNTS, NO_SUMMARY, RECENT_DAYS, Counts, Pick, Summary, measured, windows_of
from ats.models import Job


@dataclass(frozen=True, slots=True)
class Place:
    """A cell of a job: the stages pooled in it, their category, and the place beyond which somebody has advanced."""

    job: Job
    stage_ids: tuple[int, ...]
    category: str
    place: int | None
    #: what the organization asks for, business days
    target: float | None = None


@dataclass(frozen=True, slots=True)
class CellNumbers:
    """``curve`` and ``counts`` of the window on the question's clock, the rest in business days."""

    curve: Summary
    counts: Counts
    measure: Yardstick
    #: where the limit comes from, None for a default
    level: Baseline.Level | None
    delay: Delay
    #: what the delay compares with
    usual: Usual | None


def kept_summary(metric: CellStatistics, clock: str) -> Summary:
    """The window's curve as kept on the cell."""
    if clock == Unit.CALENDAR_DAYS:
        values = (metric.p50, metric.p50_low, metric.p50_high, metric.p85, None, metric.longest)
    else:
        values = (metric.bd_p50, metric.bd_p50_low, metric.bd_p50_high, metric.bd_p85, None, metric.bd_longest)
    return Summary(metric.n, metric.n_exits, metric.n_open, *values)


def kept_counts(metric: CellStatistics) -> Counts:
    return Counts(
        entered=metric.window_entered,
        exited=metric.window_exited,
        avg_hours=metric.avg_duration_hours,
        oldest=metric.oldest_entered_at,
        first_entries=metric.first_entries,
        advanced=metric.advanced,
        undecided=metric.undecided,
        rejected=metric.rejected,
        withdrawn=metric.withdrawn,
    )


def kept_own(metric: CellStatistics) -> Summary:
    return Summary(metric.own_n, metric.own_n_exits, metric.own_n - metric.own_n_exits, metric.own_p50, None, None, metric.own_p85,
                   None, metric.own_longest)  # fmt: skip


def kept_recent(metric: CellStatistics) -> Summary:
    return Summary(metric.recent_n, metric.recent_n_exits, metric.recent_n - metric.recent_n_exits, metric.recent_p50,
                   metric.recent_p50_low, None, None, None, metric.recent_longest)  # fmt: skip


def kept_others(metrics: Sequence[StageMetric]) -> Usual | None:
    """What other jobs of the category usually take: the same for every cell of one job and category."""
    for metric in metrics:
        if metric.others_level is not None:
            summary = Summary(metric.others_n, metric.others_n_exits, metric.others_n - metric.others_n_exits, metric.others_p50)
            return Usual(Baseline.Level(metric.others_level), summary)
    return None


def numbers(curve: Summary, counts: Counts, *, usual: Usual | None, place: Place, recent: Summary, others: Usual | None) -> CellNumbers:
    """Put together, with what follows: the yardstick and the delay (M19)."""
    compared = others if comparable(recent) else None
    return CellNumbers(
        curve=curve,
        counts=counts,
        measure=measure_with(usual, place.category, place.target),
        level=usual.level if usual else None,
        delay=delay(recent.median(BD), (compared.summary if compared else NO_SUMMARY).median(BD)),
        usual=compared,
    )


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """The stays of a cell that go on while what is kept of it stands still: a percentile that is not reached exceeds the
    longest of them, now and not as of when it was computed."""

    #: when those began whose length counts
    entered: Sequence[datetime]
    as_of: datetime
    clock: JobClock

    def grown(self, summary: Summary, days: int, unit: str = BD) -> Summary:
        """A kept curve of so many days with the longest duration as of now."""
        since = self.as_of - timedelta(days=days)
        first = min((moment for moment in self.entered if since <= moment <= self.as_of), default=None)
        if first is None or summary.longest is None:
            return summary
        age = cd(first, self.as_of) if unit == Unit.CALENDAR_DAYS else self.clock.bd([first], self.as_of)[0]
        return summary if age <= summary.longest else replace(summary, longest=age)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept on a cell: one stage's row, or the category's row beside those of its stages."""

    stages: Sequence[StageMetric] = ()
    pool: CategoryMetric | None = None

    @property
    def row(self) -> CellStatistics | None:
        """None: nothing is kept of this cell (yet)."""
        return self.stages[0] if len(self.stages) == 1 else self.pool

    @property
    def is_open_ended(self) -> bool:
        """Whether some percentile is not reached, so that it is told by the longest stay."""
        if (row := self.row) is None:
            return False
        curves = (row.bd_p50, row.bd_p85), (row.p50, row.p85), (row.own_p50, row.own_p85), (row.recent_p50,)
        return any(None in one for one in curves)

    @property
    def has_open_limit(self) -> bool:
        """Whether the limit is such a percentile of the cell's own."""
        row = self.row
        return row is not None and row.own_n_exits >= ENOUGH_EXITS and None in (row.own_p50, row.own_p85)

    def usual(self, place: Place, circles: Mapping[Circle, Summary], meanwhile: Meanwhile | None) -> Usual | None:
        """The baseline behind the cell's limit. ``meanwhile`` matters where it is open."""
        own = kept_own(self.row) if self.row else None
        if own is not None and meanwhile is not None:
            own = meanwhile.grown(own, BASELINE_DAYS)
        return nearest(own, place.job, place.category, circles)

    def numbers(
        self,
        place: Place,
        clock: str,
        circles: Mapping[Circle, Summary],
        meanwhile: Meanwhile,
        asked: tuple[Summary, Counts] | None = None,
    ) -> CellNumbers:
        """``asked``: the window's numbers where they were computed for the question."""
        row = self.row
        if asked is not None:
            curve, counts = asked
        elif row is not None:
            curve, counts = meanwhile.grown(kept_summary(row, clock), row.window_days, clock), kept_counts(row)
        else:
            curve, counts = NO_SUMMARY, NO_COUNTS
        return numbers(
            curve,
            counts,
            usual=self.usual(place, circles, meanwhile),
            place=place,
            recent=meanwhile.grown(kept_recent(row), RECENT_DAYS) if row else NO_SUMMARY,
            others=kept_others(self.stages),
        )


NOTHING = Kept()


@dataclass(frozen=True, slots=True)
class Asked:
    """Computes the numbers of cells for any window and moment."""

    window: Window
    as_of: datetime
    clock: str
    known_by: datetime | None = None

    def of(self, places: Sequence[Place]) -> list[tuple[Summary, Counts]]:
        """The window's curve and counts of each cell."""
        picks = [self._window(number, place, stage_id) for number, place in enumerate(places) for stage_id in place.stage_ids]
        found = measured(picks, known_by=self.known_by)
        return [(found.curve(number, str(self.clock)), found.counts.get(number, NO_COUNTS)) for number in range(len(places))]

    def compared(self, places: Sequence[Place]) -> list[CellNumbers]:
        """Everything of each cell, baselines as of the same moment."""
        told = self.of(places)
        own, recent = self._lately(places, BASELINE_DAYS), self._lately(places, RECENT_DAYS)
        peers = Peers.of({place.job.organization_id for place in places})
        circles = {circle for place in places for _, circle in circles_of(place.job, place.category)}
        known = baselines.circles_at(sorted(circles, key=str), peers, self.as_of, known_by=self.known_by)
        wanted = {
            (place.job.pk, place.category): (place.job, place.category)
            for place, summary in zip(places, recent, strict=True)
            if comparable(summary)
        }
        others = baselines.others_at(list(wanted.values()), peers, self.as_of, known_by=self.known_by)
        return [
            numbers(
                curve,
                counts,
                usual=nearest(own[number], place.job, place.category, known),
                place=place,
                recent=recent[number],
                others=others.get((place.job.pk, place.category)),
            )
            for number, (place, (curve, counts)) in enumerate(zip(places, told, strict=True))
        ]

    def usual(self, place: Place) -> Usual | None:
        """The baseline behind one cell's limit."""
        peers = Peers.of([place.job.organization_id])
        known = baselines.circles_at(
            [circle for _, circle in circles_of(place.job, place.category)], peers, self.as_of, known_by=self.known_by
        )
        return nearest(self._lately([place], BASELINE_DAYS)[0], place.job, place.category, known)

    def _lately(self, places: Sequence[Place], days: int) -> list[Summary]:
        since, until = windows_of(self.as_of, days)
        picks = [Pick(n, p.job.pk, stage_id, since, until, self.as_of) for n, p in enumerate(places) for stage_id in p.stage_ids]
        found = measured(picks, known_by=self.known_by)
        return [found.curve(number) for number in range(len(places))]

    def _window(self, cell: int, place: Place, stage_id: int) -> Pick:
        return Pick(
            cell, place.job.pk, stage_id, self.window.since, self.window.until, self.as_of,
            place=place.place, clocks=(str(self.clock),), counted=True,
        )  # fmt: skip
