"""What happens to tasks because time passes: hand-overs while people are away, and the escalation ladder.

Both take what is due by an index and nothing else, lock it (skipping what somebody has at hand), and may be called
0, 1 or 5 times for the same moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import Organization, User
from ats.models import Job
from config import flow
from connectors import batches
from issues.detection import calendar_of
from issues.models import Issue
from triggers import outbox, trail
from triggers.models import Absence, Task, TaskChange
from triggers.playbook import Play, next_rung_at
from triggers.services import play_of
from triggers.staffing import staff_of

#: tasks changed in one transaction
AT_ONCE = 500
#: a rung that could not be climbed (the data is stale) is looked at again after this
LATER = timedelta(minutes=30)

UNFINISHED = ("open", "in_progress")


@transaction.atomic
def hand_over(organization: Organization, now: datetime) -> int:
    """Give what absent people have on their desks to who stands in for them. Returns how many tasks changed hands.

    Only what comes due before they are back: the rest can wait for them, and mostly would not thank for a stranger.
    """
    staff = staff_of(organization, now)
    moved: list[tuple[Task, User | None]] = []
    for person_id, absence in sorted(staff.away.items()):
        back = datetime.combine(absence.last_day + timedelta(days=1), time.min, tzinfo=ZoneInfo(organization.time_zone))
        desk = Task.objects.filter(organization=organization, assignee=person_id, status__in=UNFINISHED)
        for task in _locked(desk.filter(Q(due_at=None) | Q(due_at__lt=back))):
            stand_in = staff.stand_in(person_id, task.role, job_id=task.issue.job_id)
            if stand_in != person_id:
                moved.append((task, task.assignee))
                task.assignee_id = stand_in
    return _save(organization, moved, TaskChange.What.HANDED_OVER, now)


@transaction.atomic
def escalate(organization: Organization, now: datetime) -> int:
    """Climb the rungs that are due: of tasks nobody has ended, whose issue is open and whose data is fresh.

    An issue somebody acknowledged or snoozed has been answered, so its task stays where it is; should it open again, the
    rung is due at once. Several missed rungs are climbed together, to the highest. Returns how many tasks climbed.
    """
    due = Task.objects.filter(organization=organization, status__in=UNFINISHED, escalate_at__lte=now, issue__status=Issue.Status.OPEN)
    tasks = _locked(due.select_related("rule"))
    if not tasks:
        return 0
    stale = _stale(tasks, now)
    plays = _plays(tasks)
    staff, calendar = staff_of(organization, now), calendar_of(organization, now)
    moved: list[tuple[Task, User | None]] = []
    told: list[tuple[Task, int]] = []
    for task in tasks:
        if task.pk in stale:
            # it may have been done in the ATS meanwhile: no data is no reason to nag
            task.escalate_at = now + LATER
            continue
        ladder = plays[task.rule_id].ladder if task.rule_id in plays else ()
        rung = None
        while (at := next_rung_at(ladder, level=task.level, opened_at=task.created_at, calendar=calendar)) and at <= now:
            rung, task.level = ladder[task.level], task.level + 1
        task.escalate_at = at
        if rung is None:
            continue
        person = staff.person_for(rung.role, job_id=task.issue.job_id, lead=task.issue.job.hiring_lead if task.issue.job else "")
        if person is None:
            continue
        if rung.hand_over and task.status == Task.Status.OPEN and person != task.assignee_id:
            moved.append((task, task.assignee))
            task.assignee_id, task.role = person, rung.role
        else:
            told.append((task, person))
    Task.objects.bulk_update(tasks, ["level", "escalate_at", "role"], batch_size=AT_ONCE)
    people = User.objects.in_bulk([person for _, person in told])
    TaskChange.objects.bulk_create(
        trail.moved(task, TaskChange.What.ESCALATED, before=None, after=people[person], at=now) for task, person in told
    )
    outbox.announce(organization, told, now=now)
    return _save(organization, moved, TaskChange.What.ESCALATED, now) + len(told)


def organizations_with_work(now: datetime) -> QuerySet[Organization]:
    """Where a rung may be due or somebody is away today (in any zone)."""
    today = now.date()
    away = Absence.objects.filter(first_day__lte=today + timedelta(days=1), last_day__gte=today - timedelta(days=1))
    due = Task.objects.filter(status__in=UNFINISHED, escalate_at__lte=now)
    return Organization.objects.filter(
        Q(pk__in=away.order_by().values("organization")) | Q(pk__in=due.order_by().values("organization"))
    ).order_by("pk")


def _locked(tasks: QuerySet[Task]) -> list[Task]:
    wanted = tasks.select_related("issue__job", "assignee").order_by("pk").select_for_update(skip_locked=True, of=("self",))
    return list(wanted[:AT_ONCE])


def _stale(tasks: Iterable[Task], now: datetime) -> set[int]:
    """Tasks about a job whose connector has not brought fresh data; what no job is behind is never stale."""
    jobs = {task.issue.job_id for task in tasks if task.issue.job_id is not None}
    fresh = set(Job.objects.filter(pk__in=jobs, connector__fresh_at__gte=now - settings.STALE_AFTER).values_list("pk", flat=True))
    return {task.pk for task in tasks if task.issue.job_id is not None and task.issue.job_id not in fresh}


def _plays(tasks: Iterable[Task]) -> dict[int | None, Play]:
    rules = {task.rule_id: task.rule for task in tasks if task.rule is not None}
    return {pk: play_of(rule) for pk, rule in rules.items()}


def _save(organization: Organization, moved: list[tuple[Task, User | None]], what: TaskChange.What, now: datetime) -> int:
    """Write tasks that changed hands, their trail, and tell the screens of their jobs."""
    if not moved:
        return 0
    people = User.objects.in_bulk({task.assignee_id for task, _ in moved if task.assignee_id})
    for task, _ in moved:
        task.version += 1
    Task.objects.bulk_update([task for task, _ in moved], ["assignee", "version"], batch_size=AT_ONCE)
    TaskChange.objects.bulk_create(
        trail.moved(task, what, before=before, after=people.get(task.assignee_id or 0), at=now) for task, before in moved
    )
    outbox.announce(organization, [(task, task.assignee_id) for task, _ in moved], now=now)
    jobs = sorted({task.issue.job_id for task, _ in moved if task.issue.job_id is not None})
    batches.start(organization_id=organization.pk, step=flow.PUSH, job_ids=jobs)
    return len(moved)
