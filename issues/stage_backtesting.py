"""The past of stages: which issues about a stage of a job as a whole would have opened.

Who was in a stage when is in the visits. A stage's limit, its recent median and what is usual elsewhere are computed as of
each moment at which they are read again (``Span.moments_of_statistics``), from who had come and gone by then.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

from django.db.models import Max, Q

from accounts.models import Organization
from analytics.baselines import BD
from analytics.models import EXITS, StageVisit
from analytics.samples import NO_SUMMARY
from ats.models import Stage
from issues.cell_judging import judge_cell
from issues.detection import Clocks, default_limit, within
from issues.findings import ON_HOLD, CellFacts, fingerprint
from issues.past_limits import Cell, Compared, PastLimits, Statistics
from issues.replaying import Opening, Outcome, Scope, Span, Statuses, Track, statuses_of
from issues.rules.data_quality import BULK_CHANGE, TOLD_FOR
from issues.rules.no_exits import NAME as NO_EXITS
from issues.rules.stage_delay import NAME as STAGE_DELAY
from issues.thresholds import RuleBook

REPLAYED = (STAGE_DELAY, NO_EXITS, BULK_CHANGE)
MINUTE = timedelta(minutes=1)
#: two moves in a minute are the least that can be many at once
LEAST_BULK = 2


@dataclass(slots=True)
class _Cell:
    """Who came to and left a stage of a job, in time order."""

    stays: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    lefts: list[datetime] = field(default_factory=list)
    exits: list[datetime] = field(default_factory=list)
    last_exit_before: datetime | None = None
    minutes: list[datetime] = field(default_factory=list)

    def close(self) -> None:
        self.stays.sort(key=lambda stay: stay[0])
        self.lefts.sort()
        self.exits.sort()
        many = Counter(left.replace(second=0, microsecond=0) for left in self.lefts)
        self.minutes = sorted(minute for minute, people in many.items() if people >= LEAST_BULK)

    def last_exit(self, at: datetime) -> datetime | None:
        known = bisect_right(self.exits, at)
        return self.exits[known - 1] if known else self.last_exit_before

    def bulks(self, at: datetime) -> list[tuple[datetime, int]]:
        recent = self.minutes[bisect_right(self.minutes, at - TOLD_FOR) : bisect_right(self.minutes, at)]
        gone = bisect_right(self.lefts, at)
        return [(minute, min(bisect_left(self.lefts, minute + MINUTE), gone) - bisect_left(self.lefts, minute)) for minute in recent]

    def waiting(self) -> Callable[[datetime], tuple[int, datetime | None]]:
        """A function of ever later moments: how many are there, and since when the longest-waiting is."""
        there: list[tuple[datetime, datetime]] = []
        leaving: list[datetime] = []
        came = 0

        def at(moment: datetime) -> tuple[int, datetime | None]:
            nonlocal came
            while came < len(self.stays) and self.stays[came][0] <= moment:
                entered, left = self.stays[came]
                heappush(there, (entered, left or FOREVER))
                heappush(leaving, left or FOREVER)
                came += 1
            while leaving and leaving[0] <= moment:
                heappop(leaving)
            while there and there[0][1] <= moment:
                heappop(there)
            return len(leaving), there[0][0] if there else None

        return at


FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Stages:
    """Everything the stages' past is replayed with."""

    span: Span
    cells: dict[Cell, _Cell]
    stages: dict[int, Stage]
    clocks: Clocks
    statuses: dict[int, Statuses]
    limits: PastLimits
    moments: list[datetime]
    #: by moment; empty for rules that compare nothing
    compared: dict[datetime, dict[Cell, Compared]]

    def facts(self, cell: Cell, at: datetime, book: RuleBook, open_now: int, oldest: datetime | None) -> CellFacts:
        job_id, stage_id = cell
        stage, clock, past = self.stages[stage_id], self.clocks.of(job_id), self.cells[cell]
        told = self._compared(cell, at)
        usual, last_exit = told.usual, past.last_exit(at)
        return CellFacts(
            as_of=at,
            calendar=clock.calendar,
            holds=clock.holds,
            book=book,
            limit=self.limits.at(cell, at) or default_limit(stage.category),
            job_id=job_id,
            job_status=self.statuses[job_id].at(at),
            stage_id=stage_id,
            stage_name=stage.name or "an unnamed stage",
            stage_category=stage.category,
            open=open_now,
            recent=told.recent.median(BD),
            usual=(usual.summary if usual else NO_SUMMARY).median(BD),
            baseline_level=str(usual.level) if usual else None,
            recent_n=told.recent.n,
            last_exit_at=within(last_exit, at) if last_exit else None,
            oldest_entered_at=within(oldest, at) if oldest else None,
            bulks=tuple(past.bulks(at)),
        )

    def _compared(self, cell: Cell, at: datetime) -> Compared:
        if not self.compared:
            return NOTHING
        return self.compared[self.moments[bisect_right(self.moments, at) - 1]].get(cell, NOTHING)

    def changes(self, cell: Cell) -> list[datetime]:
        """Moments at which something other than time changed, within the span."""
        past = self.cells[cell]
        moments = {self.span.since, *(entered for entered, _ in past.stays), *past.lefts, *self.limits.changes(cell), *self.compared}
        moments |= set(self.statuses[cell[0]].moments)
        return sorted(moment for moment in moments if self.span.since <= moment <= self.span.until)


