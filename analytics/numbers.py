"""What is known of a cell beside who waits in it: kept with each cell, or computed for the question at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics import baselines
from analytics.bands import Yardstick
from analytics.baselines import BD, Circle, Peers, Usual, circles_of, comparable, measure_with, nearest
from analytics.estimators import Delay, Unit, delay
from analytics.heatmap import Window
from analytics.models import Baseline, StageMetric
from analytics.samples import BASELINE_DAYS, NO_COUNTS, NO_SUMMARY, RECENT_DAYS, Counts, Measured, Pick, Summary, measured, windows_of
from ats.models import Job


@dataclass(frozen=True, slots=True)
class Place:
    """A cell of a job: the stages pooled in it, their category, and the place beyond which somebody has advanced."""

    job: Job
    stage_ids: tuple[int, ...]
    category: str
    place: int | None


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


def kept_summary(metric: StageMetric, clock: str) -> Summary:
    """The window's curve as kept on the cell."""
    if clock == Unit.CALENDAR_DAYS:
        values = (metric.p50, metric.p50_low, metric.p50_high, metric.p85, None, metric.longest)
    else:
        values = (metric.bd_p50, metric.bd_p50_low, metric.bd_p50_high, metric.bd_p85, None, metric.bd_longest)
    return Summary(metric.n, metric.n_exits, metric.n_open, *values)


def kept_counts(metric: StageMetric) -> Counts:
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


def kept_own(metric: StageMetric) -> Summary:
    return Summary(metric.own_n, metric.own_n_exits, metric.own_n - metric.own_n_exits, metric.own_p50, None, None, metric.own_p85,
                   None, metric.own_longest)  # fmt: skip


def kept_recent(metric: StageMetric) -> Summary:
    return Summary(metric.recent_n, metric.recent_n_exits, metric.recent_n - metric.recent_n_exits, metric.recent_p50,
                   metric.recent_p50_low, None, None, None, metric.recent_longest)  # fmt: skip


def kept_others(metrics: Sequence[StageMetric]) -> Usual | None:
    """What other jobs of the category usually take: the same for every cell of one job and category."""
    for metric in metrics:
        if metric.others_level is not None:
            summary = Summary(metric.others_n, metric.others_n_exits, metric.others_n - metric.others_n_exits, metric.others_p50)
            return Usual(Baseline.Level(metric.others_level), summary)
    return None


def numbers(curve: Summary, counts: Counts, *, usual: Usual | None, category: str, recent: Summary, others: Usual | None) -> CellNumbers:
    """Put together, with what follows: the yardstick and the delay (M19)."""
    compared = others if comparable(recent) else None
    return CellNumbers(
        curve=curve,
        counts=counts,
        measure=measure_with(usual, category),
        level=usual.level if usual else None,
        delay=delay(recent.median(BD), (compared.summary if compared else NO_SUMMARY).median(BD)),
        usual=compared,
    )


def kept(metrics: Sequence[StageMetric], place: Place, clock: str, circles: Mapping[Circle, Summary]) -> CellNumbers:
    """Of a cell of one stage, as it stands on its row; ``metrics`` may be empty (nobody was ever there)."""
    one = metrics[0] if metrics else None
    return numbers(
        kept_summary(one, clock) if one else NO_SUMMARY,
        kept_counts(one) if one else NO_COUNTS,
        usual=nearest(kept_own(one) if one else None, place.job, place.category, circles),
        category=place.category,
        recent=kept_recent(one) if one else NO_SUMMARY,
        others=kept_others(metrics),
    )


def kept_measure(metrics: Sequence[StageMetric], place: Place, circles: Mapping[Circle, Summary]) -> Usual | None:
    """The baseline behind a cell's limit: its own only where one stage makes up the cell."""
    return nearest(kept_own(metrics[0]) if len(metrics) == 1 else None, place.job, place.category, circles)


@dataclass(frozen=True, slots=True)
class Asked:
    """Computes the numbers of cells for any window and moment."""

    window: Window
    as_of: datetime
    clock: str
    known_by: datetime | None = None

    def of(self, places: Sequence[Place]) -> list[tuple[Summary, Counts, Summary]]:
        """The window's curve and counts, and the last 30 days, of each cell."""
        picks: list[Pick] = []
        for number, place in enumerate(places):
            for stage_id in place.stage_ids:
                picks.append(self._window_pick(2 * number, place, stage_id))
                picks.append(Pick(2 * number + 1, place.job.pk, stage_id, *windows_of(self.as_of, RECENT_DAYS), self.as_of))
        found = measured(picks, known_by=self.known_by)
        return [self._told(found, number) for number in range(len(places))]

    def compared(self, places: Sequence[Place]) -> list[CellNumbers]:
        """Everything of each cell, baselines as of the same moment."""
        told = self.of(places)
        peers = Peers.of({place.job.organization_id for place in places})
        circles = {circle for place in places for _, circle in circles_of(place.job, place.category)}
        known = baselines.circles_at(sorted(circles, key=str), peers, self.as_of, known_by=self.known_by)
        single = [number for number, place in enumerate(places) if len(place.stage_ids) == 1]
        since, until = windows_of(self.as_of, BASELINE_DAYS)
        own = measured(
            [Pick(number, places[number].job.pk, places[number].stage_ids[0], since, until, self.as_of) for number in single],
            known_by=self.known_by,
        )
        wanted = {(p.job.pk, p.category): (p.job, p.category) for p, (_, _, recent) in zip(places, told, strict=True) if comparable(recent)}
        others = baselines.others_at(list(wanted.values()), peers, self.as_of, known_by=self.known_by)
        return [
            numbers(
                curve,
                counts,
                usual=nearest(own.curve(number) if len(place.stage_ids) == 1 else None, place.job, place.category, known),
                category=place.category,
                recent=recent,
                others=others.get((place.job.pk, place.category)),
            )
            for number, (place, (curve, counts, recent)) in enumerate(zip(places, told, strict=True))
        ]

    def _window_pick(self, cell: int, place: Place, stage_id: int) -> Pick:
        return Pick(
            cell, place.job.pk, stage_id, self.window.since, self.window.until, self.as_of,
            place=place.place, clocks=(str(self.clock),), counted=True,
        )  # fmt: skip

    def _told(self, found: Measured, number: int) -> tuple[Summary, Counts, Summary]:
        return found.curve(2 * number, str(self.clock)), found.counts.get(2 * number, NO_COUNTS), found.curve(2 * number + 1)
