"""What is wrong with stages as a whole: judged when due, written beside the issues about people."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from django.db.backends.utils import CursorWrapper
from django.db.models import Q

from connectors.models import Connector
from issues import cells
from issues.cells import Cell
from issues.changes import Changes, Said, Subject
from issues.findings import ON_HOLD, CellFacts, Finding, Verdict, fingerprint
from issues.models import Issue
from issues.rules import CELL_RULES
from issues.rules.data_quality import UNMAPPED_STATUS
from issues.rules.no_exits import NAME as NO_EXITS
from issues.rules.stage_delay import NAME as STAGE_DELAY
from issues.thresholds import RuleBook


def judge_cell(facts: CellFacts) -> dict[str, Verdict]:
    """Every enabled rule about stages, by name; a job on hold hides everything. Pure."""
    if facts.job_status == ON_HOLD:
        return {}
    return {rule.name: rule.judge(facts) for rule in CELL_RULES if facts.thresholds(rule.name).enabled}


def judge_due_cells(cursor: CursorWrapper, connector: Connector, book: RuleBook, now: datetime) -> tuple[Changes, bool]:
    """Judge the connector's due cells and write what changed; True: there are more."""
    due = cells.take_due(cursor, connector.organization, connector.pk, now, book)
    changes = Changes(connector.organization_id, now)
    if not due.watches:
        return changes, False
    known = _known(connector.organization_id, due.facts)
    again: dict[Cell, datetime | None] = {}
    statuses: dict[int, tuple[CellFacts, list[Finding]]] = {}
    for read in due.facts:
        assert read.job_id is not None, "a cell is a stage of a job"
        cell = read.job_id, read.stage_id
        facts = _with_history(read, known[cell])
        verdicts = judge_cell(facts)
        unmapped = verdicts.pop(UNMAPPED_STATUS, None)
        statuses.setdefault(facts.stage_id, (facts, unmapped.findings if unmapped else []))
        changes.compare(_said(facts, verdicts), known[cell])
        again[cell] = min((verdict.ask_again_at for verdict in verdicts.values() if verdict.ask_again_at), default=None)
    for stage_id, (facts, findings) in statuses.items():
        # one per status, whatever the job: so without one
        subject = Subject(stage_id=stage_id, stage_category=facts.stage_category)
        changes.compare(Said.of(subject, findings), known[0, stage_id])
    changes.write()
    cells.rearm(due, again, now)
    return changes, due.more


def _known(organization_id: int, facts: list[CellFacts]) -> dict[Cell, list[Issue]]:
    """Issues about these cells by (job, stage), those about a status by (0, stage): all unresolved ones, and whatever was once
    known of what can come again."""
    stages = {each.stage_id for each in facts}
    identities = [fingerprint(rule, each.job_id, each.stage_id) for each in facts for rule in (STAGE_DELAY, NO_EXITS)]
    identities += [fingerprint(UNMAPPED_STATUS, stage_id) for stage_id in stages]
    about_nobody = Issue.objects.filter(organization=organization_id, application=None, is_group=False, connector=None)
    unresolved = about_nobody.filter(job__in={each.job_id for each in facts}, stage__in=stages).exclude(status=Issue.Status.RESOLVED)
    identified = Issue.objects.filter(Q(organization=organization_id), fingerprint__in=identities)
    found: dict[Cell, list[Issue]] = defaultdict(list)
    pks = sorted({*unresolved.values_list("pk", flat=True), *identified.values_list("pk", flat=True)})
    for issue in Issue.objects.select_for_update().filter(pk__in=pks).order_by("pk"):
        if issue.stage_id is not None:
            found[issue.job_id or 0, issue.stage_id].append(issue)
    return found


def _with_history(facts: CellFacts, known: list[Issue]) -> CellFacts:
    """What hysteresis goes by."""
    delays = [issue for issue in known if issue.issue_type == STAGE_DELAY and issue.status != Issue.Status.RESOLVED]
    if not delays:
        return facts
    return facts.with_history(calm_since=delays[0].calm_since)


def _said(facts: CellFacts, verdicts: dict[str, Verdict]) -> Said:
    undecided = {
        fingerprint(name, facts.job_id, facts.stage_id): verdict.calm_since for name, verdict in verdicts.items() if verdict.undecided
    }
    subject = Subject(
        job_id=facts.job_id, stage_id=facts.stage_id, stage_category=facts.stage_category, priority=facts.thresholds("").priority
    )
    findings = [finding for verdict in verdicts.values() for finding in verdict.findings]
    return Said.of(subject, findings, on_hold=facts.job_status == ON_HOLD, undecided=undecided)
