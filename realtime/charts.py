"""Geometry of the pictures on a page: numbers in, places in percent of the drawing out. Pure.

Places are percentages because then one SVG fits any width while its words keep their size; only the curves, which need
a path, are drawn in a box of 100 × 100 that is stretched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analytics.pictures import StageAges, StageCurve, Week
from realtime import presenting

#: Where a drawing's plot ends above its line of words, percent.
FLOOR = 86.0
CEILING = 6.0
#: Where bars begin, percent: left of it stand the words of the upright axis.
MARGIN = 5.0
#: Rows of the table beside a curve.
CURVE_ROWS = 12
#: More dots than this in one column of the aging chart become one unreadable stripe; the table tells all.
MOST_DOTS = 400


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


def nice_ticks(highest: float, *, about: int = 4) -> list[float]:
    """0 and round steps (1, 2 or 5 × 10^n) up to at least ``highest``."""
    power = 10.0 ** math.floor(math.log10(rough := max(highest, 1e-9) / about))
    step = next(unit * power for unit in (1, 2, 5, 10) if unit * power >= rough - 1e-12)
    count = math.ceil(highest / step - 1e-9)
    return [round(step * number, 6) for number in range(max(count, 1) + 1)]


def _label(value: float) -> str:
    return f"{value:g}"


def _round(value: float) -> float:
    return round(value, 2)


def height(value: float, top: float) -> float:
    """The place of a value on an upright axis that ends at ``top``: percent from above."""
    return _round(FLOOR - (FLOOR - CEILING) * value / top) if top else FLOOR


# --- curves with the people still waiting ---------------------------------------------------------------
@dataclass(frozen=True)
class CurveChart:
    """The share still in a stage after t days. Path and band live in a stretched box of 100 × 100."""

    stage: Mapping[str, Any]
    path: str
    band: str
    #: places of the people still waiting: (across, down) in percent
    marks: Sequence[tuple[float, float]]
    median: Tick | None
    median_text: str
    #: what the chart says, for those who cannot see it
    sentence: str
    ticks: Sequence[Tick]
    rows: Sequence[Mapping[str, Any]]
    n: int
    n_open: int
    few: bool


def curve_chart(one: StageCurve, *, longest: float) -> CurveChart:
    """``longest``: where the axis of all curves of a page ends, so that they can be compared."""
    top = nice_ticks(longest, about=4)
    end = top[-1]
    curve, stage = one.curve, one.stage.as_dict()
    points = [(0.0, 1.0, 1.0, 1.0), *((step.time, step.survival, step.low, step.high) for step in curve.steps)]
    drawn = [point for point in points if point[0] <= end]
    last, median = min(curve.longest or 0.0, end), one.median
    text = presenting.estimate({"value": median.value, "lower_bound": median.lower_bound, "confidence": str(median.confidence)})
    return CurveChart(
        stage=stage,
        path=_stairs([(time, share) for time, share, _, _ in drawn], last, end),
        band=_band(drawn, last, end),
        marks=[(_round(100 * age / end), _round(100 * (1 - curve.survival(age)))) for age in one.waiting if age <= end],
        median=None if median.value is None else Tick(_round(100 * min(median.value, end) / end), text),
        median_text=text,
        sentence=_curve_sentence(one, text),
        ticks=[Tick(_round(100 * value / end), _label(value)) for value in top],
        rows=_curve_rows(points, one),
        n=curve.n,
        n_open=curve.n_open,
        few=str(median.confidence) != "ok",
    )


def _stairs(points: Sequence[tuple[float, float]], last: float, end: float) -> str:
    """A path that stays level and falls at each exit."""
    drawn = [f"M0 {_round(100 * (1 - points[0][1]))}"]
    for time, share in points[1:]:
        drawn.append(f"H{_round(100 * time / end)}V{_round(100 * (1 - share))}")
    return "".join([*drawn, f"H{_round(100 * last / end)}"])


def _band(points: Sequence[tuple[float, float, float, float]], last: float, end: float) -> str:
    """The area between the upper and the lower 95% band."""
    upper = _stairs([(time, high) for time, _, _, high in points], last, end)
    corners = [(time, low) for time, _, low, _ in points]
    back = [f"V{_round(100 * (1 - corners[-1][1]))}"]
    for (time, _), (_, before) in zip(corners[:0:-1], corners[-2::-1], strict=True):
        back.append(f"H{_round(100 * time / end)}V{_round(100 * (1 - before))}")
    return "".join([upper, *back, "H0Z"])


def _curve_sentence(one: StageCurve, median: str) -> str:
    name, curve = presenting.stage_name(one.stage.as_dict()), one.curve
    half = f"half have left after {median.replace(' d', ' days')}" if median != "–" else "too few have left to tell a median"
    return f"{name}: {curve.n_exits} of {curve.n} have left, {curve.n_open} still waiting; {half}."


def _curve_rows(points: Sequence[tuple[float, float, float, float]], one: StageCurve) -> list[dict[str, Any]]:
    """The curve as a table: at most a dozen of its steps, the last one among them."""
    skipped = max(1, math.ceil((len(points) - 1) / CURVE_ROWS))
    chosen = [*points[1:-1:skipped], *points[1:][-1:]]
    return [{"days": time, "share": 100 * share, "low": 100 * low, "high": 100 * high} for time, share, low, high in chosen]


def axis_end(curves: Iterable[StageCurve]) -> float:
    """Where a common axis of days ends: at the longest stay of three quarters of the stages, so that one straggler
    does not press all others into a corner."""
    longest = sorted(one.curve.longest or 0.0 for one in curves)
    return max(longest[math.floor(0.75 * (len(longest) - 1))], 1.0) if longest else 1.0


# --- ages of the people waiting --------------------------------------------------------------------------
@dataclass(frozen=True)
class Dot:
    across: float
    down: float
    band: str
    application_id: int
    age: float


@dataclass(frozen=True)
class AgingColumn:
    stage: Mapping[str, Any]
    left: float
    width: float
    middle: float
    limit: float
    limit_at: float
    dots: Sequence[Dot]
    count: int
    oldest: float | None
    late: int

    @property
    def right(self) -> float:
        return _round(self.left + self.width)


@dataclass(frozen=True)
class AgingChart:
    """One column per stage, one dot per person; the line is the stage's limit. The axis is a square root: the young
    ones are many and the old ones far apart."""

    columns: Sequence[AgingColumn]
    ticks: Sequence[Tick]
    sentence: str


def aging_chart(stages: Sequence[StageAges]) -> AgingChart | None:
    if not any(one.people for one in stages):
        return None
    highest = max(max((person.age for one in stages for person in one.people), default=0), *(one.limit for one in stages))
    scale = [value for value in (0, 2, 10, 30, 60, 120, 250, 500, 1000, 2000) if value <= highest]
    width = (100 - MARGIN) / len(stages)
    columns = [_aging_column(one, MARGIN + number * width, width, highest) for number, one in enumerate(stages)]
    late, total = sum(one.late for one in columns), sum(one.count for one in columns)
    places = sum(bool(one.count) for one in columns)
    sentence = f"{total} waiting in {places} {'stage' if places == 1 else 'stages'}, {late} of them over the limit of their stage."
    return AgingChart(columns, [Tick(height(math.sqrt(value), math.sqrt(highest)), _label(value)) for value in scale], sentence)


def _aging_column(one: StageAges, left: float, width: float, highest: float) -> AgingColumn:
    def down(age: float) -> float:
        return height(math.sqrt(max(age, 0)), math.sqrt(highest))

    shown = one.people[:MOST_DOTS]
    places = _spread([down(person.age) for person in shown])
    middle = left + width / 2
    dots = [
        Dot(_round(middle + place * width * 0.4), down(person.age), person.band, person.application_id, person.age)
        for person, place in zip(shown, places, strict=True)
    ]
    return AgingColumn(
        stage=one.stage.as_dict(),
        left=_round(left),
        width=_round(width),
        middle=_round(middle),
        limit=one.limit,
        limit_at=down(one.limit),
        dots=dots,
        count=len(one.people),
        oldest=one.people[0].age if one.people else None,
        late=sum(person.age > one.limit for person in one.people),
    )


def _spread(downs: Sequence[float], *, near: float = 2.6) -> list[float]:
    """A place from -1 to 1 for each dot, so that dots of like height stand beside each other: 0, then left and right."""
    found: list[float] = []
    row: list[float] = []
    for down in downs:
        row = [other for other in row if abs(other - down) < near]
        number = len(row)
        step = (number + 1) // 2 * (1 if number % 2 else -1)
        found.append(max(-1.0, min(1.0, step * 0.16)) if abs(step * 0.16) <= 1 else ((number * 0.37) % 2) - 1)
        row.append(down)
    return found


# --- coming and going --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class FlowBar:
    week: Week
    left: float
    width: float
    came_at: float
    came: float
    went_at: float
    went: float
    middle: float
    label: bool

    @property
    def second(self) -> float:
        """Where the bar of those who left begins."""
        return _round(self.left + self.width)


@dataclass(frozen=True)
class FlowChart:
    bars: Sequence[FlowBar]
    ticks: Sequence[Tick]
    came: int
    went: int
    sentence: str


def flow_chart(weeks: Sequence[Week]) -> FlowChart | None:
    """Per week who came into the job and who left it, side by side."""
    if not weeks or not any(week.arrivals or week.exits for week in weeks):
        return None
    scale = nice_ticks(max(max(week.arrivals, week.exits) for week in weeks))
    scale = [value for value in scale if value == int(value)]
    top, slot = scale[-1], (100 - MARGIN) / len(weeks)
    every = math.ceil(len(weeks) / 7)
    bars = []
    for number, week in enumerate(weeks):
        came_at, went_at = height(week.arrivals, top), height(week.exits, top)
        bars.append(
            FlowBar(
                week=week,
                left=_round(MARGIN + (number + 0.14) * slot),
                width=_round(0.34 * slot),
                came_at=came_at,
                came=_round(FLOOR - came_at),
                went_at=went_at,
                went=_round(FLOOR - went_at),
                middle=_round(MARGIN + (number + 0.5) * slot),
                label=(len(weeks) - 1 - number) % every == 0,
            )
        )
    came, went = sum(week.arrivals for week in weeks), sum(week.exits for week in weeks)
    sentence = f"{came} came and {went} left in {len(weeks)} weeks: {abs(came - went)} {'more' if came >= went else 'fewer'} waiting."
    return FlowChart(bars, [Tick(height(value, top), _label(value)) for value in scale], came, went, sentence)


# --- what was expected and what came -----------------------------------------------------------------------
@dataclass(frozen=True)
class RecordBar:
    past: Mapping[str, Any]
    left: float
    width: float
    middle: float
    top: float
    height: float
    actual: float
    label: bool


@dataclass(frozen=True)
class RecordChart:
    """Past forecasts of hires, oldest first: a bar from low to high, a dot for what came."""

    bars: Sequence[RecordBar]
    ticks: Sequence[Tick]
    sentence: str


def record_chart(past: Sequence[Mapping[str, Any]]) -> RecordChart | None:
    made = [one for one in reversed(past) if one["hires"]["high"] is not None]
    if not made:
        return None
    scale = [
        value for value in nice_ticks(max(max(one["hires"]["high"], one["hires"]["actual"], 1) for one in made)) if value == int(value)
    ]
    top, slot, every = scale[-1], (100 - MARGIN) / len(made), math.ceil(len(made) / 6)
    bars = []
    for number, one in enumerate(made):
        hires = one["hires"]
        upper, lower = height(hires["high"], top), height(hires["low"], top)
        bars.append(
            RecordBar(
                past=one,
                left=_round(MARGIN + (number + 0.3) * slot),
                width=_round(0.4 * slot),
                middle=_round(MARGIN + (number + 0.5) * slot),
                top=upper,
                height=max(_round(lower - upper), 1.2),
                actual=height(hires["actual"], top),
                label=(len(made) - 1 - number) % every == 0,
            )
        )
    held = sum(bool(one["hires"]["hit"]) for one in made)
    sentence = f"{held} of {len(made)} past forecasts of the hires in 28 days held what came."
    return RecordChart(bars, [Tick(height(value, top), _label(value)) for value in scale], sentence)


# --- what becomes of those who come in ------------------------------------------------------------------------
@dataclass(frozen=True)
class FunnelRow:
    """Widths in percent of the widest stage; ``low``, ``high``, ``resolved`` are the shares that advance, percent."""

    stage: Mapping[str, Any]
    entered: int
    width: float
    advanced: int
    advanced_width: float
    #: where the share that advances lies if nobody, or everybody, undecided does: places in percent of the drawing
    low_at: float | None
    high_at: float | None
    passed: Mapping[str, Any]
    dropped: Mapping[str, Any]
    undecided: int


def funnel_rows(funnel: Sequence[Mapping[str, Any]]) -> list[FunnelRow]:
    widest = max((one["entered"]["value"] or 0 for one in funnel), default=0) or 1
    rows = []
    for one in funnel:
        entered, passed = int(one["entered"]["value"] or 0), one["pass_through"]
        width = 100 * entered / widest

        def at(share: float | None, width: float = width) -> float | None:
            return None if share is None else _round(width * share / 100)

        rows.append(
            FunnelRow(
                stage=one["stage"],
                entered=entered,
                width=_round(width),
                advanced=passed["k"],
                advanced_width=_round(100 * passed["k"] / widest),
                low_at=at(passed["bound_low"]),
                high_at=at(passed["bound_high"]),
                passed=passed,
                dropped=one["drop_off"],
                undecided=passed["n_open"],
            )
        )
    return rows


# --- a person's way ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Stretch:
    left: float
    width: float
    visit: Any
    #: shade by place in the pipeline, 0 to 5
    shade: int

    @property
    def middle(self) -> float:
        return _round(self.left + self.width / 2)

    @property
    def named(self) -> bool:
        """Whether the stage's name fits into it on a wide screen; a small one shows none."""
        return self.width >= 0.75 * len(str(self.visit.stage))


def stretches(visits: Sequence[Any], *, since: Any, until: Any, rank: Mapping[str, int]) -> list[Stretch]:
    """Visits as pieces of a bar between two moments, at least wide enough to be seen."""
    total = max((until - since).total_seconds(), 1.0)
    found = []
    for visit in visits:
        begun, ended = max(visit.entered_at, since), min(visit.left_at or until, until)
        left = 100 * (begun - since).total_seconds() / total
        width = max(100 * (ended - begun).total_seconds() / total, 0.6)
        found.append(Stretch(_round(left), _round(min(width, 100 - left)), visit, rank.get(visit.stage.category, 0)))
    return found
