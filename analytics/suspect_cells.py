"""Cells whose kept numbers are not what the visits say: found over arrays, so that only they go through the statements.

As in ``suspects`` nothing is locked, and nothing is decided here: who is suspected is computed anew by the statements
that keep the numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

import numpy as np

from analytics import array_cells, array_fold, wide
from analytics.array_cells import DAY, Cells
from analytics.array_clocks import ArrayClocks
from analytics.array_fold import CATEGORIES, FOREVER, KINDS, NEVER, Array, Pipelines, Rows
from analytics.samples import BASELINE_DAYS, RECENT_DAYS
from analytics.services import WINDOW_DAYS
from analytics.stays import Stays
from analytics.suspects import Columns, coded, read, unpacked

#: floats may differ in the last digits with the order of summation
TOLERANCE = 1e-6

VISIT: Columns = {
    "application": ("application_id", ">i8"),
    "job": ("job_id", ">i8"),
    "stage": ("stage_id", ">i8"),
    "n": ("n::int4", ">i4"),
    "entered": ("entered_at", ">i8"),
    "left": ("coalesce(left_at, 'infinity')", ">i8"),
    "packed": (
        f"""{coded("exit_kind", KINDS)} * 2
            + ((entry_precision = 'exact' or entry_precision = 'bounded' and entry_gap <= 86400) and not survivor)::int4""",
        ">i4",
    ),
    "bd": ("coalesce(bd, 'NaN')", ">f8"),
}
_COUNTERS: Columns = {
    "job": ("job_id", ">i8"),
    "stage": ("stage_id", ">i8"),
    **{name: (name, ">i8") for name in ("open", "entered", "exited", "completed")},
    "micros": ("(completed_seconds * 1000000)::int8", ">i8"),
}

#: columns of a cell: those counted, and those read from a curve (the same name in ``_CURVE``)
_COUNTS = (
    "window_entered", "window_exited", "first_entries", "advanced", "undecided", "rejected", "withdrawn", "avg_duration_hours",
    "oldest_entered_at",
)  # fmt: skip
_CURVE = ("n", "n_exits", "n_open", "p50", "p50_low", "p50_high", "p85", "p95", "longest")
_KEPT = {
    "": ("n", "n_exits", "n_open", "p50", "p50_low", "p50_high", "p85", "longest"),
    "bd_": ("p50", "p50_low", "p50_high", "p85", "longest"),
    "recent_": ("n", "n_exits", "p50", "p50_low", "longest"),
    "own_": ("n", "n_exits", "p50", "p85", "longest"),
}
NUMBERS = (*_COUNTS[:-1], *(prefix + name for prefix, names in _KEPT.items() for name in names))
_CELL: Columns = {
    "job": ("job_id", ">i8"),
    "computed": ("coalesce(computed_at, '-infinity')", ">i8"),
    "own": ("coalesce(own_at, '-infinity')", ">i8"),
    "window_days": ("window_days", ">i4"),
    "oldest_entered_at": ("coalesce(oldest_entered_at, 'infinity')", ">i8"),
    **{name: (f"coalesce({name}::float8, 'NaN')", ">f8") for name in NUMBERS},
}
_STAGE_CELL: Columns = {**_CELL, "stage": ("stage_id", ">i8"), "dirty": ("dirty::int4", ">i4")}
_CATEGORY_CELL: Columns = {**_CELL, "category": (coded("category", CATEGORIES), ">i4")}


class Counters:
    """The counters of an organization's cells, to be held against visits that come some at a time."""

    def __init__(self, organization_id: int) -> None:
        kept = read("analytics_stagemetric", _COUNTERS, [organization_id], key="organization_id")
        self._job, self._stage = kept["job"], kept["stage"]
        self._kept = np.stack([kept[name] for name in ("open", "entered", "exited", "completed", "micros")])
        self._told = np.zeros_like(self._kept)
        self._elsewhere: set[int] = set()
        self._turn = Lock()

    @property
    def jobs(self) -> list[int]:
        """Those that have a cell or should have one."""
        return sorted({*self._job.tolist(), *self._elsewhere})

    def add(self, visits: Rows) -> None:
        """Count these visits. Several threads may."""
        cell = _lookup(self._job, self._stage, visits["job"], visits["stage"])
        homeless = visits["job"][(cell < 0) & (visits["job"] != 0)].tolist()
        over, lasted = visits["left"] != FOREVER, visits["left"] - visits["entered"]
        completed = over & (lasted >= array_cells.MINUTE) & array_cells.is_exit(visits["kind"])
        masks = (~over, np.ones(len(cell), bool), over, completed)
        told = [np.bincount(cell[mask & (cell >= 0)], minlength=len(self._job)) for mask in masks]
        # in two parts, as the sums are of floats and must be exact
        whole, rest = np.divmod(lasted[completed & (cell >= 0)], 1_000_000)
        seconds, micros = (np.bincount(cell[completed & (cell >= 0)], part, len(self._job)).astype(np.int64) for part in (whole, rest))
        with self._turn:
            self._told += np.stack([*told, seconds * 1_000_000 + micros])
            self._elsewhere.update(homeless)

    def suspects(self) -> frozenset[int]:
        """Jobs with a cell whose counters are not what has been counted."""
        return frozenset({*self._job[(self._told != self._kept).any(axis=0)].tolist(), *self._elsewhere})


