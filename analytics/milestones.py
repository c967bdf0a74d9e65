"""Moments of an application that no stage tells: applied, first answered, offered, accepted. From the ledger; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

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
#: The candidate is lost ...
LOST = frozenset({EventType.APPLICATION_REJECTED, EventType.APPLICATION_WITHDRAWN})
#: ... or the application is put away, which undoes no hire.
VANISHED = frozenset({EventType.APPLICATION_CLOSED, EventType.APPLICATION_REMOVED})
ENDS = LOST | VANISHED | {EventType.APPLICATION_HIRED}
ANSWERS = {EventType.OFFER_ACCEPTED: "accepted", EventType.OFFER_DECLINED: "declined", EventType.OFFER_WITHDRAWN: "rescinded"}


class Told(NamedTuple):
    """One event, as far as this module looks at it. ``inbound``: a mail from the candidate. ``here``: on the job asked about."""

    event_type: str
    at: datetime
    inbound: bool = False
    here: bool = True


@dataclass(slots=True)
class Milestones:
    """One application's in one job. ``hired_at``: acceptance of the offer, else the hired status, of a hire that still stands.

    Who was moved between jobs brings along when he applied and when somebody last spoke to him; offers and hires stay
    with the job they were made in.
    """

    applied_at: datetime | None = None
    applied_here: bool = True
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


def milestones(events: Iterable[Told]) -> Milestones:
    """Of one application, from its events in fold order."""
    folding = _Folding()
    for event in events:
        folding.take(event)
    return folding.result()


@dataclass(slots=True)
class _Folding:
    found: Milestones = field(default_factory=Milestones)
    #: of the offer that stands, and of the hire that stands
    accepted: datetime | None = None
    hired: datetime | None = None

    def take(self, event: Told) -> None:
        found, kind = self.found, event.event_type
        if kind not in NO_ACTIVITY:
            found.active_at = event.at
        if kind in CONTACTS and not event.inbound:
            found.contacted_at = event.at
        if kind == EventType.APPLICATION_CREATED and found.applied_at is None:
            found.applied_at, found.applied_here = event.at, event.here
        if kind in FIRST_ACTIONS and not event.inbound and found.acted_at is None and found.applied_at is not None:
            found.acted_at = event.at
        if kind in MOVING_EVENTS:
            self._move(event)
        elif kind in OFFERS and event.here:
            self._offer(event)

    def _move(self, event: Told) -> None:
        self.found.ended_at = event.at if event.event_type in ENDS or not event.here else None
        if event.event_type == EventType.APPLICATION_HIRED and event.here:
            self.hired = self.hired or event.at  # told twice is hired once
        elif self.hired is None or event.event_type not in VANISHED:
            # moved back, turned down, gone to another job: what was accepted went with the hire
            if self.hired is not None or event.event_type in LOST or not event.here:
                self.accepted = None
            self.hired = None

    def _offer(self, event: Told) -> None:
        found, kind, at = self.found, EventType(event.event_type), event.at
        if kind in (EventType.OFFER_CREATED, EventType.OFFER_SENT):
            found.offered_at = found.offered_at or at
        if kind == EventType.OFFER_SENT:
            found.sent_at, found.answered_at, found.answer = at, None, None
        elif kind in ANSWERS:
            found.answered_at, found.answer = at, ANSWERS[kind]
            self.accepted = at if kind == EventType.OFFER_ACCEPTED else None

    def result(self) -> Milestones:
        stands = self.hired is not None or self.found.ended_at is None
        self.found.hired_at = (self.accepted or self.hired) if stands else None
        return self.found
