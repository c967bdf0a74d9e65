"""How events read in a timeline. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.events import EventType, JobStatus

WORDS: Mapping[str, str] = {
    EventType.APPLICATION_CREATED: "applied",
    EventType.STAGE_CHANGED: "moved",
    EventType.APPLICATION_REJECTED: "was rejected",
    EventType.APPLICATION_WITHDRAWN: "withdrew",
    EventType.APPLICATION_HIRED: "was hired",
    EventType.APPLICATION_CLOSED: "left; the outcome is not known",
    EventType.APPLICATION_ON_HOLD: "was put on hold",
    EventType.APPLICATION_REOPENED: "is back in the process",
    EventType.APPLICATION_MOVED: "was moved to another job",
    EventType.APPLICATION_REMOVED: "is no longer in the ATS",
    EventType.CANDIDATE_MERGED: "was merged with another record",
    EventType.CANDIDATE_ANONYMIZED: "was anonymised in the ATS",
    EventType.INTERVIEW_SCHEDULED: "got an interview",
    EventType.INTERVIEW_CHANGED: "got a different interview time",
    EventType.INTERVIEW_CANCELLED: "had an interview cancelled",
    EventType.INTERVIEW_ENDED: "was interviewed",
    EventType.FEEDBACK_SUBMITTED: "got feedback",
    EventType.FEEDBACK_REMOVED: "had feedback removed",
    EventType.COMMENT_ADDED: "got a comment",
    EventType.EMAIL_LOGGED: "was written to, or wrote",
    EventType.RATING_CHANGED: "was rated",
    EventType.OFFER_CREATED: "had an offer drawn up",
    EventType.OFFER_SENT: "was sent an offer",
    EventType.OFFER_ACCEPTED: "accepted the offer",
    EventType.OFFER_DECLINED: "declined the offer",
    EventType.OFFER_WITHDRAWN: "had the offer withdrawn",
    EventType.UNKNOWN: "changed in a way we have no word for",
}
#: Kinds of marks in a timeline: coming, moving, leaving, good news, talk.
KINDS: Mapping[str, str] = {
    EventType.APPLICATION_CREATED: "came",
    EventType.APPLICATION_REOPENED: "came",
    EventType.STAGE_CHANGED: "moved",
    EventType.APPLICATION_MOVED: "moved",
    EventType.APPLICATION_HIRED: "won",
    EventType.OFFER_ACCEPTED: "won",
    EventType.APPLICATION_REJECTED: "left",
    EventType.APPLICATION_WITHDRAWN: "left",
    EventType.APPLICATION_CLOSED: "left",
    EventType.APPLICATION_REMOVED: "left",
    EventType.OFFER_DECLINED: "left",
    EventType.OFFER_WITHDRAWN: "left",
}
PRECISIONS: Mapping[str, str] = {
    "bounded": "seen between two looks; the time is the middle",
    "unknown": "it happened before we watched; the time is not known",
}


def event_words(event_type: str, *, stage_from: str = "", stage_to: str = "", metadata: Mapping[str, Any] | None = None) -> str:
    """What follows the person's name: ``moved from Screen to Interview``."""
    if event_type == EventType.JOB_STATUS_CHANGED:
        status = str((metadata or {}).get("status", ""))
        return f"The job is now {status.replace('_', ' ')}" if status in set(JobStatus) else "The job's status changed"
    words = WORDS.get(event_type, WORDS[EventType.UNKNOWN])
    if event_type == EventType.STAGE_CHANGED:
        return f"{words}{f' from {stage_from}' if stage_from else ''}{f' to {stage_to}' if stage_to else ''}"
    if event_type == EventType.APPLICATION_CREATED and stage_to:
        return f"{words}, into {stage_to}"
    return f"{words} in {stage_from}" if KINDS.get(event_type) == "left" and stage_from else words


def event_kind(event_type: str) -> str:
    return KINDS.get(event_type, "talk")