@dataclass(frozen=True, slots=True)
class Looked:
    """Which of the jobs are suspected; and the stays that baselines are made of, as all visits have been read."""

    jobs: list[int]
    stays: Stays


def look(job_ids: Sequence[int], beside: Pipelines, *, as_of: datetime, dirty_too: bool) -> Looked:
    """Those of the jobs with a cell whose kept numbers are not what the visits say, each as of the moment it was computed.

    ``dirty_too``: also jobs with a cell that is still to be computed. ``as_of``: the moment the stays are told for.
    """
    cells = read("analytics_stagemetric", _STAGE_CELL, job_ids, key="job_id")
    pools = read("analytics_categorymetric", _CATEGORY_CELL, job_ids, key="job_id")
    cells["category"] = beside.category(cells["stage"])
    settled = (cells["dirty"] == 0) & (cells["computed"] != NEVER), pools["computed"] != NEVER
    found = {*cells["job"][~settled[0]].tolist(), *pools["job"][~settled[1]].tolist()} if dirty_too else set()
    clean, pools = array_fold.take(cells, settled[0]), array_fold.take(pools, settled[1])
    now = wide.micros(as_of)
    visits = _visits(job_ids, beside, min(now, *(int(kept["computed"].min(initial=now)) for kept in (clean, pools))))
    for kept, part, beyond in (
        (clean, "stage", beside.place(clean["stage"])),
        (pools, "category", (pools["category"] - 1) * 1000.0 + 999),
    ):
        found.update(kept["job"][_differs(visits, kept, part, beyond, beside)].tolist())
    return Looked(sorted(found | _without_pool(clean, pools)), _stays(visits, cells, now, beside))


def _stays(visits: Rows, cells: Rows, now: int, beside: Pipelines) -> Stays:
    of_visit, moment = _lookup(cells["job"], cells["stage"], visits["job"], visits["stage"]), np.full(len(cells["job"]), now)
    sample = array_cells.sample(visits, Cells(of_visit, moment - BASELINE_DAYS * DAY, moment, moment), beside.clocks)
    pairs = zip(cells["job"].tolist(), cells["stage"].tolist(), strict=True)
    return Stays({pair: place for place, pair in enumerate(pairs)}, *sample)


