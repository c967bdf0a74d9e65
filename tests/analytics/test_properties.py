"""What must hold of every answer, tried on random histories with late, doubled and disordered events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from msgspec.structs import replace

from analytics import baselines, rebuilding, services
from analytics.cells import Question
from analytics.models import StageMetric
from analytics.selectors import job_heatmap, job_stats, org_heatmap
from ats.models import Job
from tests.analytics.test_derive_against_oracle import Tenant
from tests.factories.accounts import member
from tests.factories.analytics import StageVisitFactory
from tests.factories.ats import JobFactory
from tests.oracles.histories import START, History, seeded_history

pytestmark = pytest.mark.django_db


@pytest.fixture
def travel(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], datetime]:
    """``travel(moment)``: from now on it is then."""

    def to(moment: datetime) -> datetime:
        monkeypatch.setattr(timezone, "now", lambda: moment)
        return moment

    return to


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


def dated_ahead(history: History, rng: Random) -> History:
    """Some of it told by a clock that runs ahead: known when it was, said to happen days later."""
    told = {
        event.provider_event_id: replace(event, timestamp=recorded(event) + timedelta(days=rng.randint(1, 9)), recorded_at=recorded(event))
        for event in history.events
        if rng.random() < 0.1
    }
    return History(*(tuple(told.get(event.provider_event_id, event) for event in events) for events in (history.events, history.arrivals)))


@pytest.mark.parametrize(("seed", "skewed"), [(0, False), (1, False), (2, False), (3, False), (4, True), (5, True)])
def test_an_answer_about_the_past_is_the_answer_given_then(seed: int, skewed: bool) -> None:
    history = seeded_history(seed, applications=40)
    if skewed:
        history = dated_ahead(history, Random(seed))
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


@pytest.mark.parametrize("seed", range(4))
def test_what_time_alone_changes_is_counted_when_its_moment_comes(seed: int) -> None:
    """No event comes: people enter and leave the windows, are there for a minute, and what was dated ahead comes true."""
    history, tenant, rng = seeded_history(seed + 400, applications=40), Tenant(), Random(seed)
    for batch in history.batches(80):
        tenant.absorb(batch)
    moment = START + timedelta(days=15)
    measured_at(tenant, moment)
    counted = ("window_entered", "window_exited", "n", "n_exits", "n_open", "first_entries", "undecided", "own_n", "recent_n")

    def kept() -> list[Any]:
        return list(StageMetric.objects.order_by("pk").values_list("pk", *counted))

    for _ in range(12):
        moment += timedelta(seconds=rng.choice([100, 3_600, 400_000, 2_000_000]))
        while services.refresh_cells(organization_id=tenant.organization.pk, as_of=moment, aged=False):
            pass
        found = kept()
        measured_at(tenant, moment)
        assert found == kept(), moment


def test_a_bound_goes_on_with_the_stay_it_comes_from(travel: Callable[[datetime], datetime]) -> None:
    """A percentile that is not reached exceeds the longest stay as of now, whenever its cell was last computed."""
    begun = timezone.now() - timedelta(days=10)
    job, stage = JobFactory(), None
    stays = [(begun + timedelta(days=1), begun + timedelta(days=2, hours=hour)) for hour in range(20)] + [(begun, None)] * 60
    for began, left in stays:
        ended = {"left_at": left, "exit_kind": "advanced", "exit_precision": "exact"} if left else {}
        stage = StageVisitFactory(job=job, began=began, **({"stage": stage} if stage else {}), **ended).stage
    StageMetric.objects.create(organization=job.organization, job=job, stage=stage, open=60, entered=80, exited=20)
    services.refresh_cells(organization_id=job.organization_id, as_of=timezone.now())
    now = travel(timezone.now() + timedelta(minutes=50))
    client = Client()
    client.force_login(member(job.organization))

    def told(**asked: Any) -> Any:
        heatmap = client.get(f"/ats/jobs/{job.pk}/heatmap", asked).json()
        stats = client.get(f"/ats/jobs/{job.pk}/stats", asked).json()
        (cell,), (waiting,) = heatmap["stages"], stats["waiting"]
        return heatmap["as_of"], comparable([cell, waiting])

    as_of, live = told()
    assert told(as_of=as_of)[1] == live
    assert live[0]["limit"]["is_lower_bound"]
    assert live[0]["p85"]["lower_bound"] == live[0]["limit"]["value"] == live[0]["oldest_age"]
    assert told(clock="cd")[1][0]["p50"]["lower_bound"] == pytest.approx((now - begun).total_seconds() / 86_400, abs=2e-4)


def test_a_cell_nobody_waits_in_still_forgets_what_its_window_has_passed() -> None:
    visit = StageVisitFactory(began=START, left_at=START + timedelta(days=3), exit_kind="advanced", exit_precision="exact")
    metric = StageMetric.objects.create(organization=visit.organization, job=visit.job, stage=visit.stage, entered=1, exited=1)

    def counted(days: int) -> tuple[int, int, int]:
        services.refresh_cells(organization_id=visit.organization_id, as_of=START + timedelta(days=days))
        metric.refresh_from_db()
        return metric.window_entered, metric.n, metric.own_n

    assert [counted(days) for days in (10, 100, 200)] == [(1, 1, 1), (0, 0, 1), (0, 0, 0)]
    assert services.refresh_cells(organization_id=visit.organization_id, as_of=START + timedelta(days=300)) == []
