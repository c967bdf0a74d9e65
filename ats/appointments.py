"""Interviews, feedback, offers and mails of one application, folded from its events. Pure.

Providers and files tell them in ``metadata``: ``interview_external_id, start, end, interviewers[]`` of an interview,
``feedback_external_id, interview_external_id, interviewer_external_id`` of a feedback, ``direction`` (inbound or
outbound) of a mail. What is missing or odd is left out, never guessed: these dictionaries come from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors.events import EventType

INBOUND = frozenset({"inbound", "in", "received", "from_candidate"})
#: what an interview's status may say that makes it none
CALLED_OFF = frozenset({"cancelled", "canceled", "no_show", "no-show", "noshow"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event, as far as this module looks at it."""

    event_type: str
    at: datetime
    key: str
    actor: str | None
    metadata: Mapping[str, Any]


@dataclass(slots=True)
class Interview:
    key: str
    start: datetime | None = None
    end: datetime | None = None
    called_off: bool = False
    interviewers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Feedback:
    #: None: the source does not say of which interview
    interview: str | None
    interviewer: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointments:
    """Where an application stands beside its stage."""

    interviews: Sequence[Interview] = ()
    feedback: Sequence[Feedback] = ()
    #: an offer that was sent and not answered
    offer_sent_at: datetime | None = None
    offer_accepted_at: datetime | None = None
    last_inbound_at: datetime | None = None
    #: newest thing that reached the candidate: a mail, an invitation, an offer
    last_answer_at: datetime | None = None

    def last_interview_end(self, as_of: datetime) -> datetime | None:
        return max((one.end for one in self.interviews if one.end and one.end <= as_of and not one.called_off), default=None)

    def next_interview(self, as_of: datetime) -> datetime | None:
        """When the next one ends (begins, if its end is not told)."""
        ahead = (one.end or one.start for one in self.interviews if not one.called_off)
        return min((moment for moment in ahead if moment and moment > as_of), default=None)

    def feedback_at(self, interview: Interview, interviewer: str) -> datetime | None:
        """When an interviewer (empty: anybody) first said something; naming no interview, it counts for those begun by then."""
        begun = interview.start or interview.end
        return min(
            (
                one.at
                for one in self.feedback
                if one.interview == interview.key or (one.interview is None and begun is not None and one.at >= begun)
                if not interviewer or one.interviewer in (None, interviewer)
            ),
            default=None,
        )

    def has_feedback(self, interview: Interview, interviewer: str) -> bool:
        return self.feedback_at(interview, interviewer) is not None


NOTHING_TOLD = Appointments()


def fold(events: Iterable[Told]) -> Appointments:
    """The appointments of one application from its events in fold order."""
    folding = _Folding()
    for event in events:
        folding.take(event)
    return folding.result()


@dataclass
class _Folding:
    interviews: dict[str, Interview] = field(default_factory=dict)
    feedback: dict[str, Feedback] = field(default_factory=dict)
    offer_sent_at: datetime | None = None
    offer_accepted_at: datetime | None = None
    inbound: list[datetime] = field(default_factory=list)
    answers: list[datetime] = field(default_factory=list)

    def take(self, event: Told) -> None:
        kind, _, _ = event.event_type.partition("_")
        if kind == "interview":
            self._interview(event)
        elif kind == "feedback":
            self._feedback(event)
        elif kind == "offer":
            self._offer(event)
        elif event.event_type == EventType.EMAIL_LOGGED and "direction" in event.metadata:
            inbound = str(event.metadata["direction"]).lower() in INBOUND
            (self.inbound if inbound else self.answers).append(event.at)

    def _interview(self, event: Told) -> None:
        told = event.metadata
        key = _text(told.get("interview_external_id")) or event.key
        interview = self.interviews.setdefault(key, Interview(key))
        interview.start = _moment(told.get("start")) or interview.start
        interview.end = _moment(told.get("end")) or interview.end
        interview.interviewers = _people(told.get("interviewers")) or interview.interviewers
        status = str(told.get("status") or told.get("outcome") or "").lower()
        interview.called_off = event.event_type == EventType.INTERVIEW_CANCELLED or status in CALLED_OFF or told.get("no_show") is True
        if event.event_type == EventType.INTERVIEW_ENDED:
            interview.end = _moment(told.get("end")) or event.at
        elif event.event_type in (EventType.INTERVIEW_SCHEDULED, EventType.INTERVIEW_CHANGED):
            self.answers.append(event.at)

    def _feedback(self, event: Told) -> None:
        told = event.metadata
        interview = _text(told.get("interview_external_id"))
        interviewer = _text(told.get("interviewer_external_id")) or event.actor
        key = _text(told.get("feedback_external_id")) or f"{interview}:{interviewer}"
        if event.event_type == EventType.FEEDBACK_SUBMITTED:
            self.feedback[key] = Feedback(interview, interviewer, event.at)
        else:
            self.feedback.pop(key, None)

    def _offer(self, event: Told) -> None:
        if event.event_type == EventType.OFFER_SENT:
            self.offer_sent_at, self.offer_accepted_at = event.at, None
            self.answers.append(event.at)
        elif event.event_type == EventType.OFFER_ACCEPTED:
            self.offer_sent_at, self.offer_accepted_at = None, event.at
        elif event.event_type in (EventType.OFFER_DECLINED, EventType.OFFER_WITHDRAWN):
            self.offer_sent_at = self.offer_accepted_at = None

    def result(self) -> Appointments:
        return Appointments(
            interviews=tuple(self.interviews.values()),
            feedback=tuple(self.feedback.values()),
            offer_sent_at=self.offer_sent_at,
            offer_accepted_at=self.offer_accepted_at,
            last_inbound_at=max(self.inbound, default=None),
            last_answer_at=max(self.answers, default=None),
        )


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and str(value) else None


def _moment(value: Any) -> datetime | None:
    """A time with an offset; one without it is not guessed at."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _people(value: Any) -> tuple[str, ...]:
    """Ids of interviewers: plain, or in objects under ``external_id``, ``id`` or ``name``."""
    found: dict[str, None] = {}
    for one in value if isinstance(value, list) else ():
        named = next((one[word] for word in ("external_id", "id", "name") if one.get(word)), None) if isinstance(one, dict) else one
        if (text := _text(named)) is not None:
            found[text] = None
    return tuple(found)
