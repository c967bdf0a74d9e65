"""Behind the numbers of a heatmap cell: the visits (or applications) counted, and those left out with a reason each.

Every list holds all visits of the cell, either counted or left out, so that a number can be recomputed from its list
alone. Which list is behind which number stands in ``LISTS``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from analytics.bands import Yardstick
from analytics.calendars import BEGINNING, JobClock, JobClocks
from analytics.cells import Question, stage_ref
from analytics.clocks import cd
from analytics.drilldown import measure_of
from analytics.estimators import EXIT_KINDS, Unit
from analytics.funnel import fate_of, ways_of
from analytics.heatmap import Json, Window
from analytics.models import StageVisit
from analytics.observed import PASSED_THROUGH, SEEN_FIELDS, Observer, Seen, bulk_moves, explained
from analytics.samples import BASELINE_DAYS, RECENT_DAYS
from ats.models import CATEGORY_RANK, Job, Stage
from connectors.events import StageCategory

#: The list behind each number of a cell. ``included`` and ``excluded`` themselves are behind p50 and p85.
LISTS: Mapping[str, tuple[str, ...]] = {
    "sample": ("p50", "p85"),
    "open": ("open", "bands", "heat", "oldest_age", "overdue_days"),
    "entered": ("entered",),
    "exited": ("exited",),
    "completed": ("avg_duration_hours",),
    "applications": ("pass_through", "drop_off"),
    "recent": ("delay.p50", "delay.n_exits"),
    # of a wider level: together with those of all cells of the category in the department or organization; of a delay,
    # with those of the other jobs only
    "baseline": ("limit.value", "delay.baseline_p50"),
}


def exactly(question: Question) -> Question:
    """The same question with its numbers computed at its very moment: what is listed and what is told then agree."""
    return replace(question, window=question.span)


def explain_cells(cells: Mapping[int, Sequence[Json]], jobs: Sequence[Job], question: Question) -> None:
    """Put ``explain`` into each cell; ``cells`` by job. Within ``past.as_known`` for a question about the past."""
    visits: dict[int, list[Seen]] = defaultdict(list)
    rows = StageVisit.objects.order_by().filter(job__in=[job.pk for job in jobs])
    for job_id, *seen in rows.values_list("job_id", *SEEN_FIELDS):
        visits[job_id].append(Seen(*seen))
    earliest = min((seen.entered_at for own in visits.values() for seen in own), default=question.as_of)
    clocks = JobClocks(jobs, question.as_of, max(earliest, BEGINNING), known_by=question.known_by)
    stages = {stage.pk: stage for stage in Stage.objects.filter(connector__in={job.connector_id for job in jobs})}
    for job in jobs:
        explainer = Explainer(job, question, clocks.of(job), visits[job.pk], stages)
        for cell in cells.get(job.pk, ()):
            cell["explain"] = explainer.of(cell["stage"]["id"])


@dataclass(slots=True)
class Explainer:
    """Explains the cells of one job."""

    job: Job
    question: Question
    clock: JobClock
    visits: Sequence[Seen]
    stages: Mapping[int, Stage]

    def of(self, stage_id: int | str) -> Json:
        """``stage_id``: a stage's id, or a category, whose stages are one cell."""
        own = (stage for stage in self.stages.values() if stage.connector_id == self.job.connector_id)
        chosen = [stage for stage in own if stage_id in (stage.pk, stage.category)]
        ids = {stage.pk for stage in chosen}
        here = sorted((seen for seen in self.visits if seen.stage_id in ids), key=lambda seen: (seen.entered_at, seen.visit_id))
        question = self.question
        window, bulk = question.span, bulk_moves(self.visits, question.as_of)
        sample = Observer(window, question.as_of, str(question.clock), self.clock).observe(here)
        lists = {
            **explained(sample, question.as_of),
            "open": self._open(here, chosen),
            "entered": self._parted(here, lambda seen: _outside("entered", seen.entered_at, window)),
            "exited": self._parted(here, lambda seen: _outside("left", seen.left_at, window) if seen.is_over else "still_there"),
            "completed": self._completed(here, window),
            "applications": self._applications(ids, self._place(stage_id)),
            "recent": self._lately(here, RECENT_DAYS),
            "baseline": self._lately(here, BASELINE_DAYS),
        }
        for told in (one for listed in (lists, *lists.values()) if isinstance(listed, dict) for one in listed.get("included", ())):
            if told.get("visit") in bulk:
                told["bulk"] = True
        return lists

    def _lately(self, here: Sequence[Seen], days: int) -> Json:
        """In business days, whatever the question's clock and window."""
        as_of = self.question.as_of
        return explained(Observer(Window.of_days(days, as_of), as_of, Unit.BUSINESS_DAYS, self.clock).observe(here), as_of)

    def _place(self, stage_id: int | str) -> int | None:
        """Beyond it somebody has advanced; a category ends where the next one begins."""
        if isinstance(stage_id, int):
            return stage_ref(self.stages[stage_id]).order
        category = StageCategory(stage_id)
        return CATEGORY_RANK[category] * 1000 + 999 if category in CATEGORY_RANK else None

    def _open(self, here: Sequence[Seen], stages: Sequence[Stage]) -> Json:
        open_here = [seen for seen in here if not seen.is_over]
        measure: Yardstick | None = measure_of(self.job, stages, self.question) if open_here else None
        ages = self.clock.bd([seen.entered_at for seen in open_here], self.question.as_of)
        included = []
        for seen, age in zip(open_here, ages, strict=True):
            assert measure is not None
            told = {"age": age, "band": str(measure.thresholds.band(age)), "entry_precision": seen.entry_precision, "taken_as": "open"}
            included.append(_named(seen) | told | {"age_cd": round(cd(seen.entered_at, self.question.as_of), 4)})
        return {"included": included, "excluded": [_named(seen) | {"reason": "left"} for seen in here if seen.is_over]}

    def _completed(self, here: Sequence[Seen], window: Window) -> Json:
        def why(seen: Seen) -> str | None:
            if (outside := _outside("entered", seen.entered_at, window)) is not None:
                return outside
            if not seen.is_over:
                return "still_there"
            if seen.exit_kind not in EXIT_KINDS:
                return "no_exit"
            return "under_a_minute" if seen.until(self.question.as_of) - seen.entered_at < PASSED_THROUGH else None

        listed = self._parted(here, why)
        for told in listed["included"]:
            told["days"] = (told["left_at"] - told["entered_at"]) / timedelta(days=1)
        return listed

    def _applications(self, ids: set[int], place: int | None) -> Json:
        """What became of whom, since their first entry to the cell lay in the window (M07, M08)."""
        places = {pk: stage_ref(stage).order for pk, stage in self.stages.items()}
        included, excluded = [], []
        for application_id, way in sorted(ways_of(self.visits, self.question.as_of).items()):
            first = next((seen for seen in way.visits if seen.stage_id in ids), None)
            if first is None:
                continue
            told: Json = {"application": application_id, "visit": first.visit_id, "entered_at": first.entered_at}
            reason = _outside("first_entered", first.entered_at, self.question.span)
            if reason is None:
                included.append(told | {"taken_as": fate_of(way, first, place, places), "exit_kind": way.last_end})
            else:
                excluded.append(told | {"reason": reason})
        return {"included": included, "excluded": excluded}

    def _parted(self, here: Iterable[Seen], why: Callable[[Seen], str | None]) -> Json:
        listed: Json = {"included": [], "excluded": []}
        for seen in here:
            if (reason := why(seen)) is not None:
                listed["excluded"].append(_named(seen) | {"reason": reason})
            else:
                listed["included"].append(_named(seen) | {"left_at": seen.left_at, "exit_kind": seen.exit_kind})
        return listed


def _outside(what: str, moment: datetime | None, window: Window) -> str | None:
    """Why a moment is not counted in the window."""
    if moment is None or moment >= window.until:
        return f"{what}_after_window"
    return f"{what}_before_window" if moment < window.since else None


def _named(seen: Seen) -> Json:
    return {"application": seen.application_id, "visit": seen.visit_id, "entered_at": seen.entered_at}
