"""Whoever has only the lists of ``explain`` and a statistics package of his own comes to the same numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any
from urllib.parse import urlencode

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
from analytics.selectors import job_heatmap, job_stats, org_heatmap
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


def usual_of(listed: list[dict[str, Any]], p: float) -> float:
    """A baseline's quantile, or the longest that is known where the curve does not come down so far."""
    value = reached(listed, p)
    return max(one["days"] for one in listed) if value is None else value


def exits_of(listed: list[dict[str, Any]]) -> int:
    return sum(one["taken_as"] == "exit" for one in listed)


def assert_compared(cell: dict[str, Any], job: Job, pool: dict[tuple[str, Job], list[dict[str, Any]]]) -> set[str]:
    """``pool``: the lists called ``baseline`` by category and job. Returns the levels at which something was compared."""

    def stays(level: str, *, others: bool) -> list[dict[str, Any]]:
        inside = (other for other in {job for _, job in pool} if level == "organization" or other.department == job.department)
        return [one for other in inside if other != job or not others for one in pool.get((cell["stage"]["category"], other), [])]

    limit, delay = cell["limit"], cell["delay"]
    if limit["source"] == "baseline":
        level = limit["baseline_level"]
        listed = cell["explain"]["baseline"]["included"] if level == "job" else stays(level, others=False)
        assert limit["n"] == exits_of(listed)
        assert limit["value"] == pytest.approx(max(1.0, usual_of(listed, 0.85)), abs=1e-6)
    if delay["baseline_p50"] is not None:
        listed = stays(delay["baseline_level"], others=True)
        assert delay["n"] == exits_of(listed)
        assert delay["baseline_p50"] == pytest.approx(usual_of(listed, 0.5), abs=1e-6)
    return {f"limit {limit['baseline_level']}", f"delay {delay['baseline_level']}"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("live", "expected"),
    [(True, {"limit job", "limit department", "limit organization"}), (False, {"limit job", "limit organization", "delay organization"})],
)
def test_what_a_cell_is_compared_with_follows_from_the_lists_of_the_cells_around_it(live: bool, expected: set[str]) -> None:
    tenant, end = told_history(6, applications=200)
    jobs = list(Job.objects.filter(organization=tenant.organization).select_related("organization").order_by("pk"))
    for number, job in enumerate(jobs):
        job.department = ("", "Sales", "Design")[number % 3]
        job.save()
    as_of = end if live else START + timedelta(days=25)
    if live:
        measured_at(tenant, end)
    question = Question(as_of=as_of, live=live, clock="cd", window=Window.of_days(20, as_of))

    told = [(job, cell) for job in jobs for cell in job_heatmap(job=job, question=question, explain=True)["stages"]]
    pool: dict[tuple[str, Job], list[dict[str, Any]]] = defaultdict(list)
    for job, cell in told:
        pool[cell["stage"]["category"], job] += cell["explain"]["baseline"]["included"]

    levels = set().union(*(assert_compared(cell, job, pool) for job, cell in told))
    assert levels >= expected


