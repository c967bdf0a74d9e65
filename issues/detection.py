"""What the rules say of a set of applications at one moment: facts in, verdicts out. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from django.db.backends.utils import CursorWrapper

from accounts.models import Organization
from analytics import calendars
from analytics.bands import DEFAULT_LIMITS, UNMAPPED_LIMIT, Limit, LimitSource
from analytics.calendars import JobClock, JobClocks
from analytics.clocks import CompiledCalendar, compile_calendar
from ats import appointments
from ats.appointments import NOTHING_TOLD, Appointments, Told
from ats.models import Job
from config import sql
from connectors import registry
from connectors.models import Connector
from issues.findings import ON_HOLD, Facts, Finding
from issues.models import RuleSetting
from issues.rules import RULES
from issues.thresholds import RuleBook

#: jsonb comes as text from a plain cursor
_decode = msgspec.json.Decoder(dict).decode

#: waits are counted from here at the earliest; nothing older is a wait anybody acts on
EPOCH = datetime(2000, 1, 3, tzinfo=UTC)


@dataclass(slots=True)
class Judgement:
    """All rules on one subject: what they found, what they would have, and when to ask again without an event."""

    facts: Facts | None
    findings: list[Finding] = field(default_factory=list)
    #: fingerprints of what another finding makes pointless
    hidden: set[str] = field(default_factory=set)
    #: nothing can be said while the job is on hold
    on_hold: bool = False
    ask_again_at: datetime | None = None


def judge(facts: Facts) -> Judgement:
    """Every enabled rule in order; a rule that fires hides those it suppresses, a job on hold hides everything. Pure."""
    judgement = Judgement(facts, on_hold=facts.job_status == ON_HOLD)
    if judgement.on_hold:
        return judgement
    suppressed: set[str] = set()
    for rule in RULES:
        if not facts.thresholds(rule.name).enabled:
            continue
        verdict = rule.judge(facts)
        if verdict.ask_again_at is not None:
            judgement.ask_again_at = min(verdict.ask_again_at, judgement.ask_again_at or verdict.ask_again_at)
        for finding in verdict.findings:
            if rule.name in suppressed:
                judgement.hidden.add(finding.fingerprint)
            else:
                judgement.findings.append(finding)
        if verdict.findings and rule.name not in suppressed:
            suppressed |= rule.suppresses
    return judgement


def judge_picked(cursor: CursorWrapper, organization: Organization, as_of: datetime) -> dict[int, Judgement]:
    """The judgements of the applications in ``picked_application``, by application id."""
    return judge_rows(facts_of_picked(cursor, organization, as_of, rule_book(organization.pk)))


def judge_rows(facts: dict[int, Facts | None]) -> dict[int, Judgement]:
    return {application_id: Judgement(None) if each is None else judge(each) for application_id, each in facts.items()}


def rule_book(organization_id: int) -> RuleBook:
    """What an organization asks of the rules."""
    return RuleBook(row.as_setting() for row in RuleSetting.objects.filter(organization=organization_id).order_by("pk"))


def default_limit(category: str | None) -> Limit:
    """For a place nothing is kept of yet."""
    return Limit(value=DEFAULT_LIMITS.get(category or "", UNMAPPED_LIMIT), source=LimitSource.DEFAULT)


def calendar_of(organization: Organization, as_of: datetime) -> CompiledCalendar:
    """The organization's working calendar, compiled once per process and year."""
    return compile_calendar(calendars.calendar_of(organization), date(1999, 12, 1), date(as_of.year + 2, 1, 1))


class Clocks:
    """The working clocks of some jobs, and of work without a job."""

    def __init__(self, organization: Organization, job_ids: Sequence[int], as_of: datetime) -> None:
        jobs = list(Job.objects.filter(pk__in=job_ids).select_related("organization"))
        clocks = JobClocks(jobs, as_of, EPOCH)
        self._of = {job.pk: clocks.of(job) for job in jobs}
        self._organization = JobClock(calendar_of(organization, as_of))

    def of(self, job_id: int | None) -> JobClock:
        return self._of.get(job_id or 0, self._organization)


def tellers_of_interviews(organization_id: int) -> set[int]:
    """Connectors whose provider tells of interviews, feedback and offers."""
    rows = Connector.objects.filter(organization=organization_id).values_list("pk", "provider")
    return {pk for pk, provider in rows if provider in registry.PROVIDERS and registry.PROVIDERS[provider].capabilities.interviews}


def facts_of_picked(cursor: CursorWrapper, organization: Organization, as_of: datetime, book: RuleBook) -> dict[int, Facts | None]:
    """Facts of the applications in ``picked_application``; None for whoever is in no stage."""
    cursor.execute(sql.text("issues", "facts"))
    rows = cursor.fetchall()
    told = read_appointments(cursor)
    clocks = Clocks(organization, sorted({row[5] for row in rows if row[5] is not None}), as_of)
    tellers = tellers_of_interviews(organization.pk)
    return {row[0]: _facts(row, as_of, book, clocks.of(row[5]), row[1] in tellers, told.get(row[0], NOTHING_TOLD)) for row in rows}


def read_appointments(cursor: CursorWrapper) -> dict[int, Appointments]:
    """Of those in ``picked_application`` who have any."""
    cursor.execute(sql.text("issues", "appointments"))
    events: dict[int, list[Told]] = defaultdict(list)
    for application_id, event_type, at, key, actor, metadata in cursor.fetchall():
        events[application_id].append(Told(event_type=event_type, at=at, key=key, actor=actor, metadata=_decode(metadata)))
    return {application_id: appointments.fold(each) for application_id, each in events.items()}


def _facts(row: Sequence[Any], as_of: datetime, book: RuleBook, clock: JobClock, tells: bool, told: Appointments) -> Facts | None:
    application_id, _, status, last_activity_at, last_event_at, job_id, job_status, visit_id, visit_key = row[:9]
    if visit_id is None:
        return None
    stage_id, stage_name, category, entered_at, precision, recorded_at, anomaly, limit, source, n = row[9:]
    return Facts(
        as_of=as_of,
        calendar=clock.calendar,
        holds=clock.holds,
        book=book,
        limit=default_limit(category) if limit is None else Limit(value=limit, source=LimitSource(source), n=n),
        application_id=application_id,
        application_status=status,
        last_activity_at=within(last_activity_at, as_of) if last_activity_at else None,
        last_event_at=last_event_at,
        job_id=job_id,
        job_status=job_status,
        visit_id=visit_id,
        visit_key=visit_key,
        stage_id=stage_id,
        stage_name=stage_name or "an unnamed stage",
        stage_category=category,
        entered_at=within(entered_at, as_of),
        entered_as_told=entered_at,
        entry_precision=precision,
        entry_recorded_at=recorded_at,
        anomaly=anomaly,
        tells_interviews=tells,
        appointments=told,
    )


def within(moment: datetime, as_of: datetime) -> datetime:
    """A skewed clock may set things in the future: nobody has waited since then (age 0), and no calendar reaches that far."""
    return min(max(moment, EPOCH), as_of)
