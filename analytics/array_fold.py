"""The fold over arrays: the ledger of very many applications to their snapshots and visits, all at once.

A rebuild asks with it who is not what the ledger says; only those go through the statements of the road, which mend
them. It is the twin of ``ats/sql/snapshots.sql`` and of ``analytics/sql/moves.sql`` to ``derive_visits.sql``, which say
what the rules are for; tests hold the two together. A column is an array. No id is 0, no moment ``NEVER`` or
``FOREVER``, so these stand for null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analytics.array_clocks import Array, ArrayClocks
from analytics.models import ExitKind
from ats.models import Application
from connectors.events import MOVING_EVENTS, EventType, Precision, StageCategory

Rows = dict[str, Array]

#: microseconds since 2000, as PostgreSQL counts
FOREVER, NEVER = np.iinfo(np.int64).max, np.iinfo(np.int64).min
EPOCH_1970 = -946_684_800_000_000
MISCLICK = 600_000_000

#: words are told by their place, from 1 on; 0 is none
EVENT_TYPES = tuple(word.value for word in EventType)
PRECISIONS = tuple(word.value for word in Precision)
KINDS = tuple(kind.value for kind in ExitKind)
STATUSES = tuple(status.value for status in Application.Status)
#: in pipeline order, and last the one without a place in it
CATEGORIES = tuple(category.value for category in StageCategory)

ENTERING = (EventType.APPLICATION_CREATED, EventType.STAGE_CHANGED, EventType.APPLICATION_REOPENED, EventType.APPLICATION_MOVED)
#: events after which somebody is nowhere: how the visit ended, how the application stands
ENDINGS = {
    EventType.APPLICATION_REJECTED: (ExitKind.REJECTED, Application.Status.REJECTED),
    EventType.APPLICATION_WITHDRAWN: (ExitKind.WITHDRAWN, Application.Status.WITHDRAWN),
    EventType.APPLICATION_HIRED: (ExitKind.HIRED, Application.Status.HIRED),
    EventType.APPLICATION_CLOSED: (ExitKind.CLOSED, Application.Status.CLOSED),
    EventType.APPLICATION_ON_HOLD: (ExitKind.ON_HOLD, Application.Status.ON_HOLD),
    EventType.APPLICATION_REMOVED: (ExitKind.REMOVED, Application.Status.REMOVED),
}
#: what happens to a record, not by anybody's doing
NO_ACTIVITY = (EventType.APPLICATION_REMOVED, EventType.CANDIDATE_MERGED, EventType.CANDIDATE_ANONYMIZED, EventType.UNKNOWN)


def code(word: str, words: tuple[str, ...]) -> int:
    return words.index(word) + 1


def _by_type(told: Mapping[EventType, int], otherwise: int) -> Array:
    """A lookup table from the code of an event type."""
    return np.array([otherwise, *(told.get(EventType(word), otherwise) for word in EVENT_TYPES)], np.int8)


ACTIVE = code(Application.Status.ACTIVE, STATUSES)
_MOVES = _by_type(dict.fromkeys(MOVING_EVENTS, 1), 0).astype(bool)
_ENTERS = _by_type(dict.fromkeys(ENTERING, 1), 0).astype(bool)
_ACTIVITY = _by_type(dict.fromkeys(NO_ACTIVITY, 0), 1).astype(bool)
_KIND = _by_type({event: code(kind, KINDS) for event, (kind, _) in ENDINGS.items()}, 0)
_STATUS = _by_type({event: code(status, STATUSES) for event, (_, status) in ENDINGS.items()}, ACTIVE)
_CREATED = code(EventType.APPLICATION_CREATED, EVENT_TYPES)
_REJECTED = code(EventType.APPLICATION_REJECTED, EVENT_TYPES)
_MOVED = code(EventType.APPLICATION_MOVED, EVENT_TYPES)
BOUNDED = code(Precision.BOUNDED, PRECISIONS)
_UNKNOWN = code(Precision.UNKNOWN, PRECISIONS)


@dataclass(frozen=True, slots=True)
class Pipelines:
    """What the fold reads beside an application's own events.

    ``stages`` (sorted, the last of them no stage: ``FOREVER``) have ``places``, NaN without one, and codes of ``categories``;
    ``former`` places, the latest first, are (stage, until, place). ``left_open``: when each of ``left_job`` left the open
    state, sorted by job and moment.
    """

    clocks: ArrayClocks
    stages: Array
    places: Array
    categories: Array
    former: Sequence[tuple[int, int, float]]
    left_job: Array
    left_open: Array

    def place(self, stage: Array) -> Array:
        row = np.searchsorted(self.stages, stage)
        place: Array = np.where(self.stages[row] == stage, self.places[row], np.nan)
        return place

    def place_at(self, stage: Array, at: Array) -> Array:
        """Before pipelines were changed, each stage's place of that time."""
        place = self.place(stage)
        for moved, until, before in self.former:
            place[(stage == moved) & (at < until)] = before
        return place

    def category(self, stage: Array) -> Array:
        row = np.searchsorted(self.stages, stage)
        category: Array = np.where(self.stages[row] == stage, self.categories[row], 0)
        return category

    def left_open_before(self, job: Array, at: Array) -> Array:
        """The last moment, not after ``at``, at which each job left the open state; ``NEVER``: there is none."""
        if not len(self.left_job):
            return np.full(len(job), NEVER)
        moments, jobs = np.unique(self.left_open), np.unique(self.left_job)
        width = len(moments) + 1
        keys = np.searchsorted(jobs, self.left_job) * width + np.searchsorted(moments, self.left_open, "right")
        which = np.minimum(np.searchsorted(jobs, job), len(jobs) - 1)
        found = np.searchsorted(keys, which * width + np.searchsorted(moments, at, "right"), "right") - 1
        known = (jobs[which] == job) & (found >= 0) & (self.left_job[found] == job)
        before: Array = np.where(known, self.left_open[found], NEVER)
        return before


