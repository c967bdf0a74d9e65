"""What the rules say of a set of applications at one moment: facts in, verdicts out. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from django.db.backends.utils import CursorWrapper

from accounts.models import Organization
from analytics import calendars
from analytics.clocks import CompiledCalendar, compile_calendar
from config import sql
from issues.findings import Facts, Finding
from issues.rules import RULES

#: waits are counted from here at the earliest; nothing older is a wait anybody acts on
EPOCH = datetime(2000, 1, 3, tzinfo=UTC)


@dataclass(slots=True)
class Judgement:
    """All rules on one application: what they found, and when to ask again without an event."""

    facts: Facts | None
    findings: list[Finding] = field(default_factory=list)
    ask_again_at: datetime | None = None


def calendar_of(organization: Organization, as_of: datetime) -> CompiledCalendar:
    """The organization's working calendar, compiled once per process and year."""
    return compile_calendar(calendars.calendar_of(organization), date(1999, 12, 1), date(as_of.year + 2, 1, 1))


def judge(facts: Facts) -> Judgement:
    """Every rule in order; a rule that fires hides those it suppresses. Pure."""
    judgement = Judgement(facts)
    hidden: set[str] = set()
    for rule in RULES:
        verdict = rule.judge(facts)
        if verdict.ask_again_at is not None:
            judgement.ask_again_at = min(verdict.ask_again_at, judgement.ask_again_at or verdict.ask_again_at)
        if verdict.finding is not None and rule.name not in hidden:
            judgement.findings.append(verdict.finding)
            hidden |= rule.suppresses
    return judgement


def judge_picked(cursor: CursorWrapper, organization: Organization, as_of: datetime) -> dict[int, Judgement]:
    """The judgements of the applications in ``picked_application``, by application id."""
    calendar = calendar_of(organization, as_of)
    cursor.execute(sql.text("issues", "facts"))
    judgements = {}
    for row in cursor.fetchall():
        application_id, status, last_activity_at, job_id, job_status, visit_id, visit_key = row[:7]
        if visit_id is None:
            judgements[application_id] = Judgement(None)
            continue
        stage_id, stage_name, category, entered_at, precision = row[7:]
        judgements[application_id] = judge(
            Facts(
                as_of=as_of,
                calendar=calendar,
                application_id=application_id,
                application_status=status,
                last_activity_at=_within(last_activity_at, as_of) if last_activity_at else None,
                job_id=job_id,
                job_status=job_status,
                visit_id=visit_id,
                visit_key=visit_key,
                stage_id=stage_id,
                stage_name=stage_name or "an unnamed stage",
                stage_category=category,
                entered_at=_within(entered_at, as_of),
                entry_precision=precision,
            )
        )
    return judgements


def _within(moment: datetime, as_of: datetime) -> datetime:
    """A skewed clock may set things in the future: nobody has waited since then (age 0), and no calendar reaches that far."""
    return min(max(moment, EPOCH), as_of)
