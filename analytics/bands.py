"""How old is too old: limits, age bands, heat and overdue days of the open visits of a heatmap cell.

Ages and limits are in business days. An age is compared with what the organization asked for (target), else with
how long past visits took (baseline), else with a default, and every answer says which.

A cell is not coloured by "median age of the open / median duration": open visits are a length-biased sample (long
stays are seen more often), so that ratio exceeds 1 in a perfectly healthy stage.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType

from analytics.estimators import Estimate, Rate, rate

#: Limits in bd where neither a target nor enough history exists, by canonical stage category.
DEFAULT_LIMITS: Mapping[str, float] = MappingProxyType(
    {"review": 5.0, "screen": 7.0, "assessment": 7.0, "interview": 10.0, "decision": 4.0, "offer": 5.0}
)
#: A status nobody has mapped yet must not raise an alarm earlier than any mapped one would.
UNMAPPED_LIMIT = max(DEFAULT_LIMITS.values())


class Band(StrEnum):
    """Age of an open visit, from good to bad."""

    FRESH = "fresh"
    WATCH = "watch"
    LATE = "late"
    CRITICAL = "critical"


class LimitSource(StrEnum):
    TARGET = "target"  #: configured for the organization, job or stage
    BASELINE = "baseline"  #: p85 of past visits
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The age in bd up to which a visit is on time, and where that comes from.

    ``n`` counts the exits behind a baseline (None otherwise). ``is_lower_bound``: the baseline's p85 is not
    reached in its sample; the longest duration stands in, and the true p85 is higher.
    """

    value: float
    source: LimitSource
    n: int | None = None
    is_lower_bound: bool = False
    unit: str = "bd"

    def as_dict(self) -> dict[str, float | int | str | None]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Upper ages in bd of the first three bands, each inclusive."""

    fresh: float
    watch: float
    late: float

    @classmethod
    def of_target(cls, target: float) -> Thresholds:
        """From a target or a default T: T/2, T, 2T."""
        return cls(fresh=target / 2, watch=target, late=2 * target)

    @classmethod
    def of_baseline(cls, p50: float, p85: float) -> Thresholds:
        """From past visits: p50, p85, 2 p85."""
        return cls(fresh=p50, watch=p85, late=2 * p85)

    def band(self, age: float) -> Band:
        """The band of one age. A limit on the border belongs to the better band."""
        if age <= self.fresh:
            return Band.FRESH
        if age <= self.watch:
            return Band.WATCH
        return Band.LATE if age <= self.late else Band.CRITICAL


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What the ages of a cell are measured with: its limit and its bands."""

    limit: Limit
    thresholds: Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class CellAges:
    """The waiting people of one cell at one moment. ``bands`` add up to ``open``; ``heat`` None: nobody waits."""

    open: int
    bands: Mapping[Band, int]
    heat: Band | None
    oldest_age: float | None
    overdue_days: float
    n_on_time: int

    @property
    def on_time(self) -> Rate:
        """M16: the share of open visits within the limit, in percent."""
        return rate(self.n_on_time, self.open)


def yardstick(
    *, target: float | None = None, baseline_p50: Estimate | None = None, baseline_p85: Estimate | None = None, category: str | None = None
) -> Yardstick:
    """Target, else baseline, else the default of the stage's category (the highest of them if unmapped).

    Estimates are in bd and already gated: a baseline too small to have a p85, or a bound on it, is no baseline.
    Raises ``ValueError`` for a target that is not positive.
    """
    if target is not None:
        if not target > 0:
            raise ValueError(f"A target of {target} business days cannot be kept; give a positive number or none.")
        return _from_number(target, LimitSource.TARGET)
    p50, p85 = (None if estimate is None else estimate.at_least for estimate in (baseline_p50, baseline_p85))
    if baseline_p85 is not None and p50 is not None and p85 is not None:
        limit = Limit(value=p85, source=LimitSource.BASELINE, n=baseline_p85.n_exits, is_lower_bound=baseline_p85.value is None)
        return Yardstick(limit, Thresholds.of_baseline(p50, p85))
    return _from_number(DEFAULT_LIMITS.get(category or "", UNMAPPED_LIMIT), LimitSource.DEFAULT)


def heat_rank(n_open: int) -> int:
    """k: the heat is the band of the k-th oldest, so "at least a fifth of the people have waited this long"."""
    return max(1, (n_open + 4) // 5)


def heat(ages: Sequence[float], thresholds: Thresholds) -> Band | None:
    """Band of the k-th oldest open visit, None for an empty cell."""
    if not ages:
        return None
    return thresholds.band(sorted(ages, reverse=True)[heat_rank(len(ages)) - 1])


def overdue_days(ages: Iterable[float], limit: float) -> float:
    """M20: business days beyond the limit, summed over the open visits; to 4 decimals as bd itself."""
    return round(math.fsum(max(0.0, age - limit) for age in ages), 4)


def on_time(ages: Sequence[float], limit: float) -> Rate:
    """M16: the share of open visits within the limit, in percent."""
    return rate(sum(age <= limit for age in ages), len(ages))


def measure_ages(ages: Sequence[float], measure: Yardstick) -> CellAges:
    """Everything a heatmap cell says of its open visits, from their ages in bd at one ``as_of``."""
    ordered, limits, limit = sorted(ages), measure.thresholds, measure.limit.value
    fresh = bisect_right(ordered, limits.fresh)
    watch = max(fresh, bisect_right(ordered, limits.watch))
    late = max(watch, bisect_right(ordered, limits.late))
    n_on_time = bisect_right(ordered, limit)
    return CellAges(
        open=len(ordered),
        bands={Band.FRESH: fresh, Band.WATCH: watch - fresh, Band.LATE: late - watch, Band.CRITICAL: len(ordered) - late},
        heat=limits.band(ordered[-heat_rank(len(ordered))]) if ordered else None,
        oldest_age=ordered[-1] if ordered else None,
        overdue_days=overdue_days(ordered[n_on_time:], limit),
        n_on_time=n_on_time,
    )


def _from_number(limit: float, source: LimitSource) -> Yardstick:
    return Yardstick(Limit(value=limit, source=source), Thresholds.of_target(limit))
