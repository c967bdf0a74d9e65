"""What must hold of every answer, tried on random histories with late, doubled and disordered events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.test import Client

from analytics import baselines, rebuilding, services
from analytics.cells import Question
from analytics.models import StageMetric
from analytics.selectors import job_heatmap, job_stats, org_heatmap
from ats.models import Job
from tests.analytics.test_derive_against_oracle import Tenant
from tests.factories.accounts import member
from tests.factories.analytics import StageVisitFactory
from tests.oracles.histories import START, History, seeded_history

pytestmark = pytest.mark.django_db


def recorded(event: Any) -> datetime:
    found: datetime = event.recorded_at or event.timestamp
    return found


def measured_at(tenant: Tenant, moment: datetime) -> None:
    """Everything kept is brought up to this moment, as a running installation would have it."""
    StageMetric.objects.update(dirty=True, own_at=None)
    services.refresh_cells(organization_id=tenant.organization.pk, as_of=moment)
    baselines.refresh(tenant.organization.pk, as_of=moment)


def comparable(answer: Any) -> Any:
    """Without what is told of the connection rather than of the pipeline; floats to nine digits."""
    if isinstance(answer, dict):
        return {key: comparable(value) for key, value in answer.items() if key not in {"freshness", "issues_open", "name", "position"}}
    if isinstance(answer, list | tuple):
        return [comparable(one) for one in answer]
    return round(answer, 9) if isinstance(answer, float) else answer


def answers(tenant: Tenant, question: Question) -> Any:
    jobs = list(Job.objects.filter(organization=tenant.organization).select_related("organization").order_by("pk"))
    org = org_heatmap(organization_ids=[tenant.organization.pk], question=question)
    return comparable(
        [
            org,
            [job_heatmap(job=job, question=question, explain=True) for job in jobs],
            [job_stats(job=job, question=question) for job in jobs],
        ]
    )


def telling_moments(history: History, rng: Random) -> list[datetime]:
    """Just before and at the arrival of something that had happened long before; while something else was still unknown;
    and some day."""
    late = [event for event in history.events if recorded(event) - event.timestamp > timedelta(hours=1)]
    one, other = rng.sample(late, 2)
    unknown = other.timestamp + (recorded(other) - other.timestamp) / 2
    return sorted([recorded(one) - timedelta(seconds=1), recorded(one), unknown, START + timedelta(days=rng.randint(3, 80))])


@pytest.mark.parametrize("seed", range(4))
def test_an_answer_about_the_past_is_the_answer_given_then(seed: int) -> None:
    history = seeded_history(seed, applications=40)
    tenant, given, clock = Tenant(), {}, ("bd", "cd")[seed % 2]
    moments = telling_moments(history, Random(seed))
    for since, moment in zip([datetime.min.replace(tzinfo=UTC), *moments], moments, strict=False):
        tenant.absorb([event for event in history.events if since < recorded(event) <= moment])
        measured_at(tenant, moment)
        given[moment] = answers(tenant, Question(as_of=moment, clock=clock))

    for batch in history.batches(60):
        tenant.absorb(batch)
    measured_at(tenant, START + timedelta(days=200))

    for moment in moments:
        assert answers(tenant, Question(as_of=moment, live=False, clock=clock)) == given[moment], moment


@pytest.mark.parametrize("seed", range(4))
def test_bands_sum_to_open_and_to_the_length_of_the_drilldown(seed: int) -> None:
    history, tenant = seeded_history(seed + 100, applications=60), Tenant()
    for batch in history.batches(80):
        tenant.absorb(batch)
    measured_at(tenant, START + timedelta(days=60))
    client = Client()
    client.force_login(member(tenant.organization))
    moments: tuple[dict[str, Any], ...] = ({}, {"as_of": (START + timedelta(days=20)).isoformat()}, {"window": 30, "clock": "cd"})
    for parameters in moments:
        for row in client.get("/ats/heatmap", parameters).json()["rows"]:
            own = client.get(f"/ats/jobs/{row['job']['id']}/heatmap", parameters).json()["stages"]
            for cell in [*row["cells"], *own]:
                address = f"/ats/jobs/{row['job']['id']}/stage/{cell['stage']['id']}/candidates"

                def people(**more: Any) -> int:
                    return len(client.get(address, {**parameters, "page_size": 200, **more}).json()["results"])  # noqa: B023

                assert sum(cell["bands"].values()) == cell["open"] == (people() if cell["open"] else 0)
                if cell["open"]:
                    assert {band: people(band=band) for band in cell["bands"]} == cell["bands"]


@pytest.mark.parametrize("seed", range(3))
def test_what_batches_left_behind_is_what_a_rebuild_finds(seed: int) -> None:
    history, tenant = seeded_history(seed + 200, applications=40), Tenant()
    for batch in history.batches(30):
        tenant.absorb(batch)
    measured_at(tenant, START + timedelta(days=60))

    assert not rebuilding.rebuild(organization_id=tenant.organization.pk, check=True)


@pytest.mark.parametrize("seed", range(3))
def test_an_arbitrary_window_is_computed_as_the_kept_one_is(seed: int) -> None:
    history, tenant = seeded_history(seed + 300, applications=60), Tenant()
    for batch in history.batches(80):
        tenant.absorb(batch)
    moment = START + timedelta(days=60)
    measured_at(tenant, moment)
    kept = Question(as_of=moment)

    from_visits = Question(as_of=moment, window=kept.span)

    assert answers(tenant, from_visits) == answers(tenant, kept)


def test_a_cell_nobody_waits_in_still_forgets_what_its_window_has_passed() -> None:
    visit = StageVisitFactory(began=START, left_at=START + timedelta(days=3), exit_kind="advanced", exit_precision="exact")
    metric = StageMetric.objects.create(organization=visit.organization, job=visit.job, stage=visit.stage, entered=1, exited=1)

    def counted(days: int) -> tuple[int, int, int]:
        services.refresh_cells(organization_id=visit.organization_id, as_of=START + timedelta(days=days))
        metric.refresh_from_db()
        return metric.window_entered, metric.n, metric.own_n

    assert [counted(days) for days in (10, 100, 200)] == [(1, 1, 1), (0, 0, 1), (0, 0, 0)]
    assert services.refresh_cells(organization_id=visit.organization_id, as_of=START + timedelta(days=300)) == []
