"""The dashboard in a real browser, on a real web process: what a person sees happen."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from accounts.models import Membership, Organization
from issues.models import Issue
from realtime import presenting, services
from tests.browser import Browser, Page
from tests.live import LiveStack, free_port
from tests.realtime.latency import seconds_of, within_a_second
from tests.realtime.tenants import session_of
from tests.walking import bring_in, event_row
from triggers.models import Task

pytestmark = [
    pytest.mark.stack,
    pytest.mark.django_db(transaction=True),
]

LIVE = "document.getElementById('live').dataset.state === 'live'"


def cell(job: Any) -> str:
    return f"document.querySelector('tr[data-job=\"{job.pk}\"] td[data-stage=review] .cell')"


def tell(tenant: Any, job: Any, *, more: int = 1) -> None:
    services.push_batch(tenant.batch(*(tenant.apply(job, days_ago=1) for _ in range(more))))


def test_a_cell_is_patched_within_a_second_of_a_commit(acme: Any, address: str, page: Page) -> None:
    job = acme.job("Watchmaker")
    acme.apply(job)
    page.open(address)
    page.wait_for(LIVE)
    told = count(1)

    def change_and_see() -> float:
        tell(acme, job)
        people = next(told) + 1
        return seconds_of(lambda: page.wait_for(f"{cell(job)}.querySelector('.count').textContent === '{people}'"))

    assert within_a_second(change_and_see)


def test_a_cell_is_patched_in_place(acme: Any, address: str, page: Page) -> None:
    job = acme.job("Watchmaker")
    acme.apply(job)
    page.open(address)
    page.wait_for(LIVE)
    page.run(f"{cell(job)}.focus(); window.before = {cell(job)}")

    tell(acme, job)

    page.wait_for(f"{cell(job)}.querySelector('.count').textContent === '2'")
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
    Organization.objects.filter(pk=acme.organization.pk).update(time_zone="Asia/Tokyo")
    address = live_stack.web()
    job = acme.job("Lighthouse keeper")
    acme.apply(job)
    page = chromium.page()
    page.log_in(address, session_of(acme.member("alice")))
    page.open(address)
    page.wait_for(LIVE)

    before = timezone.now()
    live_stack.running[-1].process.send_signal(signal.SIGKILL)
    page.wait_for("document.getElementById('live').textContent.includes('Live off since')")
    told = page.run("document.getElementById('live').textContent")
    there = [f"since {moment.astimezone(ZoneInfo('Asia/Tokyo')):%H:%M}," for moment in (before, timezone.now())]
    assert any(since in told for since in there), "the time is that of the office, as all others of the page"
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


def test_a_cell_leads_to_where_its_numbers_come_from(acme: Any, address: str, page: Page) -> None:
    job = acme.job("A job")
    acme.apply(job)
    page.open(address)
    page.run(f"{cell(job)}.focus()")

    page.press("Tab")
    assert page.run("document.activeElement.ariaLabel") == "Explain Review, A job"
    assert page.run("Promise.all(document.activeElement.getAnimations().map(one => one.finished)).then(() => true)")
    assert page.run("getComputedStyle(document.activeElement).opacity") == "1"
    page.press("Enter")

    page.wait_for("document.querySelector('#panel h1').textContent.includes('Where these numbers come from')")
    assert "Grace Hopper" in page.run("document.getElementById('panel').textContent")


def test_a_cell_the_stream_has_filled_reads_as_one_the_server_has_written(acme: Any, address: str, page: Page) -> None:
    acme.apply(acme.job("Old job"))
    job = acme.job("B & job")
    services.push_batch(acme.batch())
    written = f"[...document.querySelector('tr[data-job=\"{job.pk}\"] td[data-stage=review]').children].map(one => {{"
    written += " one.removeAttribute('tabindex'); one.classList.remove('changed'); return one.outerHTML; })"
    page.open(address)
    page.wait_for(LIVE)
    assert "nobody" in page.run(written)[0]

    tell(acme, job)
    page.wait_for(f"{cell(job)}.querySelector('.count')?.textContent === '1'")
    told = page.run(written)
    page.open(address)

    assert len(told) == 2
    assert page.run(written) == told


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


# --- the address holds everything ------------------------------------------------------------------------
def test_filters_are_in_the_address_and_come_back_with_it(acme: Any, address: str, page: Page) -> None:
    for title in ("Baker", "Butcher"):
        acme.apply(acme.job(title))
    rows = "[...document.querySelectorAll('tr[data-job] th a')].map(one => one.textContent).join()"
    page.open(address)
    page.run("window.__same = true; document.querySelector('input[type=search]').focus()")
    page.type("bak")
    page.press("Enter")

    page.wait_for(f"location.search.includes('search=bak') && {rows} === 'Baker'")
    assert page.run("window.__same")
    assert page.run("document.activeElement.name") == "search", "whoever types goes on typing"

    page.run("history.back()")
    page.wait_for(f"!location.search.includes('bak') && {rows}.includes('Butcher')")
    assert page.run("document.querySelector('input[type=search]').value") == ""
    page.open(f"{address}/?search=butch")
    assert page.run(rows) == "Butcher"


def test_the_time_machine_goes_back_and_holds_still(acme: Any, address: str, page: Page) -> None:
    job = acme.job("Historian")
    for days in (3, 40):
        acme.apply_on_record(job, days_ago=days)
    page.open(address)
    page.wait_for(LIVE)

    page.run("""(() => { const slider = document.querySelector('.machine input[type=range]'); slider.value = 10;
        slider.dispatchEvent(new Event('input', { bubbles: true })); slider.dispatchEvent(new Event('change', { bubbles: true })); })()""")
    page.wait_for("location.search.includes('as_of=') && document.querySelector('.machine-says') !== null")
    assert page.run(f"{cell(job)}.querySelector('.count').textContent") == "1"

    tell(acme, job)
    page.wait_for("document.getElementById('live').dataset.state === 'live'")
    page.run("[...document.querySelectorAll('.machine-says a')].at(-1).click()")
    page.wait_for(f"!location.search.includes('as_of') && {cell(job)}.querySelector('.count').textContent === '3'")


def test_both_clocks_and_the_panel_look_through_the_same_lens(acme: Any, address: str, page: Page) -> None:
    job = acme.job()
    acme.apply(job, days_ago=14)
    page.open(address)
    page.run("document.querySelector('[name=clock][value=cd]').click()")

    page.wait_for("location.search.includes('clock=cd') && document.querySelector('.foot').textContent.includes('calendar days')")
    assert page.run(f"{cell(job)}.getAttribute('href')").endswith("?clock=cd")


# --- what a cell says ---------------------------------------------------------------------------------------
def test_pointing_at_a_cell_tells_its_sentence_and_its_proof(acme: Any, address: str, page: Page) -> None:
    job = acme.job("Glazier")
    for days in (1, 30):
        acme.apply(job, days_ago=days)
    page.open(address)
    place = page.run(f"(() => {{ const box = {cell(job)}.getBoundingClientRect(); return [box.x + 9, box.y + 9]; }})()")

    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])

    page.wait_for("!document.getElementById('tip').hidden")
    told = page.run("document.getElementById('tip').textContent")
    assert "Glazier, Review: 2 waiting" in told
    assert "Limit 5.0 business days, the default for this kind of stage" in told
    page.press("Escape")
    assert page.run("document.getElementById('tip').hidden"), "dismissable (WCAG 1.4.13)"


def test_a_number_leads_to_the_people_behind_it(acme: Any, address: str, page: Page) -> None:
    job = acme.job()
    acme.apply(job, days_ago=4)
    page.open(f"{address}/jobs/{job.pk}")

    page.run("document.querySelector('.stages a.why').click()")

    page.wait_for("document.querySelector('#panel h1')?.textContent.includes('Where these numbers come from')")
    assert "Grace Hopper" in page.run("document.querySelector('#panel').textContent")
    page.run("[...document.querySelectorAll('#panel a')].find(one => one.textContent === 'Grace Hopper').click()")
    page.wait_for("location.pathname.startsWith('/candidates/')")


def test_a_panel_that_cannot_be_loaded_says_so(acme: Any, address: str, page: Page) -> None:
    job = acme.job()
    acme.apply(job)
    page.open(address)
    page.run(f"{cell(job)}.href = '/jobs/999999/stages/review'; {cell(job)}.click()")

    page.wait_for("document.getElementById('panel').textContent.includes('could not be loaded')")


# --- deciding -------------------------------------------------------------------------------------------------
def trouble(tenant: Any, count: int) -> list[Issue]:
    job, now = tenant.job("Smith"), timezone.now()
    return [
        Issue.objects.create(
            organization=tenant.organization, issue_type="stuck", fingerprint=f"f{number}", application=tenant.apply(job), job=job,
            stage=tenant.review, severity="high", score=90 - number, sentence=f"Case {number}",
            detected_at=now, opened_at=now, last_seen_at=now,
        )
        for number in range(count)
    ]  # fmt: skip


def status_of(issue: Issue) -> str:
    issue.refresh_from_db()
    return str(issue.status)


def test_issues_are_decided_with_the_keyboard_and_taken_back(acme: Any, address: str, page: Page) -> None:
    first, second, third = trouble(acme, 3)
    page.open(f"{address}/issues")
    current = "document.querySelector('[data-item][aria-current] strong')?.textContent"

    page.press("j")
    assert page.run(current) == "Case 0"
    page.press("a")
    page.wait_for("document.querySelector('.toast')?.textContent.startsWith('Acknowledged')")
    assert status_of(first) == "acknowledged"
    page.wait_for(f"{current} === 'Case 1'")
    page.press("s")
    page.wait_for("document.querySelector('.toast')?.textContent.startsWith('Snoozed')")
    assert status_of(second) == "snoozed"
    page.wait_for(f"{current} === 'Case 2'")
    page.press("r")
    page.wait_for("document.querySelector('.toast')?.textContent.startsWith('Resolved')")
    assert status_of(third) == "resolved"
    assert page.run("document.getElementById('said').textContent") == "Resolved: Case 2"

    page.press("u")
    page.wait_for("document.querySelector('.toast')?.textContent.startsWith('Reopened')")
    assert status_of(third) == "open"
    page.wait_for("document.querySelectorAll('[data-item]').length === 1", timeout=20)
    assert page.run("document.querySelector('[data-item] strong').textContent") == "Case 2"


def test_a_colleague_who_was_faster_is_not_overruled(acme: Any, address: str, page: Page) -> None:
    (issue,) = trouble(acme, 1)
    page.open(f"{address}/issues")
    Issue.objects.update(version=7)

    page.press("j")
    page.press("r")

    page.wait_for("!document.querySelector('[data-item] .error').hidden")
    assert "Somebody else has changed this" in page.run("document.querySelector('[data-item] .error').textContent")
    assert status_of(issue) == "open"
    page.wait_for("document.querySelector('[data-item]').dataset.version === '7'", timeout=20)
    page.press("r")
    page.wait_for("document.querySelector('.toast')?.textContent.startsWith('Resolved')")


def test_tasks_are_taken_and_finished_on_their_page(acme: Any, address: str, page: Page) -> None:
    (issue,) = trouble(acme, 1)
    task = Task.objects.create(organization=acme.organization, issue=issue, title="Call them", priority="high", created_at=timezone.now())
    page.open(f"{address}/tasks")

    page.run("""(() => { const who = document.querySelector('[data-change=assignee]'); who.value = who.options[1].value;
        who.dispatchEvent(new Event('change', { bubbles: true })); })()""")
    page.wait_for("document.querySelector('.toast')?.textContent.startsWith('Assigned')")
    page.wait_for(
        "document.querySelector('[data-item]').dataset.version === '2' && !document.querySelector('[data-status=done]').disabled",
        timeout=20,
    )
    page.run("document.querySelector('[data-status=done]').click()")
    page.wait_for("document.querySelector('.toast')?.textContent.startsWith('Done')")

    task.refresh_from_db()
    assert (task.status, task.assignee.username) == ("done", "alice")


def test_whoever_may_only_look_is_offered_nothing_to_decide(acme: Any, address: str, page: Page) -> None:
    trouble(acme, 1)
    Membership.objects.update(role="viewer")
    page.open(f"{address}/issues")

    assert page.run("document.querySelectorAll('[data-item] button').length") == 0
    assert "lets you look, not decide" in page.run("document.querySelector('main').textContent")
    page.press("j")
    page.press("r")
    assert not Issue.objects.filter(status="resolved").exists()


# --- without flicker, and after the worst -------------------------------------------------------------------------
def test_a_refresh_touches_nothing_that_stays_the_same(acme: Any, address: str, page: Page) -> None:
    job = acme.job()
    for days in (1, 20):
        acme.apply(job, days_ago=days)
    page.open(f"{address}/jobs/{job.pk}")
    page.wait_for(LIVE)
    page.run("""document.querySelector('details').open = true; scrollTo(0, 400); window.__kept = document.querySelector('.stages tbody tr');
        window.__tiles = document.querySelector('.tiles dd')""")

    tell(acme, job)
    page.wait_for("document.querySelector('.tiles dd').textContent === '3'")

    assert page.run(
        "document.querySelector('.stages tbody tr') === window.__kept && document.querySelector('.tiles dd') === window.__tiles"
    )
    assert page.run("document.querySelector('details').open && scrollY > 300")


def test_a_page_catches_up_when_web_and_workers_were_killed_in_between(acme: Any, chromium: Browser, live_stack: LiveStack) -> None:
    """What was committed to the inbox while everything was down is on the screen afterwards, and nothing twice."""
    acme.apply(job := acme.job("Phoenix"))
    day = timezone.now() - timedelta(days=2)

    def bring(number: int) -> None:
        row = event_row(f"e{number}", day, event_type="application_created", stage_to="review", application_external_id=f"n{number}",
                        candidate_external_id=f"p{number}", job_external_id=job.external_id)  # fmt: skip
        bring_in(acme.connector, [row], walked=False)

    port = free_port()
    address = live_stack.web(port=port)
    worker, web = live_stack.worker(), live_stack.running[-2]
    page = chromium.page()
    page.log_in(address, session_of(acme.member("alice")))
    page.open(address)
    page.wait_for(LIVE)
    bring(1)
    page.wait_for(f"{cell(job)}.querySelector('.count').textContent === '2'", timeout=30)

    worker.kill()
    web.kill()
    page.wait_for("document.getElementById('live').textContent.includes('Live off since')")
    for number in (2, 3):
        bring(number)
    live_stack.worker("next")
    live_stack.web(port=port)

    page.wait_for(LIVE, timeout=40)
    page.wait_for(f"{cell(job)}.querySelector('.count').textContent === '4'", timeout=30)
    shown = page.run("document.querySelector('.board tbody').textContent.replace(/\\\\s+/g, ' ')")
    page.open(address)
    assert page.run("document.querySelector('.board tbody').textContent.replace(/\\\\s+/g, ' ')") == shown
    assert page.errors == []
    page.close()
