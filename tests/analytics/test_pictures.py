"""What a job's page draws agrees with the numbers beside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from analytics import drilldown
from analytics.cells import Question
from analytics.models import Baseline
from analytics.pictures import cell_explained, job_picture, usual_by_category
from analytics.selectors import job_heatmap
from tests.realtime.tenants import Tenant, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Tenant:
    return make_tenant("acme")


def test_ages_and_curves_count_the_people_the_cells_count(acme: Tenant) -> None:
    job = acme.job()
    for days in (1, 3, 30, 80):
        acme.apply(job, days_ago=days)
    question = Question(as_of=timezone.now())

    picture = job_picture(job=job, question=question)
    (cell,) = job_heatmap(job=job, question=question)["stages"]

    (ages,) = picture.ages
    assert {band: sum(person.band == band for person in ages.people) for band in cell["bands"]} == cell["bands"]
    assert (ages.limit, ages.people[0].age) == (cell["limit"]["value"], pytest.approx(cell["oldest_age"], abs=0.01))
    (curve,) = picture.curves
    assert (curve.curve.n, curve.curve.n_open, len(curve.waiting)) == (4, 4, 4)


def test_weeks_hold_everybody_who_came_and_left_in_them(acme: Tenant) -> None:
    job = acme.job()
    for days in (0.5, 1, 8, 200):
        acme.apply(job, days_ago=days)
    visit = acme.apply(job, days_ago=20).visits.get()  # type: ignore[attr-defined]
    visit.left_at, visit.exit_kind, visit.bd = timezone.now() - timedelta(days=9), "rejected", 5.0
    visit.save()

    weeks = job_picture(job=job, question=Question(as_of=timezone.now())).weeks

    assert len(weeks) == 12
    assert [week.arrivals for week in weeks[-3:]] == [1, 1, 2]
    assert [week.exits for week in weeks[-3:]] == [0, 1, 0]
    assert sum(week.arrivals for week in weeks) == 4  # the one of 200 days ago came before the window


def test_an_explanation_lists_who_was_counted_and_why_others_were_not(acme: Tenant) -> None:
    job = acme.job()
    for days in (1, 200):
        acme.apply(job, days_ago=days)
    stages = drilldown.find_stages(job, "review")

    told = cell_explained(job, stages, Question(as_of=timezone.now()))

    assert [one.taken_as for one in told.included] == ["open"]
    assert told.included[0].cd == pytest.approx(1, abs=0.001)
    assert told.reasons == {"entered_before_window": 1}
    assert {unit: cell["p50"]["unit"] for unit, cell in told.cells.items()} == {"bd": "bd", "cd": "cd"}
    assert told.cells["bd"]["open"] == 2


def test_what_is_usual_is_the_organizations_baseline(acme: Tenant) -> None:
    question = Question(as_of=timezone.now())
    assert usual_by_category(acme.organization.pk, question) == {}
    Baseline.objects.create(
        organization=acme.organization, level="organization", category="review", n=50, n_exits=40, n_open=10, p50=4.25, p85=9.0, longest=30
    )

    usual = usual_by_category(acme.organization.pk, question)

    assert {category: one.value for category, one in usual.items()} == {"review": 4.25}
    past = replace(question, as_of=question.as_of - timedelta(days=30), live=False)
    assert usual_by_category(acme.organization.pk, past) == {}
