"""Statistics of waiting: what durations can and cannot tell while people are still waiting.

The durations of finished visits alone are biased: long stays are the ones not finished yet. Everything here
starts from the product-limit (Kaplan-Meier) curve, in which an open or parked visit counts as "at least so long".
Durations come in already measured (in bd or cd, at some ``as_of``), so every function is a pure function of them.

Sources: Kaplan & Meier 1958 (curve); Brookmeyer & Crowley 1982 with the log(-log) transform of Greenwood's
variance (interval of a quantile); Aalen & Johansen 1978 (competing exits); Wilson 1927 (rates).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from statistics import NormalDist

#: Ends of a visit that are decisions. Every other end cuts the observation off (it is "censored").
EXIT_KINDS = frozenset({"advanced", "moved_back", "lateral", "rejected", "withdrawn", "hired", "transferred"})

#: Exits below which a percentile says nothing. With 6 values the range holds the median 97 times in 100;
#: 19 are needed before the maximum exceeds the true p85 95 times in 100.
MIN_EXITS = ((0.50, 6), (0.85, 20), (0.95, 60))
ENOUGH_EXITS = 20
#: A product of floats may miss a level that the exact product hits (S(12) of 24 exits is 0.5000000000000001).
TOLERANCE = 1e-9
#: Two-sided 95 %.
Z = NormalDist().inv_cdf(0.975)

#: ``stage_delay``: how much slower than its baseline a stage must be, as a ratio and in days.
DELAY_RATIO = 1.5
DELAY_DAYS = 1.0


class Unit(StrEnum):
    BUSINESS_DAYS = "bd"
    CALENDAR_DAYS = "cd"
    PERCENT = "%"
    COUNT = "count"


class Confidence(StrEnum):
    """How far a number can be trusted, by its number of exits."""

    NONE = "none"  #: too few exits: counts only
    LOW = "low"  #: 6 to 19: the median, with its interval
    OK = "ok"  #: 20 and more

    @classmethod
    def of(cls, n_exits: int) -> Confidence:
        if n_exits < MIN_EXITS[0][1]:
            return cls.NONE
        return cls.LOW if n_exits < ENOUGH_EXITS else cls.OK


@dataclass(frozen=True, slots=True)
class Stay:
    """One visit as an observation: how long, and how it ended. ``exit_kind`` None: it is still open."""

    days: float
    exit_kind: str | None = None

    @property
    def is_exit(self) -> bool:
        return self.exit_kind in EXIT_KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with what is needed to judge it. ``value`` is None where it is not known, never 0.

    ``lower_bound`` is set where the sample only shows that the true value is at least so high (shown as
    "> 12"). ``n`` counts the sample, of which ``n_exits`` exited and ``n_open`` are open (the rest was cut off).
    """

    value: float | None
    unit: Unit
    n: int
    n_exits: int
    n_open: int
    low: float | None = None
    high: float | None = None
    confidence: Confidence = Confidence.NONE
    lower_bound: float | None = None

    @property
    def at_least(self) -> float | None:
        """The value, or where it is not known what it surely exceeds."""
        return self.lower_bound if self.value is None else self.value

    def as_dict(self) -> dict[str, float | int | str | None]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """k of n in percent with its Wilson 95 % interval; None (not 0 %) where n is 0."""

    value: float | None
    k: int
    n: int
    low: float | None
    high: float | None
    unit: Unit = Unit.PERCENT

    def as_dict(self) -> dict[str, float | int | str | None]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Step:
    """An exit time of the curve with the share still waiting after it and that share's 95 % band."""

    time: float
    at_risk: int
    exits: int
    survival: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The product-limit curve of a sample: one step per distinct exit time."""

    steps: tuple[Step, ...]
    n: int
    n_exits: int
    n_open: int
    #: the longest duration in the sample, None when it is empty
    longest: float | None

    @classmethod
    def of(cls, *, exits: Iterable[float], still_open: Iterable[float] = (), cut_off: Iterable[float] = ()) -> Curve:
        """From durations by how they ended: exits, open visits, and closed ones that were cut off (parked, ...)."""
        counts, still_open, cut_off = Counter(exits), list(still_open), list(cut_off)
        censored = sorted([*still_open, *cut_off])
        n_exits = counts.total()
        return cls(
            steps=tuple(_steps(sorted(counts.items()), censored)),
            n=n_exits + len(censored),
            n_exits=n_exits,
            n_open=len(still_open),
            longest=max([*counts, *censored], default=None),
        )

    @classmethod
    def of_stays(cls, stays: Iterable[Stay]) -> Curve:
        stays = list(stays)
        return cls.of(
            exits=(stay.days for stay in stays if stay.is_exit),
            still_open=(stay.days for stay in stays if stay.exit_kind is None),
            cut_off=(stay.days for stay in stays if stay.exit_kind is not None and not stay.is_exit),
        )

    def step_at(self, t: float) -> Step | None:
        """The last step at or before t; None before the first exit, where everybody still waits."""
        index = bisect_right(self.steps, t, key=lambda step: step.time)
        return self.steps[index - 1] if index else None

    def survival(self, t: float) -> float:
        """S(t): the estimated share whose visit lasts longer than t."""
        step = self.step_at(t)
        return step.survival if step else 1.0

    def quantile(self, p: float) -> float | None:
        """The smallest exit time t with S(t) <= 1 - p, None if S never gets that low. Not gated by sample size.

        Without cut-offs this is SQL's ``percentile_disc`` (the ceil(p n)-th smallest), not ``percentile_cont``.
        """
        return next((step.time for step in self.steps if step.survival <= 1 - p + TOLERANCE), None)

    def quantile_interval(self, p: float) -> tuple[float | None, float | None]:
        """The first exit times at which the lower and the upper 95 % band reach 1 - p; None where never."""
        low = next((step.time for step in self.steps if step.low <= 1 - p + TOLERANCE), None)
        high = next((step.time for step in self.steps if step.high <= 1 - p + TOLERANCE), None)
        return low, high


def _steps(exits: Sequence[tuple[float, int]], censored: Sequence[float]) -> Iterable[Step]:
    """The steps of the curve; ``exits`` are (time, how many), both sorted by time."""
    at_risk = sum(count for _, count in exits) + len(censored)
    survival, greenwood, gone = 1.0, 0.0, 0
    for time, count in exits:
        # One cut off exactly at an exit time is still at risk at it: only those cut off before are gone.
        while gone < len(censored) and censored[gone] < time:
            gone += 1
            at_risk -= 1
        survival *= 1 - count / at_risk
        if count < at_risk:
            greenwood += count / (at_risk * (at_risk - count))
            low, high = _band(survival, greenwood)
        else:
            survival = low = high = 0.0
        yield Step(time, at_risk, count, survival, low, high)
        at_risk -= count


def _band(survival: float, greenwood: float) -> tuple[float, float]:
    """The 95 % band around S by the log(-log) transform: S ** exp(+-z sqrt(greenwood) / log S)."""
    spread = Z * math.sqrt(greenwood) / abs(math.log(survival))
    return survival ** math.exp(spread), survival ** math.exp(-spread)


def estimate_quantile(curve: Curve, p: float, unit: Unit) -> Estimate:
    """The p-quantile of a curve as shown to people (``gated``), with its interval."""
    return gated(
        p,
        curve.quantile(p),
        unit,
        n=curve.n,
        n_exits=curve.n_exits,
        n_open=curve.n_open,
        longest=curve.longest,
        interval=curve.quantile_interval(p),
    )


def gated(
    p: float,
    value: float | None,
    unit: Unit,
    *,
    n: int,
    n_exits: int,
    n_open: int,
    longest: float | None,
    interval: tuple[float | None, float | None] = (None, None),
) -> Estimate:
    """A computed p-quantile as shown to people: nothing but counts where the sample is too small for it.

    A median needs 6 exits, p85 20 and p95 60 (quantiles between need what the next higher needs). Where the
    curve, of 6 exits at least, never gets that low, the value is None and ``lower_bound`` the longest duration.
    """
    needed = next((exits for level, exits in MIN_EXITS if p <= level + TOLERANCE), MIN_EXITS[-1][1])
    readable, shown = n_exits >= MIN_EXITS[0][1], n_exits >= needed
    low, high = interval if shown else (None, None)
    return Estimate(
        value=value if shown else None,
        unit=unit,
        n=n,
        n_exits=n_exits,
        n_open=n_open,
        low=low,
        high=high,
        confidence=Confidence.of(n_exits),
        lower_bound=longest if readable and value is None else None,
    )


def share_over_by(curve: Curve, age: float) -> Estimate:
    """``1 - S(age)`` in percent, with its 95 % band: pace (M05) of an open visit against a baseline's curve.

    Beyond the longest observation the curve is not known, only that it falls no less than shown:
    ``lower_bound`` is then set beside the value. None under 6 exits.
    """
    step = curve.step_at(age)
    shown = curve.n_exits >= MIN_EXITS[0][1]
    value = 100 * (1 - step.survival) if step else 0.0
    beyond = curve.longest is not None and age > curve.longest and value < 100
    return Estimate(
        value=value if shown else None,
        unit=Unit.PERCENT,
        n=curve.n,
        n_exits=curve.n_exits,
        n_open=curve.n_open,
        low=100 * (1 - step.high) if step and shown else None,
        high=100 * (1 - step.low) if step and shown else None,
        confidence=Confidence.of(curve.n_exits),
        lower_bound=value if shown and beyond else None,
    )


def pace(baseline: Curve, age: float) -> Estimate:
    """M05: the share of past visits that were over by this age, in percent."""
    return share_over_by(baseline, age)


def sla_attainment(curve: Curve, target: float) -> Estimate:
    """M15: the share of visits that end within the target, in percent, open visits counted fairly."""
    return share_over_by(curve, target)


def cumulative_incidence(stays: Iterable[Stay], kinds: Iterable[str], by: float) -> float | None:
    """Chance (0 to 1) that a visit has ended in one of ``kinds`` by ``by`` days, None for an empty sample (M03).

    Aalen-Johansen: the sum of ``S(t-) * d_kind / n`` over exit times t <= by. Other exits compete: who was
    rejected can no longer advance, while censoring them would pretend that he still may.
    """
    stays, kinds = list(stays), frozenset(kinds)
    if not stays:
        return None
    wanted = Counter(stay.days for stay in stays if stay.is_exit and stay.exit_kind in kinds)
    before, incidence = 1.0, 0.0
    for step in Curve.of_stays(stays).steps:
        if step.time > by:
            break
        incidence += before * wanted[step.time] / step.at_risk
        before = step.survival
    return incidence


def wilson_interval(k: int, n: int) -> tuple[float, float] | None:
    """95 % score interval of k/n, as shares from 0 to 1; None for n = 0."""
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a rate; k must lie between 0 and n.")
    if n == 0:
        return None
    share, z2 = k / n, Z * Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At k = 0 and k = n one end is exactly 0 or 1; floats miss it by a hair.
    return (0.0 if k == 0 else centre - half), (1.0 if k == n else centre + half)


def rate(k: int, n: int) -> Rate:
    """k of n in percent with its interval."""
    interval = wilson_interval(k, n)
    if interval is None:
        return Rate(value=None, k=k, n=n, low=None, high=None)
    return Rate(value=100 * k / n, k=k, n=n, low=100 * interval[0], high=100 * interval[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class PassThrough:
    """M07 of a stage, in percent. ``low``: as if nobody open advanced; ``high``: as if all of them did."""

    resolved: Rate
    low: float | None
    high: float | None


def pass_through(*, entered: int, advanced: int, still_open: int) -> PassThrough:
    """M07 of the applications whose first entry to a stage lies in the window."""
    if still_open + advanced > entered:
        raise ValueError(f"{advanced} advanced and {still_open} open of {entered} entered cannot be.")
    return PassThrough(
        resolved=rate(advanced, entered - still_open),
        low=100 * advanced / entered if entered else None,
        high=100 * (advanced + still_open) / entered if entered else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """M19: how a stage's median compares with its baseline. ``at_least``: the true ratio is higher ("≥")."""

    is_delayed: bool
    ratio: float | None
    at_least: bool
    p50: float | None
    baseline_p50: float | None
    #: exits behind the median under test
    n: int


def delay(current: Estimate, baseline: Estimate) -> Delay:
    """M19 and the numeric condition of the rule ``stage_delay``.

    Delayed when the ratio is at least 1.5, the difference at least 1 day, there are 6 exits or more and even
    the low end of the median's interval lies above the baseline. A median that is not reached yet stands in
    with its lower bound. The baseline must not contain the job under test, or it is compared with itself.
    """
    p50, usual = current.at_least, baseline.value
    ratio = p50 / usual if p50 is not None and usual else None
    is_delayed = (
        ratio is not None
        and p50 is not None
        and usual is not None
        and ratio >= DELAY_RATIO - TOLERANCE
        and p50 - usual >= DELAY_DAYS - TOLERANCE
        and current.n_exits >= MIN_EXITS[0][1]
        and current.low is not None
        and current.low > usual
    )
    at_least = ratio is not None and current.value is None
    return Delay(is_delayed=is_delayed, ratio=ratio, at_least=at_least, p50=p50, baseline_p50=usual, n=current.n_exits)


def mean_completed(exits: Sequence[float]) -> float | None:
    """Plain mean of finished visits: to reconcile with an ATS's reports, never for a rule or a colour."""
    return math.fsum(exits) / len(exits) if exits else None
