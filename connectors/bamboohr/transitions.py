"""The differences between two looks at an application, as events. Pure.

Times: ``dateChanged`` and ``appliedDate`` are exact. Everything BambooHR does not date (ratings, counters,
disappearance, a status whose detail never came) lies between two looks: the midpoint, with the looks as
``bounds``. What a poll cannot know is flagged, never guessed:

- ``stage_from_unknown``: where it came from was not seen (first sight, or it left and came back)
- ``already_running``: at first sight, a stage it was in before the account was watched; others like it ended unseen
- ``gap``: same status, set anew: it was elsewhere in between
- ``anomaly``: the source's own dates contradict each other (a word says how)
- ``possible_missed_changes``: BambooHR's event counter grew by more than the changes seen; a hint only
- ``bounds``, ``inferred``, ``reinterpreted``, ``reappeared``: what their names say

Keys are built from immutable parts, so that the same fact has the same key on every path.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from connectors.bamboohr import moments
from connectors.bamboohr.diff import Sighting, Snapshot
from connectors.bamboohr.moments import ONE_DAY, Moment
from connectors.bamboohr.vocabulary import OUTCOME_EVENTS, Kind, Meaning, meaning_of
from connectors.bamboohr.wire import Application, Status
from connectors.events import Actor, EventType, NormalizedEvent, Precision

PROVIDER = "bamboohr"


class When(msgspec.Struct, frozen=True):
    at: datetime
    precision: Precision
    bounds: tuple[datetime, datetime] | None = None


def at_moment(moment: Moment) -> When:
    if moment.date_only:
        return When(moment.at, Precision.BOUNDED, (moment.at, moment.at + ONE_DAY))
    return When(moment.at, Precision.EXACT)


def between(lower: datetime | None, upper: datetime) -> When:
    """Somewhere between two looks; without a first look only "before this one" is known."""
    upper = moments.whole_second(upper)
    if lower is None:
        return When(upper, Precision.UNKNOWN)
    lower = min(moments.whole_second(lower), upper)
    return When(moments.midpoint(lower, upper), Precision.BOUNDED, (lower, upper))


def application_events(sighting: Sighting) -> tuple[NormalizedEvent, ...]:
    teller = _Teller(sighting)
    if sighting.current is None:
        return tuple(teller.vanished())
    if sighting.previous is None:
        return tuple(teller.first_sight(sighting.current))
    return tuple(teller.difference(sighting.previous, sighting.current))


class _Teller:
    """Tells one sighting. Holds what every event of it shares."""

    def __init__(self, sighting: Sighting) -> None:
        self.sighting = sighting
        self.now = sighting.current or Application(id=sighting.application)
        self.then = sighting.previous or Snapshot()
        self.origin = "record" if sighting.previous is None else "diff"
        self.prefix = f"bhr:app:{sighting.application}"
        self.seen = f"seen:{moments.compact(sighting.run)}"
        self.changed = moments.read(self.now.status_changed) if sighting.detailed else None
        self.was = moments.read(self.then.status_changed)

    # -- first sight ---------------------------------------------------------------------------

    def first_sight(self, now: Application) -> Iterator[NormalizedEvent]:
        applied = moments.read(now.applied)
        status, meaning = self._current()
        in_stage = meaning is not None and meaning.kind is Kind.STAGE
        first = status if in_stage and self._untouched(applied) else None
        yield self._created(applied, first)
        if status is not None and first is None:
            when = at_moment(self.changed) if self.changed else self._before_now(applied)
            running = self._was_running(when) if in_stage else {}
            yield self._entered(self._status_key(), when, stage_from=None, stage_from_unknown=True, **running)
        if now.moved_to and not (meaning and meaning.kind is Kind.MOVED):
            since = self.changed or applied
            when = between(since.at if since else None, self.sighting.observed_at)
            yield self._left_for_other_job(f"{self.prefix}:moved:{self.seen}", when)

    def _was_running(self, when: When) -> dict[str, Any]:
        since = self.sighting.watched_since
        return {"already_running": True} if since is not None and when.at < since else {}

    def _untouched(self, applied: Moment | None) -> bool:
        """Still as it came in, so that the current status is also the first. A date and a moment cannot tell."""
        if applied is None or self.changed is None or applied.date_only != self.changed.date_only:
            return False
        return not self.changed.is_after(applied)

    def _created(self, applied: Moment | None, first: Status | None) -> NormalizedEvent:
        extra: dict[str, Any] = {"stage_to_name": first.name} if first else {"stage_to_unknown": True}
        if self.now.moved_from:
            extra["moved_from"] = list(self.now.moved_from)
        known = applied or self.changed
        if applied and self.changed and applied.is_after(self.changed):
            # An edited date: nothing can happen to an application before it exists.
            known = self.changed
            extra |= {"anomaly": "status_set_before_application", "applied_at": applied.at.isoformat()}
        when = at_moment(known) if known else When(moments.whole_second(self.sighting.observed_at), Precision.UNKNOWN)
        if applied is None:
            when = When(when.at, Precision.UNKNOWN)
        if first:
            extra |= self._was_running(when)
        key = f"{self.prefix}:created"
        return self._event(EventType.APPLICATION_CREATED, key, when, stage_to=first.id if first else None, **extra)

    def _before_now(self, applied: Moment | None) -> When:
        upper = moments.whole_second(self.sighting.observed_at)
        return When(upper, Precision.UNKNOWN, (min(applied.at, upper), upper) if applied else None)

    # -- a second look -------------------------------------------------------------------------

    def difference(self, then: Snapshot, now: Application) -> Iterator[NormalizedEvent]:
        moved_by_status = False
        for event in self._status_difference():
            moved_by_status = event.event_type is EventType.APPLICATION_MOVED
            yield event
        if now.job_id and then.job_id and now.job_id != then.job_id:
            yield self._changed_job(then.job_id, now.job_id)
        if now.moved_to and not then.moved_to and not moved_by_status and then.kind is not Kind.MOVED:
            key, when = self._beside_status("moved", self.sighting.detail_since)
            yield self._left_for_other_job(key, when)
        yield from self._activity(then, now)

    def _status_difference(self) -> Iterator[NormalizedEvent]:
        now, then = self.now, self.then
        if now.status_id is None:
            return
        if then.gone:
            yield self._reappeared()
        elif now.status_id != then.status_id:
            yield self._moved_on()
        elif self._set_anew():
            yield self._entered(self._status_key(), at_moment(self._dated()), stage_from=None, stage_from_unknown=True, gap=True)
        elif self.changed and self.was and self.was.is_after(self.changed):
            yield self._entered(
                self._status_key(),
                at_moment(self.changed),
                stage_from=None,
                stage_from_unknown=True,
                anomaly="status_date_went_back",
            )
        elif self._reads_otherwise():
            yield self._reinterpreted()

    def _set_anew(self) -> bool:
        """Same status, later date: it left and came back unseen."""
        if self.changed is None:
            return False
        if self.was is not None:
            return self.changed.is_after(self.was)
        # Told without a date before: a date up to that look confirms it, a later one is another entry.
        return self.then.status_before is not None and self.changed.at > self.then.status_before

    def _reads_otherwise(self) -> bool:
        _, meaning = self._current()
        return self.then.kind is not None and meaning is not None and meaning.kind is not self.then.kind

    def _moved_on(self) -> NormalizedEvent:
        extra: dict[str, Any] = {}
        backwards = bool(self.changed and self.was and self.was.is_after(self.changed))
        if backwards:
            extra["anomaly"] = "status_date_went_back"
        if self._grew_unexplained():
            extra["possible_missed_changes"] = True
        elif not backwards and (seconds := self._seconds_in_previous_stage()) is not None:
            extra["duration_in_previous_stage"] = seconds
        if self.then.status_id is None:
            extra["stage_from_unknown"] = True
        when = at_moment(self.changed) if self.changed else between(self.sighting.status_since, self.sighting.observed_at)
        return self._entered(self._status_key(), when, stage_from=self._stage_left(), **extra)

    def _seconds_in_previous_stage(self) -> int | None:
        """Known only between two dated changes, out of a stage."""
        if self.then.kind is not Kind.STAGE or self.was is None or self.changed is None:
            return None
        if self.was.date_only or self.changed.date_only:
            return None
        return int((self.changed.at - self.was.at).total_seconds())

    def _grew_unexplained(self) -> bool:
        now, then = self.now, self.then
        if now.event_count is None or then.event_count is None:
            return False
        explained = 1 + _growth(then.comment_count, now.comment_count) + _growth(then.email_count, now.email_count)
        explained += isinstance(now.rating, int) and now.rating != then.rating
        return now.event_count - then.event_count > explained

    def _reinterpreted(self) -> NormalizedEvent:
        """The operator's ``stage_map`` now calls the status something else: told at the moment of the status,
        under a key of its own that sorts behind it."""
        base = self.changed or self.was
        when = at_moment(base) if base else between(self.sighting.status_since, self.sighting.observed_at)
        key = f"{self._dated_status_key(base)}:as:{self.seen}"
        return self._entered(key, when, stage_from=self._stage_left(), reinterpreted=True, inferred=True)

    def _reappeared(self) -> NormalizedEvent:
        """Listed again after it was taken for removed. The status may be as old as ever, so its key is spent."""
        if self.changed and (self.was is None or self.changed.is_after(self.was)):
            return self._entered(self._status_key(), at_moment(self.changed), stage_from=None, reappeared=True)
        when = between(self.sighting.status_since, self.sighting.observed_at)
        return self._entered(f"{self.prefix}:reappeared:{self.seen}", when, stage_from=None, reappeared=True)

    def _changed_job(self, job_from: str, job_to: str) -> NormalizedEvent:
        key, when = self._beside_status(f"job:{job_to}", self.sighting.status_since)
        status, meaning = self._current()
        stage = status.id if status and meaning and meaning.kind is Kind.STAGE else None
        name = status.name if status and stage else None
        return self._event(
            EventType.APPLICATION_MOVED,
            key,
            when,
            stage_from=stage,
            stage_to=stage,
            job_from=job_from,
            job_to=job_to,
            stage_from_name=name,
            stage_to_name=name,
        )

    def _left_for_other_job(self, key: str, when: When) -> NormalizedEvent:
        status, meaning = self._current()
        stage = status if status and meaning and meaning.kind is Kind.STAGE else None
        moved_to = list(self.now.moved_to or ())
        return self._event(
            EventType.APPLICATION_MOVED,
            key,
            when,
            stage_from=stage.id if stage else None,
            stage_from_name=stage.name if stage else None,
            moved_to=moved_to,
            inferred=True,
        )

    def _beside_status(self, what: str, since: datetime | None) -> tuple[str, When]:
        """Key and time of something that happened with the status change, if there was one: right after it."""
        told_anew = self.now.status_id is not None and (self.now.status_id != self.then.status_id or self._set_anew())
        if self.changed and told_anew:
            return f"{self._status_key()}:{what}", at_moment(self.changed)
        return f"{self.prefix}:{what}:{self.seen}", between(since, self.sighting.observed_at)

    # -- activity ------------------------------------------------------------------------------

    def _activity(self, then: Snapshot, now: Application) -> Iterator[NormalizedEvent]:
        rated = not isinstance(now.rating, msgspec.UnsetType) and not isinstance(then.rating, msgspec.UnsetType)
        if rated and now.rating != then.rating:
            when = between(self.sighting.status_since, self.sighting.observed_at)
            key = f"{self.prefix}:rating:{now.rating or 'none'}:{self.seen}"
            yield self._event(EventType.RATING_CHANGED, key, when, rating_from=then.rating, rating=now.rating)
        counters = (
            (EventType.COMMENT_ADDED, "comments", then.comment_count, now.comment_count),
            (EventType.EMAIL_LOGGED, "emails", then.email_count, now.email_count),
        )
        for event_type, word, before, after in counters:
            if delta := _growth(before, after):
                when = between(self.sighting.detail_since, self.sighting.observed_at)
                yield self._event(event_type, f"{self.prefix}:{word}:{after}:{self.seen}", when, count_delta=delta)

    # -- the end -------------------------------------------------------------------------------

    def vanished(self) -> Iterator[NormalizedEvent]:
        when = between(self.sighting.status_since, self.sighting.observed_at)
        stage = self._stage_left()
        status = self.sighting.statuses.get(stage) if stage else None
        yield self._event(
            EventType.APPLICATION_REMOVED,
            f"{self.prefix}:removed:{self.seen}",
            when,
            stage_from=stage,
            stage_from_name=status and status.name,
            cause="vanished",
        )

    # -- building ------------------------------------------------------------------------------

    def _current(self) -> tuple[Status | None, Meaning | None]:
        if self.now.status_id is None:
            return None, None
        status = self.sighting.statuses.get(self.now.status_id) or Status(id=self.now.status_id, name=self.now.status_label)
        return status, meaning_of(status)

    def _stage_left(self) -> str | None:
        return self.then.status_id if self.then.kind is Kind.STAGE else None

    def _dated(self) -> Moment:
        assert self.changed is not None, "only called where the detail dates the status"
        return self.changed

    def _status_key(self) -> str:
        return self._dated_status_key(self.changed)

    def _dated_status_key(self, moment: Moment | None) -> str:
        when = moments.compact(moment.at) if moment else self.seen
        return f"{self.prefix}:status:{self.now.status_id}:{when}"

    def _entered(self, key: str, when: When, *, stage_from: str | None, **extra: Any) -> NormalizedEvent:
        """Entering the current status: a stage, or one of the outcomes instead of a stage change."""
        status, meaning = self._current()
        assert status is not None, "only called for a told status"
        assert meaning is not None, "a status has a meaning"
        left = self.sighting.statuses.get(stage_from) if stage_from else None
        extra["stage_from_name"] = left and left.name
        was_in_outcome = self.then.kind is not None and self.then.kind is not Kind.STAGE
        if was_in_outcome:
            extra["status_from"] = self.then.status_id
        if meaning.kind is Kind.STAGE:
            back = was_in_outcome or self.then.gone
            event_type = EventType.APPLICATION_REOPENED if back else EventType.STAGE_CHANGED
            return self._event(
                event_type,
                key,
                when,
                actor=self._actor(),
                stage_from=stage_from,
                stage_to=status.id,
                stage_to_name=status.name,
                **extra,
            )
        extra |= {"terminal_status_id": status.id, "terminal_status_name": status.name}
        if meaning.kind is Kind.REMOVED:
            extra["cause"] = "deleted"
        if meaning.kind is Kind.MOVED and self.now.moved_to:
            extra["moved_to"] = list(self.now.moved_to)
        return self._event(OUTCOME_EVENTS[meaning.kind], key, when, actor=self._actor(), stage_from=stage_from, **extra)

    def _actor(self) -> Actor | None:
        who = self.now.changed_by
        return Actor(external_id=who.id, name=who.name) if who and self.sighting.detailed else None

    def _event(
        self,
        event_type: EventType,
        key: str,
        when: When,
        *,
        actor: Actor | None = None,
        stage_from: str | None = None,
        stage_to: str | None = None,
        **extra: Any,
    ) -> NormalizedEvent:
        metadata = {"origin": self.origin} | {name: value for name, value in extra.items() if value is not None}
        if when.bounds:
            metadata["bounds"] = [at.isoformat() for at in when.bounds]
        return NormalizedEvent(
            event_type=event_type,
            provider_event_id=key,
            provider=PROVIDER,
            application_external_id=self.sighting.application,
            # BambooHR makes one applicant per application, so the application can stand in for an untold one
            candidate_external_id=candidate_id(self.sighting),
            job_external_id=self.now.job_id or self.then.job_id,
            stage_from=stage_from,
            stage_to=stage_to,
            actor=actor,
            timestamp=when.at,
            precision=when.precision,
            metadata=metadata,
        )


def candidate_id(sighting: Sighting) -> str:
    now, then = sighting.current, sighting.previous
    told = (now and now.candidate_id) or (then and then.candidate_id)
    return told or f"application-{sighting.application}"


def _growth(before: int | None, after: int | None) -> int:
    return max(after - before, 0) if before is not None and after is not None else 0
