"""How a number is told: with everything needed to judge it, and with who was counted where that is asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from analytics.calendars import JobClock
from analytics.estimators import Confidence, Curve, Estimate, Rate, Stay, Unit, estimate_quantile
from analytics.forecast import Ground
from analytics.funnel import Way
from analytics.heatmap import Json, StageRef, Window
from analytics.milestones import Milestones
from analytics.numbers import CellNumbers
from analytics.observed import Seen


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of a job for one question."""

    as_of: datetime
    window: Window
    clock: str
    job_clock: JobClock
    opened_at: datetime | None
    stages: Sequence[StageRef]
    cells: Mapping[int | str, CellNumbers]
    visits: Sequence[Seen]
    ways: Mapping[int, Way]
    milestones: Mapping[int, Milestones]
    sources: Mapping[int, str]
    #: the place of the first interview stage
    interview_place: int
    ground: Ground


@dataclass(frozen=True, slots=True)
class Teller:
    """Puts numbers in the shape all of them have."""

    facts: Facts
    explain: bool = False

    #: where a number looks at other days than the question asks for
    window: Window | None = None

    def over(self, window: Window) -> Teller:
        return replace(self, window=window)

    def told(self, definition: str, value: float | None, unit: str, *, n: int = 0, n_exits: int = 0, n_open: int = 0, **more: Any) -> Json:
        return {
            "definition_id": definition,
            "value": value,
            "unit": str(unit),
            "n": n,
            "n_exits": n_exits,
            "n_open": n_open,
            "confidence": str(Confidence.of(n_exits)),
            "window": (self.window or self.facts.window).as_dict(),
            "as_of": self.facts.as_of,
            **more,
        }

    def estimate(self, definition: str, found: Estimate, **more: Any) -> Json:
        bounds = {"low": found.low, "high": found.high, "lower_bound": found.lower_bound}
        return self.told(definition, found.value, found.unit, n=found.n, n_exits=found.n_exits, n_open=found.n_open, **bounds, **more)

    def rate(
        self, definition: str, found: Rate, *, n_open: int = 0, people: Mapping[str, Iterable[int]] | None = None, **more: Any
    ) -> Json:
        """``people``: applications by what they were counted as."""
        if self.explain and people is not None:
            more["explain"] = {
                "included": [{"application": one, "taken_as": taken} for taken, ids in people.items() for one in sorted(ids)],
                "excluded": [],
            }
        return self.told(
            definition,
            found.value,
            found.unit,
            n=found.n,
            n_exits=found.n,
            n_open=n_open,
            k=found.k,
            low=found.low,
            high=found.high,
            **more,
        )

    def quantiles(self, definition: str, spans: Sequence[Span], unit: Unit) -> Json:
        """p50 and p85 of spans of time between milestones."""
        curve = Curve.of_stays(span.stay for span in spans if span.stay is not None)
        told = {name: self.estimate(definition, estimate_quantile(curve, p, unit)) for name, p in (("p50", 0.50), ("p85", 0.85))}
        if self.explain:
            told["explain"] = {
                "included": [span.as_dict() for span in spans if span.stay is not None],
                "excluded": [span.as_dict() for span in spans if span.stay is None],
            }
        return told


@dataclass(frozen=True, slots=True)
class Span:
    """Time between two milestones of an application; ``stay`` None where it does not count, for a reason."""

    application_id: int
    stay: Stay | None
    reason: str | None = None

    def as_dict(self) -> Json:
        if self.stay is None:
            return {"application": self.application_id, "reason": self.reason}
        taken = "open" if self.stay.exit_kind is None else "exit" if self.stay.is_exit else "cut_off"
        return {"application": self.application_id, "days": round(self.stay.days, 9), "taken_as": taken}
