"""What changed beside a job's cells: facts, snapshots, issues and tasks, one by one where they are few.

Updates hold ids; the states are read when they are told. Nothing here names a person: a client that may fetch the
candidate has the id to do so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ats.models import Application, CandidateEvent, Stage
from issues.models import Issue
from realtime import messages
from triggers.models import Task

#: Of one kind and job; beyond it a client is quicker fetching the list.
MOST = 50


@dataclass
class Touched:
    """Ids that the Updates of one subject name, without repetition."""

    applications: set[int] = field(default_factory=set)
    events: set[int] = field(default_factory=set)
    issues: set[int] = field(default_factory=set)
    tasks: set[int] = field(default_factory=set)
    #: nothing that changed is missing from the above
    complete: bool = True

    @classmethod
    def of(cls, payloads: Iterable[Mapping[str, Any]] | None) -> Touched:
        """None: more Updates than were read."""
        if payloads is None:
            return cls(complete=False)
        found = cls()
        for payload in payloads:
            for name in ("applications", "events", "issues", "tasks"):
                getattr(found, name).update(payload.get(name, ()))
            found.complete = found.complete and payload.get("complete", False)
        if max(len(found.applications), len(found.events), len(found.issues), len(found.tasks)) > MOST:
            return cls(complete=False)
        return found


@dataclass(frozen=True)
class Rows:
    """The rows behind all that was touched, by id: four queries for any number of jobs."""

    applications: Mapping[int, Application]
    events: Mapping[int, CandidateEvent]
    issues: Mapping[int, Issue]
    tasks: Mapping[int, Task]


def read(organization_id: int, touched: Collection[Touched]) -> Rows:
    def ids(name: str) -> set[int]:
        return set().union(*(getattr(one, name) for one in touched))

    def found(rows: Any, name: str) -> Any:
        wanted = ids(name)
        return rows.filter(organization=organization_id).in_bulk(wanted) if wanted else {}

    return Rows(
        applications=found(Application.objects.select_related("current_stage"), "applications"),
        events=found(CandidateEvent.objects.select_related("stage_from", "stage_to"), "events"),
        issues=found(Issue.objects.select_related("stage"), "issues"),
        tasks=found(Task.objects.all(), "tasks"),
    )


def told(rows: Rows, touched: Touched, *, organization: int, job: int | None, update: int) -> Iterator[messages.Detail]:
    """At most one message of each kind, oldest ids first."""
    head: dict[str, Any] = {"organization": organization, "job": job, "update": update}
    if events := _of(rows.events, touched.events):
        yield messages.EventsRecorded(**head, events=[_event(one) for one in events])
    if applications := _of(rows.applications, touched.applications):
        yield messages.SnapshotsChanged(**head, applications=[_snapshot(one) for one in applications])
    if issues := _of(rows.issues, touched.issues):
        yield messages.IssuesChanged(**head, issues=[_issue(one) for one in issues])
    if tasks := _of(rows.tasks, touched.tasks):
        yield messages.TasksChanged(**head, tasks=[_task(one) for one in tasks])


def _of(rows: Mapping[int, Any], ids: set[int]) -> Sequence[Any]:
    return [rows[one] for one in sorted(ids) if one in rows]


def _stage(stage: Stage | None) -> messages.StageRef | None:
    return None if stage is None else messages.StageRef(id=stage.pk, name=str(stage), category=stage.category)


def _event(event: CandidateEvent) -> messages.RecordedEvent:
    return messages.RecordedEvent(
        id=event.pk,
        event_type=event.event_type,
        application=event.application_id,
        stage_from=_stage(event.stage_from),
        stage_to=_stage(event.stage_to),
        timestamp=event.occurred_at,
        recorded_at=event.recorded_at,
        precision=event.precision,
    )


def _snapshot(application: Application) -> messages.Snapshot:
    return messages.Snapshot(
        application=application.pk,
        candidate=application.candidate_id,
        status=application.status,
        current_stage=_stage(application.current_stage),
        applied_at=application.applied_at,
        last_event_at=application.last_event_at,
        last_activity_at=application.last_activity_at,
    )


def _issue(issue: Issue) -> messages.IssueState:
    return messages.IssueState(
        id=issue.pk,
        issue_type=issue.issue_type,
        status=issue.status,
        severity=issue.severity,
        score=issue.score,
        sentence=issue.sentence,
        application=issue.application_id,
        stage=_stage(issue.stage),
        detected_at=issue.detected_at,
        snoozed_until=issue.snoozed_until,
        resolved_at=issue.resolved_at,
        version=issue.version,
    )


def _task(task: Task) -> messages.TaskState:
    return messages.TaskState(
        id=task.pk,
        issue=task.issue_id,
        status=task.status,
        priority=task.priority,
        assignee=task.assignee_id,
        due_at=task.due_at,
        ended_at=task.ended_at,
        version=task.version,
    )