def take(rows: Rows, which: Array) -> Rows:
    return {name: values[which] for name, values in rows.items()}


def in_order(events: Rows) -> Array:
    """Places of the events in fold order, application by application: ``CandidateEvent.FOLD_ORDER`` with ``rank`` for the id.

    Most lie in order already; only the applications that do not are sorted.
    """
    keys = [events[name] for name in ("rank", "recorded", "at", "application")]
    order = np.arange(len(keys[0]))
    inverted, equal = np.zeros(max(len(order) - 1, 0), bool), np.ones(max(len(order) - 1, 0), bool)
    for values in reversed(keys):
        inverted |= equal & (values[1:] < values[:-1])
        equal &= values[1:] == values[:-1]
    application = events["application"]
    if (application[1:] < application[:-1]).any():
        return np.lexsort(keys)
    if inverted.any():
        which = np.flatnonzero(np.isin(application, application[1:][inverted]))
        order[which] = which[np.lexsort([values[which] for values in keys])]
    return order


def ties(events: Rows) -> Array:
    """Of sorted events, those that only their id can put in order."""
    same = np.logical_and.reduce([events[name][1:] == events[name][:-1] for name in ("application", "at", "recorded")])
    return np.flatnonzero(np.append(same, False) | np.append(False, same))


def snapshots(events: Rows) -> Rows:
    """How each application stands, from all its events in fold order. Twin of ``ats/sql/snapshots.sql``."""
    first = np.flatnonzero(_starts(events["application"]))
    if not len(first):
        return {
            name: np.array([], np.int64) for name in ("application", "status", "stage", "job", "applied", "last_event", "last_activity")
        }
    kind, at, job = events["type"], events["at"], events["job"]
    moves, row = _MOVES[kind], np.arange(len(kind))

    def last(which: Array) -> Array:
        found: Array = np.maximum.reduceat(np.where(which, row, -1), first)
        return found

    move, named, mentioned = last(moves), last(moves & (job != 0)), last(~moves & (job != 0))
    named = np.where(named >= 0, named, mentioned)
    entered = (move >= 0) & _ENTERS[kind[move]]
    return {
        "application": events["application"][first],
        "status": np.where(move >= 0, _STATUS[kind[move]], ACTIVE),
        "stage": np.where(entered, events["stage"][move], 0),
        "job": np.where(named >= 0, job[named], 0),
        "applied": np.minimum.reduceat(np.where(kind == _CREATED, at, FOREVER), first),
        "last_event": np.maximum.reduceat(at, first),
        "last_activity": np.maximum.reduceat(np.where(_ACTIVITY[kind], at, NEVER), first),
    }


def visits(events: Rows, pipelines: Pipelines) -> Rows:
    """The visits of the applications, from all their events in fold order. Twin of ``sql/derive_visits.sql``."""
    moves = _without_misclicks(_moves(events))
    last = _ends(moves["application"])
    entering = moves["stage"] != 0
    following = {
        name: _after(moves[name], last, nothing)[entering]
        for name, nothing in (("at", FOREVER), ("type", 0), ("stage", 0), ("job", 0), ("gap", False), ("precision", 0))
    }
    numbers = _numbered(entering, _starts(moves["application"]))[entering]
    visit = take(moves, entering)
    over = following["at"] != FOREVER
    bd = np.full(len(over), np.nan)
    bd[over] = pipelines.clocks.between(visit["job"][over], seconds(visit["at"][over]), seconds(following["at"][over]))
    return {
        "event": visit["event"],
        "application": visit["application"],
        "n": numbers,
        "job": visit["job"],
        "stage": visit["stage"],
        "entered": visit["at"],
        "left": following["at"],
        "kind": _exit_kinds(visit, following, pipelines),
        "entry_precision": visit["precision"],
        "exit_precision": np.where(over & following["gap"], _UNKNOWN, following["precision"]),
        "gap": _entry_gaps(visit, pipelines.clocks),
        "survivor": visit["survivor"] & (numbers == 1),
        "bd": bd,
    }


