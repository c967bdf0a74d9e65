"""From how people left a job's stages to how they may leave them from here: the engine of the forecast. Pure.

``Leaving`` is the Aalen-Johansen curve of one stage: when people leave it, and whereto, with people still waiting
counted as "at least so long" and the ways out competing. A walk draws from it again and again: whoever has been in a
stage for a days leaves it as the curve says, given that he has not left by then.

Source: Aalen & Johansen 1978. The chance of a way out at an exit time t is ``S(t-) / n(t)`` per exit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: where a stay may lead beside another stage
HIRED, OUT = -1, -2
#: moves of one person that are followed; whoever goes to and fro more often is taken to stay
MOST_MOVES = 60
#: ways of newcomers that are walked once and then drawn from
NEWCOMERS = 4_000


@dataclass(frozen=True, slots=True, eq=False)
class Leaving:
    """When people leave a stage, and whereto; one entry per exit, by time. Days of any one clock."""

    times: Floats
    whereto: Ints
    #: chance to have left by then, in whatever way; what is missing to 1 at the end stays longer than anybody is known to
    left_by: Floats
    n: int
    n_exits: int
    n_open: int

    @classmethod
    def of(cls, days: Floats, is_exit: Bools, whereto: Ints, is_open: Bools | None = None) -> Leaving:
        """From stays: how long, whether that was an exit (else the stay was cut off, or goes on), and where it led."""
        ordered = np.sort(days)
        exits = np.flatnonzero(is_exit)
        exits = exits[np.lexsort((whereto[exits], days[exits]))]
        times = days[exits]
        distinct, count = np.unique(times, return_counts=True)
        # one cut off exactly at an exit time is still at risk at it
        at_risk = len(ordered) - np.searchsorted(ordered, distinct, side="left")
        survival = np.cumprod(1 - count / at_risk) if len(distinct) else np.empty(0)
        before = np.concatenate(([1.0], survival[:-1])) if len(distinct) else np.empty(0)
        jumps = np.repeat(before / at_risk, count) if len(distinct) else np.empty(0)
        return cls(
            times=times,
            whereto=whereto[exits],
            left_by=np.minimum(np.cumsum(jumps), 1.0),
            n=len(days),
            n_exits=len(exits),
            n_open=int(np.count_nonzero(is_open)) if is_open is not None else len(days) - len(exits),
        )

    def chance(self, whereto: int, by: float) -> float:
        """Cumulative incidence of one way out (0 to 1)."""
        jumps = np.diff(self.left_by, prepend=0.0)
        return float(jumps[(self.whereto == whereto) & (self.times <= by)].sum())

    def draw(self, rng: np.random.Generator, ages: Floats) -> tuple[Floats, Ints]:
        """For people who have stayed so long: days still to stay (inf: longer than is known) and whereto they go then."""
        already = np.concatenate(([0.0], self.left_by))[np.searchsorted(self.times, ages, side="right")]
        # (0, 1], so that an exit at or before the present age is never drawn
        level = already + (1.0 - rng.random(len(ages))) * (1.0 - already)
        index = np.searchsorted(self.left_by, level - 1e-12, side="left")
        known = (index < len(self.times)) & (already < 1.0 - 1e-12)
        index = np.where(known, index, 0)
        if not len(self.times):
            return np.full(len(ages), np.inf), np.full(len(ages), OUT, dtype=np.int64)
        stay = np.where(known, np.maximum(self.times[index] - ages, 0.0), np.inf)
        return stay, np.where(known, self.whereto[index], OUT).astype(np.int64)


def days_to_hire(leaving: Mapping[int, Leaving], stages: Ints, ages: Floats, horizon: float, rng: np.random.Generator) -> Floats:
    """One walk per person from his stage and age: days until he is hired, inf where he is not within ``horizon`` days.

    A stage that ``leaving`` does not know is not left.
    """
    hired = np.full(len(stages), np.inf)
    at, age, clock = stages.copy(), ages.astype(np.float64), np.zeros(len(stages))
    walking = np.arange(len(stages))
    for _ in range(MOST_MOVES):
        for stage in np.unique(at[walking]):
            here = walking[at[walking] == stage]
            curve = leaving.get(int(stage))
            if curve is None:
                clock[here] = np.inf
                continue
            stay, at[here] = curve.draw(rng, age[here])
            clock[here] += stay
        age[walking] = 0.0
        done = walking[(at[walking] == HIRED) & (clock[walking] <= horizon)]
        hired[done] = clock[done]
        walking = walking[(at[walking] >= 0) & (clock[walking] <= horizon)]
        if not len(walking):
            break
    return hired


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """Who may be hired: people in a stage (with their age there), and newcomers per day with the stages they start in."""

    stages: Ints
    ages: Floats
    arrivals_per_day: float
    #: the first stages of those who came lately; a newcomer starts where one of them did
    starts: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Futures:
    """Simulated futures: one entry per run."""

    #: hires within the span asked for
    hires: Ints
    #: days until the first hire, inf where there is none within the horizon
    first: Floats


def futures(leaving: Mapping[int, Leaving], crowd: Crowd, *, span: float, horizon: float, runs: int, rng: np.random.Generator) -> Futures:
    """Hires within ``span`` days and the day of the first hire, ``runs`` times.

    Newcomers who get hired are a thinned Poisson process: their number is drawn per run, their ways from walks made once.
    """
    people = len(crowd.stages)
    walked = days_to_hire(leaving, np.tile(crowd.stages, runs), np.tile(crowd.ages, runs), horizon, rng).reshape(runs, people)
    hires = np.count_nonzero(walked <= span, axis=1)
    first = walked.min(axis=1, initial=np.inf)
    if crowd.arrivals_per_day > 0 and len(crowd.starts):
        began = rng.choice(crowd.starts, NEWCOMERS)
        ways = days_to_hire(leaving, began, np.zeros(NEWCOMERS), horizon, rng)
        ways = ways[np.isfinite(ways)]
        if len(ways):
            count = rng.poisson(crowd.arrivals_per_day * horizon * len(ways) / NEWCOMERS, runs)
            run = np.repeat(np.arange(runs), count)
            at = rng.uniform(0.0, horizon, len(run)) + rng.choice(ways, len(run))
            hires = hires + np.bincount(run[at <= span], minlength=runs)
            within = at <= horizon
            np.minimum.at(first, run[within], at[within])
    return Futures(hires.astype(np.int64), first)
