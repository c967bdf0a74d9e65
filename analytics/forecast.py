"""When a job will be filled and how many hires the next 28 days will bring: a range, and how often such ranges were right.

The people in the job's stages, and the newcomers to be expected, walk through the stages as people lately did
(``analytics.simulation``), a thousand times. A stage is learnt from the job's own stays of the last 180 days; where
these hold fewer than 20 exits, from the same category in the department, then in the organization. Past forecasts are
computed again from what had happened by then, and held against what came. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import numpy as np

from analytics.estimators import ENOUGH_EXITS, MIN_EXITS, Confidence, Rate, rate
from analytics.heatmap import StageRef
from analytics.models import Baseline
from analytics.samples import BASELINE_DAYS
from analytics.simulation import HIRED, Bools, Crowd, Floats, Ints, Leaving, futures
from connectors.events import JobStatus

SPAN_DAYS = 28
HORIZON_DAYS = 365
#: newcomers per day are those of so many days
ARRIVALS_DAYS = 90
#: and are not read from less than this
SHORTEST_WATCH = 7
RUNS, PAST_RUNS = 1_000, 400
#: walks at once; with very many people fewer runs are made
MOST_WALKS = 400_000
#: past forecasts held against what came, and how many of them make a hit rate
PAST_FORECASTS = 12
ENOUGH_PAST = 3
#: the range holds what comes 80 times in 100
LOW, MIDDLE, HIGH = 0.10, 0.50, 0.90
SECONDS_PER_DAY = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNDER_A_MINUTE = 60 / SECONDS_PER_DAY


def in_days(moment: datetime) -> float:
    return (moment - EPOCH) / timedelta(days=1)


def moment_of(days: float) -> datetime:
    return EPOCH + timedelta(days=days)


@dataclass(frozen=True, slots=True, eq=False)
class Stays:
    """Visits as columns, one entry each; moments in days since 1970. ``left`` inf: still there. ``category`` -1: unmapped."""

    application: Ints
    stage: Ints
    category: Ints
    entered: Floats
    left: Floats
    is_exit: Bools
    #: the stage it led to, HIRED, or OUT
    whereto: Ints
    #: the entry is known to the day, so the length counts
    well_dated: Bools
    #: of the job itself; of its department
    own: Bools
    near: Bools
    #: how the application came into the job
    first: Bools


@dataclass(frozen=True, slots=True)
class Learnt:
    """A stage's curve and where it was learnt; no curve: too few exits anywhere."""

    curve: Leaving | None
    level: Baseline.Level | None
    #: which stays of ``Stays``
    rows: Ints