def _moves(events: Rows) -> Rows:
    """Changes of place; ``stage`` 0: nowhere. Twin of ``sql/moves.sql``."""
    moves = take(events, np.flatnonzero(_MOVES[events["type"]]))
    first = _starts(moves["application"])
    stage, job = np.where(_ENTERS[moves["type"]], moves["stage"], 0), _carried(moves["job"], first)
    same_stage, same_job = stage == _before(stage, first, 0), job == _before(job, first, 0)
    kept = ~same_stage | (stage != 0) & (~same_job | moves["gap"])
    gap = moves["gap"] & same_stage & same_job & (stage != 0)
    return take(moves | {"stage": stage, "job": job, "gap": gap}, kept)


def _without_misclicks(moves: Rows) -> Rows:
    """Twin of ``sql/drop_misclicks.sql`` and ``sql/merge_neighbours.sql``, in turns until nothing is dropped."""
    while True:
        stage, job, at = moves["stage"], moves["job"], moves["at"]
        first, last = _starts(moves["application"]), _ends(moves["application"])
        before = _before(stage, first, 0)
        dropped = (stage != 0) & (before != 0) & (stage != before) & (before == _after(stage, last, 0))
        dropped &= (job == _before(job, first, 0)) & (job == _after(job, last, 0)) & (_after(at, last, 0) - at < MISCLICK)
        if not dropped.any():
            return moves
        moves = take(moves, ~dropped)
        first = _starts(moves["application"])
        merged = (moves["stage"] != 0) & (moves["stage"] == _before(moves["stage"], first, 0)) & ~moves["gap"]
        moves = take(moves, ~(merged & (moves["job"] == _before(moves["job"], first, 0))))


def _exit_kinds(visit: Rows, following: Rows, pipelines: Pipelines) -> Array:
    place, next_place = (pipelines.place_at(stage, following["at"]) for stage in (visit["stage"], following["stage"]))
    ending = _KIND[following["type"]]
    ways = (
        (following["at"] == FOREVER, 0),
        (_cleaned_up(visit, following, pipelines), code(ExitKind.JOB_CLOSED, KINDS)),
        (ending > 0, ending),
        (following["gap"], code(ExitKind.GAP, KINDS)),
        (following["type"] == _MOVED, code(ExitKind.TRANSFERRED, KINDS)),
        (following["stage"] == 0, code(ExitKind.UNKNOWN, KINDS)),
        (following["job"] != visit["job"], code(ExitKind.TRANSFERRED, KINDS)),
        (next_place > place, code(ExitKind.ADVANCED, KINDS)),
        (next_place < place, code(ExitKind.MOVED_BACK, KINDS)),
    )
    return np.select([way for way, _ in ways], [kind for _, kind in ways], code(ExitKind.LATERAL, KINDS))


def _cleaned_up(visit: Rows, following: Rows, pipelines: Pipelines) -> Array:
    """Rejections within one business day after the job left the open state."""
    cleaned = np.zeros(len(visit["at"]), bool)
    rejected = np.flatnonzero(following["type"] == _REJECTED)
    job, at = visit["job"][rejected], following["at"][rejected]
    closed = pipelines.left_open_before(job, at)
    known = closed != NEVER
    job, at, closed = job[known], at[known], closed[known]
    cleaned[rejected[known]] = pipelines.clocks.since(job, seconds(closed), seconds(at)) <= 10_000
    return cleaned


def _entry_gaps(visit: Rows, clocks: ArrayClocks) -> Array:
    gap = np.zeros(len(visit["at"]))
    bounded = np.flatnonzero(visit["precision"] == BOUNDED)
    since, until = visit["seen_from"][bounded], visit["seen_until"][bounded]
    told = ~(np.isnan(since) | np.isnan(until))
    gap[bounded] = np.inf
    seen = bounded[told]
    gap[seen] = clocks.between(visit["job"][seen], since[told], until[told]) * 86_400
    return gap


def seconds(at: Array) -> Array:
    """Since 1970, in the double precision that PostgreSQL gives."""
    since: Array = (at - EPOCH_1970) / 1e6
    return since


def _starts(application: Array) -> Array:
    return np.append(True, application[1:] != application[:-1])[: len(application)]


def _ends(application: Array) -> Array:
    return np.append(application[1:] != application[:-1], True)[: len(application)]


def _before(values: Array, first: Array, nothing: Any) -> Array:
    """The row above, within the application."""
    shifted = np.roll(values, 1)
    shifted[first] = nothing
    return shifted


def _after(values: Array, last: Array, nothing: Any) -> Array:
    shifted = np.roll(values, -1)
    shifted[last] = nothing
    return shifted


def _carried(job: Array, first: Array) -> Array:
    """The last job named so far in the application."""
    row = np.arange(len(job))
    named = np.maximum.accumulate(np.where((job != 0) | first, row, 0))
    carried: Array = job[named]
    return carried


def _numbered(counted: Array, first: Array) -> Array:
    """The how-manieth of those counted each row is, within its application."""
    so_far = np.cumsum(counted)
    begins = np.flatnonzero(first)
    before = (so_far - counted)[begins]
    numbered: Array = so_far - np.repeat(before, np.diff(np.append(begins, len(counted))))
    return numbered
