"""Moments of an application that no stage tells: applied, first answered, offered, accepted. From the ledger; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from connectors.events import JOB_EVENTS, MOVING_EVENTS, EventType

#: What a person on the hiring side did. Withdrawals are the candidate's, removals and closures nobody's.
FIRST_ACTIONS = frozenset(
    {
        EventType.STAGE_CHANGED,
        EventType.APPLICATION_REJECTED,
        EventType.APPLICATION_HIRED,
        EventType.APPLICATION_ON_HOLD,
        EventType.APPLICATION_MOVED,
        EventType.COMMENT_ADDED,
        EventType.EMAIL_LOGGED,
        EventType.RATING_CHANGED,
        EventType.INTERVIEW_SCHEDULED,
        EventType.FEEDBACK_SUBMITTED,
        EventType.OFFER_CREATED,
        EventType.OFFER_SENT,
    }
)
OFFERS = frozenset(
    {EventType.OFFER_CREATED, EventType.OFFER_SENT, EventType.OFFER_ACCEPTED, EventType.OFFER_DECLINED, EventType.OFFER_WITHDRAWN}
)
#: What is no sign of life of either side: the snapshot's ``last_activity_at`` leaves out the same.
NO_ACTIVITY = frozenset(
    {EventType.APPLICATION_REMOVED, EventType.CANDIDATE_MERGED, EventType.CANDIDATE_ANONYMIZED, EventType.UNKNOWN, *JOB_EVENTS}
)
#: What has to be read of the ledger.
WANTED = frozenset(EventType) - NO_ACTIVITY | MOVING_EVENTS
#: What reaches the candidate from our side.
CONTACTS = frozenset({EventType.EMAIL_LOGGED, EventType.OFFER_SENT, EventType.INTERVIEW_SCHEDULED})
ENDS = frozenset(
    {
        EventType.APPLICATION_REJECTED,
        EventType.APPLICATION_WITHDRAWN,
        EventType.APPLICATION_HIRED,
        EventType.APPLICATION_CLOSED,
        EventType.APPLICATION_REMOVED,
    }
)


@dataclass(slots=True)
class Milestones:
    """One application's. ``hired_at``: acceptance of the offer, else the hired status, of a hire that still stands."""

    applied_at: datetime | None = None
    acted_at: datetime | None = None
    ended_at: datetime | None = None
    offered_at: datetime | None = None
    sent_at: datetime | None = None
    answered_at: datetime | None = None
    answer: str | None = None
    hired_at: datetime | None = None
    #: the newest activity of people on either side, and the newest message to the candidate
    active_at: datetime | None = None
    contacted_at: datetime | None = None


def milestones(events: Iterable[tuple[str, datetime, bool]]) -> Milestones:
    """Of one application, from its events in fold order: type, moment, and whether it is a mail from the candidate."""
    found, accepted, hired = Milestones(), None, None
    for event_type, at, inbound in events:
        if event_type not in NO_ACTIVITY:
            found.active_at = at
        if event_type in CONTACTS and not inbound:
            found.contacted_at = at
        if event_type == EventType.APPLICATION_CREATED and found.applied_at is None:
            found.applied_at = at
        if event_type in FIRST_ACTIONS and not inbound and found.acted_at is None and found.applied_at is not None:
            found.acted_at = at
        if event_type in MOVING_EVENTS:
            # a later move undoes an earlier end: moved back, hired again, the last hire counts
            found.ended_at = at if event_type in ENDS else None
            hired = at if event_type == EventType.APPLICATION_HIRED else None
        if event_type in OFFERS:
            _offer(found, event_type, at)
            accepted = at if event_type == EventType.OFFER_ACCEPTED else None if event_type in _UNDOING else accepted
    found.hired_at = (accepted or hired) if hired is not None or found.ended_at is None else None
    return found


_UNDOING = frozenset({EventType.OFFER_DECLINED, EventType.OFFER_WITHDRAWN})
_ANSWERS = {EventType.OFFER_ACCEPTED: "accepted", EventType.OFFER_DECLINED: "declined", EventType.OFFER_WITHDRAWN: "rescinded"}


def _offer(found: Milestones, event_type: str, at: datetime) -> None:
    if event_type in (EventType.OFFER_CREATED, EventType.OFFER_SENT):
        found.offered_at = found.offered_at or at
    if event_type == EventType.OFFER_SENT:
        found.sent_at, found.answered_at, found.answer = at, None, None
    elif event_type in _ANSWERS:
        found.answered_at, found.answer = at, _ANSWERS[EventType(event_type)]
