"""What has become of the applications that came through a job's stages (M07, M08, M09, M23). Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from analytics.heatmap import Window
from analytics.models import ExitKind
from analytics.observed import Seen
from analytics.samples import Counts

#: Ends after which an application is still in the process: parked, or gone somewhere we do not see.
UNDECIDED = frozenset({None, ExitKind.ON_HOLD.value, ExitKind.GAP.value, ExitKind.UNKNOWN.value})


@dataclass(frozen=True, slots=True)
class Way:
    """One application's visits in a job by ``as_of``, in order."""

    visits: Sequence[Seen]
    as_of: datetime

    @property
    def last_end(self) -> str | None:
        return self.visits[-1].ending(self.as_of)

    def first(self, stage_id: int) -> Seen | None:
        return next((seen for seen in self.visits if seen.stage_id == stage_id), None)

    def times(self, stage_id: int) -> int:
        return sum(seen.stage_id == stage_id for seen in self.visits)

    def advanced_beyond(self, seen: Seen, place: int | None, places: Mapping[int, int | None]) -> bool:
        """Since in a stage of a higher place, or hired."""
        later = [other for other in self.visits if other.n > seen.n]
        higher = (places.get(other.stage_id) for other in later)
        if place is not None and any(other is not None and other > place for other in higher):
            return True
        return any(other.ending(self.as_of) == ExitKind.HIRED for other in [seen, *later])

    def reached(self, place: int, places: Mapping[int, int | None]) -> bool:
        found = (places.get(seen.stage_id) for seen in self.visits)
        return any(other is not None and other >= place for other in found)

    @property
    def hired(self) -> bool:
        return self.last_end == ExitKind.HIRED


def ways_of(visits: Iterable[Seen], as_of: datetime) -> dict[int, Way]:
    """By application; visits that had not begun by ``as_of`` are unknown."""
    found: dict[int, list[Seen]] = defaultdict(list)
    for seen in visits:
        if seen.entered_at <= as_of:
            found[seen.application_id].append(seen)
    return {key: Way(sorted(own, key=lambda seen: seen.n), as_of) for key, own in found.items()}


@dataclass(slots=True)
class StageFunnel:
    """M07 to M09 of one stage."""

    stage_id: int
    #: what has become of each application that first entered in the window, and why others are not among them
    fates: dict[int, str] = field(default_factory=dict)
    others: dict[int, str] = field(default_factory=dict)
    #: who first entered in the window and came again
    came_again: set[int] = field(default_factory=set)
    #: who passed the stage without a visit, of those whose way began in the window
    skipped: set[int] = field(default_factory=set)
    #: visits begun in the window that ended
    ended: list[Seen] = field(default_factory=list)

    @property
    def moved_back(self) -> int:
        return sum(seen.exit_kind == ExitKind.MOVED_BACK for seen in self.ended)

    def count(self, fate: str) -> int:
        return sum(told == fate for told in self.fates.values())

    @property
    def counts(self) -> Counts:
        return Counts(
            first_entries=len(self.fates),
            advanced=self.count("advanced"),
            undecided=self.count("undecided"),
            rejected=self.count("rejected"),
            withdrawn=self.count("withdrawn"),
        )


def funnel(ways: Mapping[int, Way], stages: Mapping[int, int | None], window: Window, as_of: datetime) -> dict[int, StageFunnel]:
    """Per stage; ``stages`` gives each stage's place in the pipeline."""
    return {stage_id: _of_stage(stage_id, place, ways, stages, window, as_of) for stage_id, place in stages.items()}


def _of_stage(
    stage_id: int, place: int | None, ways: Mapping[int, Way], places: Mapping[int, int | None], window: Window, as_of: datetime
) -> StageFunnel:
    found = StageFunnel(stage_id)
    for application_id, way in ways.items():
        first = way.first(stage_id)
        if first is None:
            began = way.visits[0].entered_at
            passed = place is not None and (way.hired or way.reached(place + 1, places))
            if passed and within(began, window):
                found.skipped.add(application_id)
            found.others[application_id] = "never_entered" if not passed else "skipped"
            continue
        if within(first.entered_at, window):
            found.fates[application_id] = fate_of(way, first, place, places)
            if way.times(stage_id) > 1:
                found.came_again.add(application_id)
        else:
            found.others[application_id] = (
                "first_entered_before_window" if first.entered_at < window.since else "first_entered_after_window"
            )
        found.ended += [seen for seen in way.visits if seen.stage_id == stage_id and within(seen.entered_at, window) and seen.ended(as_of)]
    return found


def fate_of(way: Way, first: Seen, place: int | None, places: Mapping[int, int | None]) -> str:
    if way.advanced_beyond(first, place, places):
        return "advanced"
    if way.last_end in UNDECIDED:
        return "undecided"
    return way.last_end if way.last_end in {"rejected", "withdrawn"} else "other"


def within(moment: datetime, window: Window) -> bool:
    return window.since <= moment < window.until
