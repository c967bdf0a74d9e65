"""How a stage is usually left: after how long, and where to.

The figures are invented but shaped like published recruiting funnels: about one in fifty applications ends in a hire,
most are turned down on paper, waiting times are log-normal.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from connectors.sandbox.organization import Quirk
from connectors.sandbox.state import Job
from connectors.sandbox.statuses import (
    ASSESSMENT_DAY,
    DECLINED,
    HIRED,
    HIRED_ELSEWHERE,
    INTERVIEWED,
    NEW,
    NOT_A_FIT,
    NOT_QUALIFIED,
    OFFER,
    OFFER_IDS,
    OFFER_SENT,
    OFFER_SIGNED,
    ON_HOLD,
    OVER_QUALIFIED,
    PHONED,
    REFERENCES,
    REVIEWED,
    SCHEDULE_INTERVIEW,
    SCHEDULE_PHONE,
    TAKE_HOME,
)


@dataclass(frozen=True, slots=True)
class Habit:
    """``median`` in business days, ``spread`` the sigma of the log-normal; the rest are weights of the ways out."""

    median: float
    spread: float
    advance: float
    reject: float
    withdraw: float
    hold: float = 0.0


HABITS: dict[int, Habit] = {
    NEW: Habit(4.4, 0.95, 43, 53, 2, 1.2),
    REVIEWED: Habit(3.0, 0.85, 45, 50, 3, 2),
    SCHEDULE_PHONE: Habit(3.2, 0.60, 85, 4, 11),
    PHONED: Habit(2.2, 0.75, 56, 37, 6, 1.5),
    TAKE_HOME: Habit(5.0, 0.60, 58, 26, 16),
    ASSESSMENT_DAY: Habit(6.0, 0.60, 60, 35, 5),
    SCHEDULE_INTERVIEW: Habit(4.5, 0.55, 90, 2, 8),
    INTERVIEWED: Habit(3.5, 0.75, 50, 42, 7, 2),
    REFERENCES: Habit(3.0, 0.50, 92, 6, 2),
    OFFER: Habit(3.5, 0.60, 80, 2, 18),
    OFFER_SENT: Habit(3.5, 0.60, 80, 2, 18),
    OFFER_SIGNED: Habit(5.0, 0.70, 98, 0, 2),
    ON_HOLD: Habit(14.0, 0.70, 55, 35, 10),
}

#: who works for the stuck interviewer sends him everybody: the queue before him grows
BEFORE_INTERVIEWS = frozenset({NEW, REVIEWED, PHONED, TAKE_HOME})


@dataclass(frozen=True, slots=True)
class Fate:
    """What will become of a stay: ``business_days`` of waiting, then ``status``."""

    business_days: float
    status: int
    advances: bool


def duration(rng: Random, status: int, pace: float) -> float:
    habit = HABITS[status]
    return rng.lognormvariate(0, habit.spread) * habit.median * pace


def fate(rng: Random, status: int, job: Job, *, pace: float, rounds: int, came_from: int, offer_code: int) -> Fate:
    """Draw the end of a stay. ``rounds`` = interviews so far, ``came_from`` = the stage before a hold."""
    habit = HABITS[status]
    ways = ("advance", "reject", "withdraw", "hold")
    keen = 2.2 if job.quirk == Quirk.STUCK_INTERVIEWER and status in BEFORE_INTERVIEWS else 1.0
    way = rng.choices(ways, (habit.advance * keen, habit.reject, habit.withdraw, habit.hold))[0]
    days = duration(rng, status, pace)
    if way == "advance":
        return Fate(days, _next(rng, status, job, rounds, came_from, offer_code), True)
    if way == "hold":
        return Fate(days, ON_HOLD, False)
    if way == "withdraw":
        return Fate(days, DECLINED if status in OFFER_IDS else HIRED_ELSEWHERE, False)
    return Fate(days, rejection(rng, status), False)


def rejection(rng: Random, status: int) -> int:
    early = status in (NEW, REVIEWED)
    weights = (42, 50, 8) if early else (88, 8, 4)
    return rng.choices((NOT_A_FIT, NOT_QUALIFIED, OVER_QUALIFIED), weights)[0]


def _next(rng: Random, status: int, job: Job, rounds: int, came_from: int, offer_code: int) -> int:
    after_interviews = REFERENCES if job.senior and rng.random() < 0.7 else offer_code
    match status:
        case 1:  # NEW
            return REVIEWED if rng.random() < 0.88 else SCHEDULE_PHONE
        case 2:  # REVIEWED
            return SCHEDULE_PHONE if rng.random() < 0.96 else SCHEDULE_INTERVIEW
        case 3:  # SCHEDULE_PHONE
            return PHONED
        case 4:  # PHONED
            return TAKE_HOME if job.take_home and rng.random() < 0.85 else SCHEDULE_INTERVIEW
        case 27 | 31:  # TAKE_HOME, ASSESSMENT_DAY
            return SCHEDULE_INTERVIEW
        case 5:  # SCHEDULE_INTERVIEW
            return INTERVIEWED
        case 6:  # INTERVIEWED
            again = rounds < (3 if job.senior else 2) and rng.random() < 0.3
            return SCHEDULE_INTERVIEW if again else after_interviews
        case 8:  # REFERENCES
            return offer_code
        case 7:  # ON_HOLD
            return came_from or REVIEWED
        case 17:  # OFFER_SIGNED
            return HIRED
        case _:  # OFFER, OFFER_SENT
            return OFFER_SIGNED
