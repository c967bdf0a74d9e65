"""Limits and medians of stages as they stood at past moments, by the same estimators that keep today's."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from accounts.models import Organization
from analytics import baselines
from analytics.bands import Limit
from analytics.baselines import Circle, Peers, Targets, Usual, circles_of, comparable, measure_with, nearest
from analytics.samples import BASELINE_DAYS, NO_SUMMARY, RECENT_DAYS, Pick, Summary, measured, windows_of
from ats.models import Job, Stage

Cell = tuple[int, int]


@dataclass(slots=True)
class PastLimits:
    """The limit of each cell over time: a new one from each moment at which it differed."""

    _moments: dict[Cell, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    _limits: dict[Cell, list[Limit]] = field(default_factory=lambda: defaultdict(list))

    def at(self, cell: Cell, moment: datetime) -> Limit | None:
        """None: nobody was ever there."""
        known = bisect_right(self._moments[cell], moment)
        return self._limits[cell][max(known - 1, 0)] if self._limits[cell] else None

    def changes(self, cell: Cell) -> list[datetime]:
        return self._moments[cell][1:]

    def note(self, cell: Cell, moment: datetime, limit: Limit) -> None:
        if not self._limits[cell] or self._limits[cell][-1] != limit:
            self._moments[cell].append(moment)
            self._limits[cell].append(limit)


@dataclass(slots=True)
class Compared:
    """A cell's last 30 days, and what the same category takes in other jobs."""

    recent: Summary = NO_SUMMARY
    usual: Usual | None = None


class Statistics:
    """What is read of some cells at each moment. Targets are today's: edits of them are not in the ledger."""

    def __init__(self, organization: Organization, cells: Iterable[Cell]) -> None:
        self._organization = organization
        wanted = sorted(set(cells))
        self._jobs = Job.objects.in_bulk({job for job, _ in wanted})
        self._stages = Stage.objects.in_bulk({stage for _, stage in wanted})
        self._cells = [cell for cell in wanted if cell[0] in self._jobs and cell[1] in self._stages]
        self._peers = Peers.of([organization.pk])
        targets = Targets.of([organization.pk])
        self._targets = {(job, stage): targets.target(self._jobs[job], [stage], self._stages[stage].category) for job, stage in self._cells}

    def limits(self, moments: Sequence[datetime]) -> PastLimits:
        """At each moment in turn; only once where targets say everything."""
        found = PastLimits()
        learnt = [cell for cell in self._cells if self._targets[cell] is None]
        for cell in self._cells:
            if cell not in learnt:
                found.note(cell, moments[0], measure_with(None, self._category(cell), self._targets[cell]).limit)
        for moment in moments if learnt else ():
            own, circles = self._summaries(learnt, moment, BASELINE_DAYS), self._circles(learnt, moment)
            for cell in learnt:
                usual = nearest(own[cell], self._jobs[cell[0]], self._category(cell), circles)
                found.note(cell, moment, measure_with(usual, self._category(cell)).limit)
        return found

    def compared(self, moment: datetime) -> dict[Cell, Compared]:
        """Recent stays of every cell, and the usual of those with enough of them."""
        recent = self._summaries(self._cells, moment, RECENT_DAYS)
        asking = {
            (job, self._category((job, stage))): (self._jobs[job], self._category((job, stage)))
            for job, stage in self._cells
            if comparable(recent[job, stage])
        }
        others = baselines.others_at(list(asking.values()), self._peers, moment)
        return {cell: Compared(recent[cell], others.get((cell[0], self._category(cell)))) for cell in self._cells}

    def _category(self, cell: Cell) -> str:
        return self._stages[cell[1]].category

    def _summaries(self, cells: Sequence[Cell], moment: datetime, days: int) -> dict[Cell, Summary]:
        since, until = windows_of(moment, days)
        told = measured([Pick(number, job, stage, since, until, moment) for number, (job, stage) in enumerate(cells)])
        return {cell: told.curve(number) for number, cell in enumerate(cells)}

    def _circles(self, cells: Sequence[Cell], moment: datetime) -> dict[Circle, Summary]:
        wanted = {circle for cell in cells for _, circle in circles_of(self._jobs[cell[0]], self._category(cell))}
        return baselines.circles_at(sorted(wanted, key=str), self._peers, moment)
