"""Which task follows from an issue: pure. Without a rule of its own, an organization uses ``DEFAULT``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics.clocks import CompiledCalendar

SEVERITIES = ("low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """A trigger rule without its row: for which issues, what to do, for whom, and in how many business days."""

    issue_type: str = ""
    min_severity: str = "low"
    title_template: str = "{sentence}"
    assignee_role: str = "recruiter"
    due_in_business_days: float = 1.0

    def fits(self, issue_type: str, severity: str) -> bool:
        return self.issue_type in ("", issue_type) and SEVERITIES.index(severity) >= SEVERITIES.index(self.min_severity)


DEFAULT = Play(title_template="{job}: {sentence}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What of an issue a task is made from."""

    issue_id: int
    issue_type: str
    severity: str
    sentence: str
    job_id: int | None
    job: str
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    issue_id: int
    title: str
    priority: str
    assignee_id: int | None
    due_at: datetime | None


def task_for(
    subject: Subject, plays: Sequence[Play], *, people: dict[str, list[int]], as_of: datetime, calendar: CompiledCalendar
) -> TaskSpec | None:
    """The task of the first play that fits, or None. ``people``: role → user ids in order.

    One job's tasks go to the same person of a role, so that the person who knows the job hears of it.
    """
    play = next((play for play in plays if play.fits(subject.issue_type, subject.severity)), None)
    if play is None:
        return None
    candidates = people.get(play.assignee_role, [])
    return TaskSpec(
        issue_id=subject.issue_id,
        title=fill(play.title_template, subject)[:300],
        priority=subject.severity,
        assignee_id=candidates[(subject.job_id or 0) % len(candidates)] if candidates else None,
        due_at=calendar.add_business_days(as_of, play.due_in_business_days),
    )


def fill(template: str, subject: Subject) -> str:
    """The template with its four words filled in; anything else in braces stays as it is."""
    words = {"sentence": subject.sentence, "issue_type": subject.issue_type, "job": subject.job, "stage": subject.stage}
    for word, value in words.items():
        template = template.replace("{" + word + "}", value)
    return template
