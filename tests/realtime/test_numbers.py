"""Every number on a page opens into whom it counts and what it means, and the two agree with it."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from analytics.models import StageMetric, StageVisit

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(acme: Any) -> Client:
    client = Client()
    client.force_login(acme.member("alice"))
    return client


@pytest.fixture
def job(acme: Any) -> Any:
    """Five in review, one of them since before the window; of three more two have advanced, of whom one waits, and one was rejected."""
    job = acme.job("Watchmaker")
    for days in (1, 2, 3, 60, 200):
        acme.apply(job, days_ago=days)
    ended = [acme.apply(job, days_ago=30) for _ in range(3)]
    left_at = timezone.now() - timedelta(days=20)
    for application, how in zip(ended, ("advanced", "advanced", "rejected"), strict=True):
        StageVisit.objects.filter(application=application).update(left_at=left_at, exit_kind=how)
    for n, application in enumerate(ended[:2]):
        StageVisit.objects.create(
            entry_event_id=900_000 + n, organization=acme.organization, application=application, n=2, job=job, stage=acme.interview,
            entered_at=left_at, left_at=timezone.now() - timedelta(days=5) if n else None, exit_kind="withdrawn" if n else None,
        )  # fmt: skip
    StageMetric.objects.filter(job=job, stage=acme.review).update(open=5, exited=3, window_entered=7, window_exited=3)
    StageMetric.objects.create(
        organization=acme.organization, job=job, stage=acme.interview, open=1, entered=2, exited=1, window_entered=2, window_exited=1
    )
    return job


class Numbers(HTMLParser):
    """What holds a number and, per such place, the links in it; and whether the section explains all of its numbers at once."""

    PLACES = frozenset({"dd", "td", "li"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[dict[str, Any]] = []
        self.sections: list[dict[str, Any]] = []
        self.places: list[dict[str, Any]] = []
        self.feed(page[page.index("<main") : page.index("</main>")])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "section":
            self.sections.append({"explained": False})
        if tag == "a":
            if self.sections and given.get("class") == "what":
                self.sections[-1]["explained"] = True
            for place in self.open:
                place["links"].append(given.get("href"))
        if "data-go" in given:
            for place in self.open:
                place["links"].append(given["data-go"])
        if tag in self.PLACES:
            section = self.sections[-1] if self.sections else {"explained": False}
            self.open.append({"tag": tag, "text": "", "links": [given["data-go"]] if "data-go" in given else [], "section": section})

    def handle_endtag(self, tag: str) -> None:
        if tag == "section":
            self.sections.pop()
        if tag in self.PLACES and self.open:
            self.places.append(self.open.pop())

    def handle_data(self, data: str) -> None:
        for place in self.open:
            place["text"] += data

    def unexplained(self) -> list[str]:
        found = (one for one in self.places if re.search(r"\d", one["text"]) and not one["links"] and not one["section"]["explained"])
        return [" ".join(one["text"].split()) for one in found]


@pytest.mark.parametrize("lens", ["", "?clock=cd&window=90"])
@pytest.mark.parametrize("path", ["/", "/jobs/{job}"])
def test_no_number_stands_without_a_way_to_what_it_means(job: Any, alice: Client, path: str, lens: str) -> None:
    page = alice.get(path.format(job=job.pk) + lens).content.decode()

    assert Numbers(page).unexplained() == []


def links_of(page: str, pattern: str) -> dict[str, str]:
    """Address by text of the links to numbers that match."""
    found = re.findall(rf'<a[^>]*href="({pattern}[^"]*)"[^>]*>(.*?)</a>', page, re.DOTALL)
    return {unescape(href): re.sub(r"<span class=\"unseen\">.*?</span>|<[^>]+>", "", text).strip() for href, text in found}


def people_on(page: str) -> int:
    return len(re.findall(r'href="/candidates/\d+"', page))


def test_a_column_is_the_sum_of_its_jobs_and_each_opens_its_people(acme: Any, job: Any, alice: Client) -> None:
    acme.apply(acme.job("Clockmaker"))
    board = alice.get("/").content.decode()
    (address,) = (href for href in links_of(board, r"/sums\?of=waiting") if "stage=review" in href)

    page = alice.get(address).content.decode()

    assert "Waiting in Review <small>6</small>" in page
    assert "Waiting: applications in the stage now." in page
    shares = links_of(page, "/jobs/")
    opened = {href: text for href, text in shares.items() if "/stages/review" in href}
    assert sorted(opened.values()) == ["1", "5"]
    assert [people_on(alice.get(href).content.decode()) for href, text in opened.items()] == [int(text) for text in opened.values()]


def test_tiles_of_the_board_are_sums_within_its_filters(acme: Any, job: Any, alice: Client) -> None:
    acme.apply(acme.job("Clockmaker"))

    assert "Waiting <small>7</small>" in alice.get("/sums?of=waiting").content.decode()
    assert "Waiting <small>6</small>" in alice.get("/sums?of=waiting&search=watch").content.decode()
    overdue = alice.get("/sums?of=overdue").content.decode()
    assert f"/jobs/{job.pk}/numbers/overdue" in overdue
    assert "Clockmaker" not in overdue, "nobody waits too long there"


def test_numbers_of_a_job_count_whom_they_list(acme: Any, job: Any, alice: Client) -> None:
    page = alice.get(f"/jobs/{job.pk}").content.decode()
    counted = {href: text for href, text in links_of(page, f"/jobs/{job.pk}/numbers/").items() if re.fullmatch(r"\d+", text)}
    listed = {href: text for href, text in counted.items() if not href.endswith(("/waiting", "/overdue"))}

    named = {
        href.rsplit("/", 1)[1].replace(str(acme.review.pk), "R").replace(str(acme.interview.pk), "I"): text for href, text in listed.items()
    }
    assert named["entered?stage=R"] == "7"
    assert named["exited?stage=R"] == "3"
    assert named["funnel?stage=R"] == "7"
    assert named["funnel?stage=R&only=lost"] == "1"
    assert named["funnel?stage=R&only=undecided"] == "4"
    assert any(name.startswith("came?since=") and text == "3" for name, text in named.items())
    assert {href: people_on(alice.get(href).content.decode()) for href in listed} == {href: int(text) for href, text in listed.items()}


def test_every_age_band_of_a_job_opens_its_people(job: Any, alice: Client) -> None:
    page = alice.get(f"/jobs/{job.pk}").content.decode()
    bands = {href: text for href, text in links_of(page, f"/jobs/{job.pk}/numbers/waiting").items() if "band=" in href}
    assert sum(int(text.split()[0]) for text in bands.values()) == 6

    for href, text in bands.items():
        number, band = text.split()
        stages = links_of(alice.get(href).content.decode(), f"/jobs/{job.pk}/stages/")
        assert sum(int(share) for share in stages.values()) == int(number)
        assert sum(people_on(alice.get(opened).content.decode()) for opened in stages) == int(number), band


def test_a_number_is_taken_along_as_a_file(job: Any, alice: Client) -> None:
    told = alice.get(f"/jobs/{job.pk}/numbers/exited?stage=Review&format=csv")
    assert told.status_code == 404, "a stage of a number is named by its id"

    sums = alice.get("/sums?of=waiting&stage=review&format=csv").content.decode().splitlines()

    assert sums == ["name,value", "Watchmaker,5"]


@pytest.mark.parametrize(
    "path",
    ["/sums?of=nonsense", "/sums?of=waiting&stage=nowhere", "/jobs/{job}/numbers/nonsense", "/jobs/{job}/numbers/entered",
     "/jobs/{job}/numbers/entered?stage=999999", "/jobs/{job}/numbers/funnel?stage={stage}&only=nonsense",
     "/jobs/{job}/numbers/came", "/jobs/{job}/numbers/came?since=2026-99-99T00:00&until=x", "/jobs/{other}/numbers/waiting"],
)  # fmt: skip
def test_what_is_no_number_is_not_found(acme: Any, other: Any, job: Any, alice: Client, path: str) -> None:
    asked = path.format(job=job.pk, stage=acme.review.pk, other=other.job().pk)

    assert alice.get(asked).status_code == 404
