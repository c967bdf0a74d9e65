"""How bad: a score from 0 to 100 and its word. Pure, documented, monotone in each input."""

from __future__ import annotations

#: weight of a stage: the later, the dearer a lost candidate
STAGE_WEIGHT = {"review": 0.0, "screen": 0.2, "assessment": 0.4, "interview": 0.6, "decision": 0.8, "offer": 1.0}

#: pace at which the waiting itself counts in full
FULL_PACE = 6.0

#: lowest score of each word
WORDS = ((75.0, "critical"), (55.0, "high"), (35.0, "medium"), (0.0, "low"))


def score(*, pace: float, stage_category: str) -> float:
    """60 points for how far past the limit (pace 1 to ``FULL_PACE``), 40 for how late in the pipeline."""
    waiting = min(max(pace - 1.0, 0.0) / (FULL_PACE - 1.0), 1.0)
    return round(60.0 * waiting + 40.0 * STAGE_WEIGHT.get(stage_category, 0.0), 1)


def word(value: float) -> str:
    return next(name for lowest, name in WORDS if value >= lowest)
