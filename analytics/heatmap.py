"""The heatmap as the API tells it: cells put together from numbers measured elsewhere. Pure.

Every cell has the same keys whatever is known; what is not known is None, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from analytics.bands import LimitSource, measure_ages
from analytics.calendars import JobClock
from analytics.clocks import cd
from analytics.estimators import Estimate, Unit, pass_through, rate
from analytics.samples import Counts

if TYPE_CHECKING:
    from analytics.numbers import CellNumbers
    from ats.models import Job

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

    def __init__(self, clock: JobClock, as_of: datetime) -> None:
        self._clock = clock
        self._as_of = as_of

    def bd(self, entered: Iterable[datetime]) -> list[float]:
        return self._clock.bd(entered, self._as_of)

    def on(self, clock: str, entered: Sequence[datetime]) -> list[float]:
        """In ``clock`` days, to 4 decimals."""
        return self.bd(entered) if clock == Unit.BUSINESS_DAYS else [round(cd(moment, self._as_of), 4) for moment in entered]


def cell(stage: StageRef, *, entered_open: Sequence[datetime], ages: Ages, clock: str, numbers: CellNumbers, issues_open: int) -> Json:
    """One cell. ``entered_open``: when each open visit began; bands, limit and overdue days are in business days."""
    waiting = measure_ages(ages.bd(entered_open), numbers.measure)
    told = fixed_cell(stage, n_open=waiting.open, clock=clock, numbers=numbers, issues_open=issues_open)
    return told | {
        "bands": {str(band): count for band, count in waiting.bands.items()},
        "heat": None if waiting.heat is None else str(waiting.heat),
        "oldest_age": ages.on(clock, [min(entered_open)])[0] if entered_open else None,
        "overdue_days": waiting.overdue_days,
    }


def fixed_cell(stage: StageRef, *, n_open: int, clock: str, numbers: CellNumbers, issues_open: int) -> Json:
    """What of a cell does not move with time alone."""
    unit, counts = Unit(clock), numbers.counts
    return {
        "stage": stage.as_dict(),
        "open": n_open,
        "entered": counts.entered,
        "exited": counts.exited,
        "avg_duration_hours": counts.avg_hours,
        "p50": estimate_dict(numbers.curve.median(unit)),
        "p85": estimate_dict(numbers.curve.upper(unit)),
        "limit": _limit(numbers),
        "delay": _delay(numbers),
        "pass_through": passed(counts),
        "drop_off": dropped(counts),
        "issues_open": issues_open,
    }


def job_dict(job: Job) -> Json:
    return {"id": job.pk, "title": str(job), "department": job.department, "status": job.status, "organization": job.organization_id}


def totals(cells: Iterable[Mapping[str, Any]]) -> Json:
    """What a row says of all its cells."""
    cells = list(cells)
    return {
        "open": sum(one["open"] for one in cells),
        "overdue_days": round(sum(one["overdue_days"] for one in cells), 4),
        "issues_open": sum(one["issues_open"] for one in cells),
    }


def passed(counts: Counts) -> Json:
    """M07 in percent: ``low`` as if nobody undecided advanced, ``high`` as if all of them did."""
    told = pass_through(entered=counts.first_entries, advanced=counts.advanced, still_open=counts.undecided)
    rate = told.resolved
    return {"resolved": rate.value, "low": told.low, "high": told.high, "k": rate.k, "n": rate.n, "interval": [rate.low, rate.high]}


def dropped(counts: Counts) -> Json:
    """M08 in percent of those decided: rejected or withdrawn without having advanced."""
    told = rate(counts.rejected + counts.withdrawn, counts.first_entries - counts.undecided)
    return {
        "resolved": told.value,
        "low": told.low,
        "high": told.high,
        "k": told.k,
        "n": told.n,
        "rejected": counts.rejected,
        "withdrawn": counts.withdrawn,
    }


def estimate_dict(estimate: Estimate) -> Json:
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


def _limit(numbers: CellNumbers) -> Json:
    limit = numbers.measure.limit
    return {
        "value": limit.value,
        "unit": limit.unit,
        "source": str(limit.source),
        "n": limit.n,
        "baseline_level": str(numbers.level) if numbers.level and limit.source == LimitSource.BASELINE else None,
        "is_lower_bound": limit.is_lower_bound,
    }


def _delay(numbers: CellNumbers) -> Json:
    """M19. ``n``: exits behind the baseline; ``at_least``: the true ratio is higher."""
    told, usual = numbers.delay, numbers.usual
    return {
        "is_delayed": told.is_delayed,
        "ratio": None if told.ratio is None else round(told.ratio, 4),
        "at_least": told.at_least,
        "p50": told.p50,
        "n_exits": told.n,
        "baseline_p50": told.baseline_p50,
        "baseline_level": str(usual.level) if usual else None,
        "n": usual.summary.n_exits if usual else 0,
    }