@dataclass(frozen=True, slots=True)
class Ground:
    """What a job's forecasts, past and present, are computed from."""

    job_id: int
    as_of: datetime
    stays: Stays
    #: category code of every stage somebody could come to
    categories: Mapping[int, int]
    #: how the job stood: from these moments on (days) in these states, the first of them before all else
    statuses: Sequence[tuple[float, str]]
    opened: float | None
    names: Mapping[int, StageRef]
    #: people to be hired in all; None: not known, so that any number may be
    openings: int | None = None
    #: always open, never filled
    evergreen: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A quantity as a range: 10, 50 and 90 % of the runs lie at or below. None: not within the horizon."""

    low: float | None
    value: float | None
    high: float | None


NOTHING = Span(None, None, None)


@dataclass(frozen=True, slots=True)
class Forecast:
    """``reason``: why there is none. ``fill``: days until the next hire; ``hires``: within the next 28 days."""

    at: float
    reason: str | None
    fill: Span = NOTHING
    hires: Span = NOTHING
    mean_hires: float | None = None
    #: share of runs with a hire within the 28 days, 0 to 1
    chance: float | None = None
    runs: int = 0
    #: rows of the stays of who is in a stage now; those in a stage that nothing is known of are taken to stay there
    people: tuple[int, ...] = ()
    staying: int = 0
    arrivals: int = 0
    arrivals_per_day: float = 0.0
    learnt: Mapping[int, Learnt] = field(default_factory=dict)

    @property
    def confidence(self) -> Confidence:
        """That of the thinnest curve on the way."""
        return Confidence.of(min((one.curve.n_exits for one in self.learnt.values() if one.curve is not None), default=0))


@dataclass(frozen=True, slots=True)
class Past:
    """A forecast as it would have been, and what came. ``*_hit`` None: still undecided."""

    forecast: Forecast
    hires: int
    hires_hit: bool
    days_to_hire: float | None
    fill_hit: bool | None


def forecast(ground: Ground, at: float, *, runs: int = RUNS) -> Forecast:
    """The job's forecast at a moment, from what had happened by then."""
    stays = ground.stays
    hired = int(np.count_nonzero(stays.own & (stays.whereto == HIRED) & (stays.left <= at)))
    wanted = None if ground.openings is None else ground.openings - hired
    people = np.flatnonzero(stays.own & (stays.entered <= at) & (stays.left > at))
    starts, per_day = _newcomers(ground, at)
    reason = _not_open(ground, at) or ("all_openings_filled" if wanted is not None and wanted <= 0 else None)
    if reason is None and not len(people) and not len(starts):
        reason = "nobody_in_the_pipeline"
    if reason is not None:
        return Forecast(at, reason)
    learnt = _learnt(ground, at, {*stays.stage[people].tolist(), *starts.tolist()})
    curves = {stage: one.curve for stage, one in learnt.items() if one.curve is not None}
    staying = sum(int(stage) not in curves for stage in stays.stage[people])
    told = {"people": tuple(people.tolist()), "staying": staying, "arrivals": len(starts), "arrivals_per_day": per_day, "learnt": learnt}
    if 2 * staying > len(people):
        return Forecast(at, "too_few_exits", **told)  # type: ignore[arg-type]
    if not any((curve.whereto == HIRED).any() for curve in curves.values()):
        return Forecast(at, "no_hire_to_learn_from", **told)  # type: ignore[arg-type]
    runs = max(100, min(runs, MOST_WALKS // max(1, len(people))))
    crowd = Crowd(stays.stage[people], at - stays.entered[people], per_day, starts)
    found = futures(curves, crowd, span=SPAN_DAYS, horizon=HORIZON_DAYS, runs=runs, rng=np.random.default_rng(seed_of(ground.job_id, at)))
    hires = found.hires if wanted is None else np.minimum(found.hires, wanted)
    return Forecast(
        at, None, fill=_range(found.first), hires=_range(hires.astype(float)), mean_hires=float(hires.mean()),
        chance=float((hires > 0).mean()), runs=runs, **told,  # type: ignore[arg-type]
    )  # fmt: skip


def seed_of(job_id: int, at: float) -> int:
    """The same all day, so that asking again does not move the range by luck alone."""
    return int.from_bytes(sha256(f"{job_id}:{int(at)}".encode()).digest()[:8], "big")


def past_forecasts(ground: Ground) -> list[Past]:
    """Those of 28, 56, .. days ago that would have been made, each beside what came; spans that do not overlap."""
    now, stays = in_days(ground.as_of), ground.stays
    begun = stays.entered[stays.own].min(initial=np.inf)
    hires = np.sort(stays.left[stays.own & (stays.whereto == HIRED) & (stays.left <= now)])
    found = []
    for number in range(1, PAST_FORECASTS + 1):
        at = now - number * SPAN_DAYS
        if at < begun + SPAN_DAYS:
            break
        made = forecast(ground, at, runs=PAST_RUNS)
        if made.reason is None:
            found.append(_held_against(made, hires[hires > at] - at, waited=now - at))
    return found


def _held_against(made: Forecast, hires: Floats, *, waited: float) -> Past:
    count = int(np.count_nonzero(hires <= SPAN_DAYS))
    first = float(hires[0]) if len(hires) else None
    within = made.hires.low is not None and made.hires.high is not None and made.hires.low <= count <= made.hires.high
    return Past(made, count, within, first, _fill_hit(made.fill, first, waited))


def _fill_hit(fill: Span, first: float | None, waited: float) -> bool | None:
    if first is not None:
        return fill.low is not None and fill.low <= first and (fill.high is None or first <= fill.high)
    return False if fill.high is not None and waited > fill.high else None


def hit_rate(hits: Sequence[bool | None]) -> tuple[Rate, str | None]:
    """Of the decided ones, in percent, or why there is none."""
    decided = [hit for hit in hits if hit is not None]
    if len(decided) < ENOUGH_PAST:
        return Rate(value=None, k=sum(decided), n=len(decided), low=None, high=None), "too_few_past_forecasts"
    return rate(sum(decided), len(decided)), None


# --- parts -----------------------------------------------------------------------------------------
def _not_open(ground: Ground, at: float) -> str | None:
    status = [told for since, told in ground.statuses if since <= at][-1]
    if ground.opened is not None and at < ground.opened:
        return "job_not_open"
    if status == JobStatus.ON_HOLD:
        return "job_on_hold"
    return None if status == JobStatus.OPEN else "job_not_open"


def _newcomers(ground: Ground, at: float) -> tuple[Ints, float]:
    """First stages of those who lately came, and how many come per day."""
    stays = ground.stays
    begun = ground.opened if ground.opened is not None else float(stays.entered[stays.own].min(initial=at))
    since = max(at - ARRIVALS_DAYS, begun)
    came = stays.own & stays.first & (stays.entered >= since) & (stays.entered < at)
    return stays.stage[came], float(np.count_nonzero(came) / max(at - since, SHORTEST_WATCH))


def _learnt(ground: Ground, at: float, stages: set[int]) -> dict[int, Learnt]:
    """The curves of these stages and of all that they lead to."""
    stays = ground.stays
    until = np.minimum(stays.left, at)
    counted = (stays.entered >= at - BASELINE_DAYS) & (stays.entered < at) & stays.well_dated & (until - stays.entered >= UNDER_A_MINUTE)
    found: dict[int, Learnt] = {}
    waiting = sorted(stages)
    while waiting:
        stage = waiting.pop()
        if stage in found:
            continue
        found[stage] = learnt = _learn(ground, at, stage, counted, until)
        if learnt.curve is not None:
            waiting.extend(int(to) for to in np.unique(learnt.curve.whereto) if to >= 0 and int(to) not in found)
    return found


def _learn(ground: Ground, at: float, stage: int, counted: Bools, until: Floats) -> Learnt:
    stays = ground.stays
    rows = np.flatnonzero(counted & stays.own & (stays.stage == stage))
    samples = [(Baseline.Level.JOB, rows)]
    category = ground.categories.get(stage, -1)
    if category >= 0:
        alike = counted & (stays.category == category)
        samples += [(Baseline.Level.DEPARTMENT, np.flatnonzero(alike & stays.near)), (Baseline.Level.ORGANIZATION, np.flatnonzero(alike))]
    for enough, candidates in ((ENOUGH_EXITS, samples), (MIN_EXITS[0][1], samples[::-1])):
        for level, rows in candidates:
            is_exit = stays.is_exit[rows] & (stays.left[rows] <= at)
            if np.count_nonzero(is_exit) >= enough:
                days = until[rows] - stays.entered[rows]
                return Learnt(Leaving.of(days, is_exit, stays.whereto[rows], stays.left[rows] > at), level, rows)
    return Learnt(None, None, samples[0][1])


def _range(found: Floats) -> Span:
    """The smallest value that so many of the runs do not exceed."""
    ordered = np.sort(found)
    told = (float(ordered[int(np.ceil(p * len(ordered))) - 1]) for p in (LOW, MIDDLE, HIGH))
    low, value, high = (one if np.isfinite(one) else None for one in told)
    return Span(low, value, high)
