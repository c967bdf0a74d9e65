"""Live rows in the order in which they are shown: the most overdue job first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from datetime import datetime
from threading import Lock

from analytics.live import Live, LiveRow, Now
from analytics.paging import Page, Paging, Rank

Ranked = list[tuple[Rank, LiveRow]]

#: Rankings kept: leafing through the pages of one asks for it again and again.
KEPT = 32

_kept: OrderedDict[tuple[tuple[int, ...], datetime], Ranked] = OrderedDict()
_lock = Lock()


def ranked(standing: Live, at: datetime) -> Ranked:
    """All rows as they rank at a moment."""
    key = (standing.versions, at)
    with _lock:
        if (found := _kept.get(key)) is not None:
            _kept.move_to_end(key)
            return found
    now = standing.now if at == standing.now.as_of else Now(at, standing.now.clock)
    found = sorted((((-row.overdue(now), row.title, row.job_id), row) for row in standing.rows()), key=lambda one: one[0])
    with _lock:
        _kept[key] = found
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return found


def paged(standing: Live, job_ids: Collection[int] | None, paging: Paging) -> Page[LiveRow]:
    """The wanted page of the rows of some jobs (None: of all)."""
    rows = ranked(standing, paging.ranked_at(standing.now.as_of))
    return paging.page(rows if job_ids is None else [one for one in rows if one[1].job_id in job_ids], standing.now.as_of)
