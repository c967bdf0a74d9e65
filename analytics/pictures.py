"""What a job's page draws: curves with the people still waiting, their ages, the weekly coming and going.

Read at one moment and through the same rules as the numbers beside them, so that a picture never contradicts its table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from analytics import baselines
from analytics.baselines import Circle, Peers
from analytics.calendars import BEGINNING, JobClocks
from analytics.cells import CellReader, Question, canonical, stage_ref
from analytics.clocks import cd
from analytics.estimators import Curve, Estimate, Unit, estimate_quantile
from analytics.funnel import Way
from analytics.heatmap import Json, StageRef
from analytics.job_facts import facts_of, visits_of
from analytics.observed import Observation, Observer, Seen, curve_of
from analytics.past import as_known
from analytics.selectors import job_dict
from analytics.stats import Facts, statistics
from ats.models import CATEGORY_RANK, Job, Stage

BD = Unit.BUSINESS_DAYS
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class StageCurve:
    """How long stays in a stage take: the share still there after t days. ``waiting``: so far, of those still in it."""

    stage: StageRef
    curve: Curve
    median: Estimate
    #: ages of the sample's open visits, on the curve's clock
    waiting: Sequence[float]


@dataclass(frozen=True, slots=True)
class Aged:
    """Somebody waiting now: business days in the stage, and the band that makes."""

    application_id: int
    age: float
    band: str


@dataclass(frozen=True, slots=True)
class StageAges:
    """Everybody waiting in a stage, oldest first, beside its limit in business days."""

    stage: StageRef
    limit: float
    people: Sequence[Aged]


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days of the window: applications that came into the job, and those that left it for good."""

    since: datetime
    until: datetime
    arrivals: int
    exits: int


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything the page of a job shows of one question."""

    job: Json
    stats: Json
    curves: Sequence[StageCurve]
    ages: Sequence[StageAges]
    weeks: Sequence[Week]


def job_picture(*, job: Job, question: Question) -> Picture:
    """Statistics and what is drawn beside them, from one reading of the job."""
    with as_known(question.known_by, [job.organization_id]):
        facts = facts_of(job, question)
    return Picture(job=job_dict(job), stats=statistics(facts), curves=curves(facts), ages=ages(facts), weeks=weeks(facts))


def curves(facts: Facts) -> list[StageCurve]:
    """Per stage with at least one visit in its sample."""
    observer = Observer(facts.window, facts.as_of, facts.clock, facts.job_clock)
    found = []
    for ref in facts.stages:
        observations = observer.observe(seen for seen in facts.visits if seen.stage_id == ref.id)
        curve = curve_of(observations)
        if curve.n:
            waiting = [one.stay.days for one in observations if one.stay is not None and one.stay.exit_kind is None]
            found.append(StageCurve(ref, curve, estimate_quantile(curve, 0.5, Unit(facts.clock)), sorted(waiting)))
    return found


def ages(facts: Facts) -> list[StageAges]:
    """Per stage, also where nobody waits."""
    found = []
    for ref in facts.stages:
        numbers = facts.cells.get(ref.id)
        if numbers is None:
            continue
        here = [seen for seen in facts.visits if seen.stage_id == ref.id and not seen.is_over]
        days = facts.job_clock.bd([seen.entered_at for seen in here], facts.as_of)
        measure = numbers.measure
        people = [Aged(seen.application_id, age, str(measure.thresholds.band(age))) for seen, age in zip(here, days, strict=True)]
        found.append(StageAges(ref, measure.limit.value, sorted(people, key=lambda one: (-one.age, one.application_id))))
    return found


def weeks(facts: Facts) -> list[Week]:
    """The window in steps of seven days up to its end; a rest shorter than a week is left out."""
    arrivals, exits = _moments(facts.ways.values(), facts.as_of)
    found: list[Week] = []
    until = min(facts.window.until, facts.as_of)
    while until - WEEK >= facts.window.since:
        since = until - WEEK
        found.append(Week(since, until, *(sum(since <= moment < until for moment in moments) for moments in (arrivals, exits))))
        until = since
    return found[::-1]


def _moments(ways: Iterable[Way], as_of: datetime) -> tuple[list[datetime], list[datetime]]:
    arrivals, exits = [], []
    for way in ways:
        arrivals.append(way.visits[0].entered_at)
        last = way.visits[-1]
        if last.ended(as_of) and last.left_at is not None:
            exits.append(last.left_at)
    return arrivals, exits


# --- why a number is what it is ------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Counted:
    """A visit behind a cell's durations on both clocks, or left out for a reason."""

    application_id: int
    entered_at: datetime
    left_at: datetime | None
    bd: float
    cd: float
    #: exit, open or cut_off; empty where it was left out
    taken_as: str
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """One cell on both clocks, with the visits behind its durations, longest first."""

    cells: Mapping[str, Json]
    included: Sequence[Counted]
    excluded: Sequence[Counted]
    #: how many were left out, by reason
    reasons: Mapping[str, int]


def cell_explained(job: Job, stages: Sequence[Stage], question: Question) -> Explanation:
    """Of the cell these stages make: one stage's own, or a canonical stage's where there are several."""
    group: Callable[[Stage], StageRef] = stage_ref if len(stages) == 1 else canonical
    wanted = group(stages[0])
    with as_known(question.known_by, [job.organization_id]):
        cells = {str(unit): _cell(job, replace(question, clock=str(unit)), group, wanted) for unit in (BD, Unit.CALENDAR_DAYS)}
        visits = visits_of(job, question, stage_ids=[stage.pk for stage in stages])
        earliest = max(min((seen.entered_at for seen in visits), default=question.as_of), BEGINNING)
        clock = JobClocks([job], question.as_of, earliest, known_by=question.known_by).of(job)
    observer = Observer(question.span, question.as_of, BD, clock)
    told = [_counted(one, observer, question.as_of) for one in observer.observe(visits)]
    longest = sorted(told, key=lambda one: (-one.bd, one.application_id))
    excluded = [one for one in longest if one.reason]
    return Explanation(cells, [one for one in longest if not one.reason], excluded, Counter(one.reason for one in excluded))


def _cell(job: Job, question: Question, group: Callable[[Stage], StageRef], wanted: StageRef) -> Json:
    cells = CellReader([job], question).read(group, columns=[wanted])[job.pk]
    return next(cell for cell in cells if cell["stage"]["id"] == wanted.id)


def _counted(one: Observation, observer: Observer, as_of: datetime) -> Counted:
    seen: Seen = one.seen
    told = one.as_dict(as_of)
    return Counted(
        application_id=seen.application_id,
        entered_at=seen.entered_at,
        left_at=told["left_at"],
        bd=observer.days(seen),
        cd=cd(seen.entered_at, seen.until(as_of)),
        taken_as=str(told.get("taken_as", "")),
        reason=str(told.get("reason", "")),
    )


# --- what is usual -------------------------------------------------------------------------------------
def usual_by_category(organization_id: int, question: Question) -> dict[str, Estimate]:
    """Per canonical stage the organization's baseline median (180 days, business days) at the question's moment."""
    circles: list[Circle] = [(organization_id, None, category.value) for category in CATEGORY_RANK]
    if question.live:
        known = baselines.kept_circles([organization_id])
    else:
        with as_known(question.known_by, [organization_id]):
            peers = Peers.of([organization_id])
            known = baselines.circles_at(circles, peers, question.as_of, known_by=question.known_by)
    return {circle[2]: known[circle].median(BD) for circle in circles if circle in known and known[circle].n}