@pytest.mark.django_db
def test_whoever_a_cell_is_compared_with_is_listed_page_by_page() -> None:
    tenant, _ = told_history(6, applications=200)
    for number, job in enumerate(Job.objects.filter(organization=tenant.organization).order_by("pk")):
        job.department = ("", "Sales", "Design")[number % 3]
        job.save()
    client, asked = Client(), {"as_of": (START + timedelta(days=25)).isoformat(), "page_size": 60}
    client.force_login(member(tenant.organization))
    levels = set()

    def listed(address: str, behind: str, level: str | None) -> list[Any]:
        found, url = [], f"{address}/baseline?{urlencode({**asked, 'behind': behind})}"
        while url:
            answer = client.get(url)
            assert_as_documented(answer, "stage_baseline")
            found, url = [*found, *answer.json()["results"]], answer.json()["next"]
        assert {row["baseline_level"] for row in found} <= {level}
        levels.add(f"{behind} {level}")
        return [row for row in found if row["reason"] is None]

    for job in Job.objects.filter(organization=tenant.organization):
        for cell in client.get(f"/ats/jobs/{job.pk}/heatmap", {"as_of": asked["as_of"]}).json()["stages"]:
            address, limit, delay = f"/ats/jobs/{job.pk}/stage/{cell['stage']['id']}", cell["limit"], cell["delay"]
            people = client.get(f"{address}/candidates", {"as_of": asked["as_of"]}).json()["results"]
            if limit["source"] == "baseline":
                stays = listed(address, "limit", limit["baseline_level"])
                assert limit["n"] == exits_of(stays)
                assert limit["value"] == pytest.approx(max(1.0, usual_of(stays, 0.85)), abs=1e-6)
                assert {(one["pace"]["n"], one["pace"]["baseline_level"]) for one in people} <= {(len(stays), limit["baseline_level"])}
            if delay["baseline_p50"] is not None:
                stays = listed(address, "delay", delay["baseline_level"])
                assert delay["n"] == exits_of(stays)
                assert job.pk not in {row["job"]["id"] for row in stays}
                assert delay["baseline_p50"] == pytest.approx(usual_of(stays, 0.5), abs=1e-6)
    assert levels >= {"limit job", "limit organization", "delay organization"}


@pytest.mark.django_db
def test_every_visit_of_the_cell_is_either_counted_or_left_out_for_a_reason() -> None:
    tenant, end = told_history(5)
    job = next(iter(tenant.jobs.values()))
    question = Question(as_of=end)

    for cell in job_heatmap(job=job, question=question, explain=True)["stages"]:
        visits = set(StageVisit.objects.filter(job=job, stage=cell["stage"]["id"]).values_list("entry_event_id", flat=True))
        lists = cell["explain"]
        for listed in (lists, *(lists[name] for name in ("open", "entered", "exited", "completed", "recent", "baseline"))):
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


def incidence(listed: list[dict[str, Any]], kinds: set[str], by: float) -> float:
    """Aalen-Johansen by its definition: the sum of S(t-) d/n over the exit times up to ``by``."""
    survival, total = 1.0, 0.0
    for t in sorted({one["days"] for one in listed if one["taken_as"] == "exit" and one["days"] <= by}):
        at_risk = sum(one["days"] >= t for one in listed)
        exits = [one for one in listed if one["taken_as"] == "exit" and one["days"] == t]
        total += survival * sum(one["exit_kind"] in kinds for one in exits) / at_risk
        survival *= 1 - len(exits) / at_risk
    return total


def over_by(listed: list[dict[str, Any]], age: float) -> float:
    fitter = KaplanMeierFitter().fit([one["days"] for one in listed], [one["taken_as"] == "exit" for one in listed])
    return 100 * (1 - float(fitter.predict(age)))


