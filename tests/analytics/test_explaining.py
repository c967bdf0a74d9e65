"""Whoever has only the lists of ``explain`` and a statistics package of his own comes to the same numbers."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any

import pytest
from django.test import Client
from lifelines import KaplanMeierFitter
from scipy.stats import binomtest

from analytics import api as heatmap_api
from analytics.bands import heat_rank
from analytics.cells import Question
from analytics.heatmap import Window
from analytics.models import StageVisit
from analytics.observed import Seen, bulk_moves
from analytics.selectors import job_heatmap, org_heatmap
from ats.models import Job
from tests.analytics.test_derive_against_oracle import Tenant
from tests.analytics.test_properties import measured_at
from tests.factories.accounts import member
from tests.factories.ats import JobFactory
from tests.oracles.histories import START, seeded_history
from tests.schema import assert_as_documented

MOMENT = START + timedelta(days=40)


def told_history(seed: int, applications: int = 60) -> tuple[Tenant, datetime]:
    """A tenant, and a moment after all that happened to it, up to which everything is measured."""
    history, tenant = seeded_history(seed, applications=applications), Tenant()
    for batch in history.batches(90):
        tenant.absorb(batch)
    end = max(event.timestamp for event in history.events) + timedelta(days=1)
    measured_at(tenant, end)
    return tenant, end


def reached(listed: list[dict[str, Any]], p: float) -> float | None:
    """The p-quantile as lifelines' curve has it."""
    fitter = KaplanMeierFitter().fit([one["days"] for one in listed], [one["taken_as"] == "exit" for one in listed])
    curve = fitter.survival_function_["KM_estimate"]
    low_enough = curve[curve <= 1 - p + 1e-9]
    return None if low_enough.empty else float(low_enough.index[0])


def assert_quantile(number: dict[str, Any], listed: list[dict[str, Any]], p: float, needed: int) -> None:
    exits = sum(one["taken_as"] == "exit" for one in listed)
    assert (number["n"], number["n_exits"], number["n_open"]) == (len(listed), exits, sum(one["taken_as"] == "open" for one in listed))
    value = reached(listed, p) if listed else None
    assert number["value"] == (pytest.approx(value, abs=1e-6) if exits >= needed and value is not None else None)
    if exits >= 6 and value is None:
        assert number["lower_bound"] == pytest.approx(max(one["days"] for one in listed), abs=1e-6)


def assert_rate(number: dict[str, Any], k: int, n: int, low: float | None, high: float | None) -> None:
    assert (number["k"], number["n"]) == (k, n)
    assert number["resolved"] == (pytest.approx(100 * k / n) if n else None)
    if n:
        wilson = binomtest(k, n).proportion_ci(method="wilson")
        assert (low, high) == (pytest.approx(100 * wilson.low), pytest.approx(100 * wilson.high))


def assert_recomputable(cell: dict[str, Any], clock: str) -> None:
    lists = cell["explain"]
    waiting = lists["open"]["included"]
    assert cell["open"] == len(waiting)
    assert cell["bands"] == {band: sum(one["band"] == band for one in waiting) for band in cell["bands"]}
    if waiting:
        oldest = sorted(waiting, key=lambda one: -one["age"])
        assert cell["heat"] == oldest[heat_rank(len(waiting)) - 1]["band"]
        assert cell["oldest_age"] == max(one["age" if clock == "bd" else "age_cd"] for one in waiting)
    overdue = sum(max(0.0, one["age"] - cell["limit"]["value"]) for one in waiting)
    assert cell["overdue_days"] == pytest.approx(overdue, abs=1e-3)

    assert cell["entered"] == len(lists["entered"]["included"])
    assert cell["exited"] == len(lists["exited"]["included"])
    completed = [one["days"] for one in lists["completed"]["included"]]
    assert cell["avg_duration_hours"] == (pytest.approx(24 * fmean(completed)) if completed else None)

    assert_quantile(cell["p50"], lists["included"], 0.5, 6)
    assert_quantile(cell["p85"], lists["included"], 0.85, 20)

    fates = Counter(one["taken_as"] for one in lists["applications"]["included"])
    entered, decided = fates.total(), fates.total() - fates["undecided"]
    passing, dropping = cell["pass_through"], cell["drop_off"]
    assert_rate(passing, fates["advanced"], decided, *passing["interval"])
    assert passing["low"] == (pytest.approx(100 * fates["advanced"] / entered) if entered else None)
    assert passing["high"] == (pytest.approx(100 * (fates["advanced"] + fates["undecided"]) / entered) if entered else None)
    assert_rate(dropping, fates["rejected"] + fates["withdrawn"], decided, dropping["low"], dropping["high"])

    recent = lists["recent"]["included"]
    exits = sum(one["taken_as"] == "exit" for one in recent)
    assert cell["delay"]["n_exits"] == exits
    if exits >= 6:
        median = reached(recent, 0.5)
        assert cell["delay"]["p50"] == pytest.approx(max(one["days"] for one in recent) if median is None else median, abs=1e-6)


