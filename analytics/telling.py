"""How a number is told: with everything needed to judge it, and with who was counted where that is asked for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from analytics.baselines import Course
from analytics.calendars import JobClock
from analytics.estimators import Confidence, Curve, Estimate, Rate, Stay, Unit, estimate_quantile, rate
from analytics.forecast import Ground
from analytics.funnel import Way
from analytics.heatmap import Json, StageRef, Window
from analytics.milestones import Milestones
from analytics.models import ExitKind
from analytics.numbers import CellNumbers
from analytics.observed import Seen
from ats.appointments import Appointments

CD = Unit.CALENDAR_DAYS
#: what ends a span between milestones, in the words of ``Stay``
DONE, CUT = ExitKind.ADVANCED.value, ExitKind.CLOSED.value


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
    #: what those who wait in a stage are compared with (M05), by its id; of stages where somebody waits
    courses: Mapping[int | str, Course]
    visits: Sequence[Seen]
    ways: Mapping[int, Way]
    milestones: Mapping[int, Milestones]
    sources: Mapping[int, str]
    #: interviews and feedback of those who have any
    appointments: Mapping[int, Appointments]
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

    def rate(self, definition: str, found: Rate, *, n_open: int = 0, **more: Any) -> Json:
        bounds = {"k": found.k, "low": found.low, "high": found.high}
        return self.told(definition, found.value, found.unit, n=found.n, n_exits=found.n, n_open=n_open, **bounds, **more)

    def share(self, definition: str, parts: Parts, k: Iterable[str], *, not_in_n: Iterable[str] = (), **more: Any) -> Json:
        """The share of those taken as one of ``k``, of all but those taken as one of ``not_in_n``."""
        wanted, waiting = frozenset(k), frozenset(not_in_n)
        count = {word: len(listed) for word, listed in parts.included.items()}
        hits = sum(number for word, number in count.items() if word in wanted)
        of = sum(number for word, number in count.items() if word not in waiting)
        if self.explain:
            more["explain"] = parts.listed() | {"counted_in_k": sorted(wanted), "not_counted_in_n": sorted(waiting)}
        return self.rate(definition, rate(hits, of), n_open=sum(count.get(word, 0) for word in waiting), **more)

    def count(self, definition: str, parts: Parts, *, n_open: int = 0, **more: Any) -> Json:
        """How many were counted."""
        number = sum(len(listed) for listed in parts.included.values())
        if self.explain:
            more["explain"] = parts.listed()
        return self.told(definition, number, Unit.COUNT, n=number, n_exits=number - n_open, n_open=n_open, **more)

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
class Parts:
    """Who was counted, by what they were taken as, and who was left out, by why."""

    included: Mapping[str, Sequence[Json]]
    excluded: Mapping[str, Sequence[Json]]

    @classmethod
    def of(cls, items: Iterable[Any], name: Callable[[Any], Json], judge: Callable[[Any], tuple[bool, str]]) -> Parts:
        """``judge``: whether an item counts, and what it is taken as or why it is left out."""
        included: dict[str, list[Json]] = {}
        excluded: dict[str, list[Json]] = {}
        for item in items:
            counts, word = judge(item)
            (included if counts else excluded).setdefault(word, []).append(name(item))
        return cls(included, excluded)

    def listed(self) -> Json:
        return {
            "included": [{**one, "taken_as": word} for word, listed in sorted(self.included.items()) for one in listed],
            "excluded": [{**one, "reason": word} for word, listed in sorted(self.excluded.items()) for one in listed],
        }


def application(pk: int) -> Json:
    return {"application": pk}


def visit(seen: Seen) -> Json:
    return {"application": seen.application_id, "visit": seen.visit_id, "entered_at": seen.entered_at}


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
