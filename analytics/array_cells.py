"""The numbers of very many cells over arrays, each cell as of a moment of its own. No database.

The twin of ``sql/sample.sql`` and ``sql/window_counts.sql``, which say what the numbers are; tests hold them together.
A column is an array, and null is told as in ``array_fold``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.array_clocks import Clocks
from analytics.array_fold import FOREVER, KINDS, Array, Rows, code, seconds
from analytics.models import EXITS, ExitKind

MINUTE = 60_000_000
DAY = 86_400_000_000
UNDECIDED = (0, *(code(kind, KINDS) for kind in (ExitKind.ON_HOLD, ExitKind.GAP, ExitKind.UNKNOWN)))
_EXITS = np.array([0, *(kind in EXITS for kind in KINDS)], bool)


@dataclass(frozen=True, slots=True)
class Cells:
    """Some cells: the window of each, ``[since, until)``, as of ``now`` (microseconds), and the cell each visit lies in.

    ``of_visit`` has a place in the other arrays per visit, -1 where the visit lies in none of the cells.
    """

    of_visit: Array
    since: Array
    until: Array
    now: Array

    def __len__(self) -> int:
        return len(self.now)


def is_exit(kind: Array) -> Array:
    """Which codes are of ends that count as exits in duration statistics."""
    found: Array = _EXITS[kind]
    return found


def sample(visits: Rows, cells: Cells, clocks: Clocks | None) -> tuple[Array, Array, Array, Array]:
    """The stays a product-limit curve is made of, a row each: cell, days, whether it ended in an exit, whether it is open.

    Business days where ``clocks`` are given, else calendar days.
    """
    inside, cell = _inside(visits, cells)
    entered, left = visits["entered"][inside], visits["left"][inside]
    until = np.minimum(left, cells.now[cell])
    chosen = (entered < cells.now[cell]) & (until - entered >= MINUTE) & visits["well_dated"][inside]
    inside, cell, entered, until = inside[chosen], cell[chosen], entered[chosen], until[chosen]
    over = left[chosen] <= cells.now[cell]
    if clocks is None:
        days = (until - entered) / DAY
    else:
        days = np.where(over, visits["bd"][inside], np.nan)
        missing = np.isnan(days)
        days[missing] = clocks.between(visits["job"][inside][missing], seconds(entered[missing]), seconds(until[missing]))
    return cell, days, over & is_exit(visits["kind"][inside]), ~over


def counts(visits: Rows, cells: Cells, beyond: Array) -> dict[str, Array]:
    """What happened in each cell during its window (the columns of ``sql/window_counts.sql``).

    The visits, sorted by (application, job, n), must hold every one of whoever entered a cell in its window.
    ``beyond``: whoever has since been in a ``place`` above it has advanced.
    """
    entries, cell = _inside(visits, cells)
    now = cells.now[cell]
    entries, cell, now = (each[visits["entered"][entries] <= now] for each in (entries, cell, now))
    seen, advanced, last_end = _ways(visits, cells.of_visit, entries, now, beyond[cell])
    lasted, over = visits["left"][entries] - visits["entered"][entries], visits["left"][entries] <= now
    completed = over & (lasted >= MINUTE) & is_exit(visits["kind"][entries])
    masks = {
        "window_entered": np.ones(len(entries), bool),
        "completed": completed,
        "first_entries": ~seen,
        "advanced": ~seen & advanced,
        "undecided": ~seen & ~advanced & np.isin(last_end, UNDECIDED),
        "rejected": ~seen & ~advanced & (last_end == code(ExitKind.REJECTED, KINDS)),
        "withdrawn": ~seen & ~advanced & (last_end == code(ExitKind.WITHDRAWN, KINDS)),
    }
    told = {name: np.bincount(cell[mask], minlength=len(cells)) for name, mask in masks.items()}
    took = np.bincount(cell[completed], lasted[completed] / 1e6, len(cells))
    done = told.pop("completed")
    told["avg_duration_hours"] = np.where(done > 0, took / np.maximum(done, 1) / 3600, np.nan)
    return told | _there(visits, cells)


def _inside(visits: Rows, cells: Cells) -> tuple[Array, Array]:
    """Visits that began in the window of their cell, and these cells."""
    inside = np.flatnonzero(cells.of_visit >= 0)
    cell = cells.of_visit[inside]
    entered = visits["entered"][inside]
    began = (entered >= cells.since[cell]) & (entered < cells.until[cell])
    return inside[began], cell[began]


def _there(visits: Rows, cells: Cells) -> dict[str, Array]:
    """How many left each cell in its window, and since when the longest-waiting has been there (``FOREVER``: nobody is)."""
    inside = np.flatnonzero(cells.of_visit >= 0)
    cell = cells.of_visit[inside]
    entered, left, now = visits["entered"][inside], visits["left"][inside], cells.now[cell]
    gone = (left >= cells.since[cell]) & (left < cells.until[cell]) & (left <= now)
    waiting = (entered <= now) & (left > now)
    oldest = np.full(len(cells), FOREVER)
    np.minimum.at(oldest, cell[waiting], entered[waiting])
    return {"window_exited": np.bincount(cell[gone], minlength=len(cells)), "oldest_entered_at": oldest}


def _ways(visits: Rows, of_visit: Array, entries: Array, now: Array, beyond: Array) -> tuple[Array, Array, Array]:
    """Of each entry, as of its moment, by all visits of the same application and job (M07, M08).

    Whether the application had been in the cell before; whether it has advanced since; how its last visit ended (0: it goes on).
    """
    if not len(entries):
        return np.zeros(0, bool), np.zeros(0, bool), np.zeros(0, np.int64)
    first, last = _company(visits)
    sizes = last[entries] - first[entries] + 1
    begins = np.cumsum(sizes) - sizes
    pair = np.repeat(np.arange(len(entries)), sizes)
    other = np.arange(len(pair)) + np.repeat(first[entries] - begins, sizes)
    me = entries[pair]
    entered = visits["entered"][other] <= now[pair]
    over = visits["left"][other] <= now[pair]
    hired = visits["kind"][other] == code(ExitKind.HIRED, KINDS)
    seen = entered & (other < me) & (of_visit[other] == of_visit[me])
    advanced = entered & ((other > me) & (visits["place"][other] > beyond[pair]) | (other >= me) & hired & over)
    newest = np.maximum.reduceat(np.where(entered, other, -1), begins)
    last_end = np.where(visits["left"][newest] <= now, visits["kind"][newest], 0)
    return np.logical_or.reduceat(seen, begins), np.logical_or.reduceat(advanced, begins), last_end


def _company(visits: Rows) -> tuple[Array, Array]:
    """For each visit the first and the last of its application in its job."""
    application, job = visits["application"], visits["job"]
    starts = np.append(True, (application[1:] != application[:-1]) | (job[1:] != job[:-1]))
    firsts = np.flatnonzero(starts)
    lasts = np.append(firsts[1:], len(application)) - 1
    group = np.cumsum(starts) - 1
    return firsts[group], lasts[group]
