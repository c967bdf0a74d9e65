"""Which rules work with what is connected, and whether people are told."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from issues.models import Issue, RuleSetting
from issues.rules import NAMES, RULES, SOURCE_RULES, Rule
from issues.thresholds import DEFAULTS, Thresholds
from issues.workings import Source, State, working
from tests.api import client_of
from tests.factories.accounts import UserFactory
from tests.factories.connectors import ConnectorFactory
from tests.factories.worlds import make_world
from tests.schema import assert_as_documented

BAMBOO = Source("hr", frozenset({"polls"}))
FILES = Source("history", frozenset({"interviews"}))


def rule(name: str) -> Rule[Any]:
    return next(one for one in (*RULES, *SOURCE_RULES) if one.name == name)


@pytest.mark.parametrize(
    ("name", "thresholds", "sources", "state", "why"),
    [
        ("stuck", DEFAULTS["stuck"], [BAMBOO], State.ON, ""),
        ("stuck", DEFAULTS["stuck"], [], State.OFF, "Nothing is connected yet."),
        ("stuck", Thresholds(enabled=False), [BAMBOO], State.OFF, "It is switched off in the rule settings."),
        (
            "waiting_on_us", DEFAULTS["waiting_on_us"], [BAMBOO], State.OFF,
            "No connected source tells of interviews, feedback and offers.",
        ),
        (
            "missing_feedback", DEFAULTS["missing_feedback"], [BAMBOO], State.OFF,
            "No connected source tells of interviews, feedback and offers. Switch on its proxy in the rule settings, and it goes by the "
            "time in an interview stage without a comment or rating.",
        ),
        (
            "missing_feedback", Thresholds(proxy=True), [BAMBOO], State.PROXY,
            "No connected source tells of interviews, feedback and offers. It goes by the time in an interview stage without a "
            "comment or rating, and its issues are marked as inferred.",
        ),
        (
            "waiting_on_us", DEFAULTS["waiting_on_us"], [BAMBOO, FILES], State.ON,
            "Not told of interviews, feedback and offers by hr. There it is silent.",
        ),
        ("waiting_on_us", DEFAULTS["waiting_on_us"], [FILES], State.ON, ""),
        ("sync_stale", DEFAULTS["sync_stale"], [BAMBOO], State.ON, ""),
        ("sync_stale", DEFAULTS["sync_stale"], [FILES], State.OFF, "No connected source is read by polling."),
    ],
)  # fmt: skip
def test_a_rule_works_says_why_not_or_goes_by_a_proxy(
    name: str, thresholds: Thresholds, sources: list[Source], state: State, why: str
) -> None:
    assert working(rule(name), thresholds, sources) == (state, why)


@pytest.mark.django_db
def test_everybody_is_told_of_the_rules_of_their_own_organizations(django_assert_max_num_queries: Any) -> None:
    acme, other = make_world("acme"), make_world("globex")
    RuleSetting.objects.all().delete()
    RuleSetting.objects.create(organization=acme.organization, rule="stuck", enabled=False)
    RuleSetting.objects.create(organization=acme.organization, rule="idle_candidate", job=acme.job, enabled=False)
    RuleSetting.objects.create(organization=other.organization, rule="no_exits", enabled=False)
    api = client_of(acme.recruiter)

    with django_assert_max_num_queries(8):
        answer = api.get("/ats/rules")

    assert_as_documented(answer, "rules")
    rules = {each["rule"]: each for each in answer.json()}
    assert list(rules) == list(NAMES)
    assert {each["organization"]["id"] for each in rules.values()} == {acme.organization.pk}
    assert (rules["stuck"]["state"], rules["stuck"]["factor"]) == ("off", 2.0)
    assert (rules["idle_candidate"]["state"], rules["idle_candidate"]["exceptions"]) == ("on", 1)
    assert rules["no_exits"]["state"] == "on"


@pytest.mark.django_db
def test_an_issue_found_by_a_proxy_says_so_and_can_be_asked_for() -> None:
    acme = make_world("acme")
    api = client_of(acme.recruiter)
    assert api.get(f"/ats/issues/{acme.issue.pk}").json()["inferred"] is False
    assert [each["id"] for each in api.get("/ats/issues?inferred=false").json()["results"]] == [acme.issue.pk]
    assert api.get("/ats/issues?inferred=true").json()["results"] == []
    assert api.get("/ats/issues?inferred=maybe").json()["errors"][0] == {
        "field": "inferred", "code": "invalid", "message": "Must be true or false."
    }  # fmt: skip

    Issue.objects.filter(pk=acme.issue.pk).update(evidence={"inferred": True}, last_seen_at=timezone.now())

    assert api.get(f"/ats/issues/{acme.issue.pk}").json()["inferred"] is True
    assert [each["id"] for each in api.get("/ats/issues?inferred=true").json()["results"]] == [acme.issue.pk]
    assert api.get("/ats/issues?inferred=false").json()["results"] == []


@pytest.mark.django_db
def test_the_page_of_rule_settings_tells_which_rules_are_off() -> None:
    ConnectorFactory(provider="bamboohr", organization__name="Acme")
    operator = client_of(UserFactory(is_staff=True, is_superuser=True))

    page = operator.get(reverse("admin:issues_rulesetting_changelist")).content.decode()

    assert "Rules of Acme" in page
    assert "Missing feedback: off" in page
    assert "On: stuck, idle candidate, clock skew" in page
    assert "No connected source tells of interviews, feedback and offers. Switch on its proxy in the rule settings" in page
