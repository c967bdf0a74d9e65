"""From an empty installation to the heatmap in a real browser, with a server that answers as BambooHR would."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from accounts.models import User
from ats.models import Stage
from connectors.models import Connector
from connectors.sandbox.process import RunningSandbox, running_sandbox
from tests.browser import Browser, Page
from tests.live import LiveStack
from tests.realtime.tenants import session_of

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(seed=5, jobs=3, applications=14, months=3, page_size=20) as running:
        yield running


@pytest.fixture
def newcomer(chromium: Browser, live_stack: LiveStack) -> Iterator[tuple[Page, str]]:
    """A superuser without any organization, on a stack with a worker."""
    address = live_stack.web(ALLOW_LOCAL_PROVIDERS="true")
    live_stack.worker()
    page = chromium.page()
    page.log_in(address, session_of(User.objects.create_superuser("root")))
    yield page, address
    assert page.errors == []
    page.close()


def fill(page: Page, name: str, text: str) -> None:
    """As a person does: into the field, and type."""
    page.run(f"(() => {{ const field = document.querySelector('[name={name}]'); field.focus(); field.select?.(); }})()")
    page.type(text)


def submit(page: Page, words: str) -> None:
    page.run(f"[...document.querySelectorAll('main button')].find(one => one.textContent.includes({words!r})).click()")


HEADING = "document.querySelector('h1')?.textContent ?? ''"


def test_the_zone_of_the_browser_is_offered_first(newcomer: tuple[Page, str]) -> None:
    page, address = newcomer
    page.call("Emulation.setTimezoneOverride", timezoneId="America/Sao_Paulo")
    page.open(address)

    assert page.run("document.querySelector('select[name=time_zone]').value") == "America/Sao_Paulo"


def test_an_empty_installation_leads_to_the_heatmap(newcomer: tuple[Page, str], sandbox: RunningSandbox) -> None:
    page, address = newcomer
    page.open(address)
    assert page.run(HEADING) == "Welcome. Whose hiring is it?"
    fill(page, "name", "Acme Rockets")
    submit(page, "Go on")
    page.wait_for(f"({HEADING}) === 'Connect the system you hire with'")

    # a domain that does not answer is told, and can be corrected at once
    fill(page, "address", "http://127.0.0.1:9")
    fill(page, "key", sandbox.api_key)
    submit(page, "Connect")
    page.wait_for("document.querySelector('main .errors')?.textContent.length > 20", timeout=60)
    assert "tried again" in page.run("document.querySelector('main .errors').textContent")
    assert page.run(HEADING) == "That did not work yet"

    # so is a key that is not accepted
    fill(page, "address", sandbox.base_url)
    fill(page, "key", "not-the-key")
    submit(page, "Connect")
    page.wait_for("document.querySelector('main .errors')?.textContent.includes('API key is wrong')", timeout=60)
    assert "not-the-key" not in page.run("document.documentElement.outerHTML")

    fill(page, "key", sandbox.api_key)
    submit(page, "Connect")
    page.wait_for("/fetched/.test(document.querySelector('main .run')?.textContent ?? '')", timeout=60)
    page.wait_for(f"({HEADING}) === 'Almost there: check the stages'", timeout=120)
    assert page.run("document.querySelector('main .mapping') !== null")
    assert sandbox.api_key not in page.run("document.documentElement.outerHTML")

    stage = Stage.objects.order_by("pk")[0]
    page.run(f"document.getElementById('stage-{stage.pk}').value = 'assessment'")
    submit(page, "show the heatmap")
    page.wait_for("document.querySelector('.board') !== null")

    stage.refresh_from_db()
    assert (stage.category, stage.mapped_by_person) == ("assessment", True)
    assert Connector.objects.get().status == "active"
