"""The contract between providers and everything else.

Every provider maps its own vocabulary to these frozen, JSON-able structs and nothing downstream
ever sees a provider's word. The module depends on nothing but msgspec, so any app may read it.

``gc=False``: these trees cannot form cycles, and a batch makes tens of thousands of them; tracked by the
collector they made mapping half as slow again.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class EventType(StrEnum):
    """The closed list. A provider's unknown word becomes ``UNKNOWN`` and keeps its raw payload."""

    APPLICATION_CREATED = "application_created"
    STAGE_CHANGED = "stage_changed"
    APPLICATION_REJECTED = "application_rejected"
    APPLICATION_WITHDRAWN = "application_withdrawn"
    APPLICATION_HIRED = "application_hired"
    APPLICATION_CLOSED = "application_closed"
    APPLICATION_ON_HOLD = "application_on_hold"
    APPLICATION_REOPENED = "application_reopened"
    APPLICATION_MOVED = "application_moved"
    APPLICATION_REMOVED = "application_removed"
    CANDIDATE_MERGED = "candidate_merged"
    CANDIDATE_ANONYMIZED = "candidate_anonymized"
    INTERVIEW_SCHEDULED = "interview_scheduled"
    INTERVIEW_CHANGED = "interview_changed"
    INTERVIEW_CANCELLED = "interview_cancelled"
    INTERVIEW_ENDED = "interview_ended"
    FEEDBACK_SUBMITTED = "feedback_submitted"
    FEEDBACK_REMOVED = "feedback_removed"
    COMMENT_ADDED = "comment_added"
    EMAIL_LOGGED = "email_logged"
    RATING_CHANGED = "rating_changed"
    OFFER_CREATED = "offer_created"
    OFFER_SENT = "offer_sent"
    OFFER_ACCEPTED = "offer_accepted"
    OFFER_DECLINED = "offer_declined"
    OFFER_WITHDRAWN = "offer_withdrawn"
    JOB_STATUS_CHANGED = "job_status_changed"
    UNKNOWN = "unknown"


#: Events about a vacancy rather than about somebody's application.
JOB_EVENTS = frozenset({EventType.JOB_STATUS_CHANGED})

#: Events that put an application somewhere: into a stage, or out of all of them.
MOVING_EVENTS = frozenset(
    {
        EventType.APPLICATION_CREATED,
        EventType.STAGE_CHANGED,
        EventType.APPLICATION_REJECTED,
        EventType.APPLICATION_WITHDRAWN,
        EventType.APPLICATION_HIRED,
        EventType.APPLICATION_CLOSED,
        EventType.APPLICATION_ON_HOLD,
        EventType.APPLICATION_REOPENED,
        EventType.APPLICATION_MOVED,
        EventType.APPLICATION_REMOVED,
    }
)


#: Events about meetings, what was thought of them, and offers.
APPOINTMENT_EVENTS = (
    EventType.INTERVIEW_SCHEDULED,
    EventType.INTERVIEW_CHANGED,
    EventType.INTERVIEW_CANCELLED,
    EventType.INTERVIEW_ENDED,
    EventType.FEEDBACK_SUBMITTED,
    EventType.FEEDBACK_REMOVED,
    EventType.OFFER_CREATED,
    EventType.OFFER_SENT,
    EventType.OFFER_ACCEPTED,
    EventType.OFFER_DECLINED,
    EventType.OFFER_WITHDRAWN,
)


class Precision(StrEnum):
    """How well the moment of an event is known."""

    EXACT = "exact"  #: the ATS gave the time
    BOUNDED = "bounded"  #: seen between two polls; ``timestamp`` is the midpoint, metadata.bounds the gap
    UNKNOWN = "unknown"  #: it happened before we watched


class StageCategory(StrEnum):
    """Canonical stage categories, in pipeline order."""

    REVIEW = "review"
    SCREEN = "screen"
    ASSESSMENT = "assessment"
    INTERVIEW = "interview"
    DECISION = "decision"
    OFFER = "offer"
    UNMAPPED = "unmapped"  #: a status nobody has mapped yet: shown, never dropped


class JobStatus(StrEnum):
    OPEN = "open"
    DRAFT = "draft"
    ON_HOLD = "on_hold"
    FILLED = "filled"
    CLOSED = "closed"
    CANCELED = "canceled"
    DELETED = "deleted"


class Actor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who did it: a provider user. ``None`` in an event means system, candidate, API or not told."""

    external_id: str | None = None
    name: str | None = None


class NormalizedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One fact about a hiring pipeline, in the field's words.

    Times are aware and in UTC. Stage fields hold provider stage *ids* as text, never labels; labels
    ride in ``metadata`` (``stage_from_name``, ``stage_to_name``).
    """

    event_type: EventType
    #: unique within the connector; the same fact seen by poll, webhook or import has the same id
    provider_event_id: str
    #: registry name of the provider, e.g. ``bamboohr``
    provider: str
    #: opaque text; None only for job events
    application_external_id: str | None
    #: opaque text: the person; None only for job events
    candidate_external_id: str | None
    job_external_id: str | None
    stage_from: str | None = None
    stage_to: str | None = None
    actor: Actor | None = None
    #: when it happened in the ATS
    timestamp: datetime
    #: when the *source* says it was learned; None where only our own receipt time is known
    recorded_at: datetime | None = None
    precision: Precision = Precision.EXACT
    metadata: dict[str, Any] = {}


#: a moment as Python and PostgreSQL read it alike
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")


def are_bounds(bounds: object) -> bool:
    """Whether these can be the ``metadata.bounds`` of a bounded event: two moments with offsets as text, the earlier first.

    The fold reads their width and could not go on if they were anything else.
    """
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        return False
    if not all(isinstance(bound, str) and _MOMENT.fullmatch(bound) for bound in bounds):
        return False
    try:
        earlier, later = (datetime.fromisoformat(bound) for bound in bounds)
    except ValueError:
        return False
    return earlier <= later


class JobFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a provider last told of a vacancy. None means not told, and overwrites nothing."""

    external_id: str
    title: str | None = None
    department: str | None = None
    location: str | None = None
    status: JobStatus | None = None
    opened_at: datetime | None = None
    hiring_lead: Actor | None = None


class StageFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a provider last told of a stage (a status that is an active step of a pipeline).

    ``category`` is the provider module's suggestion; a person's mapping in the admin wins over it.
    """

    external_id: str
    name: str | None = None
    category: StageCategory | None = None
    position: int | None = None


class CandidateFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The few person fields the product shows. Nothing else about a person is ever stored."""

    external_id: str
    name: str | None = None
    email: str | None = None
    source: str | None = None


class Mapped(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one raw payload means: facts about things, and events in any order.

    ``observed_at`` (aware UTC) dates the facts: of two observations of one thing the later one wins,
    whichever arrives first.
    """

    observed_at: datetime
    events: tuple[NormalizedEvent, ...] = ()
    jobs: tuple[JobFacts, ...] = ()
    stages: tuple[StageFacts, ...] = ()
    candidates: tuple[CandidateFacts, ...] = ()
