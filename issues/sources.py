"""Connectors as the rules see them: read too long ago, or read with a gap."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

from connectors import registry
from connectors.models import Connector, SyncRun
from issues.changes import Changes, Said, Subject
from issues.detection import calendar_of
from issues.findings import Finding, SourceFacts
from issues.models import Issue
from issues.rules import SOURCE_RULES
from issues.rules.data_quality import POLL_GAP
from issues.rules.sync_stale import NAME as SYNC_STALE
from issues.severity import EVERYTHING
from issues.thresholds import Priority, RuleBook


def judge_source(facts: SourceFacts) -> list[Finding]:
    """Every enabled rule about connectors. Pure."""
    return [finding for rule in SOURCE_RULES if facts.thresholds(rule.name).enabled for finding in rule.judge(facts).findings]


def is_fresh(fresh_at: datetime | None, now: datetime) -> bool:
    return fresh_at is not None and now - fresh_at <= settings.STALE_AFTER


def judge_connector(connector: Connector, book: RuleBook, now: datetime) -> Changes:
    """Write what is wrong with a connector. While it is stale only that is told, and nothing else resolves."""
    changes = Changes(connector.organization_id, now)
    known = list(
        Issue.objects.select_for_update()
        .filter(organization=connector.organization_id, application=None, job=None, connector=connector)
        .exclude(status=Issue.Status.RESOLVED)
        .order_by("pk")
    )
    facts = facts_of(connector, known, book, now)
    findings = judge_source(facts)
    if not is_fresh(connector.fresh_at, now):
        findings = [finding for finding in findings if finding.issue_type == SYNC_STALE]
        known = [issue for issue in known if issue.issue_type == SYNC_STALE]
    candidates = {f"{SYNC_STALE}:{connector.pk}", *(finding.fingerprint for finding in findings)} - {issue.fingerprint for issue in known}
    settled = Issue.objects.select_for_update().filter(organization=connector.organization_id, fingerprint__in=candidates)
    # it blinds everything, so it weighs as much as the last stage of the most urgent job
    subject = Subject(connector_id=connector.pk, stage_category=EVERYTHING, priority=Priority.URGENT)
    changes.compare(Said.of(subject, findings), [*known, *settled.order_by("pk")])
    changes.write()
    return changes


def facts_of(connector: Connector, known: Sequence[Issue], book: RuleBook, now: datetime) -> SourceFacts:
    provider = registry.PROVIDERS.get(connector.provider)
    return SourceFacts(
        as_of=now,
        calendar=calendar_of(connector.organization, now),
        book=book,
        connector_id=connector.pk,
        name=connector.name,
        created_at=connector.created_at,
        fresh_at=connector.fresh_at,
        stale_after=settings.STALE_AFTER,
        status=connector.status,
        polls=provider is not None and provider.capabilities.polls,
        gaps=sorted({*_newest_gap(connector), *_told_gaps(known)}),
    )


def _newest_gap(connector: Connector) -> list[tuple[datetime, datetime]]:
    """Between the last two runs that succeeded (or are settling)."""
    runs = (
        SyncRun.objects.filter(connector=connector, state__in=[SyncRun.State.SUCCEEDED, SyncRun.State.SETTLING])
        .exclude(mode=SyncRun.Mode.IMPORT)
        .order_by("-pk")
    )
    moments = [moment for moment in runs.values_list("fetched_at", flat=True)[:2] if moment is not None]
    return [(min(moments), max(moments))] if len(moments) == 2 else []


def _told_gaps(known: Sequence[Issue]) -> list[tuple[datetime, datetime]]:
    told = [issue.evidence for issue in known if issue.issue_type == POLL_GAP]
    return [(datetime.fromisoformat(one["since"]), datetime.fromisoformat(one["until"])) for one in told]
