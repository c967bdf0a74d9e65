"""The heatmap as the API tells it: cells put together from numbers measured elsewhere. Pure.

Every cell has the same keys whatever is known; what is not known is None, never 0. ``delay``, ``pass_through``
and ``drop_off`` need baselines per department and the fate of every entry; they are None until those are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from analytics.bands import Yardstick, measure_ages, yardstick
from analytics.clocks import CompiledCalendar, cd
from analytics.estimators import MIN_EXITS, Confidence, Estimate, Unit

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Window:
    """Entries and exits in ``[since, until)`` are counted."""

    since: datetime
    until: datetime

    @classmethod
    def of_days(cls, days: int, as_of: datetime) -> Window:
        return cls(as_of - timedelta(days=days), as_of)

    def as_dict(self) -> Json:
        days = (self.until - self.since) / timedelta(days=1)
        return {"days": round(days, 4), "from": self.since, "to": self.until}


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStatistics:
    """What the visits that began in the window say; durations in ``p50`` and ``p85`` carry their unit."""

    entered: int
    exited: int
    avg_duration_hours: float | None
    p50: Estimate
    p85: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRef:
    """A stage as cells name it. ``order`` None: not mapped to a category, shown last."""

    id: int | str
    name: str
    category: str
    order: int | None

    @property
    def sort_key(self) -> tuple[bool, int, str, str]:
        return (self.order is None, self.order or 0, self.name, str(self.id))

    def as_dict(self) -> Json:
        return {"id": self.id, "name": self.name, "category": self.category, "order": self.order}


class Ages:
    """Ages of open visits at ``as_of`` on both clocks. Entries in the future (clock skew) have age 0."""

    def __init__(self, calendar: CompiledCalendar, as_of: datetime) -> None:
        self._calendar = calendar
        self._as_of = as_of

    def bd(self, entered: Iterable[datetime]) -> list[float]:
        return self._calendar.bd_of_pairs((min(moment, self._as_of), self._as_of) for moment in entered)

    def on(self, clock: str, entered: Sequence[datetime]) -> list[float]:
        """In ``clock`` days, to 4 decimals."""
        return self.bd(entered) if clock == Unit.BUSINESS_DAYS else [round(cd(moment, self._as_of), 4) for moment in entered]


def stored_quantile(
    p: float, *, value: float | None, low: float | None, high: float | None, n: int, n_exits: int, longest: float | None
) -> Estimate:
    """A quantile kept on a cell (calendar days) with the small-sample gates of the estimators put on again.

    Everything that is no exit counts as ``n_open`` here: open visits and those cut off are kept as one number.
    """
    needed = next(exits for level, exits in MIN_EXITS if p <= level)
    shown, readable = n_exits >= needed, n_exits >= MIN_EXITS[0][1]
    return Estimate(
        value=value if shown else None,
        unit=Unit.CALENDAR_DAYS,
        n=n,
        n_exits=n_exits,
        n_open=n - n_exits,
        low=low if shown else None,
        high=high if shown else None,
        confidence=Confidence.of(n_exits),
        lower_bound=longest if readable and value is None else None,
    )


def cell(
    stage: StageRef, *, entered_open: Sequence[datetime], ages: Ages, clock: str, statistics: CellStatistics, issues_open: int
) -> Json:
    """One cell. ``entered_open``: when each open visit began; bands, limit and overdue days are in business days."""
    measure = default_yardstick(stage.category)
    waiting = measure_ages(ages.bd(entered_open), measure)
    oldest = ages.on(clock, [min(entered_open)])[0] if entered_open else None
    return {
        "stage": stage.as_dict(),
        "open": waiting.open,
        "entered": statistics.entered,
        "exited": statistics.exited,
        "bands": {str(band): count for band, count in waiting.bands.items()},
        "heat": None if waiting.heat is None else str(waiting.heat),
        "avg_duration_hours": statistics.avg_duration_hours,
        "p50": _estimate(statistics.p50),
        "p85": _estimate(statistics.p85),
        "limit": _limit(measure),
        "delay": None,
        "pass_through": None,
        "drop_off": None,
        "oldest_age": oldest,
        "overdue_days": waiting.overdue_days,
        "issues_open": issues_open,
    }


def totals(cells: Iterable[Mapping[str, Any]]) -> Json:
    """What a row says of all its cells."""
    cells = list(cells)
    return {
        "open": sum(one["open"] for one in cells),
        "overdue_days": round(sum(one["overdue_days"] for one in cells), 4),
        "issues_open": sum(one["issues_open"] for one in cells),
    }


@cache
def default_yardstick(category: str) -> Yardstick:
    """What ages of a category are measured with where nothing was configured; a handful, so kept."""
    return yardstick(category=category)


def _estimate(estimate: Estimate) -> Json:
    # spelled out: dataclasses.asdict copies deeply and took half the time of a large heatmap
    return {
        "value": estimate.value,
        "unit": estimate.unit.value,
        "n": estimate.n,
        "n_exits": estimate.n_exits,
        "n_open": estimate.n_open,
        "low": estimate.low,
        "high": estimate.high,
        "confidence": estimate.confidence.value,
        "lower_bound": estimate.lower_bound,
    }


def _limit(measure: Yardstick) -> Json:
    limit = measure.limit
    return {"value": limit.value, "unit": limit.unit, "source": str(limit.source), "n": limit.n}
