"""Which task follows from an issue, for whom, and who hears of it when nothing happens: pure.

Without a rule of its own, an organization uses ``DEFAULT``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from analytics.clocks import CompiledCalendar

SEVERITIES = ("low", "medium", "high", "critical")
HIRING_MANAGER = "hiring_manager"
LONGEST_TITLE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A step of an escalation ladder: business days after the opening, and whose turn it then is."""

    after_business_days: float
    role: str
    #: the task changes hands; else the person is only told
    hand_over: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """A trigger rule without its row. Empty conditions hold for every issue."""

    rule_id: int | None = None
    issue_type: str = ""
    min_severity: str = "low"
    min_score: float | None = None
    job_id: int | None = None
    department: str = ""
    stage_category: str = ""
    title_template: str = "{sentence}"
    assignee_role: str = "recruiter"
    due_in_business_days: float = 1.0
    #: empty: the issue's severity
    priority: str = ""
    notify: bool = True
    #: in the order of their days
    ladder: tuple[Rung, ...] = ()

    def fits(self, subject: Subject) -> bool:
        """Conditions: type, least severity, least score, job, department (any case) and stage category, where given."""
        return (
            self.issue_type in ("", subject.issue_type)
            and SEVERITIES.index(subject.severity) >= SEVERITIES.index(self.min_severity)
            and (self.min_score is None or subject.score >= self.min_score)
            and self.job_id in (None, subject.job_id)
            and self.department.casefold() in ("", subject.department.casefold())
            and self.stage_category in ("", subject.stage_category)
        )


DEFAULT = Play(title_template="{job}: {sentence}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What of an issue a task is made from."""

    issue_id: int
    issue_type: str
    severity: str
    score: float = 0.0
    sentence: str
    job_id: int | None
    job: str
    department: str = ""
    #: whom the ATS names as the job's hiring lead
    lead: str = ""
    stage: str
    stage_category: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """An absence that covers today."""

    last_day: date
    substitute_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """The people of one organization: by role in the order of their ids, by name, and who is away today."""

    by_role: Mapping[str, Sequence[int]] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    away: Mapping[int, Away] = field(default_factory=dict)

    def person_for(self, role: str, *, job_id: int | None, lead: str = "") -> int | None:
        """Who of a role gets the work of a job; None: nobody has the role.

        A hiring manager is the one the ATS names, if it is one of them. Otherwise one job's tasks go to the same person
        of a role, so that whoever knows the job hears of it. Who is away is stood in for, see ``stand_in``.
        """
        people = self.by_role.get(role, ())
        if not people:
            return None
        named = [one for one in people if lead and self.names.get(one, "").casefold() == lead.casefold()]
        chosen = named[0] if role == HIRING_MANAGER and named else people[(job_id or 0) % len(people)]
        return self.stand_in(chosen, role, job_id=job_id)

    def stand_in(self, person: int, role: str, *, job_id: int | None) -> int:
        """The person, if present; else the substitute they named, or that one's, and so on; else a colleague of the role.

        Where all of them are away the person keeps it: better late than with nobody.
        """
        seen = set()
        one: int | None = person
        while one is not None and one in self.away and one not in seen:
            seen.add(one)
            one = self.away[one].substitute_id
        if one is not None and one not in self.away and one in self.names:
            return one
        present = [colleague for colleague in self.by_role.get(role, ()) if colleague not in self.away]
        return present[(job_id or 0) % len(present)] if present else person


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    issue_id: int
    rule_id: int | None
    title: str
    priority: str
    follows_severity: bool
    assignee_id: int | None
    role: str
    due_at: datetime | None
    escalate_at: datetime | None
    notify: bool


def task_for(subject: Subject, plays: Sequence[Play], *, staff: Staff, as_of: datetime, calendar: CompiledCalendar) -> TaskSpec | None:
    """The task of the first play that fits, or None."""
    play = next((play for play in plays if play.fits(subject)), None)
    if play is None:
        return None
    return TaskSpec(
        issue_id=subject.issue_id,
        rule_id=play.rule_id,
        title=fill(play.title_template, subject)[:LONGEST_TITLE],
        priority=play.priority or subject.severity,
        follows_severity=not play.priority,
        assignee_id=staff.person_for(play.assignee_role, job_id=subject.job_id, lead=subject.lead),
        role=play.assignee_role,
        due_at=calendar.add_business_days(as_of, play.due_in_business_days),
        escalate_at=next_rung_at(play.ladder, level=0, opened_at=as_of, calendar=calendar),
        notify=play.notify,
    )


def next_rung_at(ladder: Sequence[Rung], *, level: int, opened_at: datetime, calendar: CompiledCalendar) -> datetime | None:
    """When the rung above ``level`` is due; None: there is none."""
    if level >= len(ladder):
        return None
    return calendar.add_business_days(opened_at, ladder[level].after_business_days)


def fill(template: str, subject: Subject) -> str:
    """The template with its four words filled in; anything else in braces stays as it is."""
    words = {"sentence": subject.sentence, "issue_type": subject.issue_type, "job": subject.job, "stage": subject.stage}
    for word, value in words.items():
        template = template.replace("{" + word + "}", value)
    return template


def retold(title: str, template: str, subject: Subject) -> str:
    """A title the template once made, with what the issue says by now. Any other stays: its rule was edited since, or its job renamed."""
    before, sentence, _ = template.partition("{sentence}")
    if not sentence or not title.startswith(fill(before, subject)):
        return title
    return fill(template, subject)[:LONGEST_TITLE]
