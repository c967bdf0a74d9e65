"""Visits as observations: which of them a duration statistic counts, and why it leaves out the others. Pure.

The conditions are those of ``sql/curves.sql``; a test holds the two together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from analytics.calendars import JobClock
from analytics.clocks import cd
from analytics.estimators import Curve, Stay, Unit
from analytics.heatmap import Json, Window
from connectors.events import Precision

#: A visit this short was passed through: reached, but no duration.
PASSED_THROUGH = timedelta(seconds=60)
#: A bounded entry is only as good as its gap: one business day, in seconds of working time (``StageVisit.entry_gap``).
WIDEST_GAP = 86_400

#: So many moves out of a stage within this time are a bulk move.
BULK, IN_BULK = 50, timedelta(minutes=1)


class Reason(StrEnum):
    """Why a visit is left out of a duration statistic."""

    ENTERED_BEFORE = "entered_before_window"
    ENTERED_AFTER = "entered_after_window"
    ENTRY_UNKNOWN = "entry_unknown"  #: it began before we watched
    SURVIVOR = "already_running"  #: it began before the account was watched: who began with it and left is not known
    ENTRY_UNSURE = "entry_gap_over_a_day"  #: seen between two looks more than a business day apart
    PASSED_THROUGH = "under_a_minute"


@dataclass(frozen=True, slots=True)
class Seen:
    """One visit as read from its row."""

    visit_id: int
    application_id: int
    n: int
    stage_id: int
    entered_at: datetime
    left_at: datetime | None
    exit_kind: str | None
    entry_precision: str
    entry_gap: float
    survivor: bool
    bd: float | None

    @property
    def is_well_dated(self) -> bool:
        """Whether its length may be counted: begun while we watched, at a time that is known."""
        return why_ill_dated(self) is None

    @property
    def is_over(self) -> bool:
        """As cells count: whoever has no end is there, even if a skewed clock says that they have yet to come."""
        return self.left_at is not None

    def ended(self, as_of: datetime) -> bool:
        """Whether it had lasted to its end by a moment: what durations go by."""
        return self.left_at is not None and self.left_at <= as_of

    def until(self, as_of: datetime) -> datetime:
        return self.left_at if self.left_at is not None and self.left_at <= as_of else as_of

    def ending(self, as_of: datetime) -> str | None:
        """How it had ended by ``as_of``; None: still open then."""
        return self.exit_kind if self.ended(as_of) else None


#: the columns of a visit's row that ``Seen`` takes, in its order
SEEN_FIELDS = (
    *("entry_event_id", "application_id", "n", "stage_id", "entered_at", "left_at"),
    *("exit_kind", "entry_precision", "entry_gap", "survivor", "bd"),
)


@dataclass(frozen=True, slots=True)
class Observation:
    """A visit in, or kept out of, one statistic. ``days`` on the clock asked for."""

    seen: Seen
    stay: Stay | None
    reason: Reason | None = None

    def as_dict(self, as_of: datetime) -> Json:
        told: Json = {
            "application": self.seen.application_id,
            "visit": self.seen.visit_id,
            "entered_at": self.seen.entered_at,
            "left_at": self.seen.left_at if self.seen.ended(as_of) else None,
        }
        if self.stay is None:
            return told | {"reason": str(self.reason)}
        taken = "open" if self.stay.exit_kind is None else "exit" if self.stay.is_exit else "cut_off"
        return told | {"days": round(self.stay.days, 9), "taken_as": taken, "exit_kind": self.stay.exit_kind}


def why_left_out(seen: Seen, window: Window, as_of: datetime) -> Reason | None:
    """None: it counts."""
    if seen.entered_at < window.since:
        return Reason.ENTERED_BEFORE
    if seen.entered_at >= min(window.until, as_of):
        return Reason.ENTERED_AFTER
    if ill_dated := why_ill_dated(seen):
        return ill_dated
    if seen.until(as_of) - seen.entered_at < PASSED_THROUGH:
        return Reason.PASSED_THROUGH
    return None


def why_ill_dated(seen: Seen) -> Reason | None:
    """What keeps a visit out of every duration, whatever the window."""
    if seen.entry_precision == Precision.UNKNOWN:
        return Reason.ENTRY_UNKNOWN
    if seen.survivor:
        return Reason.SURVIVOR
    if seen.entry_precision == Precision.BOUNDED and seen.entry_gap > WIDEST_GAP:
        return Reason.ENTRY_UNSURE
    return None


@dataclass(frozen=True, slots=True)
class Observer:
    """Looks at visits through one window, moment and clock."""

    window: Window
    as_of: datetime
    clock: str
    job_clock: JobClock

    def days(self, seen: Seen) -> float:
        until = seen.until(self.as_of)
        if self.clock == Unit.CALENDAR_DAYS:
            return cd(seen.entered_at, until)
        if seen.ended(self.as_of) and seen.bd is not None:
            return seen.bd
        return self.job_clock.bd([seen.entered_at], until)[0]

    def observe(self, visits: Iterable[Seen]) -> list[Observation]:
        """Every visit with what it is taken as, or why it is left out."""
        found = []
        for seen in visits:
            reason = why_left_out(seen, self.window, self.as_of)
            stay = None if reason else Stay(self.days(seen), seen.ending(self.as_of))
            found.append(Observation(seen, stay, reason))
        return found


def curve_of(observations: Iterable[Observation]) -> Curve:
    return Curve.of_stays(one.stay for one in observations if one.stay is not None)


def explained(observations: Iterable[Observation], as_of: datetime) -> Json:
    """The people behind a statistic, and those kept out of it, by the time they entered."""
    ordered = sorted(observations, key=lambda one: (one.seen.entered_at, one.seen.visit_id))
    return {
        "included": [one.as_dict(as_of) for one in ordered if one.stay is not None],
        "excluded": [one.as_dict(as_of) for one in ordered if one.stay is None],
    }


def bulk_moves(visits: Iterable[Seen], as_of: datetime) -> set[int]:
    """Visits that ended together with 49 others of their stage within a minute, and in the same way: valid, but one person's one click."""
    ends: dict[tuple[int, str | None], list[Seen]] = defaultdict(list)
    for seen in visits:
        if seen.ended(as_of):
            ends[seen.stage_id, seen.exit_kind].append(seen)
    found: set[int] = set()
    for together in ends.values():
        together.sort(key=lambda seen: (seen.until(as_of), seen.visit_id))
        for index, (first, last) in enumerate(zip(together, together[BULK - 1 :], strict=False)):
            if last.until(as_of) - first.until(as_of) <= IN_BULK:
                found.update(seen.visit_id for seen in together[index : index + BULK])
    return found