def assert_velocity(told: dict[str, Any]) -> None:
    listed = told["explain"]["included"]
    for name, p, needed in (("p50", 0.5, 6), ("p85", 0.85, 20), ("p95", 0.95, 60)):
        assert_quantile(told[name], listed, p, needed)
    for name, kinds in (("time_to_advance", {"advanced", "hired"}), ("time_to_reject", {"rejected"})):
        days = sorted(one["days"] for one in listed if one["exit_kind"] in kinds)
        assert told[name]["n"] == len(days)
        assert told[name]["value"] == (pytest.approx(days[(len(days) + 1) // 2 - 1]) if len(days) >= 6 else None)
    for chance in told["chance_to_advance"]:
        expected = 100 * incidence(listed, {"advanced", "hired"}, chance["by"]) if listed else None
        assert chance["value"] == (pytest.approx(expected) if listed else None)
    sla = told["sla"]
    if sla["value"] is not None:
        assert sla["value"] == pytest.approx(over_by(sla["explain"]["included"], sla["target"]), abs=1e-6)


def assert_waiting(told: dict[str, Any]) -> None:
    people = told["explain"]["included"]
    assert told["open"]["value"] == len(people)
    assert told["age"]["highest"] == max((one["age"] for one in people), default=None)
    assert told["idle"]["highest"] == max((one["idle_days"] for one in people), default=None)
    assert told["on_time"]["k"] == sum(one["age"] <= told["on_time"]["target"] for one in people)
    overdue = sum(max(0.0, one["age"] - told["overdue_days"]["target"]) for one in people)
    assert told["overdue_days"]["value"] == pytest.approx(overdue, abs=1e-3)
    assert told["net"]["value"] == told["arrivals"]["value"] - told["exits"]["value"]


def numbers_of(told: Any) -> Iterator[dict[str, Any]]:
    """Every number that brings its own explanation."""
    if isinstance(told, dict):
        if "definition_id" in told and "explain" in told:
            yield told
        for name, value in told.items():
            if name != "explain":
                yield from numbers_of(value)
    elif isinstance(told, list):
        for value in told:
            yield from numbers_of(value)


@pytest.mark.django_db
@pytest.mark.parametrize(("seed", "clock", "live"), [(1, "bd", True), (3, "cd", False)])
def test_every_statistic_of_a_job_follows_from_its_lists(seed: int, clock: str, live: bool) -> None:
    tenant, end = told_history(seed, applications=90)
    as_of = end if live else START + timedelta(days=60)
    question = Question(as_of=as_of, live=live, clock=clock, window=Window.of_days(400, as_of))
    shares = counts = 0
    for job in tenant.jobs.values():
        told = job_stats(job=job, question=question, explain=True)
        for stage in told["velocity"]:
            assert_velocity(stage)
        for stage in told["waiting"]:
            assert_waiting(stage)
        for name in ("time_to_hire", "time_to_offer", "decision_on_offer"):
            assert_quantile(told[name]["p50"], told[name]["explain"]["included"], 0.5, 6)
        for unit in ("bd", "cd"):
            first = told["time_to_first_action"][unit]
            assert_quantile(first["p50"], first["explain"]["included"], 0.5, 6)
        for number in numbers_of(told):
            explain = number["explain"]
            assert all(one["reason"] for one in explain["excluded"])
            if "counted_in_k" in explain:
                taken = Counter(one["taken_as"] for one in explain["included"])
                k = sum(taken[word] for word in explain["counted_in_k"])
                n = taken.total() - sum(taken[word] for word in explain["not_counted_in_n"])
                assert_rate({**number, "resolved": number["value"]}, k, n, number["low"], number["high"])
                shares += 1
            elif number["unit"] == "count" and "per_days" not in number:
                assert number["value"] == len(explain["included"])
                counts += 1
            elif "per_days" in number and "low" not in number:
                days = number["window"]["days"]
                assert number["value"] == pytest.approx(28 * len(explain["included"]) / days)
        learnt = {one["stage"]: one["included"] for one in told["forecast"]["explain"]["stages"]}
        for basis in told["forecast"]["basis"]["stages"]:
            listed = learnt.get(basis["stage"]["id"], [])
            assert (basis["n"], basis["n_exits"]) == (len(listed), sum(one["taken_as"] == "exit" for one in listed))
    assert shares > 50
    assert counts > 30


def test_fifty_out_of_a_stage_within_a_minute_are_a_bulk_move() -> None:
    def seen(number: int, second: float, kind: str = "rejected", stage: int = 1) -> Seen:
        return Seen(number, number, 1, stage, START, START + timedelta(days=1, seconds=second), kind, "exact", 0, False, 1.0)

    as_of = START + timedelta(days=2)
    fifty = [seen(number, 60 * number / 49) for number in range(50)]

    assert bulk_moves(fifty, as_of) == set(range(50))
    assert bulk_moves([*fifty[:-1], seen(49, 60.001)], as_of) == set()
    assert bulk_moves([*fifty[:-1], seen(49, 60, kind="withdrawn")], as_of) == set()
    assert bulk_moves([*fifty[:-1], seen(49, 60, stage=2)], as_of) == set()
    assert bulk_moves([*fifty, seen(50, 300)], as_of) == set(range(50))
