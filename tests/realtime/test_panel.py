"""The panel over a page: its place in the address, the way back, and that it follows what it shows."""

from __future__ import annotations

from typing import Any

import pytest

from realtime import services
from tests.browser import Page

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]

OPEN = "document.getElementById('panel').open"
PEOPLE = "document.querySelectorAll('#panel .people li').length"
FIRST_CELL = "document.querySelector('.board a.cell')"


@pytest.fixture
def board(acme: Any, address: str, page: Page) -> Any:
    """A job with two people in review, and the board opened on it."""
    job = acme.job()
    for days in (1, 30):
        acme.apply(job, days_ago=days)
    page.open(f"{address}/?clock=cd")
    page.wait_for("document.getElementById('live').dataset.state === 'live'")
    return job


def test_what_the_panel_shows_is_part_of_the_address(board: Any, address: str, page: Page) -> None:
    page.run(f"{FIRST_CELL}.click()")
    page.wait_for(f"{PEOPLE} === 2")
    shared = page.run("location.href")

    assert shared == f"{address}/?clock=cd#/jobs/{board.pk}/stages/review?clock=cd"
    page.open(f"{address}/definitions")
    page.open(shared)
    page.wait_for(f"{OPEN} && {PEOPLE} === 2")
    page.press("Escape")
    page.wait_for(f"!{OPEN} && location.href.endsWith('/?clock=cd')")


def test_one_step_back_closes_it_however_far_somebody_went_within(board: Any, page: Page) -> None:
    before = page.run("history.length")
    page.run(f"{FIRST_CELL}.click()")
    page.wait_for(f"{PEOPLE} === 2")
    page.run("document.querySelector('#panel a.why').click()")
    page.wait_for("location.hash.includes('/explain')")
    assert page.run("history.length") == before + 1

    page.run("history.back()")

    page.wait_for(f"!{OPEN} && location.hash === ''")
    page.run("history.forward()")
    page.wait_for(f"{OPEN} && document.querySelector('#panel h1').textContent.includes('Where these numbers come from')")


def test_an_address_opens_nothing_but_people_of_a_stage(board: Any, address: str, page: Page) -> None:
    for place in ("#//elsewhere.example/jobs/1/stages/review", "#/admin/", "#main"):
        page.open(f"{address}/definitions")
        page.open(f"{address}/{place}")
        page.wait_for("document.getElementById('live').dataset.state === 'live'")
        assert not page.run(OPEN), place


def test_it_follows_its_job_in_place(acme: Any, board: Any, page: Page) -> None:
    page.run(f"{FIRST_CELL}.click()")
    page.wait_for(f"{PEOPLE} === 2")
    page.run("window.__kept = document.querySelector('#panel .people li'); document.querySelector('#panel .people a').focus()")

    acme.apply(board, days_ago=2)
    services.push(organization_id=acme.organization.pk, job_ids=[board.pk])

    page.wait_for(f"{PEOPLE} === 3")
    assert page.run("window.__kept.isConnected && window.__kept.contains(document.activeElement)")


def test_a_columns_sum_opens_its_jobs_and_follows_them(acme: Any, board: Any, page: Page) -> None:
    total = "document.querySelector('#panel h1 small')?.textContent"
    page.run("document.querySelector('.board thead a.sum').click()")
    page.wait_for(f"{OPEN} && {total} === '2'")
    assert page.run("location.hash") == "#/sums?clock=cd&of=waiting&stage=review"

    services.push_batch(acme.batch(acme.apply(board)))
    page.wait_for(f"{total} === '3'")
    page.run("document.querySelector('#panel .parts a.num').click()")

    page.wait_for(f"{PEOPLE} === 3")
