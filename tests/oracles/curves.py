"""Product-limit percentiles of one heatmap cell in calendar days, by their definition and in fractions.

Written apart from ``analytics.estimators``: a quadratic loop over observations instead of sorted counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from tests.oracles.visits import EXITS, Visit

SECONDS_PER_DAY = 86_400
LONGEST_GAP = 86_400.0
SHORTEST = timedelta(seconds=60)


@dataclass(frozen=True)
class Percentiles:
    """``p50`` and ``p85`` as shown (6 and 20 exits needed), ``*_any`` whatever the size; days, None if unknown.

    ``longest`` is the longest duration in the sample: what a percentile that is not reached exceeds.
    """

    n: int
    n_exits: int
    n_open: int
    p50: float | None
    p85: float | None
    p50_any: float | None
    p85_any: float | None
    longest: float | None


def cell_percentiles(
    visits: Iterable[Visit], *, since: datetime, until: datetime, as_of: datetime, tracked_since: datetime | None = None
) -> Percentiles:
    """Of the visits of one cell that began in [since, until), as things stood at ``as_of``.

    Visits that began before ``tracked_since`` are survivors of the time before and stay out.
    """
    sample = observations(visits, since=since, until=until, as_of=as_of, tracked_since=tracked_since)
    exits = [days for days, ending in sample if ending == "exit"]
    p50, p85 = (quantile(sample, Fraction(percent, 100)) for percent in (50, 85))
    return Percentiles(
        n=len(sample),
        n_exits=len(exits),
        n_open=sum(ending == "open" for _, ending in sample),
        p50=_days(p50) if len(exits) >= 6 else None,
        p85=_days(p85) if len(exits) >= 20 else None,
        p50_any=_days(p50),
        p85_any=_days(p85),
        longest=_days(max((days for days, _ in sample), default=None)),
    )


def observations(
    visits: Iterable[Visit], *, since: datetime, until: datetime, as_of: datetime, tracked_since: datetime | None = None
) -> list[tuple[Fraction, str]]:
    """The sample of ``cell_percentiles``: (days, ending), ending being ``exit``, ``open`` or ``cut off``."""
    return [found for visit in visits if (found := _observed(visit, since, until, as_of, tracked_since)) is not None]


def quantile(sample: list[tuple[Fraction, str]], p: Fraction) -> Fraction | None:
    """The smallest exit time t with S(t) <= 1 - p; S(t) multiplied exactly over the exit times up to t."""
    survival = Fraction(1)
    for t in sorted({days for days, ending in sample if ending == "exit"}):
        at_risk = sum(1 for days, _ in sample if days >= t)
        exits = sum(1 for days, ending in sample if ending == "exit" and days == t)
        survival *= Fraction(at_risk - exits, at_risk)
        if survival <= 1 - p:
            return t
    return None


def _observed(
    visit: Visit, since: datetime, until: datetime, as_of: datetime, tracked_since: datetime | None
) -> tuple[Fraction, str] | None:
    """None when the visit is not in the sample."""
    if not since <= visit.entered_at < until or visit.entered_at > as_of:
        return None
    if tracked_since is not None and visit.entered_at < tracked_since:
        return None
    if visit.entry_precision == "unknown" or visit.survivor:
        return None
    if visit.entry_precision == "bounded" and visit.entry_gap > LONGEST_GAP:
        return None
    left = visit.left_at if visit.left_at is not None and visit.left_at <= as_of else None
    length = (left or as_of) - visit.entered_at
    if length < SHORTEST:
        return None
    ending = "exit" if visit.exit_kind in EXITS else "cut off"
    return Fraction(length // timedelta(microseconds=1), SECONDS_PER_DAY * 1_000_000), "open" if left is None else ending


def _days(value: Fraction | None) -> float | None:
    return None if value is None else float(value)
