"""Jobs and stages a batch names: few, so they are merged here in Python and written only where something changed.

Locks are taken in one order (jobs, then stages, each by external id) and only for rows about to be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ats.models import Job, Stage
from ats.normalizer import NEVER, Dated
from ats.stages import suggest_category
from connectors.events import JobFacts, StageCategory, StageFacts
from connectors.models import Connector

JOB_FACTS = ("title", "department", "location", "opened_at", "hiring_lead")


def keep_jobs(
    connector: Connector, told: Mapping[str, Dated], statuses: Mapping[str, tuple[datetime, str]]
) -> tuple[dict[str, int], list[int]]:
    """External id → id of every job told of, and the ids of known jobs whose status is another now: told by an event or not."""

    def changes(job: Job) -> dict[str, Any]:
        facts, at = told[job.external_id].facts, told[job.external_id].at
        assert isinstance(facts, JobFacts)
        lead = facts.hiring_lead.name if facts.hiring_lead else None
        values = {
            "title": facts.title,
            "department": facts.department,
            "location": facts.location,
            "opened_at": facts.opened_at,
            "hiring_lead": lead,
        }
        changed = _merged(job, values, at)
        status = statuses.get(job.external_id)
        if status and (job.status_at is None or (job.status_at, job.status) < status):
            changed["status_at"] = status[0]
            if job.status != status[1]:
                changed["status"] = status[1]
        return changed

    written = _keep(Job, connector, told, changes)
    ids = dict(Job.objects.filter(connector=connector, external_id__in=list(told)).values_list("external_id", "id"))
    return ids, [job.pk for job, changed, is_new in written if "status" in changed and not is_new]


def keep_stages(connector: Connector, told: Mapping[str, Dated]) -> tuple[dict[str, int], list[int]]:
    """External id → id of every stage told of, and the ids of known stages that changed their place in the pipeline."""
    reordered: list[int] = []

    def changes(stage: Stage) -> dict[str, Any]:
        facts, at = told[stage.external_id].facts, told[stage.external_id].at
        assert isinstance(facts, StageFacts)
        changed = _merged(stage, {"name": facts.name}, at)
        name = changed.get("name", stage.name)
        # "unmapped" is the provider's shrug, not a suggestion: it takes nothing back
        told_category = None if facts.category == StageCategory.UNMAPPED else facts.category
        category = told_category or (suggest_category(name) if stage.category == StageCategory.UNMAPPED else None)
        # the newest suggestion counts, unless a person has spoken
        latest = stage.facts_at is None or at >= stage.facts_at or stage.category == StageCategory.UNMAPPED
        if category and category != stage.category and latest and not stage.mapped_by_person:
            changed["category"] = category
        if facts.position is not None and facts.position != stage.position and latest and not stage.mapped_by_person:
            changed["position"] = facts.position
        return changed

    for stage, changed, is_new in _keep(Stage, connector, told, changes):
        if not is_new and {"category", "position"} & set(changed):
            reordered.append(stage.pk)
    ids = dict(Stage.objects.filter(connector=connector, external_id__in=list(told)).values_list("external_id", "id"))
    return ids, reordered


def _keep(model: Any, connector: Connector, told: Mapping[str, Dated], changes: Any) -> list[tuple[Any, dict[str, Any], bool]]:
    """Make what is missing, change what differs. Returns what was changed, and whether it was made just now."""
    if not told:
        return []
    rows = model.objects.filter(connector=connector, external_id__in=list(told))
    known = set(rows.values_list("external_id", flat=True))
    missing = sorted(set(told) - known)
    if missing:
        model.objects.bulk_create(
            [model(organization_id=connector.organization_id, connector=connector, external_id=key) for key in missing],
            ignore_conflicts=True,
        )
    stale = [row.external_id for row in rows if changes(row)]
    written = []
    for row in rows.filter(external_id__in=stale).order_by("external_id").select_for_update(no_key=True):
        changed = changes(row)  # again under the lock: another batch may have been faster
        for name, value in changed.items():
            setattr(row, name, value)
        if changed:
            row.save(update_fields=list(changed))
            written.append((row, changed, row.external_id not in known))
    return written


def _merged(row: Any, values: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """The fields to change: a later telling replaces, an earlier one only fills gaps, None was not told."""
    if at == NEVER:
        return {}
    newer = row.facts_at is None or at >= row.facts_at
    changed = {
        name: value
        for name, value in values.items()
        if value is not None and getattr(row, name) != value and (newer or getattr(row, name) in ("", None))
    }
    if changed and newer and row.facts_at != at:
        changed["facts_at"] = at
    return changed
