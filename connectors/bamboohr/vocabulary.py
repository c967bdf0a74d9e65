"""BambooHR's words in ours: tables to be held against its statuses page, quirks in the margin."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from connectors.bamboohr.wire import Job, Status
from connectors.events import EventType, JobStatus, StageCategory


class Kind(StrEnum):
    """What being in a status means for an application."""

    STAGE = "stage"
    ON_HOLD = "on_hold"
    HIRED = "hired"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    MOVED = "moved"
    REMOVED = "removed"


#: the event that tells of entering a status which is no stage
OUTCOME_EVENTS = {
    Kind.ON_HOLD: EventType.APPLICATION_ON_HOLD,
    Kind.HIRED: EventType.APPLICATION_HIRED,
    Kind.REJECTED: EventType.APPLICATION_REJECTED,
    Kind.WITHDRAWN: EventType.APPLICATION_WITHDRAWN,
    Kind.MOVED: EventType.APPLICATION_MOVED,
    Kind.REMOVED: EventType.APPLICATION_REMOVED,
}

#: applications worth re-reading though the list shows no change
IN_PLAY = frozenset({Kind.STAGE, Kind.ON_HOLD})

#: built-in statuses by code, in the order a pipeline runs through them; ids are left out on purpose,
#: since only the statuses call says which id carries which code in an account
STAGE_CODES = {
    "NEW": StageCategory.REVIEW,
    "REVIEWED": StageCategory.REVIEW,
    "SCHEDPHONE": StageCategory.SCREEN,
    "PHONED": StageCategory.SCREEN,
    "SCHEDINT": StageCategory.INTERVIEW,
    "INTERVIEW": StageCategory.INTERVIEW,  # "Interviewed": the interview is over, somebody has to decide
    "REFCHECK": StageCategory.DECISION,
    "OFFER": StageCategory.OFFER,  # disabled in some accounts, where a custom status took its place
    "OLSENT": StageCategory.OFFER,
    "OLSIGNED": StageCategory.OFFER,
}
OUTCOME_CODES = {
    "ONHOLD": Kind.ON_HOLD,  # the default list counts it as active
    "HIRED": Kind.HIRED,
    "NOFIT": Kind.REJECTED,
    "NOQUAL": Kind.REJECTED,
    "OVERQUAL": Kind.REJECTED,
    "DECLINED": Kind.WITHDRAWN,  # "Declined Offer": the candidate did
    "POACHED": Kind.WITHDRAWN,  # "Hired Elsewhere"
    "DELETED": Kind.REMOVED,
    "MOVED": Kind.MOVED,  # to another job
}
_POSITIONS = {code: position for position, code in enumerate(STAGE_CODES, start=1)}

#: what an operator may call a status in ``settings["stage_map"]``
STAGE_MAP_WORDS = frozenset({str(category) for category in StageCategory} | {str(kind) for kind in OUTCOME_EVENTS})

#: ids seen in recordings; those of cancelled and deleted jobs never were, so labels stand in
JOB_STATUS_IDS = {"1": JobStatus.OPEN, "2": JobStatus.DRAFT, "3": JobStatus.ON_HOLD, "4": JobStatus.FILLED}
JOB_STATUS_LABELS = {
    "open": JobStatus.OPEN,
    "draft": JobStatus.DRAFT,
    "on hold": JobStatus.ON_HOLD,
    "filled": JobStatus.FILLED,
    "closed": JobStatus.CLOSED,
    "canceled": JobStatus.CANCELED,
    "cancelled": JobStatus.CANCELED,
    "deleted": JobStatus.DELETED,
}


class Meaning(msgspec.Struct, frozen=True):
    kind: Kind
    category: StageCategory | None = None
    #: place among the built-in stages; None for custom ones, as BambooHR orders nothing
    position: int | None = None


def meaning_of(status: Status) -> Meaning:
    """The operator's word, else the code's, else an unmapped stage: shown, never dropped."""
    if status.taken_as in OUTCOME_EVENTS:
        return Meaning(Kind(status.taken_as))
    position = _POSITIONS.get(status.code or "")
    if status.taken_as in STAGE_MAP_WORDS:
        return Meaning(Kind.STAGE, StageCategory(status.taken_as), position)
    if status.code in OUTCOME_CODES:
        return Meaning(OUTCOME_CODES[status.code])
    return Meaning(Kind.STAGE, STAGE_CODES.get(status.code or "", StageCategory.UNMAPPED), position)


def job_status_of(job: Job) -> JobStatus | None:
    """None for a word nobody knows: the raw label stays in the payload and the event's metadata."""
    known = JOB_STATUS_IDS.get(job.status_id or "")
    return known or JOB_STATUS_LABELS.get((job.status_label or "").strip().lower())
