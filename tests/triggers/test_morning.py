"""An administrator's morning in a real browser, on a real web process: from the day's numbers to an inbox that is done.

With SCREENSHOTS=folder in the environment every station is photographed there, light, dark and narrow.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from accounts.models import Role, User
from ats.models import Stage
from issues.models import Issue, IssueTransition
from tests import browser as browsers
from tests.browser import Browser, Page
from tests.factories.accounts import OrganizationFactory, UserFactory, member
from tests.factories.analytics import StageMetricFactory, waiting
from tests.factories.ats import JobFactory, StageFactory
from tests.factories.connectors import BatchFactory, ConnectorFactory, RawEventFactory, SyncRunFactory
from tests.factories.issues import issue_about
from tests.factories.triggers import TaskFactory
from tests.live import LiveStack
from triggers.models import Channel, SavedFilter, Task, TriggerRule

pytestmark = [
    pytest.mark.stack,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(browsers.find() is None, reason="no Chromium on this machine; run scripts/install-test-tools.sh"),
]

PASSWORD = "a-long-morning"
LOOKS = {"light": ("light", 1280, 900), "dark": ("dark", 1280, 900), "narrow": ("light", 390, 844)}


class Morning:
    """The page, and a camera."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.folder = Path(os.environ["SCREENSHOTS"]) if "SCREENSHOTS" in os.environ else None

    def open(self, path: str) -> None:
        self.page.open(self.address + path)

    def text(self, selector: str) -> str:
        found = self.page.run(f"[...document.querySelectorAll({selector!r})].map(one => one.innerText).join('\\n')")
        assert isinstance(found, str)
        return found

    def click(self, script: str) -> None:
        """Click what the expression finds, and wait for the page it leads to."""
        self.page.run("window.__here = true")
        self.page.run(f"({script}).click()")
        self.page.wait_for("window.__here === undefined && document.readyState === 'complete'")

    def fill(self, selector: str, value: str) -> None:
        changed = "one.dispatchEvent(new Event('change', {bubbles: true}))"
        self.page.run(f"(one => {{ one.value = {value!r}; {changed} }})(document.querySelector({selector!r}))")

    def act(self, action: str) -> None:
        """Run a bulk action on the ticked rows."""
        self.fill("select[name=action]", action)
        self.click("document.querySelector('#changelist-form button[name=index]')")

    def look(self, name: str) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for look, (scheme, width, height) in LOOKS.items():
            self.page.size(width, height, mobile=width < 600)
            self.page.prefer(color_scheme=scheme)
            self.page.run(f"document.documentElement.classList.toggle('dark', {'true' if scheme == 'dark' else 'false'})")
            self.page.wait_for("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
            self.page.screenshot(self.folder / f"{name}-{look}.png", whole=look == "narrow")
        self.page.size(1280, 900)
        self.page.prefer(color_scheme="light")
        self.page.run("document.documentElement.classList.remove('dark')")


@pytest.fixture
def morning(live_stack: LiveStack) -> Iterator[Morning]:
    call_command("collectstatic", interactive=False, verbosity=0)
    address = live_stack.web()
    with Browser() as browser:
        page = browser.page()
        page.size(1280, 900)
        yield Morning(page, address)
        assert page.errors == []


@pytest.fixture
def operator(db: None) -> User:
    olga: User = UserFactory(username="olga", is_staff=True, is_superuser=True)
    olga.set_password(PASSWORD)
    olga.save()
    return olga


@pytest.fixture
def issues(db: None) -> list[Issue]:
    """Eight people who wait: three critical issues, two high, two medium, one low."""
    organization = OrganizationFactory(slug="acme", name="Acme")
    connector = ConnectorFactory(organization=organization, name="hr", fresh_at=timezone.now() - timedelta(minutes=4))
    ConnectorFactory(organization=organization, name="old", fresh_at=timezone.now() - timedelta(hours=9))
    RawEventFactory(batch=BatchFactory(connector=connector), state="dead", failed_at=timezone.now(), error="unknown shape")
    member(organization, Role.RECRUITER, username="rita", first_name="Rita")
    member(organization, Role.HIRING_MANAGER, username="henry")
    jobs = [JobFactory(connector=connector, title=title) for title in ("Data Engineer", "Account Executive", "Nurse")]
    stages = [StageFactory(connector=connector, name=name, category=name.lower()) for name in ("Screen", "Interview", "Offer")]
    made = []
    for number, severity in enumerate(("critical", "critical", "critical", "high", "high", "medium", "medium", "low")):
        visit = waiting(jobs[number % 3], stages[number % 3], days=20 + number)
        visit.application.candidate.name = f"Candidate {number}"
        visit.application.candidate.save()
        made.append(
            issue_about(
                visit, severity=severity, score=95.0 - 10 * number,
                sentence=f"In {visit.stage.name} for {20 + number} business days, more than 2 times the limit of 7 business days.",
                evidence={
                    "entered_at": visit.entered_at.isoformat(), "entry_precision": "exact", "age": {"value": 20.0 + number, "unit": "bd"},
                    "limit": {"value": 7.0, "unit": "bd", "source": "default"},
                },
            )
        )  # fmt: skip
    TaskFactory(issue=made[4], due_at=timezone.now() - timedelta(hours=1))
    return made


def status_of(issue: Issue) -> str:
    return Issue.objects.values_list("status", flat=True).get(pk=issue.pk)


def test_a_morning(morning: Morning, operator: User, issues: list[Issue]) -> None:
    critical, other = issues[:3], issues[3:]
    page = morning.page

    # logs in, and sees the day's numbers
    morning.open("/admin/")
    morning.look("1-login")
    morning.fill("input[name=username]", "olga")
    morning.fill("input[name=password]", PASSWORD)
    morning.click("document.querySelector('form button[type=submit]')")
    assert "3\nCritical issues" in morning.text(".sw-tile.sw-critical")
    numbers = morning.text(".sw-tiles")
    assert "8\nNew today" in numbers
    assert "1\nTasks due today" in numbers
    assert "1\nDead letters" in numbers
    assert "stale: last facts 9" in morning.text(".sw-landing")
    morning.look("2-landing")

    # filters critical
    morning.click("document.querySelector('.sw-tile.sw-critical')")
    assert page.run("document.querySelectorAll('#result_list tbody tr').length") == 3
    assert morning.text(".sw-chip[aria-current]").split() == ["3", "Critical"]
    morning.fill("#sw-filter-name", "critical first")
    morning.click("document.querySelector('.sw-save button')")
    assert "critical first" in morning.text(".sw-saved[aria-current]")
    morning.look("3-critical")

    # acknowledges two of them together
    page.run("[...document.querySelectorAll('input.action-select')].slice(0, 2).forEach(one => one.click())")
    morning.look("4-ticked")
    morning.act("acknowledge")
    assert "2 issues acknowledged." in morning.text("#main")
    assert [status_of(issue) for issue in critical] == ["acknowledged", "acknowledged", "open"]
    assert page.run("document.querySelectorAll('#result_list tbody tr').length") == 1

    # opens the third, reads why
    morning.click("document.querySelector('#result_list tbody tr a[href*=change]')")
    evidence = morning.text(".sw-facts")
    assert "22 business days" in evidence
    assert "7 business days (default)" in evidence
    assert "Stage changed" in morning.text(".sw-timeline")
    morning.look("5-issue")

    # gives it to Rita
    rita = User.objects.get(username="rita")
    morning.fill("#id_assignee", str(rita.pk))
    morning.click("document.querySelector('form[action$=assign] button')")
    assert "1 issue given to rita." in morning.text("#main")
    task = Task.objects.get(issue=critical[2])
    assert (task.assignee, task.status) == (rita, Task.Status.OPEN)

    # snoozes another for a week
    morning.open("/admin/issues/issue/?status__exact=open&severity__exact=high")
    morning.click("document.querySelector('#result_list tbody tr a[href*=change]')")
    morning.fill("#sw-for", "week")
    morning.fill("#sw-reason", "waits for the works council")
    morning.click("document.querySelector('form[action$=decide] button[value=snooze]')")
    snoozed = Issue.objects.get(pk=other[0].pk)
    assert snoozed.status == Issue.Status.SNOOZED
    assert snoozed.snoozed_until is not None
    assert timedelta(days=6.9) < snoozed.snoozed_until - timezone.now() < timedelta(days=7)
    assert "waits for the works council" in morning.text(".sw-trail")
    morning.look("6-snoozed")

    # every decision is on record under her name
    assert set(IssueTransition.objects.exclude(actor=None).values_list("actor__username", "status_to")) == {
        ("olga", "acknowledged"), ("olga", "snoozed"),
    }  # fmt: skip
    assert SavedFilter.objects.get().query == "status__exact=open&severity__exact=critical"
    morning.open("/admin/triggers/task/?due=unfinished")
    assert page.run("document.querySelectorAll('#result_list tbody tr').length") == 2
    morning.look("7-tasks")


def log_in(morning: Morning, operator: User) -> None:
    client = Client()
    client.force_login(operator)
    morning.page.log_in(morning.address, client.cookies["sessionid"].value)


def test_looking_after_the_sources(morning: Morning, operator: User, issues: list[Issue]) -> None:
    """Syncs what is stale, replays what was mended, maps what is unmapped, sees what the machine does by itself."""
    connector = issues[0].job.connector
    unmapped = StageFactory(connector=connector, name="Take-home task", category="unmapped")
    StageMetricFactory(job=issues[0].job, stage=unmapped)
    SyncRunFactory(connector=connector, state="flowing", mode="full", fetched=40)
    minutely, _ = IntervalSchedule.objects.get_or_create(every=10, period="minutes")
    PeriodicTask.objects.get_or_create(name="Rules that became due", defaults={"task": "issues.sweep", "interval": minutely})
    log_in(morning, operator)

    morning.open("/admin/connectors/connector/")
    assert "Stale" in morning.text("#result_list") or "STALE" in morning.text("#result_list")
    morning.look("8-connectors")
    row = "[...document.querySelectorAll('#result_list tbody tr')].find(one => one.innerText.includes('old'))"
    morning.click(f"{row}.querySelector('button[formaction]')")
    assert "has been asked for" in morning.text("#main")

    morning.open("/admin/connectors/rawevent/?state__exact=dead")
    assert "unknown shape" in morning.text(".sw-table")
    morning.look("9-dead-letters")
    morning.click("document.querySelector('.sw-table button')")
    assert "1 raw events are on the road again." in morning.text("#main")

    morning.open("/admin/connectors/syncrun/")
    morning.look("10-sync-runs")

    morning.open("/admin/ats/stage/?category__exact=unmapped")
    morning.look("11-stages")
    morning.click("document.querySelector('#result_list tbody tr a[href*=change]')")
    assert "suggested by the name" in morning.text(".sw-table")
    morning.look("12-stage")
    morning.fill("select[name=category]", "assessment")
    morning.click("document.querySelector('button[name=_save]')")
    assert Stage.objects.get(pk=unmapped.pk).category == "assessment"

    morning.open("/admin/django_celery_beat/periodictask/")
    assert "Rules that became due" in morning.text("#result_list")
    morning.look("13-schedules")


def test_setting_up_who_does_what(morning: Morning, operator: User, issues: list[Issue]) -> None:
    """A rule with a ladder and a channel, typed in as a person would."""
    log_in(morning, operator)
    organization = issues[0].organization

    morning.open("/admin/triggers/triggerrule/add/")
    morning.fill("select[name=organization]", str(organization.pk))
    morning.fill("input[name=name]", "Offers first")
    morning.fill("select[name=stage_category]", "offer")
    morning.page.run("document.querySelector('.add-row').click()")
    morning.page.wait_for("document.querySelector('input[name=\"ladder-0-after_business_days\"]') !== null")
    morning.fill('input[name="ladder-0-after_business_days"]', "3")
    morning.look("14-rule")
    morning.click("document.querySelector('button[name=_save]')")
    rule = TriggerRule.objects.get()
    assert (rule.name, rule.stage_category, [step.after_business_days for step in rule.ladder.all()]) == ("Offers first", "offer", [3.0])

    morning.open("/admin/triggers/channel/add/")
    morning.fill("select[name=organization]", str(organization.pk))
    morning.fill("input[name=name]", "Room")
    morning.fill("select[name=kind]", "webhook")
    morning.fill("input[name=address]", "https://example.com/hook")
    morning.look("15-channel")
    morning.click("document.querySelector('button[name=_save]')")
    assert Channel.objects.get().open_address() == "https://example.com/hook"
    morning.look("16-channels")
    morning.open(f"/admin/triggers/task/{Task.objects.get().pk}/change/")
    morning.look("17-task")
