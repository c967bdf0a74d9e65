"""A backtest says what sweeping at each past time would have opened: held to really sweeping at each of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from analytics.models import StageTarget
from ats.models import Job
from connectors.models import Connector
from issues import services
from issues.backtesting import NotReplayable, Span, backtest
from issues.changes import CLEARED
from issues.detection import rule_book
from issues.models import Issue, RuleSetting
from issues.thresholds import Setting
from tests.walking import bring_in, event_row, file_connector, walk

pytestmark = pytest.mark.django_db

#: a Monday
START = datetime(2026, 6, 1, 6, tzinfo=UTC)
DAYS, STEP = 20, timedelta(hours=8)
STAGES = {"s-1": "review", "s-2": "interview", "s-3": "offer"}


def past(rng: Random) -> list[dict[str, Any]]:
    """People who come, are met, written to, offered something, moved and lost; jobs that pause."""
    rows = []
    for number in range(14):
        name = f"a-{number}"
        told = {"application_external_id": name, "candidate_external_id": name, "job_external_id": f"j-{number % 2}"}
        at = START + timedelta(hours=rng.uniform(0, 24 * DAYS * 0.6))
        rows.append(event_row(f"{name}:0", at, event_type="application_created", stage_to="s-1", stage_to_category="review", **told))
        for step in range(rng.randint(0, 7)):
            at += timedelta(hours=rng.expovariate(1 / 50))
            rows.append(event_row(f"{name}:{step + 1}", at, **told, **something(rng, name, step, at)))
    for job in ("j-0", "j-1"):
        held = START + timedelta(hours=rng.uniform(0, 24 * DAYS))
        for word, at in (("on_hold", held), ("open", held + timedelta(hours=rng.uniform(5, 150)))):
            rows.append(
                event_row(
                    f"{job}:{word}", at, event_type="job_status_changed", job_status=word, job_external_id=job,
                    application_external_id=None, candidate_external_id=None,
                )
            )  # fmt: skip
    return sorted(rows, key=lambda row: row["timestamp"])


def something(rng: Random, name: str, step: int, at: datetime) -> dict[str, Any]:
    kind = rng.choice(("stage_changed", "stage_changed", "comment_added", "interview_scheduled", "feedback_submitted", "email_logged",
                       "offer_sent", "offer_accepted", "application_rejected"))  # fmt: skip
    stage = rng.choice(sorted(STAGES))
    details: dict[str, dict[str, Any]] = {
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


def swept(connector: Connector, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, *, days: int = DAYS) -> Span:
    """Tell the events as they happen and really sweep at every step; returns the span after the first sweeps."""
    span = Span(START + timedelta(days=3), START + timedelta(days=days), STEP)
    at, told = START, 0
    while at <= span.until:
        monkeypatch.setattr(timezone, "now", lambda moment=at: moment)
        due = [row for row in rows[told:] if row["timestamp"] <= at.isoformat()]
        told += len(due)
        if due:
            bring_in(connector, due)
        Connector.objects.filter(pk=connector.pk).update(fresh_at=at)
        services.sweep()
        walk()
        at += STEP
    return span


@pytest.mark.parametrize("seed", range(2))
def test_a_backtest_is_what_sweeping_at_each_past_time_opened(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # given an organization with thresholds of its own, swept every eight hours for weeks
    connector = file_connector()
    organization = connector.organization
    for category, days in (("review", 2), ("interview", 3), ("offer", 1)):
        StageTarget.objects.create(organization=organization, category=category, business_days=days)
    RuleSetting.objects.create(organization=organization, rule="idle_candidate", business_days=2)
    RuleSetting.objects.create(organization=organization, rule="offer_pending", business_days=1.5)
    span = swept(connector, past(Random(seed)), monkeypatch)

    replayed = 0
    for rule in ("idle_candidate", "stuck", "missing_feedback", "waiting_on_us", "offer_pending"):
        # when
        (outcome,) = backtest(organization, rule, [rule_book(organization.pk)], span)

        # then
        really = Issue.objects.filter(issue_type=rule, is_group=False, detected_at__gt=span.since)
        assert {key: one.at for key, one in outcome.opened.items()} == dict(really.values_list("fingerprint", "detected_at")), rule
        assert {key for key, one in outcome.opened.items() if one.gone_within_a_day} == {
            issue.fingerprint for issue in really if gone_soon(issue)
        }, rule
        replayed += outcome.issues
    assert replayed > 10, "else it would prove little"


def gone_soon(issue: Issue) -> bool:
    cleared = issue.transitions.filter(reason=CLEARED).order_by("pk").first()
    return cleared is not None and cleared.at - issue.detected_at <= timedelta(days=1)


def test_other_thresholds_are_what_sweeping_with_them_would_have_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same past swept twice, with 2.5 days and with 5; the backtest of the second foretells the first."""
    rows = past(Random(11))
    strict, patient = file_connector(), file_connector()
    RuleSetting.objects.create(organization=strict.organization, rule="idle_candidate", business_days=2.5)
    for connector in (strict, patient):
        span = swept(connector, rows, monkeypatch, days=15)

    book = rule_book(patient.organization_id)
    as_is, what_if = backtest(
        patient.organization, "idle_candidate", [book, book.changed(Setting(rule="idle_candidate", values={"business_days": 2.5}))], span
    )

    def opened(connector: Connector) -> int:
        return Issue.objects.filter(
            organization=connector.organization, issue_type="idle_candidate", is_group=False, detected_at__gt=span.since
        ).count()

    assert (as_is.issues, what_if.issues) == (opened(patient), opened(strict))
    assert what_if.issues > as_is.issues


def test_a_setting_for_one_job_concerns_that_job_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    connector = file_connector()
    span = swept(connector, past(Random(5)), monkeypatch, days=14)
    book = rule_book(connector.organization_id)
    job = Job.objects.get(external_id="j-0")
    (off,) = backtest(connector.organization, "idle_candidate", [book.changed(Setting(job_id=job.pk, values={"enabled": False}))], span)

    jobs = Issue.objects.filter(issue_type="idle_candidate", is_group=False, detected_at__gt=span.since).values_list("fingerprint", "job")
    assert set(off.opened) == {fingerprint for fingerprint, job_id in jobs if job_id != job.pk}


def test_the_command_compares_in_plain_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    connector = file_connector()
    monkeypatch.setattr(timezone, "now", lambda: START + timedelta(days=DAYS))
    bring_in(connector, past(Random(2)))
    slug = connector.organization.slug

    call_command("backtest_rules", organization=slug, rule="idle_candidate", days=20, business_days=4.0)

    first, second = capsys.readouterr().out.strip().split("\n")
    assert first.startswith("idle_candidate with 4 instead of 5 days: ")
    assert first.endswith("of them gone within a day by themselves")
    assert second.startswith("as it is: ")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rule": "stage_delay"}, "cannot be replayed"),
        ({"rule": "idle_candidate", "business_days": -1.0}, "greater than 0"),
        ({"rule": "idle_candidate", "days": 0}, "between 1 and 3650"),
        ({"rule": "idle_candidate", "organization": "nobody"}, "no organization called nobody"),
    ],
)
def test_the_command_says_what_it_cannot_do(given: dict[str, Any], said: str) -> None:
    slug = file_connector().organization.slug
    with pytest.raises(CommandError, match=said):
        call_command("backtest_rules", **{"organization": slug, **given})


def test_a_rule_about_stages_is_not_replayed() -> None:
    with pytest.raises(NotReplayable, match="stage_delay"):
        backtest(file_connector().organization, "stage_delay", [], Span(START, START + timedelta(days=1)))
