"""Which category a stage's name suggests. A suggestion only: a person's mapping in the admin wins."""

from __future__ import annotations

import re

from connectors.events import StageCategory

#: First match wins, so the more telling words stand first ("offer interview" is an offer, "phone interview" a screen).
_WORDS: tuple[tuple[StageCategory, str], ...] = (
    (StageCategory.OFFER, r"offer|contract|verbal"),
    (StageCategory.DECISION, r"decision|reference|debrief|final review|approval|background"),
    (StageCategory.ASSESSMENT, r"assess|take.?home|test|challenge|exercise|assignment|case study|work sample"),
    (StageCategory.SCREEN, r"screen|phone|intro|recruiter call|pre.?select"),
    (StageCategory.INTERVIEW, r"interview|on.?site|panel|meet|round|final"),
    (StageCategory.REVIEW, r"review|new|appl|inbox|received|sourced|lead|cv|resume|triage"),
)
_PATTERNS = tuple((category, re.compile(words, re.IGNORECASE)) for category, words in _WORDS)


def suggest_category(name: str) -> StageCategory:
    """The category ``name`` sounds like, else ``UNMAPPED``: shown, and waiting for a person."""
    return next((category for category, pattern in _PATTERNS if pattern.search(name)), StageCategory.UNMAPPED)
