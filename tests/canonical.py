"""Everything an organization knows, in words that do not depend on who arrived when: external ids, no row ids.

Two organizations that were told the same facts, however and whenever, must have equal dumps.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from accounts.models import Organization
from analytics import services
from analytics.models import StageMetric, StageVisit
from ats.models import Application, Candidate, CandidateEvent, Job, Stage
from issues.models import Issue
from tests.oracles.visits import Folded, cells
from triggers.models import Task

Dump = dict[str, Any]


def dump(organization: Organization, *, as_of: datetime) -> Dump:
    """Ledger, entities, snapshots, visits, counters, percentiles as of one moment, unresolved issues and their tasks."""
    return {
        "ledger": ledger(organization),
        "jobs": _by_id(Job, organization, "title", "department", "status", "opened_at"),
        "stages": _by_id(Stage, organization, "name", "category", "position"),
        "candidates": _by_id(Candidate, organization, "name", "email", "source", "current_stage__external_id", "last_event_at"),
        "snapshots": snapshots(organization),
        "visits": visits(organization),
        "counters": counters(organization),
        "percentiles": percentiles(organization, as_of),
        "issues": open_issues(organization),
        "tasks": open_tasks(organization),
    }


def differences(one: Dump, other: Dump) -> dict[str, Any]:
    """For a readable failure: per part, what only one of them has."""
    found = {}
    for part, value in one.items():
        if value != other[part]:
            mine, theirs = (each if isinstance(each, dict) else dict.fromkeys(each) for each in (value, other[part]))
            keys = sorted((key for key in {*mine, *theirs} if mine.get(key, "absent") != theirs.get(key, "absent")), key=repr)
            found[part] = [(key, mine.get(key, "absent"), theirs.get(key, "absent")) for key in keys[:5]]
    return found


def ledger(organization: Organization) -> dict[str, tuple[Any, ...]]:
    """Every fact by its key. Without ``recorded_at`` where only our own receipt dates it."""
    return _rows(
        CandidateEvent.objects.filter(organization=organization),
        "provider_event_id", "event_type", "application__external_id", "job__external_id", "stage_from__external_id",
        "stage_to__external_id", "actor_external_id", "actor_name", "occurred_at", "source_recorded_at", "precision", "metadata",
    )  # fmt: skip


def snapshots(organization: Organization) -> dict[str, tuple[Any, ...]]:
    return _by_id(
        Application, organization, "candidate__external_id", "job__external_id", "status", "current_stage__external_id",
        "applied_at", "last_event_at", "last_activity_at",
    )  # fmt: skip


def visits(organization: Organization) -> dict[str, tuple[Any, ...]]:
    """By the key of the event that began them."""
    return _rows(
        StageVisit.objects.filter(organization=organization),
        "entry_event__provider_event_id", "application__external_id", "n", "job__external_id", "stage__external_id", "entered_at",
        "left_at", "exit_kind", "entry_precision", "exit_precision", "entry_gap",
    )  # fmt: skip


def counters(organization: Organization) -> dict[tuple[str, str], tuple[Any, ...]]:
    """By job and stage. A cell nobody was ever in is no cell: a late event may have emptied it."""
    rows = StageMetric.objects.filter(organization=organization).exclude(entered=0, open=0, exited=0)
    found = rows.values_list("job__external_id", "stage__external_id", "open", "entered", "exited", "completed", "completed_seconds")
    return {(job, stage): tuple(numbers) for job, stage, *numbers in found}


def percentiles(organization: Organization, as_of: datetime) -> dict[tuple[str, str], tuple[Any, ...]]:
    """What a refresh of every cell would compute for ``as_of``, to nine digits."""
    with transaction.atomic(), connection.cursor() as cursor:
        services.make_refresh_tables(cursor)
        cursor.execute(
            """insert into refreshed select id, job_id, stage_id, %s, true from analytics_stagemetric
               where organization_id = %s and (open, entered, exited) <> (0, 0, 0)""",
            [as_of, organization.pk],
        )
        services.compute_cells(cursor)
        cursor.execute(
            """select j.external_id, s.external_id, w.entered, w.exited, w.avg_hours, w.oldest, w.first_entries, w.advanced, w.undecided,
                      w.rejected, w.withdrawn, c.n, c.n_exits, c.p50, c.p50_low, c.p50_high, c.p85, c.longest, b.p50, b.p85, o.p85, r.p50
               from refreshed p join ats_job j on j.id = p.job_id join ats_stage s on s.id = p.stage_id
               left join cell_window w on w.cell = p.metric_id * 4
               left join cell_curve c on c.cell = p.metric_id * 4 and c.clock = 'cd'
               left join cell_curve b on b.cell = p.metric_id * 4 and b.clock = 'bd'
               left join cell_curve o on o.cell = p.metric_id * 4 + 1
               left join cell_curve r on r.cell = p.metric_id * 4 + 2"""
        )
        return {(row[0], row[1]): tuple(_digits(value) for value in row[2:]) for row in cursor.fetchall()}


def open_issues(organization: Organization) -> set[tuple[Any, ...]]:
    rows = Issue.objects.filter(organization=organization).exclude(status=Issue.Status.RESOLVED)
    return set(
        rows.values_list(
            "issue_type", "application__external_id", "visit__entry_event__provider_event_id", "job__external_id",
            "stage__external_id", "status", "severity",
        )
    )  # fmt: skip


def open_tasks(organization: Organization) -> set[tuple[Any, ...]]:
    """By the issue each is about."""
    rows = Task.objects.filter(organization=organization).exclude(status__in=Task.ENDED)
    return set(rows.values_list("issue__issue_type", "issue__application__external_id", "issue__job__external_id", "priority"))


def no_two_of_one_identity(organization: Organization) -> None:
    """At most one issue per fingerprint, one open task per issue: asked of the rows, not of the constraints."""
    issues = list(Issue.objects.filter(organization=organization).values_list("fingerprint", flat=True))
    assert len(issues) == len(set(issues))
    tasks = list(Task.objects.filter(organization=organization).exclude(status__in=Task.ENDED).values_list("issue_id", flat=True))
    assert len(tasks) == len(set(tasks))


def foreign_rows(organization: Organization) -> dict[str, int]:
    """Rows of the organization that point at another one's; every number must be 0."""
    pointers = (
        (CandidateEvent, "application"), (CandidateEvent, "job"), (CandidateEvent, "stage_to"), (Application, "candidate"),
        (Application, "job"), (Application, "current_stage"), (StageVisit, "application"), (StageVisit, "job"), (StageMetric, "job"),
        (StageMetric, "stage"), (Issue, "application"), (Issue, "job"), (Task, "issue"),
    )  # fmt: skip
    return {
        f"{model.__name__}.{field}": model.objects.filter(organization=organization, **{f"{field}__isnull": False})
        .exclude(**{f"{field}__organization": organization})
        .count()
        for model, field in pointers
    }


