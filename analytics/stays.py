"""The stays behind many curves, read once: of which cell, how long, and how each ended.

A curve of everybody but one job is another curve for every job. Made one by one in SQL each reads all the visits again;
here they are read once, and each curve is a sort and a few running sums over an array.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
import psycopg
from django.db import connection, transaction

from analytics import samples, wide
from analytics.courses import course_of
from analytics.estimators import Curve
from analytics.models import EXITS
from analytics.samples import Pick, Summary, baseline_picks
from analytics.wide import Array

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Stays:
    """A row per stay: its cell (a place in ``cells``), business days, whether it ended in an exit, whether it goes on."""

    cells: Mapping[Cell, int]
    cell: Array
    days: Array
    is_exit: Array
    is_open: Array

    @classmethod
    def at(cls, cells: Collection[Cell], as_of: datetime, *, known_by: datetime | None = None) -> Self:
        """Of some (job, stage) pairs in the 180 days before ``as_of``, which a baseline looks at."""
        places = {cell: place for place, cell in enumerate(sorted(set(cells)))}
        picks = [pick for cell, place in places.items() for pick in baseline_picks(place, [cell], as_of)]
        return cls(places, *_read(picks, known_by))

    @classmethod
    def joined(cls, parts: Sequence[Stays]) -> Self:
        """Those of several sets of cells that have none in common."""
        parts = [cls({}, np.array([], np.int64), np.array([]), np.array([], bool), np.array([], bool)), *parts]
        begins = np.cumsum([0, *(len(part.cells) for part in parts)])
        return cls(
            {cell: place for place, cell in enumerate(cell for part in parts for cell in part.cells)},
            np.concatenate([part.cell + begin for part, begin in zip(parts, begins, strict=False)]),
            *(np.concatenate([getattr(part, name) for part in parts]) for name in ("days", "is_exit", "is_open")),
        )

    def curves(self, groups: Sequence[Iterable[Cell]]) -> list[Summary]:
        """One curve per group of cells; a cell is in one group at most."""
        of_cell = np.full(len(self.cells), -1)
        for group, cells in enumerate(groups):
            of_cell[self._places(cells)] = group
        of_stay = of_cell[self.cell]
        chosen = of_stay >= 0
        found = wide.product_limit(of_stay[chosen], self.days[chosen], self.is_exit[chosen], self.is_open[chosen])
        return [Summary(*found[group]) if group in found else samples.NO_SUMMARY for group in range(len(groups))]

    def course(self, cells: Iterable[Cell]) -> Curve:
        """The whole curve of some cells together."""
        chosen = self._of(cells)
        return course_of(self.days[chosen], self.is_exit[chosen], self.is_open[chosen])

    def curves_without(self, cells: Sequence[Cell], jobs: Iterable[int]) -> dict[int, Summary]:
        """The curve of some cells without a job's own, for each of the jobs."""
        chosen = self._of(cells)
        chosen = chosen[np.argsort(self.days[chosen])]  # once for all of them
        job_of_cell = np.array([job for job, _ in self.cells], np.int64)
        job_of_stay = job_of_cell[self.cell[chosen]]
        told = {}
        for job in jobs:
            left = chosen[job_of_stay != job]
            found = wide.product_limit_in_order(np.zeros(len(left), int), self.days[left], self.is_exit[left], self.is_open[left])
            told[job] = Summary(*found[0]) if found else samples.NO_SUMMARY
        return told

    def _of(self, cells: Iterable[Cell]) -> Array:
        wanted = np.zeros(len(self.cells), bool)
        wanted[self._places(cells)] = True
        return np.flatnonzero(wanted[self.cell])

    def _places(self, cells: Iterable[Cell]) -> list[int]:
        return [self.cells[cell] for cell in cells if cell in self.cells]  # another began after these were read


def _read(picks: Sequence[Pick], known_by: datetime | None) -> tuple[Array, Array, Array, Array]:
    if wide.is_wide(picks):
        return wide.stays(picks, known_by=known_by)
    with transaction.atomic(), connection.cursor() as cursor:
        samples.pick(cursor, picks)
        samples.gather(cursor, known_by=known_by)
        with psycopg.Cursor(connection.connection) as arrays:  # Django's own cursors speak text only
            arrays.execute(samples.of_sample("stays"), {"exits": list(EXITS)}, binary=True)
            cell, days, is_exit, is_open = wide.arrays_of(arrays, (">i8", ">f8", ">i4", ">i4"))
    return cell, days, is_exit.astype(bool), is_open.astype(bool)
