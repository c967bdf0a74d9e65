"""Random pasts of an organization, and really sweeping through them: what a backtest is held to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.utils import timezone

from analytics import baselines
from analytics.services import refresh_cells
from config import flow
from connectors.models import Connector
from issues import services
from issues.changes import CLEARED
from issues.models import CellWatch, Issue, Watch
from issues.replaying import Outcome, Span
from tests.walking import bring_in, event_row, walk

#: a Monday
START = datetime(2026, 6, 1, 6, tzinfo=UTC)
DAYS, STEP = 20, timedelta(hours=8)
STAGES = {"s-1": "review", "s-2": "interview", "s-3": "offer"}
Row = dict[str, Any]


def past(rng: Random, *, people: int = 14, jobs: int = 2) -> list[Row]:
    """People who come, are met, written to, offered something, moved and lost; jobs that pause. In the order of time."""
    rows = []
    for number in range(people):
        name = f"a-{number}"
        told = {"application_external_id": name, "candidate_external_id": name, "job_external_id": f"j-{number % jobs}"}
        at = START + timedelta(hours=rng.uniform(0, 24 * DAYS * 0.6))
        rows.append(event_row(f"{name}:0", at, event_type="application_created", stage_to="s-1", stage_to_category="review", **told))
        for step in range(rng.randint(0, 7)):
            at += timedelta(hours=rng.expovariate(1 / 50))
            rows.append(event_row(f"{name}:{step + 1}", at, **told, **something(rng, name, step, at)))
    for job in (f"j-{number}" for number in range(jobs)):
        held = START + timedelta(hours=rng.uniform(0, 24 * DAYS))
        rows += [job_told(job, "on_hold", held), job_told(job, "open", held + timedelta(hours=rng.uniform(5, 150)))]
    return in_order(rows)


def job_told(job: str, word: str, at: datetime, **fields: Any) -> Row:
    return event_row(
        f"{job}:{word}", at, event_type="job_status_changed", job_status=word, job_external_id=job,
        application_external_id=None, candidate_external_id=None, **fields,
    )  # fmt: skip


def something(rng: Random, name: str, step: int, at: datetime) -> Row:
    kind = rng.choice(("stage_changed", "stage_changed", "comment_added", "interview_scheduled", "feedback_submitted", "email_logged",
                       "offer_sent", "offer_accepted", "application_rejected"))  # fmt: skip
    stage = rng.choice(sorted(STAGES))
    details: dict[str, Row] = {
        "stage_changed": {"stage_to": stage, "stage_to_category": STAGES[stage]},
        "interview_scheduled": {
            "metadata": {
                "interview_external_id": f"{name}:i{step}",
                "start": (at + timedelta(hours=30)).isoformat(),
                "end": (at + timedelta(hours=31)).isoformat(),
                "interviewers": ["ann", "bo"],
            }
        },
        "feedback_submitted": {"metadata": {"interview_external_id": f"{name}:i{step - 1}", "interviewer_external_id": "ann"}},
        "email_logged": {"metadata": {"direction": rng.choice(("inbound", "outbound"))}},
    }
    return {"event_type": kind, **details.get(kind, {})}


def busy_past(rng: Random) -> list[Row]:
    """Three jobs of which one is slow, in which people pass two stages, sometimes many in one minute; one job pauses."""
    rows = []
    for number in range(54):
        job = number % 3
        name = f"b-{number}"
        told = {"application_external_id": name, "candidate_external_id": name, "job_external_id": f"j-{job}"}
        at = START + timedelta(hours=rng.uniform(0, 24 * 9))
        rows.append(event_row(f"{name}:0", at, event_type="application_created", stage_to="s-1", stage_to_category="review", **told))
        for step, (stage, category) in enumerate((("s-2", "interview"), ("s-3", "offer"))):
            slow = job == 0 and at > START + timedelta(days=3)
            at += timedelta(hours=rng.uniform(70, 150) if slow else rng.uniform(4, 40))
            if rng.random() < 0.15:
                break
            if rng.random() < 0.3:  # everybody at once, on some evening
                at = (at + timedelta(days=1)).replace(hour=17, minute=rng.choice((3, 4)), second=rng.randrange(60), microsecond=0)
            rows.append(event_row(f"{name}:{step + 1}", at, stage_to=stage, stage_to_category=category, **told))
    held = START + timedelta(days=rng.uniform(5, 12))
    rows += [job_told("j-1", "on_hold", held), job_told("j-1", "open", held + timedelta(days=rng.uniform(1, 3)))]
    return in_order(rows)


def in_order(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row["timestamp"])


def swept(
    connector: Connector,
    rows: list[Row],
    monkeypatch: pytest.MonkeyPatch,
    *,
    days: int = DAYS,
    meanwhile: Callable[[datetime], None] = lambda _: None,
) -> Span:
    """Tell the events as they happen and really sweep at every step, with fresh numbers; returns the span that was swept.

    In its first sweep nothing has been found yet. ``meanwhile`` is called after each sweep.
    """
    span = Span(START + timedelta(days=3), START + timedelta(days=days), STEP)
    at, told = START, 0
    while at <= span.until:
        monkeypatch.setattr(timezone, "now", lambda moment=at: moment)
        due = [row for row in rows[told:] if row["timestamp"] <= at.isoformat()]
        told += len(due)
        if at == span.since:
            _forget(connector, at)
        _sweep_once(connector, due, at)
        if at >= span.since:
            meanwhile(at)
        at += STEP
    return span


def _sweep_once(connector: Connector, due: list[Row], at: datetime) -> None:
    """What happened is judged by the sweep alone, which looks at stages first: until then the data counts as stale."""
    if due:
        bring_in(connector, due, walked=False)
        walk(until=flow.DETECT)
    refresh_cells(organization_id=connector.organization_id, as_of=at)
    baselines.refresh(connector.organization_id, as_of=at)
    Connector.objects.filter(pk=connector.pk).update(fresh_at=None)
    walk()
    Connector.objects.filter(pk=connector.pk).update(fresh_at=at)
    services.sweep()
    walk()


def _forget(connector: Connector, at: datetime) -> None:
    Issue.objects.filter(organization=connector.organization_id).delete()
    Watch.objects.filter(organization=connector.organization_id).update(due_at=at)
    CellWatch.objects.filter(organization=connector.organization_id).update(due_at=at)


def really_opened(connector: Connector, rule: str, span: Span) -> dict[str, datetime]:
    """Issues the sweeps opened, by fingerprint, and when."""
    return dict(_found(connector, rule, span).values_list("fingerprint", "detected_at"))


def really_gone_within_a_day(connector: Connector, rule: str, span: Span) -> set[str]:
    found = _found(connector, rule, span).filter(transitions__reason=CLEARED).prefetch_related("transitions")
    return {issue.fingerprint for issue in found if _gone_soon(issue)}


def _found(connector: Connector, rule: str, span: Span) -> Any:
    return Issue.objects.filter(organization=connector.organization_id, issue_type=rule, is_group=False, detected_at__gt=span.since)


def _gone_soon(issue: Issue) -> bool:
    cleared = min(one.at for one in issue.transitions.all() if one.reason == CLEARED)
    return cleared - issue.detected_at <= timedelta(days=1)


def replayed(outcome: Outcome) -> dict[str, datetime]:
    return {fingerprint: one.at for fingerprint, one in outcome.opened.items()}


def replayed_gone_within_a_day(outcome: Outcome) -> set[str]:
    return {fingerprint for fingerprint, one in outcome.opened.items() if one.gone_within_a_day}
