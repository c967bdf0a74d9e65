"""A backtest says what sweeping at each past time would have opened: held to really sweeping at each of them."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta
from random import Random

import pytest
from django.utils import timezone

from accounts.models import Organization
from analytics.models import StageTarget, WorkingCalendar
from ats.models import Application, Job
from connectors.models import Connector
from issues.backtesting import backtest
from issues.decisions import decide
from issues.detection import rule_book
from issues.lifecycle import Action, IllegalAction
from issues.models import Issue, RuleSetting
from issues.replaying import Outcome, Span
from tests.factories.accounts import member
from tests.issues.pasts import (
    DAYS,
    START,
    Row,
    busy_past,
    in_order,
    job_told,
    past,
    really_gone_within_a_day,
    really_opened,
    replayed,
    replayed_gone_within_a_day,
    swept,
)
from tests.walking import bring_in, cut, event_row, file_connector

pytestmark = pytest.mark.django_db

ABOUT_PEOPLE = ("idle_candidate", "stuck", "missing_feedback", "waiting_on_us", "offer_pending")
ABOUT_STAGES = ("no_exits", "stage_delay", "bulk_change")


def patience(organization: Organization) -> None:
    for category, days in (("review", 2), ("interview", 3), ("offer", 1)):
        StageTarget.objects.create(organization=organization, category=category, business_days=days)
    RuleSetting.objects.create(organization=organization, rule="idle_candidate", business_days=2)
    RuleSetting.objects.create(organization=organization, rule="offer_pending", business_days=1.5)
    RuleSetting.objects.create(organization=organization, rule="no_exits", people=2, factor=0.5)


def calendar(organization: Organization, seed: int) -> None:
    """Monday to Friday; another zone and week; office hours with holidays."""
    if seed == 1:
        WorkingCalendar.objects.create(
            organization=organization, zone="Asia/Jerusalem", working_days=[6, 0, 1, 2, 3], holidays=[date(2026, 6, 11)]
        )
    if seed == 2:
        hours = {"opens_at": time(9), "closes_at": time(17)}
        WorkingCalendar.objects.create(organization=organization, zone="America/New_York", working_days=[0, 1, 2, 3, 4], **hours)


def answer(connector: Connector, rule: str, span: Span) -> Outcome:
    organization = connector.organization
    (outcome,) = backtest(organization, rule, [rule_book(organization.pk)], span)
    return outcome


def check(connector: Connector, rules: tuple[str, ...], span: Span) -> Counter[str]:
    """Opened at the same moments, gone as soon; returns how many of each."""
    counts: Counter[str] = Counter()
    for rule in rules:
        outcome = answer(connector, rule, span)
        assert replayed(outcome) == really_opened(connector, rule, span), rule
        assert replayed_gone_within_a_day(outcome) == really_gone_within_a_day(connector, rule, span), rule
        counts[rule] = outcome.issues
    return counts


@pytest.mark.parametrize("seed", range(3))
def test_a_backtest_is_what_sweeping_at_each_past_time_opened(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # given an organization with thresholds and a calendar of its own, swept every eight hours for weeks
    connector = file_connector()
    patience(connector.organization)
    calendar(connector.organization, seed)
    span = swept(connector, past(Random(seed)), monkeypatch, days=16)

    counts = check(connector, (*ABOUT_PEOPLE, "no_exits"), span)

    assert counts.total() > 10, "else it would prove little"


def test_limits_and_medians_are_those_of_each_past_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # given no targets: limits come from exits as they happen, delays from the other jobs
    connector = file_connector()
    organization = connector.organization
    RuleSetting.objects.create(organization=organization, rule="stuck", factor=1.2)
    RuleSetting.objects.create(organization=organization, rule="stage_delay", factor=1.2, clear_factor=1.15, business_days=0.3)
    RuleSetting.objects.create(organization=organization, rule="no_exits", people=2, factor=0.6)
    RuleSetting.objects.create(organization=organization, rule="bulk_change", people=2)
    span = swept(connector, busy_past(Random(3)), monkeypatch, days=14)

    counts = check(connector, ("stuck", "idle_candidate", *ABOUT_STAGES), span)

    assert min(counts[rule] for rule in ("stuck", *ABOUT_STAGES)) > 0, counts
    sources = set(Issue.objects.filter(issue_type="stuck").values_list("evidence__limit__source", flat=True))
    assert "baseline" in sources, "else no limit was learnt"


def test_nothing_is_gone_because_a_job_paused_and_only_an_exit_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What random pasts seldom hold: a trouble that ends while its job is on hold; a stay that is cut off while a stage stands still."""
    # given somebody idle from Friday 06:00 on, whose job pauses for nine hours in which somebody writes a comment
    connector = file_connector()
    patience(connector.organization)
    friday = START + timedelta(days=4)
    rows = [
        *came("j-0", friday - timedelta(days=2), "a-1"),
        job_told("j-0", "on_hold", friday + timedelta(hours=1)),
        event_row("a-1:1", friday + timedelta(hours=9), event_type="comment_added", **named("j-0", "a-1")),
        job_told("j-0", "open", friday + timedelta(hours=10)),
        # and three who wait since Wednesday 18:00, of whom the ATS forgets one on Thursday at 10:00
        *came("j-1", START + timedelta(days=2, hours=12), "b-1", "b-2", "b-3"),
        event_row("b-3:1", START + timedelta(days=3, hours=4), event_type="application_removed", **named("j-1", "b-3")),
    ]
    span = swept(connector, in_order(rows), monkeypatch, days=6)

    check(connector, ("idle_candidate", "no_exits"), span)

    idle, still = (answer(connector, rule, span) for rule in ("idle_candidate", "no_exits"))
    (paused,) = [one for one in idle.opened.values() if one.at == friday]
    assert not paused.gone_within_a_day, "it was hidden, then no longer there: nobody saw it go"
    assert [one.at for one in still.opened.values()] == [START + timedelta(days=3, hours=16)], "after one day, whoever was removed"


