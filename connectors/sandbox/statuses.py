"""The company-wide statuses of the simulated BambooHR account.

Ids and codes of the built-in ones are those of a recorded account; the custom ones (27 and the unlisted 31)
and the disabled OFFER exist because real accounts have such.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What having a status means for an application."""

    STAGE = "stage"
    HOLD = "hold"
    HIRED = "hired"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    MOVED = "moved"
    DELETED = "deleted"


class Group(StrEnum):
    """BambooHR's own grouping, used by its list filter."""

    NEW = "NEW"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    HIRED = "HIRED"


@dataclass(frozen=True, slots=True)
class Status:
    id: int
    code: str | None
    name: str
    group: Group
    role: Role
    #: canonical category of a stage, for the history export; empty for anything that is no stage
    category: str = ""
    enabled: bool = True
    #: whether the statuses call tells of it
    listed: bool = True
    translated_name: str = ""
    description: str | None = None


NEW, REVIEWED, SCHEDULE_PHONE, PHONED, SCHEDULE_INTERVIEW, INTERVIEWED, ON_HOLD, REFERENCES, OFFER = range(1, 10)
NOT_A_FIT, DECLINED, NOT_QUALIFIED, OVER_QUALIFIED, HIRED_ELSEWHERE, HIRED, OFFER_SENT, OFFER_SIGNED = range(10, 18)
DELETED, MOVED, TAKE_HOME, ASSESSMENT_DAY = 18, 19, 27, 31

_A, _I = Group.ACTIVE, Group.INACTIVE

STATUSES: dict[int, Status] = {
    status.id: status
    for status in (
        Status(NEW, "NEW", "New", Group.NEW, Role.STAGE, "review", translated_name="Neu"),
        Status(REVIEWED, "REVIEWED", "Reviewed", _A, Role.STAGE, "review"),
        Status(SCHEDULE_PHONE, "SCHEDPHONE", "Schedule Phone Screen", _A, Role.STAGE, "screen"),
        Status(PHONED, "PHONED", "Phone Screened", _A, Role.STAGE, "screen"),
        Status(SCHEDULE_INTERVIEW, "SCHEDINT", "Schedule Interview", _A, Role.STAGE, "interview"),
        Status(INTERVIEWED, "INTERVIEW", "Interviewed", _A, Role.STAGE, "interview"),
        Status(ON_HOLD, "ONHOLD", "Put on Hold", _A, Role.HOLD),
        Status(REFERENCES, "REFCHECK", "Checking References", _A, Role.STAGE, "decision"),
        Status(OFFER, "OFFER", "Made an Offer", _A, Role.STAGE, "offer", enabled=False),
        Status(NOT_A_FIT, "NOFIT", "Not a Fit", _I, Role.REJECTED),
        Status(DECLINED, "DECLINED", "Declined Offer", _I, Role.WITHDRAWN),
        Status(NOT_QUALIFIED, "NOQUAL", "Not Qualified", _I, Role.REJECTED),
        Status(OVER_QUALIFIED, "OVERQUAL", "Over Qualified", _I, Role.REJECTED),
        Status(HIRED_ELSEWHERE, "POACHED", "Hired Elsewhere", _I, Role.WITHDRAWN),
        Status(HIRED, "HIRED", "Hired", Group.HIRED, Role.HIRED, translated_name="Eingestellt"),
        Status(OFFER_SENT, "OLSENT", "Offer Sent", _A, Role.STAGE, "offer"),
        Status(OFFER_SIGNED, "OLSIGNED", "Offer Signed", _A, Role.STAGE, "offer"),
        Status(DELETED, "DELETED", "Deleted", _I, Role.DELETED, enabled=False),
        Status(MOVED, "MOVED", "Moved", _I, Role.MOVED, enabled=False),
        Status(TAKE_HOME, None, "Take-home Review", _A, Role.STAGE, "assessment", description="Two reviewers"),
        Status(ASSESSMENT_DAY, None, "Assessment Day", _A, Role.STAGE, "unmapped", listed=False),
    )
}

#: Statuses in which somebody still has to do something.
STAGE_IDS = frozenset(status.id for status in STATUSES.values() if status.role is Role.STAGE)
#: An offer is out: a closing job does not sweep these away.
OFFER_IDS = frozenset({OFFER, OFFER_SENT, OFFER_SIGNED})


class JobStatusId:
    """Ids of ``jobs[].status``. 5 and 6 were never seen in a recording; the sandbox assumes the row goes on."""

    OPEN, DRAFT, ON_HOLD, FILLED, CANCELED, DELETED = range(1, 7)


#: BambooHR's labels, which are also the values of the list filter ``jobStatusGroups``.
JOB_STATUS_LABELS = {1: "Open", 2: "Draft", 3: "On Hold", 4: "Filled", 5: "Canceled", 6: "Deleted"}
#: The canonical words of the import format.
JOB_STATUS_WORDS = {1: "open", 2: "draft", 3: "on_hold", 4: "filled", 5: "canceled", 6: "deleted"}