def _by_id(model: Any, organization: Organization, *fields: str) -> dict[str, tuple[Any, ...]]:
    return _rows(model.objects.filter(organization=organization), "external_id", *fields)


def _rows(rows: Any, key: str, *fields: str) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for name, *values in rows.order_by().values_list(key, *fields):
        assert name not in found, f"{name} is there twice"
        found[name] = tuple(values)
    return found


def _digits(value: Any) -> Any:
    return round(value, 9) if isinstance(value, float) else value


def as_the_oracle_has_it(expected: Mapping[str, Folded]) -> dict[str, Any]:
    """Visits, snapshots and counters of folded applications in the words of ``dump``, to be compared with it."""
    everywhere = [visit for each in expected.values() for visit in each.visits]
    return {
        "visits": {
            visit.entry_event_id: (
                application, visit.n, visit.job, visit.stage, visit.entered_at, visit.left_at, visit.exit_kind,
                visit.entry_precision, visit.exit_precision, visit.entry_gap,
            )
            for application, each in expected.items()
            for visit in each.visits
        },
        "snapshots": {
            application: (
                each.snapshot.job, each.snapshot.status, each.snapshot.stage, each.snapshot.applied_at,
                each.snapshot.last_event_at, each.snapshot.last_activity_at,
            )
            for application, each in expected.items()
        },
        "counters": {
            place: (cell.open, cell.entered, cell.exited, cell.completed, cell.completed_seconds)
            for place, cell in cells(everywhere).items()
        },
    }  # fmt: skip


def as_found(found: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a ``dump`` that the oracle has too; the candidate of a snapshot is none of its business."""
    snapshots = {name: row[1:] for name, row in found["snapshots"].items()}
    return {"visits": found["visits"], "snapshots": snapshots, "counters": found["counters"]}
