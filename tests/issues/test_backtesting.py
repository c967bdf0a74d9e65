"""What if: other thresholds, in one place or everywhere, asked on the command line."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from ats.models import Job
from connectors.models import Connector
from issues.backtesting import NotReplayable, backtest
from issues.detection import rule_book
from issues.models import Issue, RuleSetting
from issues.replaying import Outcome, Span
from issues.thresholds import DEFAULTS, Setting
from issues.whatif import Comparison
from tests.issues.pasts import DAYS, START, past, swept
from tests.walking import bring_in, file_connector

pytestmark = pytest.mark.django_db


def test_other_thresholds_are_what_sweeping_with_them_would_have_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same past swept twice, with 2.5 days and with 5; the backtest of the second foretells the first."""
    rows = past(Random(11))
    strict, patient = file_connector(), file_connector()
    RuleSetting.objects.create(organization=strict.organization, rule="idle_candidate", business_days=2.5)
    for connector in (strict, patient):
        span = swept(connector, rows, monkeypatch, days=12)

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
        ({"rule": "sync_stale"}, "cannot be replayed: how fresh"),
        ({"rule": "idle_candidate", "business_days": -1.0}, "greater than 0"),
        ({"rule": "idle_candidate", "days": 0}, "between 1 and 3650"),
        ({"rule": "idle_candidate", "organization": "nobody"}, "no organization called nobody"),
    ],
)
def test_the_command_says_what_it_cannot_do(given: dict[str, Any], said: str) -> None:
    slug = file_connector().organization.slug
    with pytest.raises(CommandError, match=said):
        call_command("backtest_rules", **{"organization": slug, **given})


def test_a_rule_without_its_facts_in_the_ledger_is_not_replayed() -> None:
    with pytest.raises(NotReplayable, match="poll_gap"):
        backtest(file_connector().organization, "poll_gap", [], Span(START, START + timedelta(days=1)))


def test_a_delay_is_told_against_what_is_usual() -> None:
    def told(rule: str) -> str:
        return Comparison(rule, 90, DEFAULTS[rule], {"factor": 1.2}, Outcome(), Outcome()).change

    assert told("stage_delay") == "1.2 instead of 1.5 times the usual"
    assert told("stuck") == "1.2 instead of 2 times the limit"
