"""Every page and state, in light and dark, wide and on a phone, before axe-core's rules for WCAG 2.2 AA and its best practices;
and without a mouse."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.models import Membership
from ats.models import Job, Stage
from connectors.models import Connector, SyncRun
from issues.models import Issue, IssueTransition, Severity
from tests.browser import Browser, Page
from tests.realtime.tenants import session_of
from triggers.models import Task

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]

AXE = Path(__file__).resolve().parent.parent / "vendor" / "axe-core" / "axe.min.js"
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
CHECK = f"""axe.run(document, {{runOnly: {json.dumps(RULES)}, resultTypes: ['violations']}}).then(found =>
    found.violations.map(one => one.id + ': ' + one.help + ' ' + one.nodes.slice(0, 3).map(node => node.html.slice(0, 160)
        + ' ' + (node.failureSummary ?? '').slice(0, 240)).join(' | ')))"""

#: Where the focus is: tag, class and name, and how it shows.
STOP = """(() => { const here = document.activeElement;
    const mark = here.matches('.segments input') ? here.nextElementSibling : here;
    return [here.tagName, here.getAttribute('class') ?? '', here.name ?? '', getComputedStyle(mark).outlineStyle,
            parseFloat(getComputedStyle(mark).outlineWidth)]; })()"""

PATHS: dict[str, Callable[[Any], str]] = {
    "heatmap": lambda w: "/",
    "heatmap of the past": lambda w: f"/?as_of={(timezone.now() - timedelta(days=20)).date()}&clock=cd",
    "heatmap without a match": lambda w: "/?search=nothing-like-it",
    "job": lambda w: f"/jobs/{w['job'].pk}",
    "empty job": lambda w: f"/jobs/{w['empty'].pk}",
    "people": lambda w: f"/jobs/{w['job'].pk}/stages/review",
    "sum": lambda w: "/sums?of=waiting&stage=review",
    "sum over stages": lambda w: f"/jobs/{w['job'].pk}/numbers/overdue",
    "whom a number counts": lambda w: f"/jobs/{w['job'].pk}/numbers/hires",
    "explanation": lambda w: f"/jobs/{w['job'].pk}/stages/review/explain",
    "person": lambda w: f"/candidates/{w['application'].candidate_id}",
    "issues": lambda w: "/issues",
    "no issues": lambda w: "/issues?view=resolved",
    "tasks": lambda w: "/tasks",
    "no tasks": lambda w: "/tasks?mine=1",
    "definitions": lambda w: "/definitions",
    "setup": lambda w: "/setup",
    "nothing here": lambda w: "/jobs/999999999",
    "job of the past": lambda w: f"/jobs/{w['job'].pk}?as_of={(timezone.now() - timedelta(days=20)).date()}&clock=cd",
    "paused job": lambda w: f"/jobs/{w['paused'].pk}",
    "people of a band": lambda w: f"/jobs/{w['job'].pk}/stages/review?band=critical",
    "an address nobody can answer": lambda w: "/?as_of=nonsense",
    "issue": lambda w: f"/issues/{w['issue'].pk}",
    "group of issues": lambda w: f"/issues/{w['group'].pk}",
    "task": lambda w: f"/tasks/{w['task'].pk}",
}
#: Width, height, and whether it is a phone.
WIDE, PHONE = (1280, 900, False), (360, 740, True)


def looking(page: Page, scheme: str, screen: tuple[int, int, bool]) -> None:
    page.load_beside(AXE)
    page.prefer(color_scheme=scheme, reduced_motion="reduce")
    width, height, mobile = screen
    page.size(width, height, mobile=mobile)


@pytest.fixture
def world(acme: Any) -> dict[str, Any]:
    """People of every age, an issue of every severity, tasks, a paused job, a broken connector, a run under way."""
    job, paused = acme.job("Watchmaker"), acme.job("Paused watchmaker")
    paused.status = "on_hold"
    paused.save()
    applications = [acme.apply(job, days_ago=days) for days in (0.5, 4, 12, 90, 300)]
    acme.apply(paused, days_ago=200)
    now = timezone.now()
    for number, severity in enumerate(Severity.values):
        issue = Issue.objects.create(
            organization=acme.organization, issue_type="stuck", fingerprint=f"f{number}", application=applications[number], job=job,
            stage=acme.review, severity=severity, score=20 * number, sentence=f"Waits too long, case {number}.",
            detected_at=now - timedelta(days=2), opened_at=now, last_seen_at=now,
        )  # fmt: skip
        Task.objects.create(
            organization=acme.organization, issue=issue, title=f"Look at case {number}", priority=severity,
            due_at=now + timedelta(days=number - 1), created_at=now,
        )  # fmt: skip
    group = Issue.objects.create(
        organization=acme.organization, issue_type="idle_candidate", fingerprint="group", job=job, stage=acme.review, severity="high",
        score=66, sentence="2 people have been left idle in Review.", is_group=True, detected_at=now, opened_at=now, last_seen_at=now,
        evidence={"people": 2, "limit": {"value": 5, "unit": "bd", "source": "default"}},
    )  # fmt: skip
    Issue.objects.filter(fingerprint__in=("f0", "f1")).update(group=group)
    IssueTransition.objects.create(issue=issue, status_to="open", reason="found by its rule", at=now)
    acme.connector.status, acme.connector.fresh_at = "broken", now - timedelta(hours=5)
    acme.connector.save()
    SyncRun.objects.create(connector=acme.connector, mode="import", state="running", fetched=412)
    return {
        "job": job, "paused": paused, "empty": acme.job("Nobody's job"), "application": applications[0], "issue": issue, "group": group,
        "task": Task.objects.get(issue=issue),
    }  # fmt: skip


@pytest.mark.parametrize("screen", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_breaks_a_rule(world: dict[str, Any], address: str, page: Page, scheme: str, screen: tuple[int, int, bool]) -> None:
    looking(page, scheme, screen)

    found = {}
    for name, path in PATHS.items():
        page.open(address + path(world))
        found[name] = page.run(CHECK)
        if page.run("document.documentElement.scrollWidth > innerWidth"):
            found[name].append("wider than its screen")

    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.mark.parametrize("screen", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_opens_over_a_page_breaks_no_rule(
    world: dict[str, Any], address: str, page: Page, scheme: str, screen: tuple[int, int, bool]
) -> None:
    looking(page, scheme, screen)
    page.open(address)
    if screen == PHONE:
        page.run("document.getElementById('tools').click()")
        page.wait_for("document.querySelector('.filters').checkVisibility()")
        assert page.run(CHECK) == []

    page.run("document.querySelector('.board a.cell').click()")
    page.wait_for("document.querySelector('#panel .people') !== null")
    assert page.run(CHECK) == []
    page.press("Escape")
    page.wait_for("!document.getElementById('panel').open")
    page.press("?")
    page.wait_for("document.getElementById('keys').open")
    assert page.run(CHECK) == []
    page.press("Escape")
    page.run("document.body.classList.add('stale-stream'); document.getElementById('live').dataset.state = 'off'")
    assert page.run(CHECK) == []


def test_the_doors_break_no_rule(address: str, chromium: Browser, acme: Any) -> None:
    page = chromium.page()
    page.load_beside(AXE)
    page.open(f"{address}/login")
    assert page.run(CHECK) == []
    founder = acme.member("founder")
    founder.memberships.all().delete()
    founder.is_staff = True
    founder.save()
    page.log_in(address, session_of(founder))
    page.open(address)
    assert page.run("document.querySelector('h1').textContent").startswith("Welcome")
    assert page.run(CHECK) == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_refusal_breaks_a_rule(address: str, chromium: Browser, acme: Any, scheme: str) -> None:
    """Too little right, a form too old, too many attempts, a mistake of ours: what is answered where no page is."""
    page = chromium.page()
    looking(page, scheme, PHONE)
    page.log_in(address, session_of(acme.member("alice")))
    page.open(f"{address}/setup")
    assert page.run(CHECK) == []
    token = "document.querySelector('[name=csrfmiddlewaretoken]').value"
    show = ".then(answer => answer.text()).then(text => { document.open(); document.write(text); document.close(); })"
    page.run(f"fetch('/setup', {{method: 'POST', body: new URLSearchParams({{csrfmiddlewaretoken: {token}, step: 'sync'}})}}){show}")
    page.wait_for("document.querySelector('h1')?.textContent === 'Your role does not allow this'")
    assert page.run(CHECK) == []
    page.run(f"fetch('/setup', {{method: 'POST'}}){show}")
    page.wait_for("document.querySelector('h1')?.textContent === 'This form is too old'")
    assert page.run(CHECK) == []
    for template in ("400.html", "500.html", "locked.html"):
        page.run(f"Promise.resolve(new Response({json.dumps(render_to_string(template, {'sentence': 'Come back later.'}))})){show}")
        page.wait_for("document.readyState === 'complete'")
        assert page.run(CHECK) == [], template
    page.close()


@pytest.mark.parametrize("screen", [WIDE, PHONE], ids=["wide", "phone"])
def test_no_step_of_the_first_ones_breaks_a_rule(address: str, page: Page, acme: Any, screen: tuple[int, int, bool]) -> None:
    looking(page, "dark" if screen == PHONE else "light", screen)
    Membership.objects.update(role="admin")
    connector = acme.connector
    for state in ("connect", "fetching", "refused", "stages"):
        if state == "connect":
            Connector.objects.all().delete()
        elif state == "fetching":
            connector.pk = None
            connector.save()
            run = SyncRun.objects.create(connector=connector, mode="full", state="running", fetched=412)
        elif state == "refused":
            SyncRun.objects.filter(pk=run.pk).update(state="failed", error="The key was refused.")
            Connector.objects.update(status="broken", provider="bamboohr")
        else:
            Connector.objects.update(status="active", fresh_at=timezone.now())
            Stage.objects.create(organization=acme.organization, connector=connector, external_id="x", name="Coffee", category="unmapped")
            Job.objects.create(organization=acme.organization, connector=connector, external_id="j", title="Watchmaker")
        page.open(f"{address}/setup")
        assert page.run(CHECK) == [], state
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), state


@pytest.mark.parametrize("screen", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_the_admin_s_day_breaks_a_rule(
    world: dict[str, Any], acme: Any, address: str, chromium: Browser, scheme: str, screen: tuple[int, int, bool]
) -> None:
    page = chromium.page()
    looking(page, scheme, screen)
    root = acme.member("root", role="admin")
    root.is_staff = root.is_superuser = True
    root.save()
    page.log_in(address, session_of(root))
    found = {}
    for path in ("/admin/", "/admin/issues/issue/", f"/admin/issues/issue/{world['issue'].pk}/change/", "/admin/triggers/task/"):
        page.open(address + path)
        page.wait_for("document.getElementById('main')?.getAttribute('role') === 'main'")
        found[path] = page.run(CHECK)
    page.close()

    assert {path: faults for path, faults in found.items() if faults} == {}


def test_every_page_can_be_walked_with_the_keyboard_alone(world: dict[str, Any], address: str, page: Page) -> None:
    """Tab comes in at the skip link, shows where it is at each stop, and comes out at the other end."""
    for name, path in PATHS.items():
        page.open(address + path(world))
        page.run("document.activeElement.blur()")
        stops = []
        while len(stops) < 200:
            page.press("Tab")
            at = page.run(STOP)
            if at[0] == "BODY":
                break
            stops.append(at)
        assert 3 < len(stops) < 200, name
        assert stops[0][1] == "skip" or page.run("location.hash"), f"{name}: Tab begins at the skip link, or behind what the address names"
        assert [at for at in stops if at[3] == "none" or at[4] < 2] == [], name


def test_everything_can_be_reached_and_seen_with_the_keyboard_alone(world: dict[str, Any], address: str, page: Page) -> None:
    """Tab walks through all controls once, each shows its focus, and the heatmap is one stop among them with its explanation."""
    page.open(address)
    page.run("document.activeElement.blur()")
    seen = []
    for _ in range(60):
        page.press("Tab")
        at = page.run(STOP)
        if at[0] == "BODY":
            break
        seen.append(at)
    stops = [(tag, name) for tag, _, name, _, _ in seen]

    assert seen[0][1] == "skip"
    for wanted in (("INPUT", "search"), ("SELECT", "department"), ("SELECT", "status"), ("SELECT", "window"), ("INPUT", "as_of")):
        assert wanted in stops
    assert [style for _, style, _, _, _ in seen if {"cell", "why"} & set(style.split())] == ["cell few", "why"]
    assert [at for at in seen if at[3] == "none" or at[4] < 2] == []


def test_a_panel_keeps_the_focus_and_gives_it_back(world: dict[str, Any], address: str, page: Page) -> None:
    page.open(address)
    page.run("document.querySelector('.board a.cell[tabindex=\"0\"]').focus()")
    page.press("Enter")
    page.wait_for("document.querySelector('#panel .people') !== null")
    for _ in range(8):
        page.press("Tab")
        assert page.run("document.activeElement === document.body || document.getElementById('panel').contains(document.activeElement)")
    page.press("Escape")

    page.wait_for("document.activeElement.matches('.board a.cell')")


def test_nothing_moves_for_those_who_asked_for_that(world: dict[str, Any], address: str, page: Page) -> None:
    page.prefer(reduced_motion="reduce")

    moving = """[...document.querySelectorAll('*')].filter(one => { const style = getComputedStyle(one);
        return style.animationName !== 'none' || parseFloat(style.transitionDuration) > 0; }).map(one => one.className)"""
    for path in PATHS.values():
        page.open(address + path(world))
        page.run("document.querySelector('a.cell')?.classList.add('changed')")
        assert page.run(moving) == []


def test_targets_are_large_enough(world: dict[str, Any], address: str, page: Page) -> None:
    """WCAG 2.5.8: 24 by 24 CSS pixels, for whatever is not a link within a sentence."""
    for path in ("/", "/issues", "/tasks"):
        page.open(address + path)
        small = page.run(
            """[...document.querySelectorAll('button, select, input, a.cell, .segments label, nav a')].filter(one => {
            const box = one.getBoundingClientRect();
            return box.width > 1 && !one.closest('dialog') && (box.width < 24 || box.height < 24); })
            .map(one => one.outerHTML.slice(0, 120))"""
        )
        assert [one for one in small if 'class="unseen"' not in one] == [], path


def test_the_theme_a_person_chooses_stays(acme: Any, address: str, page: Page) -> None:
    acme.job()
    page.prefer(color_scheme="light")
    page.open(address)
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.run(paper)

    page.run("document.getElementById('theme').click()")
    page.run("document.getElementById('theme').click()")
    dark = page.run(paper)
    page.open(address)

    assert page.run("document.documentElement.dataset.theme") == "dark"
    assert (page.run(paper) == dark, dark != light) == (True, True)
    page.run("localStorage.clear()")
