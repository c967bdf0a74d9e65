"""What if, asked in the admin: a row, a worker, a page that looks again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config import flow
from issues import backtests, whatif
from issues.models import Backtest, RuleSetting
from issues.tasks import BACKTESTS_KEPT, prune
from tests.api import client_of
from tests.factories.accounts import UserFactory, member
from tests.factories.ats import JobFactory
from tests.factories.worlds import World, make_world

pytestmark = pytest.mark.django_db

ADD = reverse("admin:issues_backtest_add")
State = Backtest.State


@pytest.fixture
def acme() -> World:
    return make_world("acme")


@pytest.fixture
def operator() -> Client:
    return client_of(UserFactory(username="olga", is_staff=True, is_superuser=True))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    monkeypatch.setattr(flow, "send", lambda *given: found.append(given))
    return found


def question(world: World, **given: Any) -> dict[str, Any]:
    return {"organization": world.organization.pk, "rule": "idle_candidate", "days": 30, "business_days": 4, **given}


def asked(client: Client, world: World, **given: Any) -> Backtest:
    response = client.post(ADD, question(world, **given))
    assert response.status_code == 302, response.context["errors"]
    return Backtest.objects.latest("pk")


def page(client: Client, row: Backtest) -> Any:
    return client.get(reverse("admin:issues_backtest_change", args=[row.pk]))


def test_asking_writes_a_row_offers_it_to_the_workers_and_reads_no_past(
    operator: Client, acme: World, sent: list[Any], django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whatif, "backtest", lambda *_: pytest.fail("the past is replayed by a worker, not in the request"))
    with django_capture_on_commit_callbacks(execute=True):
        row = asked(operator, acme)

    assert (row.state, row.asked_by and row.asked_by.username) == (State.WAITING, "olga")
    assert sent == [(flow.BACKTEST, row.pk)]
    waiting = page(operator, row)
    assert waiting["Refresh"] == "2"
    assert "Waiting for a worker" in waiting.content.decode()


def test_the_answer_is_the_command_s_and_its_examples_lead_to_candidates(operator: Client, acme: World) -> None:
    # given: somebody who came 30 days ago, and nothing has happened since
    row = asked(operator, acme, days=90, business_days=12)

    assert backtests.run(row.pk, worker="w")

    row.refresh_from_db()
    told = backtests.question_of(row).answered(row.asked_at)
    assert row.state == State.DONE
    assert row.answer == told.told
    assert told.as_is.issues == 1
    shown = page(operator, row)
    assert "Refresh" not in shown
    text = shown.content.decode()
    # the limit that stands in the world's settings for this stage is not asked: the question is about everywhere
    assert "idle_candidate with 12 instead of 5 days: 1 issue in 90 days, 0 of them gone within a day by themselves" in text
    listed = operator.get(reverse("admin:issues_backtest_changelist")).content.decode()
    assert "1 instead of 1 issues in 90 days" in listed


def test_examples_name_who_was_added_and_who_was_spared(operator: Client, acme: World) -> None:
    # given a stage whose own setting says 4, tried with a limit nobody reaches
    row = asked(operator, acme, days=90, business_days=60, job=acme.job.pk, stage=acme.stage.pk)
    backtests.run(row.pk, worker="w")

    text = page(operator, row).content.decode()

    candidate = acme.visit.application.candidate
    assert "60 instead of 4 days: 0 issues in 90 days" in text
    assert "Issues it would have spared you" in text
    assert f'<a href="{reverse("admin:ats_candidate_change", args=[candidate.pk])}">{candidate}</a>' in text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"business_days": "-1"}, "greater than 0"),
        ({"days": "0"}, "between 1 and 3650"),
        ({"factor": "2"}, "does not go by another factor"),
        ({"rule": "sync_stale"}, "not one of the available choices"),
    ],
)
def test_a_wrong_question_gets_a_sentence_and_no_row(operator: Client, acme: World, given: dict[str, Any], said: str) -> None:
    before = Backtest.objects.count()

    refused = operator.post(ADD, question(acme, **given))

    assert refused.status_code == 200
    assert said in refused.content.decode()
    assert Backtest.objects.count() == before


def test_the_form_says_what_cannot_be_replayed(operator: Client) -> None:
    text = operator.get(ADD).content.decode()

    assert "Cannot be replayed: " in text
    assert "sync stale, for how fresh the data was" in text


def test_a_job_of_another_organization_is_refused(operator: Client, acme: World) -> None:
    refused = operator.post(ADD, question(acme, job=JobFactory().pk))

    assert "has no such job" in refused.content.decode()


def test_who_may_only_look_sees_answers_and_asks_nothing(acme: World) -> None:
    looking = member(acme.organization, is_staff=True)
    looking.user_permissions.add(Permission.objects.get(codename="view_backtest"))
    client = client_of(looking)

    assert "acme answer" in page(client, Backtest.objects.get(organization=acme.organization)).content.decode()
    assert client.get(ADD).status_code == 403
    assert client.post(ADD, question(acme)).status_code == 403


def test_staff_ask_about_their_own_organization_alone(acme: World) -> None:
    globex = make_world("globex")
    staff = member(acme.organization, is_staff=True)
    staff.user_permissions.set(Permission.objects.all())
    client = client_of(staff)

    assert "globex" not in client.get(ADD).content.decode().lower()
    assert client.post(ADD, question(globex)).status_code == 200
    assert Backtest.objects.filter(organization=globex.organization).count() == 1, "its own"
    assert page(client, Backtest.objects.get(organization=globex.organization)).status_code == 302


def test_settings_and_the_inbox_lead_to_the_question_filled_in(operator: Client, acme: World) -> None:
    setting = RuleSetting.objects.get(organization=acme.organization)
    on_page = operator.get(reverse("admin:issues_rulesetting_change", args=[setting.pk])).content.decode()
    address = reverse("admin:issues_rulesetting_try_another_limit", args=[setting.pk])
    inbox = operator.get(reverse("admin:issues_issue_changelist"), {"issue_type__exact": "stuck"}).content.decode()
    issue = operator.get(reverse("admin:issues_issue_change", args=[acme.issue.pk])).content.decode()

    assert address in on_page
    form = operator.get(address, follow=True)
    initial = form.context["adminform"].form.initial
    assert (initial["rule"], initial["job"]) == ("idle_candidate", str(acme.job.pk))
    assert f"{ADD}?rule=stuck" in inbox
    assert f"{ADD}?organization={acme.organization.pk}" in issue


def test_a_question_is_answered_once(acme: World, operator: Client) -> None:
    row = asked(operator, acme)

    assert backtests.run(row.pk, worker="w")
    assert not backtests.run(row.pk, worker="w")
    Backtest.objects.filter(pk=row.pk).update(state=State.RUNNING, worker="w", started_at=timezone.now())
    assert not backtests.run(row.pk, worker="another"), "somebody is at it"


def test_a_worker_that_dies_of_it_every_time_ends_it_with_a_sentence(acme: World, operator: Client) -> None:
    row = asked(operator, acme)
    Backtest.objects.filter(pk=row.pk).update(state=State.RUNNING, worker="w", started_at=timezone.now(), attempts=backtests.MOST_ATTEMPTS)

    assert not backtests.run(row.pk, worker="w")

    row.refresh_from_db()
    assert (row.state, row.error) == (State.FAILED, backtests.GAVE_UP)
    assert backtests.GAVE_UP in page(operator, row).content.decode()


@pytest.mark.parametrize(
    ("trouble", "said"), [(SoftTimeLimitExceeded(), backtests.TOO_LONG), (RuntimeError("secret"), "It failed (RuntimeError)")]
)
def test_trouble_is_told_without_its_details(
    acme: World, operator: Client, monkeypatch: pytest.MonkeyPatch, trouble: Exception, said: str
) -> None:
    row = asked(operator, acme)

    def fail(*_: Any) -> None:
        raise trouble

    monkeypatch.setattr(whatif, "backtest", fail)
    try:
        backtests.run(row.pk, worker="w")
    except RuntimeError:
        pass

    row.refresh_from_db()
    assert row.state == State.FAILED
    assert row.error.startswith(said)
    assert "secret" not in row.error


def test_a_lost_message_is_sent_again(acme: World, operator: Client, sent: list[Any]) -> None:
    row = asked(operator, acme)
    now = timezone.now()

    assert backtests.offer_again(now=now) == 0
    assert backtests.offer_again(now=now + backtests.LOST_AFTER * 1.1) == 1
    assert sent == [(flow.BACKTEST, row.pk)]


def test_old_answers_are_forgotten(acme: World, operator: Client) -> None:
    old, new = asked(operator, acme), asked(operator, acme)
    Backtest.objects.filter(pk=old.pk).update(asked_at=timezone.now() - BACKTESTS_KEPT - timedelta(days=1))

    prune()

    assert not Backtest.objects.filter(pk=old.pk).exists()
    assert Backtest.objects.filter(pk=new.pk).exists()