def came(job: str, at: datetime, *names: str) -> list[Row]:
    told = {"event_type": "application_created", "stage_to": "s-1", "stage_to_category": "review"}
    return [event_row(f"{name}:0", at, **told, **named(job, name)) for name in names]


def named(job: str, name: str) -> dict[str, str]:
    return {"job_external_id": job, "application_external_id": name, "candidate_external_id": name}


def test_what_people_decide_changes_nothing_in_what_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    connector = file_connector()
    patience(connector.organization)
    anna, rng = member(connector.organization), Random(8)
    decided: Counter[str] = Counter()

    def triage(at: datetime) -> None:
        for issue in Issue.objects.filter(organization=connector.organization_id).order_by("pk"):
            if rng.random() < 0.15:
                action = rng.choice((Action.ACKNOWLEDGE, Action.SNOOZE, Action.SNOOZE, Action.RESOLVE))
                try:
                    decide(issue_id=issue.pk, action=action, actor=anna, now=at, until=at + timedelta(hours=rng.uniform(1, 90)))
                    decided[action] += 1
                except IllegalAction:
                    continue

    span = swept(connector, past(Random(8)), monkeypatch, days=12, meanwhile=triage)

    assert min(decided[action] for action in (Action.ACKNOWLEDGE, Action.SNOOZE, Action.RESOLVE)) > 0
    for rule in (*ABOUT_PEOPLE, "no_exits"):
        assert replayed(answer(connector, rule, span)) == really_opened(connector, rule, span), rule


def test_events_told_late_and_shuffled_are_replayed_as_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One organization hears of everything when it happens and is swept; another hears of it at the end, in any order."""
    rows, rng = past(Random(4)), Random(4)
    in_time, late = file_connector(), file_connector()
    for connector in (in_time, late):
        patience(connector.organization)
    span = swept(in_time, rows, monkeypatch, days=13)
    monkeypatch.setattr(timezone, "now", lambda: START + timedelta(days=DAYS))
    heard = [row for row in rows if row["timestamp"] <= span.until.isoformat()]
    bring_in(late, *cut(rng.sample(heard, len(heard)), rng, most=9), rng=rng)

    seen = 0
    for rule in (*ABOUT_PEOPLE, "no_exits"):
        outcome = answer(late, rule, span)
        really = Issue.objects.filter(organization=in_time.organization_id, issue_type=rule, is_group=False, detected_at__gt=span.since)
        told = sorted((name(one.application_id, one.job_id), one.at) for one in outcome.opened.values())
        assert told == sorted((name(one.application_id, one.job_id), one.detected_at) for one in really), rule
        seen += len(told)
    assert seen > 10


def name(application_id: int | None, job_id: int | None) -> str:
    """What the ATS calls it, the same in both organizations."""
    about: Application | Job = Application.objects.get(pk=application_id) if application_id else Job.objects.get(pk=job_id)
    return about.external_id
