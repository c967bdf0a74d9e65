"""Any drilldown, with any filters, is what a plain loop over the same facts finds; and its cell counts the same people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from django.test import Client

from analytics.models import StageTarget, StageVisit
from ats.models import Job
from issues.models import Issue
from tests.analytics.test_derive_against_oracle import PLACES, Tenant
from tests.analytics.test_properties import recorded
from tests.factories.accounts import member
from tests.factories.issues import issue_about
from tests.oracles.histories import STAGE_ORDER, START, History, seeded_history
from tests.oracles.visits import fold, job_histories, ledgers
from tests.oracles.waits import business_days

pytestmark = pytest.mark.django_db

BANDS, SEVERITIES, TYPES = ("fresh", "watch", "late", "critical"), ("low", "medium", "high", "critical"), ("stuck", "idle_candidate")


@dataclass(frozen=True)
class Person:
    application: str
    job: str
    stage: str
    #: business and calendar days
    age: dict[str, float]


def waiting(history: History, as_of: datetime) -> list[Person]:
    """Who was in which stage at a moment, from what was on record then."""
    known = [event for event in history.events if recorded(event) <= as_of]
    statuses = job_histories(known)
    found = []
    for application, events in ledgers(known).items():
        for visit in fold(events, stage_order=STAGE_ORDER, job_statuses=statuses).visits:
            if visit.job and visit.entered_at <= as_of and (visit.left_at is None or visit.left_at > as_of):
                age = {"bd": _business_days(visit.entered_at, as_of, statuses.get(visit.job, ())), "cd": _days(visit.entered_at, as_of)}
                found.append(Person(application, visit.job, visit.stage, age))
    return found


def _days(a: datetime, b: datetime) -> float:
    return round((b - a) / timedelta(days=1), 4)


def _business_days(a: datetime, b: datetime, statuses: Sequence[tuple[datetime, str]]) -> float:
    held = sum(
        business_days(max(a, at), min(b, until))
        for (at, status), (until, _) in pairwise([*statuses, (b, "")])
        if status == "on_hold" and max(a, at) < min(b, until)
    )
    return math.floor((business_days(a, b) - held) * 10_000 + 0.50001) / 10_000


def band(age: float, limit: float) -> str:
    return BANDS[sum(age > border for border in (limit / 2, limit, 2 * limit))]


def some(rng: Random, words: Sequence[str]) -> list[str]:
    return sorted(rng.sample(words, rng.choice((0, 0, 1, 2))))


def asked(rng: Random, as_of: datetime) -> dict[str, Any]:
    """Parameters both a heatmap and a drilldown take. The window decides on statistics only: never on who is there."""
    since = (as_of - timedelta(days=rng.uniform(1, 60))).isoformat()
    window = rng.choice(({}, {"window": rng.randint(1, 400)}, {"from": since}, {"from": since, "to": as_of.isoformat()}))
    return {"as_of": as_of.isoformat(), "clock": rng.choice(("bd", "cd")), **window}


def filters(rng: Random) -> dict[str, Any]:
    told: dict[str, Any] = {"band": some(rng, BANDS), "severity": some(rng, SEVERITIES), "issue_type": some(rng, TYPES)}
    if rng.random() < 0.5:
        told["min_age"] = round(rng.uniform(0, 20), 3)
    if rng.random() < 0.5:
        told["max_age"] = round(rng.uniform(0, 60), 3)
    return {name: ",".join(value) if isinstance(value, list) else value for name, value in told.items() if value != []}


def wanted(person: Person, told: dict[str, Any], clock: str, limit: float, issues: Iterable[Issue]) -> bool:
    age = person.age[clock]
    if "band" in told and band(person.age["bd"], limit) not in told["band"].split(","):
        return False
    if age < told.get("min_age", 0) or age > told.get("max_age", math.inf):
        return False
    if "severity" not in told and "issue_type" not in told:
        return True
    return any(
        issue.application is not None
        and issue.application.external_id == person.application
        and issue.status != Issue.Status.RESOLVED
        and issue.severity in told.get("severity", issue.severity).split(",")
        and issue.issue_type in told.get("issue_type", issue.issue_type).split(",")
        for issue in issues
    )


class Asker:
    """A tenant with a random history, targets and issues, asked over HTTP."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.history, self.tenant = seeded_history(seed + 700, applications=60), Tenant()
        for batch in self.history.batches(80):
            self.tenant.absorb(batch)
        for category in {category for category, _ in PLACES.values()}:
            days = self.rng.choice((0.5, 2, 5, 11))
            StageTarget.objects.create(organization=self.tenant.organization, category=category, business_days=days)
        Job.objects.filter(pk=next(iter(self.tenant.jobs.values())).pk).update(department="Kitchen")
        visits = list(StageVisit.objects.exclude(job=None).select_related("job__organization", "application", "stage").order_by("pk"))
        self.issues = [
            issue_about(
                visit, severity=self.rng.choice(SEVERITIES), issue_type=self.rng.choice(TYPES), status=self.rng.choice(Issue.Status.values)
            )
            for visit in self.rng.choices(visits, k=80)
        ]
        self.client = Client()
        self.client.force_login(member(self.tenant.organization))

    def get(self, address: str, parameters: dict[str, Any]) -> Any:
        answer = self.client.get(address, parameters)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def rows(self, parameters: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
        """(job, cell) of the whole organization or of a department, then of one job."""
        department = self.rng.choice(({}, {"department": "kitchen"}))
        org = self.get("/ats/heatmap", {**parameters, **department})["rows"]
        assert len(org) == (1 if department else len(self.tenant.jobs))
        own = self.rng.choice(list(self.tenant.jobs.values())).pk
        stages = self.get(f"/ats/jobs/{own}/heatmap", parameters)["stages"]
        return [(row["job"]["id"], cell) for row in org for cell in row["cells"]] + [(own, cell) for cell in stages]


@pytest.mark.parametrize("seed", range(3))
def test_a_cell_and_its_drilldown_are_what_a_plain_loop_finds_whatever_is_asked(seed: int) -> None:
    asker, filtered = Asker(seed), 0
    jobs = {job.pk: external_id for external_id, job in asker.tenant.jobs.items()}
    stages = {stage.pk: (external_id, stage.category) for external_id, stage in asker.tenant.stages.items()}
    for _ in range(6):
        as_of = START + timedelta(days=asker.rng.uniform(1, 80))
        parameters, people = asked(asker.rng, as_of), waiting(asker.history, as_of)
        told_cells = asker.rows(parameters)
        for job, cell in told_cells:
            here = {external_id for pk, (external_id, category) in stages.items() if cell["stage"]["id"] in (pk, category)}
            inside = [person for person in people if person.job == jobs[job] and person.stage in here]
            limit = cell["limit"]["value"]
            assert cell["limit"]["source"] == "target" or not inside
            assert cell["bands"] == {name: sum(band(person.age["bd"], limit) == name for person in inside) for name in BANDS}
            assert sum(cell["bands"].values()) == cell["open"] == len(inside)
        crowded = sorted(told_cells, key=lambda told: -told[1]["open"])[:6]
        for job, cell in [*asker.rng.sample(crowded, 3), asker.rng.choice(told_cells)]:
            here = {external_id for pk, (external_id, category) in stages.items() if cell["stage"]["id"] in (pk, category)}
            inside = [person for person in people if person.job == jobs[job] and person.stage in here]
            issues = [one for one in asker.issues if one.job_id == job and one.stage and one.stage.external_id in here]
            for narrowed in ({}, filters(asker.rng), filters(asker.rng)):
                listed = asker.get(f"/ats/jobs/{job}/stage/{cell['stage']['id']}/candidates", {**parameters, **narrowed, "page_size": 200})[
                    "results"
                ]
                expected = [one for one in inside if wanted(one, narrowed, parameters["clock"], cell["limit"]["value"], issues)]
                told = sorted((row["application"]["external_id"], row["age"]) for row in listed)
                assert told == sorted((one.application, one.age[parameters["clock"]]) for one in expected), narrowed
                filtered += bool(narrowed and expected and len(expected) < len(inside))
    assert filtered, "some filter must have narrowed a list"