def _visits(job_ids: Sequence[int], beside: Pipelines, earliest: int) -> Rows:
    """Visits of everybody who was in one of the jobs since the windows of the cells began, by (application, job, n)."""
    since = wide.moment(earliest - BASELINE_DAYS * DAY)
    lately = read("analytics_stagevisit", VISIT, job_ids, key="job_id", only="(left_at >= %(since)s or left_at is null)", since=since)
    longer = np.setdiff1d(lately["application"][lately["n"] > 1], lately["application"][lately["n"] == 1])
    before = read("analytics_stagevisit", VISIT, longer.tolist(), only="left_at < %(since)s and job_id is not null", since=since)
    visits = unpacked({name: np.concatenate([lately[name], before[name]]) for name in VISIT}, kind=1, well_dated=0)
    visits = array_fold.take(visits, np.lexsort([visits["n"], visits["job"], visits["application"]]))
    visits["well_dated"] = visits["well_dated"] != 0
    visits["place"], visits["category"] = beside.place(visits["stage"]), beside.category(visits["stage"])
    return visits


def _differs(visits: Rows, kept: Rows, part: str, beyond: Array, beside: Pipelines) -> Array:
    """Which cells of a kind (those of a stage or a category of a job: ``part``) keep other numbers than their visits say."""
    of_visit = _lookup(kept["job"], kept[part], visits["job"], visits[part])
    differs = kept["window_days"] != WINDOW_DAYS

    def windows(days: int, now: Array) -> Cells:
        return Cells(of_visit, now - days * DAY, now, now)

    told: Rows = {}
    now = kept["computed"]
    window, recent, own = windows(WINDOW_DAYS, now), windows(RECENT_DAYS, now), windows(BASELINE_DAYS, kept["own"])
    told |= array_cells.counts(visits, window, beyond)
    for prefix, cells, clocks in (
        ("", window, None),
        ("bd_", window, beside.clocks),
        ("recent_", recent, beside.clocks),
        ("own_", own, beside.clocks),
    ):
        told |= _curves(prefix, visits, cells, clocks)
    for name, values in told.items():
        differs |= ~np.isclose(values, kept[name], rtol=0, atol=TOLERANCE, equal_nan=True)
    return np.asarray(differs)


def _curves(prefix: str, visits: Rows, cells: Cells, clocks: ArrayClocks | None) -> Rows:
    found = wide.product_limit(*array_cells.sample(visits, cells, clocks))
    places = np.fromiter(found, np.int64, len(found))
    table = np.array(list(found.values()), float).reshape(-1, len(_CURVE))
    told = {}
    for name in _KEPT[prefix]:
        values = np.full(len(cells), 0.0 if name.startswith("n") else np.nan)
        values[places] = table[:, _CURVE.index(name)]
        told[prefix + name] = values
    return told


def _lookup(job: Array, part: Array, of_job: Array, of_part: Array) -> Array:
    """The place of each pair ``(of_job, of_part)`` among the pairs ``(job, part)``; -1: it is none of them."""
    jobs, parts = np.unique(job), np.unique(part)
    if not len(jobs):
        return np.full(len(of_job), -1)
    keys = np.searchsorted(jobs, job) * len(parts) + np.searchsorted(parts, part)
    table = np.full(len(jobs) * len(parts), -1)
    table[keys] = np.arange(len(keys))
    row, column = (np.minimum(np.searchsorted(known, asked), len(known) - 1) for known, asked in ((jobs, of_job), (parts, of_part)))
    place: Array = np.where((jobs[row] == of_job) & (parts[column] == of_part), table[row * len(parts) + column], -1)
    return place


def _without_pool(cells: Rows, pools: Rows) -> set[int]:
    """Jobs where a category has several stages and no cell of its own."""
    pairs = list(zip(cells["job"].tolist(), cells["category"].tolist(), strict=True))
    kept = set(zip(pools["job"].tolist(), pools["category"].tolist(), strict=True))
    several = {pair for pair, many in Counter(pairs).items() if many > 1}
    return {job for job, _ in several - kept}
