"""The list calls: filters, order, pages. Pure functions over the state."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.sandbox.state import Application, Job, State
from connectors.sandbox.statuses import JOB_STATUS_LABELS, STATUSES, Group, JobStatusId

Query = Mapping[str, str]


class Refusal(Exception):
    """The API says no. ``message`` goes into the reason header, the body stays empty."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


STATUS_GROUPS: dict[str, frozenset[Group]] = {
    "ALL": frozenset(Group),
    "ALL_ACTIVE": frozenset({Group.NEW, Group.ACTIVE}),
    **{group.value: frozenset({group}) for group in Group},
}
JOB_GROUPS: dict[str, frozenset[int]] = {
    "ALL": frozenset(JOB_STATUS_LABELS),
    "DRAFT_AND_OPEN": frozenset({JobStatusId.DRAFT, JobStatusId.OPEN}),
    **{label: frozenset({number}) for number, label in JOB_STATUS_LABELS.items()},
}
NEW_SINCE = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Filters:
    """A checked query of the applications list."""

    job_id: int | None
    statuses: frozenset[int]
    job_statuses: frozenset[int]
    search: str
    new_since: int | None

    @classmethod
    def read(cls, query: Query) -> Filters:
        """Raises ``Refusal`` for a value BambooHR does not know."""
        since = query.get("newSince")
        job_id = query.get("jobId")
        return cls(
            job_id=_integer("jobId", job_id) if job_id is not None else None,
            statuses=_statuses(query),
            job_statuses=_groups("jobStatusGroups", query.get("jobStatusGroups", "Open"), JOB_GROUPS),
            search=query.get("searchString", "").strip().lower(),
            new_since=_moment(since) if since is not None else None,
        )

    def accepts(self, application: Application, job: Job) -> bool:
        return (
            application.status in self.statuses
            and job.status in self.job_statuses
            and (self.job_id is None or job.id == self.job_id)
            and (self.new_since is None or application.applied_at > self.new_since)
            and (not self.search or self.search in f"{application.name} {application.email or ''} {job.title}".lower())
        )


def _statuses(query: Query) -> frozenset[int]:
    ids = query.get("applicationStatusId")
    chosen = frozenset(_integer("applicationStatusId", part) for part in ids.split(",")) if ids is not None else None
    if chosen is not None and "applicationStatus" not in query:
        return chosen
    groups = _groups("applicationStatus", query.get("applicationStatus", "ALL_ACTIVE"), STATUS_GROUPS)
    named = frozenset(status.id for status in STATUSES.values() if status.group in groups)
    return named if chosen is None else named & chosen


def _groups(name: str, value: str, known: Mapping[str, frozenset[Any]]) -> frozenset[Any]:
    chosen: frozenset[Any] = frozenset()
    for part in value.split(","):
        if part not in known:
            raise Refusal(400, f"Invalid {name}")
        chosen |= known[part]
    return chosen


def _integer(name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,12}", text.strip()):
        raise Refusal(400, f"Invalid {name}")
    return int(text)


def _moment(text: str) -> int:
    try:
        return int(datetime.strptime(text, NEW_SINCE).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise Refusal(400, "Invalid newSince") from None


def applications(state: State, query: Query) -> list[Application]:
    """All matching applications in the asked order; the newest first if none is asked."""
    filters = Filters.read(query)
    sort_key, newest_first = _order(query, state)
    found = [item for item in state.applications.values() if filters.accepts(item, state.jobs[item.job_id])]
    return sorted(found, key=lambda item: (sort_key(item), item.id), reverse=newest_first)


def _order(query: Query, state: State) -> tuple[Callable[[Application], Any], bool]:
    keys: dict[str, Callable[[Application], Any]] = {
        "first_name": lambda item: item.first_name,
        "job_title": lambda item: state.jobs[item.job_id].title,
        "rating": lambda item: item.rating or 0,
        "phone": lambda item: item.phone or "",
        "status": lambda item: STATUSES[item.status].name,
        "last_updated": lambda item: item.touched_at,
        "created_date": lambda item: item.applied_at,
    }
    sort_by, direction = query.get("sortBy", "created_date"), _direction(query)
    if sort_by not in keys:
        raise Refusal(400, "Invalid sortBy")
    return keys[sort_by], (direction or ("DESC" if sort_by in ("created_date", "last_updated") else "ASC")) == "DESC"


def _direction(query: Query) -> str:
    direction = query.get("sortOrder", "")
    if direction not in ("", "ASC", "DESC"):
        raise Refusal(400, "Invalid sortOrder")
    return direction


def page_number(query: Query) -> int:
    number = _integer("page", query.get("page", "1"))
    if number < 1:
        raise Refusal(400, "Invalid page")
    return number


def jobs(state: State, query: Query) -> list[Job]:
    """Matching jobs; without filters all but the deleted ones."""
    default = ",".join(label for number, label in JOB_STATUS_LABELS.items() if number != JobStatusId.DELETED)
    wanted = _groups("statusGroups", query.get("statusGroups", default), JOB_GROUPS)
    if "status_ids" in query:
        ids = frozenset(_integer("status_ids", part) for part in query["status_ids"].split(","))
        wanted = wanted & ids if "statusGroups" in query else ids
    totals = _totals(state.applications.values())
    keys: dict[str, Callable[[Job], Any]] = {
        "count": lambda job: totals.get(job.id, 0),
        "title": lambda job: job.title,
        "lead": lambda job: job.lead or 0,
        "created": lambda job: job.opened_at,
        "status": lambda job: JOB_STATUS_LABELS[job.status],
    }
    sort_by = query.get("sortBy", "created")
    if sort_by not in keys:
        raise Refusal(400, "Invalid sortBy")
    found = [job for job in state.jobs.values() if job.status in wanted]
    return sorted(found, key=lambda job: (keys[sort_by](job), job.id), reverse=_direction(query) == "DESC")


def _totals(items: Iterable[Application]) -> dict[int, int]:
    totals: dict[int, int] = {}
    for item in items:
        totals[item.job_id] = totals.get(item.job_id, 0) + 1
    return totals
