"""Business days of very many stays at once, over arrays: the numbers of ``sql/derive_visits.sql``, to the last digit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: rows of one calendar: when each begins (seconds since 1970), business days until then, and per second within it
Table = tuple[Array, Array, Array]


class Clocks(Protocol):
    """Business days between moments (seconds since 1970), row by row, each by the calendar of its job."""

    def between(self, job: Array, since: Array, until: Array) -> Array: ...


@dataclass(frozen=True, slots=True)
class ArrayClocks:
    """Which calendar each job is held to, and when it was on hold (seconds since 1970; a hold without end: infinity).

    ``of_job`` names the key of a table for those jobs that have a calendar of their own, ``shared`` that of all others.
    The three ``hold`` arrays are sorted by job.
    """

    tables: Mapping[int, Table]
    of_job: Mapping[int, int]
    shared: int
    hold_job: Array
    held_from: Array
    held_until: Array

    def between(self, job: Array, since: Array, until: Array) -> Array:
        """Business days of [since, until) outside the holds, rounded as ``clocks.round_bd`` does."""
        return self.rounded(self._passed(job, since, until) - self._held(job, since, until))

    def since(self, job: Array, earlier: Array, later: Array) -> Array:
        """Business days from one moment to a later one in ten thousandths, holds counted."""
        return np.floor(self._passed(job, earlier, later) * 10_000 + 0.50001)

    @staticmethod
    def rounded(days: Array) -> Array:
        rounded: Array = np.floor(np.maximum(days, 0) * 10_000 + 0.50001) / 10_000
        return rounded

    def _passed(self, job: Array, since: Array, until: Array) -> Array:
        own = np.array(sorted(self.of_job), np.int64)
        different = np.isin(job, own) if len(own) else np.zeros(len(job), bool)
        if not different.any():
            return _position(self.tables[self.shared], until) - _position(self.tables[self.shared], since)
        calendar = np.full(len(job), self.shared)
        calendar[different] = np.array([self.of_job[each] for each in own.tolist()])[np.searchsorted(own, job[different])]
        passed = np.empty(len(job))
        order = np.argsort(calendar, kind="stable")
        begins = np.flatnonzero(np.append(True, np.diff(calendar[order]) != 0))
        for rows in np.split(order, begins[1:]):
            table = self.tables[int(calendar[rows[0]])]
            passed[rows] = _position(table, until[rows]) - _position(table, since[rows])
        return passed

    def _held(self, job: Array, since: Array, until: Array) -> Array:
        held = np.zeros(len(job))
        first, last = (np.searchsorted(self.hold_job, job, side) for side in ("left", "right"))
        for nth in range(int((last - first).max(initial=0))):
            rows = np.flatnonzero(first + nth < last)
            hold = first[rows] + nth
            rows, hold = (each[(self.held_from[hold] < until[rows]) & (self.held_until[hold] > since[rows])] for each in (rows, hold))
            begin, end = np.maximum(since[rows], self.held_from[hold]), np.minimum(until[rows], self.held_until[hold])
            held[rows] += self._passed(job[rows], begin, end)
        return held


def _position(table: Table, at: Array) -> Array:
    """``business_days_at`` of the migrations."""
    starts, before, rates = table
    row = np.maximum(np.searchsorted(starts, at, "right") - 1, 0)
    position: Array = np.where(at < starts[0], 0.0, before[row] + (at - starts[row]) * rates[row])
    return position
