"""Stages of jobs as the rules see them: their limits, kept for the due queue, and what is wrong with a stage as a whole.

A cell is looked at when somebody came or left, when a limit may have changed, when its own moment has come, and once an
hour while people wait in it, for percentiles move with time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from accounts.models import Organization
from analytics import baselines
from analytics.baselines import BD, Targets, measure_with
from analytics.clocks import earliest_possible
from analytics.models import EXITS, StageMetric, StageTarget
from analytics.numbers import kept_others, kept_own, kept_recent
from analytics.samples import NO_SUMMARY
from ats.models import Job, Stage
from config import bulk, sql
from issues.detection import Clocks, rule_book, within
from issues.findings import CellFacts, Limit, LimitSource
from issues.models import CellWatch, RuleInputs
from issues.rules import RULES
from issues.rules.data_quality import BULK_CHANGE, TOLD_FOR
from issues.thresholds import DEFAULTS, RuleBook

#: cells judged in one transaction
CELLS_AT_ONCE = 1_000
#: cells with people are looked at again after this
LOOK_AGAIN = timedelta(hours=1)
#: and empty ones: an event brings them back at once
LOOK_AT_EMPTY = timedelta(days=30)
#: calendar days for a rule that is switched off: further than anybody waits
NEVER = 36_500

PICKED = "job_id bigint, stage_id bigint, primary key (job_id, stage_id)"
CHANGED = "job_id bigint, stage_id bigint, idle_days int, stuck_days int, primary key (job_id, stage_id)"

Cell = tuple[int, int]


def calendar_days(business_days: float) -> int:
    """Whole calendar days that surely pass before so many business days are over, in any calendar."""
    origin = timezone.now()
    return min(max((earliest_possible(origin, business_days) - origin).days, 0), NEVER)


DEFAULT_IDLE = calendar_days(DEFAULTS["idle_candidate"].business_days or 0.0)
#: of the strictest limit there is by default
DEFAULT_STUCK = 0


def keep_cells(cursor: CursorWrapper, organization: Organization, now: datetime) -> None:
    """The cells of the ``touched`` applications: new ones get their limits, known ones are looked at in the next sweep."""
    sql.temporary_table(cursor, "touched_cell", PICKED)
    sql.run(cursor, "issues", "touched_cells")
    cursor.execute(
        """select t.job_id, t.stage_id from touched_cell t
           where not exists (select 1 from issues_cellwatch c where c.job_id = t.job_id and c.stage_id = t.stage_id offset 0)
           order by 1, 2"""
    )
    if missing := cursor.fetchall():
        CellWatch.objects.bulk_create(resolve(organization, missing, rule_book(organization.pk), now), ignore_conflicts=True)
    # whoever holds the row is making it due as well, or is looking at it this moment
    cursor.execute(
        """update issues_cellwatch c set due_at = %(now)s
           from (select k.id from touched_cell t
                 cross join lateral (select id from issues_cellwatch k
                                     where k.job_id = t.job_id and k.stage_id = t.stage_id and k.due_at > %(now)s
                                     for update skip locked) k offset 0) k
           where c.id = k.id""",
        {"now": now},
    )


def resolve(organization: Organization, cells: Sequence[Cell], book: RuleBook, now: datetime) -> list[CellWatch]:
    """Limits of cells as they are now: asked for, learnt, or the default; due at once. Unsaved."""
    jobs = Job.objects.in_bulk({job_id for job_id, _ in cells})
    stages = Stage.objects.in_bulk({stage_id for _, stage_id in cells})
    metrics = {
        (row.job_id, row.stage_id): row for row in StageMetric.objects.filter(job_id__in=list(jobs), stage_id__in=list(stages)).order_by()
    }
    targets, circles = Targets.of([organization.pk]), baselines.kept_circles([organization.pk])
    found = []
    for job_id, stage_id in cells:
        job, stage = jobs.get(job_id), stages.get(stage_id)
        if job is None or stage is None:
            continue
        row = metrics.get((job_id, stage_id))
        usual = baselines.nearest(kept_own(row) if row else None, job, stage.category, circles)
        limit = measure_with(usual, stage.category, targets.target(job, [stage_id], stage.category)).limit
        found.append(_watch(organization.pk, job, stage_id, limit, book, now))
    return found


def _watch(organization_id: int, job: Job, stage_id: int, limit: Limit, book: RuleBook, now: datetime) -> CellWatch:
    thresholds = {rule.name: book.of(rule.name, job.pk, stage_id) for rule in RULES}
    idle, stuck = thresholds["idle_candidate"], thresholds["stuck"]
    stuck_after = stuck.factor * (limit.value if stuck.business_days is None else stuck.business_days)
    return CellWatch(
        organization_id=organization_id,
        connector_id=job.connector_id,
        job_id=job.pk,
        stage_id=stage_id,
        due_at=now,
        idle_days=calendar_days(idle.business_days or 0.0) if idle.enabled else NEVER,
        stuck_days=calendar_days(stuck_after) if stuck.enabled else NEVER,
        limit_days=limit.value,
        limit_source=str(limit.source),
        limit_n=limit.n,
        mark=md5(repr((limit, thresholds)).encode(), usedforsecurity=False).hexdigest(),
    )


def notice_new_inputs(cursor: CursorWrapper, organization_id: int, now: datetime) -> bool:
    """Targets or settings were edited: every cell of the organization is looked at in the next sweep. One statement."""
    targets = StageTarget.objects.filter(organization=organization_id).order_by("pk").values_list()
    mark = md5(repr((list(targets), rule_book(organization_id).as_told())).encode(), usedforsecurity=False).hexdigest()
    known = RuleInputs.objects.filter(organization=organization_id).values_list("mark", flat=True).first()
    if known == mark:
        return False
    RuleInputs.objects.update_or_create(organization_id=organization_id, defaults={"mark": mark})
    if known is not None:
        cursor.execute(
            """update issues_cellwatch c set due_at = %(now)s
               from (select id from issues_cellwatch where organization_id = %(organization)s and due_at > %(now)s order by id for update) k
               where c.id = k.id""",
            {"now": now, "organization": organization_id},
        )
    return True


@dataclass(slots=True)
class DueCells:
    """Cells picked from the queue, with what the rules may see of them."""

    watches: dict[Cell, CellWatch] = field(default_factory=dict)
    facts: list[CellFacts] = field(default_factory=list)
    more: bool = False


def take_due(cursor: CursorWrapper, organization: Organization, connector_id: int, now: datetime, book: RuleBook) -> DueCells:
    """Lock the cells of a connector that are due and bring their limits up to date."""
    rows = list(
        CellWatch.objects.select_for_update(skip_locked=True)
        .filter(connector_id=connector_id, due_at__lte=now)
        .order_by("due_at", "pk")[:CELLS_AT_ONCE]
    )
    due = DueCells(watches={(row.job_id, row.stage_id): row for row in rows}, more=len(rows) == CELLS_AT_ONCE)
    if rows:
        _update_limits(cursor, organization, due, book, now)
        due.facts = _read(cursor, organization, due, book, now)
    return due


def _update_limits(cursor: CursorWrapper, organization: Organization, due: DueCells, book: RuleBook, now: datetime) -> None:
    fields = ("idle_days", "stuck_days", "limit_days", "limit_source", "limit_n", "mark")
    changed = []
    for fresh in resolve(organization, sorted(due.watches), book, now):
        known = due.watches[fresh.job_id, fresh.stage_id]
        if known.mark != fresh.mark:
            for name in fields:
                setattr(known, name, getattr(fresh, name))
            changed.append(known)
    if not changed:
        return
    bulk.update(changed, fields)
    sql.temporary_table(cursor, "changed_cell", CHANGED)
    rows = [(row.job_id, row.stage_id, row.idle_days, row.stuck_days) for row in changed]
    cursor.execute(
        "insert into changed_cell select * from unnest(%s::bigint[], %s::bigint[], %s::int[], %s::int[])",
        [list(values) for values in zip(*rows, strict=True)],
    )
    sql.run(cursor, "issues", "pull_watches", {"now": now})


def _read(cursor: CursorWrapper, organization: Organization, due: DueCells, book: RuleBook, now: datetime) -> list[CellFacts]:
    sql.temporary_table(cursor, "picked_cell", PICKED)
    wanted = sorted(due.watches)
    cursor.execute(
        "insert into picked_cell select * from unnest(%s::bigint[], %s::bigint[])", [list(ids) for ids in zip(*wanted, strict=True)]
    )
    least = book.least(BULK_CHANGE)
    cursor.execute(sql.text("issues", "cell_facts"), {"exits": list(EXITS), "since": now - TOLD_FOR, "bulk": max(least, 2)})
    rows = cursor.fetchall()
    metrics = StageMetric.objects.in_bulk([row[5] for row in rows if row[5] is not None])
    clocks = Clocks(organization, sorted({row[0] for row in rows}), now)
    people = _people_in_unmapped(cursor, {row[1] for row in rows if row[4] == "unmapped"})
    return [_facts(row, metrics.get(row[5]), due, clocks, book, people, now) for row in rows]


def _people_in_unmapped(cursor: CursorWrapper, stage_ids: Iterable[int]) -> dict[int, int]:
    """People in each of these statuses, over all jobs."""
    cursor.execute(
        """select w.stage_id, coalesce(sum(m.open), 0) from unnest(%s::bigint[]) as s(stage_id)
           cross join lateral (select job_id, stage_id from issues_cellwatch w where w.stage_id = s.stage_id offset 0) w
           cross join lateral (select open from analytics_stagemetric m
                               where m.job_id = w.job_id and m.stage_id = w.stage_id offset 0) m
           group by w.stage_id""",
        [sorted(stage_ids)],
    )
    return {stage_id: int(people) for stage_id, people in cursor.fetchall()}


def _facts(
    row: Sequence[Any], metric: StageMetric | None, due: DueCells, clocks: Clocks, book: RuleBook, people: dict[int, int], now: datetime
) -> CellFacts:
    job_id, stage_id, job_status, name, category, _, open_now, oldest, last_exit_at, bulks = row
    watch, clock = due.watches[job_id, stage_id], clocks.of(job_id)
    others = kept_others([metric]) if metric else None
    return CellFacts(
        as_of=now,
        calendar=clock.calendar,
        holds=clock.holds,
        book=book,
        limit=Limit(value=watch.limit_days, source=LimitSource(watch.limit_source), n=watch.limit_n),
        job_id=job_id,
        job_status=job_status,
        stage_id=stage_id,
        stage_name=name or "an unnamed stage",
        stage_category=category,
        open=open_now,
        recent=(kept_recent(metric) if metric else NO_SUMMARY).median(BD),
        usual=(others.summary if others else NO_SUMMARY).median(BD),
        baseline_level=str(others.level) if others else None,
        recent_n=metric.recent_n if metric else 0,
        last_exit_at=within(last_exit_at, now) if last_exit_at else None,
        oldest_entered_at=within(oldest, now) if oldest else None,
        bulks=tuple((datetime.fromtimestamp(float(minute), UTC), number) for minute, number in bulks or ()),
        people_in_stage=people.get(stage_id, 0),
    )


def rearm(due: DueCells, again: dict[Cell, datetime | None], now: datetime) -> None:
    """When each of the picked cells is looked at next: its rules' moment, within the hour while somebody is there."""
    empty = {(facts.job_id, facts.stage_id) for facts in due.facts if not facts.open and not facts.recent_n}
    for cell, watch in due.watches.items():
        latest = now + (LOOK_AT_EMPTY if cell in empty else LOOK_AGAIN)
        asked = again.get(cell)
        watch.due_at = max(min(asked, latest) if asked else latest, now + timedelta(seconds=1))
    bulk.update(list(due.watches.values()), ["due_at"])
