"""How things stand: a fold over the changes. The only code that interprets a change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from connectors.sandbox.changes import Change, Kind
from connectors.sandbox.statuses import INTERVIEWED, STAGE_IDS, STATUSES, JobStatusId, Role


@dataclass(slots=True)
class Job:
    id: int
    title: str
    department_id: int | None
    department: str | None
    location_id: int | None
    #: employee id of the hiring lead; the recruiter is a user id
    lead: int | None
    recruiter: int
    status: int
    opened_at: int
    #: moves when the job is posted again
    posted_at: int
    status_at: int
    take_home: bool = False
    senior: bool = False
    openings: int = 1
    #: relative number of applicants
    popularity: float = 1.0
    #: stage durations relative to the usual, and further factors by status id (as text, as JSON has it)
    tempo: float = 1.0
    slow: dict[str, float] = field(default_factory=dict)
    #: ``organization.Quirk``, for people who look at the simulation
    quirk: str = ""
    hires: int = 0

    def pace(self, status: int) -> float:
        return self.tempo * self.slow.get(str(status), 1.0)


@dataclass(slots=True)
class Application:
    id: int
    applicant_id: int
    job_id: int
    #: the date BambooHR shows, which people may edit
    applied_at: int
    status: int
    status_at: int
    first_name: str
    last_name: str
    email: str | None
    source: str | None
    status_by: int | None = None
    rating: int | None = None
    comments: int = 0
    emails: int = 0
    #: BambooHR counts things we cannot list: 2 for an untouched application, mails not among them
    events: int = 2
    moved_to: int | None = None
    moved_from: int | None = None
    #: last change of any kind, what ``sortBy=last_updated`` sorts on
    touched_at: int = 0
    phone: str | None = None
    #: changes of status ever made, creation included
    moves: int = 1
    #: the stage it was in before it left all of them, or before the present one
    last_stage: int | None = None
    interviews: int = 0

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def active(self) -> bool:
        return STATUSES[self.status].role in (Role.STAGE, Role.HOLD)


@dataclass
class State:
    """Everything as of the last change applied."""

    jobs: dict[int, Job] = field(default_factory=dict)
    applications: dict[int, Application] = field(default_factory=dict)
    last_application_id: int = 0
    last_applicant_id: int = 0
    last_job_id: int = 0
    #: id of the last status-change or comment record, which only the answers to writes show
    last_record_id: int = 0
    seq: int = 0

    def apply(self, change: Change) -> None:
        _APPLY[change.kind](self, change)
        self.seq = change.seq
        application = self.applications.get(change.application_id)
        if application is not None:
            application.touched_at = max(application.touched_at, change.at)

    @classmethod
    def fold(cls, changes: Iterable[Change], *, until: int | None = None) -> State:
        """The state after all ``changes``, or after those at or before ``until`` (epoch seconds)."""
        state = cls()
        for change in changes:
            if until is None or change.at <= until:
                state.apply(change)
        return state

    def _job_opened(self, change: Change) -> None:
        facts: dict[str, Any] = change.facts or {}
        status = change.status_to or JobStatusId.OPEN
        self.jobs[change.job_id] = Job(
            id=change.job_id, status=status, opened_at=change.at, posted_at=change.at, status_at=change.at, **facts
        )
        self.last_job_id = max(self.last_job_id, change.job_id)

    def _job_status(self, change: Change) -> None:
        job = self.jobs[change.job_id]
        job.status = change.status_to or job.status
        job.status_at = change.at

    def _job_reposted(self, change: Change) -> None:
        self.jobs[change.job_id].posted_at = change.at

    def _applied(self, change: Change) -> None:
        facts = dict(change.facts or {})
        status = change.status_to or 1
        applied_at = facts.pop("applied_at", change.at)
        self.applications[change.application_id] = Application(
            id=change.application_id,
            job_id=change.job_id,
            applied_at=applied_at,
            status=status,
            status_at=change.at,
            status_by=change.actor,
            **facts,
        )
        self.last_application_id = max(self.last_application_id, change.application_id)
        self.last_applicant_id = max(self.last_applicant_id, facts["applicant_id"])

    def _applied_date(self, change: Change) -> None:
        application = self.applications[change.application_id]
        application.applied_at = change.value or application.applied_at

    def _status(self, change: Change) -> None:
        application = self.applications[change.application_id]
        status = change.status_to or application.status
        if STATUSES[status].role is Role.HIRED:
            self.jobs[application.job_id].hires += 1
        elif STATUSES[application.status].role is Role.HIRED:
            self.jobs[application.job_id].hires -= 1
        if application.status in STAGE_IDS:
            application.last_stage = application.status
        application.interviews += status == INTERVIEWED
        application.status, application.status_at, application.status_by = status, change.at, change.actor
        application.events += 1
        application.moves += 1
        if change.facts:
            application.moved_to = change.facts.get("moved_to")
        self.last_record_id += 1

    def _comment(self, change: Change) -> None:
        application = self.applications[change.application_id]
        application.comments += 1
        application.events += 1
        self.last_record_id += 1

    def _email(self, change: Change) -> None:
        self.applications[change.application_id].emails += 1

    def _rating(self, change: Change) -> None:
        application = self.applications[change.application_id]
        application.rating = change.value
        application.events += 1

    def _reassigned(self, change: Change) -> None:
        self.applications[change.application_id].job_id = change.job_id

    def _removed(self, change: Change) -> None:
        del self.applications[change.application_id]


_APPLY = {
    Kind.JOB_OPENED: State._job_opened,
    Kind.JOB_STATUS: State._job_status,
    Kind.JOB_REPOSTED: State._job_reposted,
    Kind.APPLIED: State._applied,
    Kind.APPLIED_DATE: State._applied_date,
    Kind.STATUS: State._status,
    Kind.COMMENT: State._comment,
    Kind.EMAIL: State._email,
    Kind.RATING: State._rating,
    Kind.REASSIGNED: State._reassigned,
    Kind.REMOVED: State._removed,
}