NOTHING = Compared()


def replay_stages(organization: Organization, rule: str, books: Sequence[RuleBook], span: Span, scope: Scope) -> list[Outcome]:
    """What each way of judging would have opened about stages of the scope."""
    outcomes = [Outcome() for _ in books]
    cells = _read(organization, span, scope)
    statistics = Statistics(organization, cells)
    moments = span.moments_of_statistics()
    jobs = sorted({job for job, _ in cells})
    theatre = _Stages(
        span=span,
        cells=cells,
        stages=Stage.objects.in_bulk({stage for _, stage in cells}),
        clocks=Clocks(organization, jobs, span.until),
        statuses=statuses_of(jobs),
        limits=statistics.limits(moments) if rule == NO_EXITS else PastLimits(),
        moments=moments,
        compared={moment: statistics.compared(moment) for moment in moments} if rule == STAGE_DELAY else {},
    )
    for cell in sorted(cells):
        for book, outcome in zip(books, outcomes, strict=True):
            _replay(theatre, cell, rule, book, Track(span, outcome))
    return outcomes


def _read(organization: Organization, span: Span, scope: Scope) -> dict[Cell, _Cell]:
    cells: dict[Cell, _Cell] = defaultdict(_Cell)
    visits = StageVisit.objects.filter(organization=organization, job__isnull=False, **scope.filters).order_by()
    lately = visits.filter(Q(left_at__gt=span.since - TOLD_FOR) | Q(left_at=None), entered_at__lte=span.until)
    rows = lately.values_list("job_id", "stage_id", "entered_at", "left_at", "exit_kind")
    for job_id, stage_id, entered, left, kind in rows.iterator(chunk_size=10_000):
        cell = cells[job_id, stage_id]
        cell.stays.append((entered, left))
        if left is not None:
            cell.lefts.append(left)
            if kind in EXITS:
                cell.exits.append(left)
    before = visits.filter(left_at__lte=span.since, exit_kind__in=EXITS).values_list("job_id", "stage_id").annotate(last=Max("left_at"))
    for job_id, stage_id, last in before:
        if (job_id, stage_id) in cells:
            cells[job_id, stage_id].last_exit_before = last
    for cell in cells.values():
        cell.close()
    return dict(cells)


def _replay(theatre: _Stages, cell: Cell, rule: str, book: RuleBook, track: Track) -> None:
    """Ask the rule piece by piece, with the hysteresis of what it has said before."""
    calm_since: datetime | None = None
    identity = fingerprint(rule, *cell)
    for facts in _asked(theatre, cell, rule, book):
        if facts.job_status == ON_HOLD:
            track.hide()
            continue
        known = identity in track.open_now
        verdict = judge_cell(facts.with_history(calm_since=calm_since) if known and rule == STAGE_DELAY else facts).get(rule)
        findings = verdict.findings if verdict else []
        opening = {each.fingerprint: Opening(facts.as_of, None, *cell) for each in findings}
        undecided = {identity} if verdict and verdict.undecided else set()
        track.see(facts.as_of, opening, undecided=undecided)
        calm_since = verdict.calm_since if verdict and known and undecided else None


def _asked(theatre: _Stages, cell: Cell, rule: str, book: RuleBook) -> Iterator[CellFacts]:
    """The facts at the first sweep of each piece of the past, and at the sweep after each moment the rule names."""
    span, waiting = theatre.span, theatre.cells[cell].waiting()
    points = theatre.changes(cell)
    for number, begins in enumerate(points):
        ends = points[number + 1] if number + 1 < len(points) else span.until + span.step
        at = span.sweep_at_or_after(begins)
        if at >= ends or at > span.until:
            continue  # no sweep saw this piece
        facts = theatre.facts(cell, at, book, *waiting(at))
        while at < ends and at <= span.until:
            yield facts
            verdict = judge_cell(facts).get(rule)
            if verdict is None or verdict.ask_again_at is None:
                break
            at = max(span.sweep_at_or_after(verdict.ask_again_at), at + span.step)
            facts = replace(facts, as_of=at, bulks=tuple(theatre.cells[cell].bulks(at)))
