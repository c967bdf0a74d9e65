"""The dashboard in a real browser, on a real web process: what a person sees happen."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict
from random import Random
from typing import Any

import pytest

from realtime import presenting, services
from tests.browser import Browser, Page
from tests.live import LiveStack
from tests.realtime.tenants import session_of

pytestmark = [
    pytest.mark.stack,
    pytest.mark.django_db(transaction=True),
]

LIVE = "document.getElementById('live').dataset.state === 'live'"


def cell(job: Any) -> str:
    return f"document.querySelector('tr[data-job=\"{job.pk}\"] td[data-stage=review] .cell')"


def tell(tenant: Any, job: Any, *, more: int = 1) -> None:
    services.push_batch(tenant.batch(*(tenant.apply(job, days_ago=1) for _ in range(more))))


def test_a_cell_is_patched_within_a_second_and_in_place(acme: Any, address: str, page: Page) -> None:
    job = acme.job("Watchmaker")
    acme.apply(job)
    page.open(address)
    page.wait_for(LIVE)
    page.run(f"{cell(job)}.focus(); window.before = {cell(job)}")

    tell(acme, job)

    page.wait_for(f"{cell(job)}.querySelector('.count').textContent === '2'", timeout=1)
    assert page.run(f"window.before === {cell(job)} && document.activeElement === window.before")
    assert page.run("document.querySelector('[data-tile=open]').textContent") == "2"
    assert page.run("document.querySelector('[data-column=review]').textContent") == "2"
    assert page.wait_for("document.getElementById('said').textContent") == "1 cell has changed."


def test_a_new_job_appears_by_itself(acme: Any, address: str, page: Page) -> None:
    acme.job("Old job")
    page.open(address)
    page.wait_for(LIVE)

    tell(acme, new := acme.job("New job"))

    page.wait_for(f"document.querySelector('tr[data-job=\"{new.pk}\"]') !== null")


def test_an_empty_installation_turns_into_a_heatmap(acme: Any, address: str, page: Page) -> None:
    page.open(address)
    page.wait_for(LIVE)
    assert "waiting for data" in page.run("document.querySelector('h1').textContent")

    tell(acme, job := acme.job("First job"))
    page.wait_for(f"document.querySelector('.board') && {cell(job)}.textContent.startsWith('1')")
    tell(acme, job)

    page.wait_for(f"{cell(job)}.textContent.startsWith('2')")


def test_a_lost_stream_is_announced_and_caught_up_after_the_web_process_is_back(
    acme: Any, chromium: Browser, live_stack: LiveStack
) -> None:
    address = live_stack.web()
    job = acme.job("Lighthouse keeper")
    acme.apply(job)
    page = chromium.page()
    page.log_in(address, session_of(acme.member("alice")))
    page.open(address)
    page.wait_for(LIVE)

    live_stack.running[-1].process.send_signal(signal.SIGKILL)
    page.wait_for("document.getElementById('live').textContent.includes('Live off since')")
    tell(acme, job, more=3)
    live_stack.web(port=int(address.rpartition(":")[2]))

    page.wait_for(LIVE, timeout=30)
    page.wait_for(f"{cell(job)}.textContent.startsWith('4')", timeout=5)
    assert page.errors == []


def test_arrow_keys_walk_the_cells_and_enter_opens_the_people(acme: Any, address: str, page: Page) -> None:
    first, second = acme.job("A job"), acme.job("B job")
    for job in (first, second):
        acme.apply(job)
    page.open(address)
    assert page.run("document.querySelectorAll('.board a.cell[tabindex=\"0\"]').length") == 1
    page.run(f"{cell(first)}.focus()")

    page.press("ArrowDown")
    assert page.run(f"document.activeElement === {cell(second)}")
    page.press("ArrowDown")
    assert page.run(f"document.activeElement === {cell(second)}")
    page.press("Enter")
    page.wait_for("document.getElementById('panel').open")
    page.wait_for("document.getElementById('panel').textContent.includes('Grace Hopper')")
    page.press("Escape")

    page.wait_for("!document.getElementById('panel').open")
    assert page.run(f"document.activeElement === {cell(second)}")


@pytest.mark.parametrize("width", [360, 768, 1280, 3840])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_at_any_width(acme: Any, address: str, page: Page, width: int, scheme: str) -> None:
    job = acme.job("Principal Extraordinarily Long-Titled Software Engineering Manager of Managers")
    for days in (1, 3, 30, 300):
        acme.apply(job, days_ago=days)
    page.size(width, 900, mobile=width < 500)
    page.prefer(color_scheme=scheme)

    for path in ("/", f"/jobs/{job.pk}", f"/jobs/{job.pk}/stages/review", "/issues", "/tasks"):
        page.open(f"{address}{path}")
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), path


def test_words_on_cells_can_be_read_on_their_colours(acme: Any, address: str, page: Page) -> None:
    """WCAG contrast of at least 4.5 for every heat step, in light and dark."""
    job = acme.job()
    acme.apply(job)
    contrast = """(() => {
      const linear = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      const parts = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map(linear);
      const light = colour => parts(colour).reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
      return ['fresh', 'watch', 'late', 'critical'].map(heat => {
        const cell = document.querySelector('a.cell'); cell.dataset.heat = heat;
        const [a, b] = [light(getComputedStyle(cell).color), light(getComputedStyle(cell).backgroundColor)];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      });
    })()"""
    for scheme in ("light", "dark"):
        page.prefer(color_scheme=scheme)
        page.open(address)
        assert min(page.run(contrast)) >= 4.5, scheme


def test_the_page_and_its_script_use_the_same_words(acme: Any, address: str, page: Page) -> None:
    """cells.js is the twin of presenting.py: held together over random cells."""
    acme.job()
    page.open(address)
    random = Random(20261123)
    cells = [random_cell(random) for _ in range(300)]

    script = f"""import('/static/stagewatch/cells.js').then(({{ sentence, estimate, stageName, proof }}) =>
        {json.dumps(cells)}.map(cell => [stageName(cell.stage), estimate(cell.p50), sentence(cell), proof(cell).join("\\n")]))"""

    ours = [asdict(presenting.square(one)) for one in cells]
    assert page.run(script) == [
        [one["name"], presenting.estimate(raw["p50"]), one["sentence"], one["proof"]] for one, raw in zip(ours, cells, strict=True)
    ]


def random_cell(random: Random) -> dict[str, Any]:
    category = random.choice(["review", "interview", "unmapped"])
    open_count = random.choice([0, 1, 2, 40])
    value = random.choice([None, 0.0, 0.04, 3.449, 9.94, 9.95, 12.5, 212.4])
    return {
        "stage": {"id": category, "name": random.choice([category, "Phone screen"]), "category": category, "order": 0},
        "open": open_count,
        "heat": random.choice(list(presenting.BANDS)) if open_count else None,
        "bands": {band: random.choice([0, 1, 12]) for band in presenting.BANDS},
        "entered": random.randrange(50),
        "exited": random.randrange(50),
        "overdue_days": random.choice([0.0, 0.04, 0.05, 17.25]),
        "limit": {
            "value": random.choice([5.0, 7.0, 10.0, 12.25]),
            "source": random.choice(["target", "baseline", "default"]),
            "baseline_level": random.choice([None, "job", "department", "organization"]),
            "is_lower_bound": random.choice([True, False]),
            "n": random.randrange(20, 99),
        },
        "oldest_age": random.choice([0.2, 9.96, 31.7]) if open_count else None,
        "issues_open": random.choice([0, 1, 7]),
        "p50": {
            "value": value,
            "lower_bound": None if value is not None else random.choice([None, 8.3, 40.0]),
            "confidence": random.choice(["none", "low", "ok"]),
            "unit": random.choice(["cd", "bd"]),
            "n": random.randrange(100),
            "n_exits": random.randrange(50),
            "n_open": random.randrange(50),
            "low": random.choice([None, 1.25, 8.0]),
            "high": random.choice([None, 9.95, 41.0]),
        },
    }
