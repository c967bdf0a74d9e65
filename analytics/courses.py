"""Whole curves of large samples, for what is compared with them at any age (pace, M05): made of arrays, kept as bytes.

A curve is told to a 5,000th: steps between which fewer people leave are left out. So it is exact for samples of up to that
many stays, and within 0.02 percentage points beyond; the curve of an organization would be megabytes otherwise.
"""

from __future__ import annotations

import numpy as np

from analytics import wide
from analytics.estimators import Curve, Step
from analytics.wide import Array

FINEST = 1 / 5000

#: one step of a kept curve; business days have four decimals
_STEP = np.dtype([("time", "<i4"), ("at_risk", "<i4"), ("exits", "<i4"), ("survival", "<f8"), ("low", "<f8"), ("high", "<f8")])


def course_of(days: Array, is_exit: Array, is_open: Array) -> Curve:
    """The curve of some stays."""
    if not len(days):
        return Curve.of(exits=())
    order = np.argsort(days)
    curve = wide.curves_in_order(np.zeros(len(days), np.int64), days[order], is_exit[order])
    kept = _telling(curve.survival, np.flatnonzero(curve.exits > 0))
    columns = (getattr(curve, name)[kept].tolist() for name in ("time", "at_risk", "exits", "survival", "lower", "upper"))
    steps = tuple(Step(time, int(at_risk), exits, *shares) for time, at_risk, exits, *shares in zip(*columns, strict=True))
    return Curve(steps, n=len(days), n_exits=int(is_exit.sum()), n_open=int(is_open.sum()), longest=float(days.max()))


def _telling(survival: Array, steps: Array) -> Array:
    """Of these steps those after which the curve is another one, told to a 5,000th; always the last one."""
    if len(steps) < 1 / FINEST:
        return steps
    level = np.floor(survival[steps] / FINEST)
    told: Array = steps[np.append(level[1:] != level[:-1], True)]
    return told


def packed(curve: Curve) -> bytes:
    rows = [(round(step.time * 10_000), step.at_risk, step.exits, step.survival, step.low, step.high) for step in curve.steps]
    return np.array(rows, _STEP).tobytes()


def unpacked(kept: bytes, *, n: int, n_exits: int, n_open: int, longest: float | None) -> Curve:
    rows = np.frombuffer(kept, _STEP).tolist()
    steps = tuple(Step(time / 10_000, *rest) for time, *rest in rows)
    return Curve(steps, n=n, n_exits=n_exits, n_open=n_open, longest=longest)
