"""When people apply: peaks in January and September, a dip in December, quiet weekends, evenings and lunch hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import exp
from random import Random

from connectors.sandbox.office_hours import BERLIN, local_midnight
from connectors.sandbox.organization import DAY, JobPlan

#: relative number of applications, January to December
MONTHS = (1.45, 1.20, 1.10, 1.00, 0.95, 0.85, 0.80, 0.80, 1.40, 1.15, 0.95, 0.50)
#: Monday to Sunday
WEEKDAYS = (1.25, 1.20, 1.10, 1.00, 0.85, 0.35, 0.50)
#: local hours 0 to 23
HOURS = (2, 1, 1, 1, 1, 1, 3, 6, 10, 13, 14, 13, 13, 11, 10, 10, 9, 9, 9, 11, 13, 13, 10, 5)


class Season:
    """The weight of every local day of the period, noise included."""

    def __init__(self, rng: Random, start: int, until: int) -> None:
        first = datetime.fromtimestamp(start, UTC).astimezone(BERLIN).date()
        last = datetime.fromtimestamp(until, UTC).astimezone(BERLIN).date()
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        self.midnights = [local_midnight(day) for day in days]
        self.weights = [MONTHS[d.month - 1] * WEEKDAYS[d.weekday()] * rng.lognormvariate(0, 0.25) for d in days]

    def of_job(self, plan: JobPlan, opened_at: int, closes_at: int) -> list[float]:
        """Day weights of one job: most people apply in its first weeks."""
        weights = []
        for midnight, weight in zip(self.midnights, self.weights, strict=True):
            inside = opened_at - DAY < midnight < closes_at
            age = max(0.0, (midnight - opened_at) / DAY)
            weights.append(weight * plan.popularity * (0.45 + exp(-age / 25)) if inside else 0.0)
        return weights


def arrival_times(rng: Random, season: Season, weights: list[float], number: int, opened_at: int, closes_at: int) -> list[int]:
    """``number`` instants spread by the day ``weights`` and the hours of the day, inside [opened_at, closes_at)."""
    if number == 0:
        return []
    days = rng.choices(season.midnights, weights, k=number)
    hours = rng.choices(range(24), HOURS, k=number)
    times = (day + hour * 3600 + rng.randrange(3600) for day, hour in zip(days, hours, strict=True))
    return sorted(min(max(at, opened_at + rng.randrange(60, 4000)), closes_at - 1) for at in times)


def share_out(total: int, weights: list[float]) -> list[int]:
    """Split ``total`` in proportion to ``weights`` (largest remainders), exactly."""
    scale = sum(weights)
    exact = [total * weight / scale for weight in weights]
    shares = [int(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: exact[i] - shares[i], reverse=True)
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares
