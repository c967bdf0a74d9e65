"""How bad: a score from 0 to 100 and its word. Pure, monotone in each input.

    score = 50 x waiting + 20 x stage + 8 x priority + 10 x people + 12 x wait, each part between 0 and 1

- **waiting**: how far past the limit, ``(pace - 1) / 3``; in full at four times the limit;
- **stage**: how late in the pipeline, from 0 (review) to 1 (offer); a blind connector counts as the last stage;
- **priority** of the job: low 0, normal 0.4, high 0.7, urgent 1;
- **people** it concerns: ``log2(people) / 6``, so one counts nothing, eight half, 64 and more in full;
- **wait**: the candidate's, in calendar days; in full at 45.
"""

from __future__ import annotations

import math

#: weight of a stage: the later, the dearer a lost candidate
STAGE_WEIGHT = {"review": 0.0, "screen": 0.2, "assessment": 0.4, "interview": 0.6, "decision": 0.8, "offer": 1.0}
#: what concerns a whole connector
EVERYTHING = "offer"
PRIORITY_WEIGHT = {"low": 0.0, "normal": 0.4, "high": 0.7, "urgent": 1.0}

#: pace at which the waiting itself counts in full
FULL_PACE = 4.0
#: people and calendar days at which they do
FULL_PEOPLE = 64
FULL_WAIT = 45.0
#: points each part is worth
WAITING, STAGE, PRIORITY, PEOPLE, WAIT = 50.0, 20.0, 8.0, 10.0, 12.0

#: lowest score of each word
WORDS = ((75.0, "critical"), (55.0, "high"), (35.0, "medium"), (0.0, "low"))


def score(*, pace: float, stage_category: str, priority: str = "normal", people: int = 1, wait_days: float = 0.0) -> float:
    """See the module. Unknown stages weigh nothing, unknown priorities are normal."""
    return round(
        WAITING * _share(pace - 1.0, FULL_PACE - 1.0)
        + STAGE * STAGE_WEIGHT.get(stage_category, 0.0)
        + PRIORITY * PRIORITY_WEIGHT.get(priority, PRIORITY_WEIGHT["normal"])
        + people_points(people)
        + WAIT * _share(wait_days, FULL_WAIT),
        1,
    )


def people_points(people: int) -> float:
    return PEOPLE * _share(math.log2(max(people, 1)), math.log2(FULL_PEOPLE))


def word(value: float) -> str:
    return next(name for lowest, name in WORDS if value >= lowest)


def _share(value: float, full: float) -> float:
    return min(max(value / full, 0.0), 1.0)
