"""A heatmap of 2,000 jobs in a real browser: how much travels, how soon a page answers to a key, that all jobs can be reached."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.utils import timezone

from analytics.models import StageMetric, StageVisit
from ats.models import Application, Candidate, Job
from realtime import services
from tests.browser import Page

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]

JOBS = 2_000
LIVE = "document.getElementById('live').dataset.state === 'live'"
#: bytes on the wire of a first visit, headers included
TRANSFERRED = """(() => { const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
    return all.filter(one => one.name.startsWith(location.origin)).map(one =>
        [new URL(one.name).pathname, one.transferSize, one.encodedBodySize, one.decodedBodySize]); })()"""


@pytest.fixture
def crowd(acme: Any) -> Any:
    """2,000 jobs with two to six people in two stages each, of all ages; rows as the road leaves them."""
    jobs = Job.objects.bulk_create(
        Job(
            organization=acme.organization, connector=acme.connector, external_id=f"j{n}", title=f"Position {n:04}",
            department=f"Department {n % 12}",
        )
        for n in range(JOBS)
    )  # fmt: skip
    people = [
        (job, stage, (n * 7 + k * 13) % 90)
        for n, job in enumerate(jobs)
        for stage in (acme.review, acme.interview)
        for k in range(1 + n % 3)
    ]
    now, number = timezone.now(), count(1)
    candidates = Candidate.objects.bulk_create(
        Candidate(organization=acme.organization, connector=acme.connector, external_id=f"c{n}", name=f"Person {n}")
        for n in range(len(people))
    )
    applications = Application.objects.bulk_create(
        Application(
            organization=acme.organization, connector=acme.connector, external_id=f"a{n}", candidate=candidate, job=job, current_stage=stage
        )
        for n, (candidate, (job, stage, _)) in enumerate(zip(candidates, people, strict=True))
    )
    StageVisit.objects.bulk_create(
        StageVisit(
            entry_event_id=next(number), organization=acme.organization, application=application, n=1, job=job, stage=stage,
            entered_at=now - timedelta(days=age + 0.5),
        )
        for application, (job, stage, age) in zip(applications, people, strict=True)
    )  # fmt: skip
    StageMetric.objects.bulk_create(
        StageMetric(organization=acme.organization, job=job, stage=stage, open=1 + n % 3, entered=1 + n % 3)
        for n, job in enumerate(jobs)
        for stage in (acme.review, acme.interview)
    )
    return jobs


def test_a_first_visit_to_2000_jobs_transfers_at_most_150_kilobytes_and_all_can_be_reached(crowd: Any, address: str, page: Page) -> None:
    page.call("Network.clearBrowserCache")
    page.open(address)
    page.wait_for(LIVE, timeout=30)

    parts = page.run(TRANSFERRED)

    assert sum(transferred for _, transferred, _, _ in parts) <= 150_000, parts
    assert page.run("document.querySelectorAll('tr[data-job]').length") == 50
    for path, _, encoded, decoded in parts:
        if decoded > 1_000 and not path.endswith(".svg"):
            assert encoded < decoded, f"{path} travels uncompressed"

    total = sum(2 * (1 + n % 3) for n in range(JOBS))
    assert page.run("document.querySelector('[data-tile=open]').textContent") == f"{total:,}"

    page.run("window.__same = true; document.querySelector('.pages [rel=next]').click()")
    page.wait_for(
        "location.search.includes('page=2') && document.querySelector('.pages').textContent.includes('51–100 of 2000')", timeout=30
    )
    assert page.run("window.__same"), "the page was patched, not loaded anew"
    assert page.run("document.querySelectorAll('tr[data-job]').length") == 50

    page.run("const box = document.querySelector('input[type=search]'); box.value = 'Position 1999'; box.form.requestSubmit()")
    page.wait_for("document.querySelectorAll('tr[data-job]').length === 1", timeout=30)
    assert "Position 1999" in page.run("document.querySelector('tr[data-job]').textContent")


OBSERVE = """(() => { window.__felt = [];
    new PerformanceObserver(list => window.__felt.push(...list.getEntries().map(one => [one.name, one.duration])))
        .observe({ type: 'event', durationThreshold: 16 }); })()"""


def interactions(page: Page) -> list[tuple[str, Callable[[], Any]]]:
    """What a recruiter does on the page, each a trusted key press."""
    return [
        *[("arrow", lambda key=key: page.press(key)) for key in ("ArrowDown", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp")],  # type: ignore[misc]
        ("open", lambda: page.press("Enter")),
        ("people", lambda: page.wait_for("document.querySelector('#panel .people') !== null", timeout=30)),
        ("close", lambda: page.press("Escape")),
        ("help", lambda: page.press("?")),
        ("close help", lambda: page.press("Escape")),
        ("search", lambda: page.press("/")),
        *[("type", lambda letter=letter: page.press(letter)) for letter in "Posi"],  # type: ignore[misc]
        ("narrow", lambda: page.press("Enter")),
        (
            "narrowed",
            lambda: page.wait_for("location.search.includes('search=Posi') && !document.querySelector('main[aria-busy]')", timeout=30),
        ),
    ]


def test_a_page_of_2000_jobs_answers_within_200_milliseconds(crowd: Any, acme: Any, address: str, page: Page) -> None:
    """Interaction to next paint while cells change. The machine may be busy with other things, so the best of five rounds counts."""
    worst = []
    for _ in range(5):
        page.open(address)
        page.wait_for(LIVE, timeout=30)
        page.run(OBSERVE)
        page.run("document.querySelector('.board a.cell[tabindex=\"0\"]').focus()")
        shown = page.run("[...document.querySelectorAll('tr[data-job]')].slice(0, 20).map(row => Number(row.dataset.job))")
        services.push(organization_id=acme.organization.pk, job_ids=shown)
        for _, act in interactions(page):
            act()
        page.run("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
        assert page.run("performance.getEntriesByType('first-input').length") == 1, "the browser saw real input"
        felt = page.run("window.__felt")
        worst.append(max((duration for _, duration in felt), default=0))
        if worst[-1] <= 200:
            break

    assert min(worst) <= 200, worst
