"""The machine's writes of tasks. What people do with a task is in ``decisions``."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.utils import timezone

from accounts.models import Membership
from config import sql
from connectors.models import Batch
from issues.detection import calendar_of
from triggers.models import Task, TriggerRule
from triggers.playbook import DEFAULT, Play, Subject, TaskSpec, task_for

#: Issues of these applications that are open and for which nobody has a task or has ended one since they opened. What
#: the machine called obsolete nobody has ended: it may do so a moment after another worker reopened the issue.
WITHOUT_TASK = """
select i.id, i.issue_type, i.severity, i.sentence, i.job_id, coalesce(j.title, ''), coalesce(s.name, '')
from unnest(%(applications)s::bigint[]) as t(application_id)
cross join lateral (select * from issues_issue i where i.application_id = t.application_id and i.status = 'open' offset 0) i
left join lateral (select title from ats_job j where j.id = i.job_id offset 0) j on true
left join lateral (select name from ats_stage s where s.id = i.stage_id offset 0) s on true
where not exists (
    select 1 from triggers_task k where k.issue_id = i.id
      and (k.status in ('open', 'in_progress') or k.status <> 'obsolete' and k.ended_at >= i.opened_at) offset 0)
order by i.id
"""

#: Tasks whose issue went away.
OBSOLETE = """
update triggers_task k set status = 'obsolete', ended_at = %(now)s, version = version + 1
from (select k.id from unnest(%(applications)s::bigint[]) as t(application_id)
      cross join lateral (select id from issues_issue i where i.application_id = t.application_id and i.status = 'resolved' offset 0) i
      cross join lateral (select id from triggers_task k where k.issue_id = i.id and k.status in ('open', 'in_progress') offset 0) k
      order by k.id offset 0) gone
where k.id = gone.id
"""


def open_tasks(batch: Batch) -> None:
    """Step 5: one task for each open issue without one; tasks whose issue resolved are no longer needed."""
    now = timezone.now()
    with connection.cursor() as cursor:
        sql.pin_plans(cursor)
        cursor.execute(OBSOLETE, {"applications": batch.application_ids, "now": now})
        cursor.execute(WITHOUT_TASK, {"applications": batch.application_ids})
        names = ("issue_id", "issue_type", "severity", "sentence", "job_id", "job", "stage")
        subjects = [Subject(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
    if not subjects:
        return
    plays = plays_of(batch.organization_id)
    people = _people(batch.organization_id)
    calendar = calendar_of(batch.organization, now)
    specs = [task_for(subject, plays, people=people, as_of=now, calendar=calendar) for subject in subjects]
    # the partial unique index is the judge: of two who open a task for one issue, one does
    Task.objects.bulk_create([_task(batch.organization_id, spec, now) for spec in specs if spec], batch_size=2000, ignore_conflicts=True)


def plays_of(organization_id: int) -> list[Play]:
    """The organization's enabled rules, most particular first; ``DEFAULT`` where it has none at all."""
    rules = TriggerRule.objects.filter(organization_id=organization_id)
    if not rules.exists():
        return [DEFAULT]
    plays = [
        Play(
            issue_type=rule.issue_type,
            min_severity=rule.min_severity,
            title_template=rule.title_template,
            assignee_role=rule.assignee_role,
            due_in_business_days=rule.due_in_business_days,
        )
        for rule in rules.filter(enabled=True).order_by("pk")
    ]
    return sorted(plays, key=lambda play: play.issue_type == "")


def _people(organization_id: int) -> dict[str, list[int]]:
    people: dict[str, list[int]] = {}
    memberships = Membership.objects.filter(organization_id=organization_id, user__is_active=True).order_by("user_id")
    for role, user_id in memberships.values_list("role", "user_id"):
        people.setdefault(role, []).append(user_id)
    return people


def _task(organization_id: int, spec: TaskSpec, now: datetime) -> Task:
    return Task(
        organization_id=organization_id,
        issue_id=spec.issue_id,
        title=spec.title,
        priority=spec.priority,
        assignee_id=spec.assignee_id,
        due_at=spec.due_at,
        created_at=now,
    )