@pytest.mark.django_db
@pytest.mark.parametrize(("seed", "clock", "live"), [(1, "bd", True), (2, "cd", True), (3, "bd", False), (4, "cd", False)])
def test_every_number_of_every_cell_follows_from_its_lists(seed: int, clock: str, live: bool) -> None:
    tenant, end = told_history(seed)
    as_of = end if live else MOMENT
    window = Window.of_days(400, as_of) if seed % 2 else Window(START + timedelta(days=5), START + timedelta(days=30))
    question = Question(as_of=as_of, live=live, clock=clock, window=window)
    jobs = list(Job.objects.filter(organization=tenant.organization).select_related("organization"))

    org = org_heatmap(organization_ids=[tenant.organization.pk], question=question, explain=True)
    cells = [cell for row in org["rows"] for cell in row["cells"]]
    cells += [cell for job in jobs for cell in job_heatmap(job=job, question=question, explain=True)["stages"]]

    assert sum(cell["open"] for cell in cells) > 20
    for cell in cells:
        assert_recomputable(cell, clock)


@pytest.mark.django_db
def test_every_visit_of_the_cell_is_either_counted_or_left_out_for_a_reason() -> None:
    tenant, end = told_history(5)
    job = next(iter(tenant.jobs.values()))
    question = Question(as_of=end)

    for cell in job_heatmap(job=job, question=question, explain=True)["stages"]:
        visits = set(StageVisit.objects.filter(job=job, stage=cell["stage"]["id"]).values_list("entry_event_id", flat=True))
        lists = cell["explain"]
        for listed in (lists, *(lists[name] for name in ("open", "entered", "exited", "completed", "recent"))):
            counted, out = ({one["visit"] for one in listed[part]} for part in ("included", "excluded"))
            assert not counted & out
            assert counted | out == visits
            assert all(one["reason"] for one in listed["excluded"])


@pytest.mark.django_db
def test_the_org_heatmap_is_explained_over_http_for_a_few_jobs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    (tenant, _), client = told_history(6, applications=20), Client()
    client.force_login(member(tenant.organization))

    answer = client.get("/ats/heatmap", {"explain": 1})
    assert_as_documented(answer, "org_heatmap")
    assert all("explain" in cell for row in answer.json()["rows"] for cell in row["cells"])

    monkeypatch.setattr(heatmap_api, "MOST_EXPLAINED", 1)
    JobFactory(connector=tenant.connector)
    refused = client.get("/ats/heatmap", {"explain": 1})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "explain")


def test_fifty_out_of_a_stage_within_a_minute_are_a_bulk_move() -> None:
    def seen(number: int, second: float, kind: str = "rejected", stage: int = 1) -> Seen:
        return Seen(number, number, 1, stage, START, START + timedelta(days=1, seconds=second), kind, "exact", 0, 1.0)

    as_of = START + timedelta(days=2)
    fifty = [seen(number, 60 * number / 49) for number in range(50)]

    assert bulk_moves(fifty, as_of) == set(range(50))
    assert bulk_moves([*fifty[:-1], seen(49, 60.001)], as_of) == set()
    assert bulk_moves([*fifty[:-1], seen(49, 60, kind="withdrawn")], as_of) == set()
    assert bulk_moves([*fifty[:-1], seen(49, 60, stage=2)], as_of) == set()
    assert bulk_moves([*fifty, seen(50, 300)], as_of) == set(range(50))
