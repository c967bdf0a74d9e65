"""The pages: who sees what, and that what they show is what the API tells."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Role, User
from analytics.cells import Question
from analytics.models import StageMetric, StageVisit
from analytics.selectors import org_heatmap
from connectors.models import SyncRun
from issues.models import Issue, Severity
from realtime import services

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(acme: Any) -> Client:
    client = Client()
    client.force_login(acme.member("alice"))
    return client


def text_of(response: Any) -> str:
    assert response.status_code == 200
    return response.content.decode()


def counts_on(page: str) -> list[list[int]]:
    """Rows of the board as numbers; 0 for an empty cell."""
    rows = re.findall(r"<tr role=\"row\" data-job.*?</tr>", page, re.DOTALL)
    cells = [re.findall(r"<td role=\"cell\" data-stage.*?</td>", row, re.DOTALL) for row in rows]
    return [[int(found[1]) if (found := re.search(r'count">(\d+)<', cell)) else 0 for cell in row] for row in cells]


@pytest.mark.parametrize("path", ["/", "/issues", "/tasks", "/jobs/1", "/jobs/1/stages/review"])
def test_every_page_asks_strangers_to_log_in(path: str) -> None:
    response = Client().get(path)

    assert (response.status_code, response["Location"].split("?")[0]) == (302, "/login")


def test_the_board_shows_the_numbers_of_the_api(acme: Any, alice: Client) -> None:
    first, second = acme.job("First"), acme.job("Second")
    for days in (1, 30, 200):
        acme.apply(first, days_ago=days)
    acme.apply(second)
    told = org_heatmap(organization_ids=[acme.organization.pk], question=Question(as_of=timezone.now()))

    assert counts_on(text_of(alice.get("/"))) == [[cell["open"] for cell in row["cells"]] for row in told["rows"]]


def test_the_board_costs_the_same_queries_for_any_number_of_jobs(acme: Any, alice: Client, django_assert_max_num_queries: Any) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    acme.apply(acme.job())
    with CaptureQueriesContext(connection) as few:
        alice.get("/")
    for _ in range(20):
        acme.apply(acme.job())

    with django_assert_max_num_queries(len(few)):
        alice.get("/")


def test_colour_never_carries_meaning_alone(acme: Any, alice: Client) -> None:
    job = acme.job("Archivist")
    acme.apply(job, days_ago=200)

    page = text_of(alice.get("/"))

    assert 'data-heat="critical"' in page
    assert '<span class="unseen">Archivist, Review: 1 waiting; critical, a fifth or more over twice the limit' in page
    assert '<i class="glyph" aria-hidden="true">' in page


def test_a_page_stands_in_the_stream_where_its_state_was_read(acme: Any, alice: Client) -> None:
    job = acme.job()
    services.push(organization_id=acme.organization.pk, job_ids=[job.pk])
    services.push(organization_id=acme.organization.pk, job_ids=[job.pk])

    assert 'data-number="2"' in text_of(alice.get("/"))


def test_paused_jobs_are_marked_and_closed_ones_left_out(acme: Any, alice: Client) -> None:
    paused, closed = acme.job("Paused one"), acme.job("Closed one")
    paused.status, closed.status = "on_hold", "closed"
    paused.save()
    closed.save()

    page = text_of(alice.get("/"))

    assert "On hold" in page
    assert "Closed one" not in page
    assert "Closed one" in text_of(alice.get("/?status=all"))


def test_a_closed_job_in_which_somebody_still_waits_is_shown(acme: Any, alice: Client) -> None:
    job = acme.job("Forgotten one")
    acme.apply(job)
    job.status = "closed"
    job.save()

    assert "Forgotten one" in text_of(alice.get("/"))


def test_filters_narrow_the_board(acme: Any, alice: Client) -> None:
    acme.job("Baker")
    acme.job("Butcher")

    page = text_of(alice.get("/?search=bak"))

    assert "Baker" in page
    assert "Butcher" not in page
    assert "No job matches" in text_of(alice.get("/?search=<script>"))
    assert "<script>" not in text_of(alice.get("/?search=<script>")).split("<main", 1)[1]


def test_the_drilldown_lists_as_many_people_as_the_cell_counts(acme: Any, alice: Client) -> None:
    job = acme.job()
    for days in range(60):
        acme.apply(job, days_ago=days)

    first, second = text_of(alice.get(f"/jobs/{job.pk}/stages/review")), text_of(alice.get(f"/jobs/{job.pk}/stages/review?page=2"))

    assert "60 waiting" in first
    assert first.count("Grace Hopper") + second.count("Grace Hopper") == 60


def test_the_drilldown_shows_issues_beside_their_people(acme: Any, alice: Client) -> None:
    job = acme.job()
    application = acme.apply(job)
    now = timezone.now()
    Issue.objects.create(
        organization=acme.organization, issue_type="stuck", fingerprint="f", application=application, job=job, stage=acme.review,
        severity=Severity.HIGH, score=70, sentence="Waits too long.", detected_at=now, opened_at=now, last_seen_at=now,
    )  # fmt: skip

    for path in (f"/jobs/{job.pk}/stages/review", f"/jobs/{job.pk}/stages/{acme.review.pk}", f"/jobs/{job.pk}", "/issues"):
        assert "Waits too long." in text_of(alice.get(path)), path


def test_nothing_of_another_organization_is_shown(acme: Any, other: Any, alice: Client) -> None:
    foreign = other.job("Foreign job")
    other.apply(foreign)
    acme.job("Own job")

    for path in (f"/jobs/{foreign.pk}", f"/jobs/{foreign.pk}/stages/review", "/?organization=other", "/issues?organization=other"):
        assert alice.get(path).status_code == 404, path
    assert "Foreign job" not in text_of(alice.get("/?status=all"))


def test_what_does_not_exist_is_a_page_that_leads_back(acme: Any, alice: Client) -> None:
    response = alice.get(f"/jobs/{acme.job().pk}/stages/nowhere")

    assert response.status_code == 404
    assert "To the heatmap" in response.content.decode()


def test_an_empty_installation_explains_the_next_step(alice: Client, acme: Any) -> None:
    acme.connector.delete()
    assert "An administrator of Acme takes these steps" in text_of(alice.get("/"))
    root = Client()
    root.force_login(acme.member("root", role="admin"))
    assert "manage.py connect bamboohr --organization acme" in text_of(root.get("/"))


def test_a_first_sync_is_shown_while_it_runs(acme: Any, alice: Client) -> None:
    SyncRun.objects.create(connector=acme.connector, mode="full", state="running", fetched=412)

    page = text_of(alice.get("/"))

    assert "The first data is on its way" in page
    assert "412 fetched" in page


def test_a_later_sync_is_no_first_one(acme: Any, alice: Client) -> None:
    acme.apply(acme.job())
    acme.connector.fresh_at = timezone.now()
    acme.connector.save()
    SyncRun.objects.create(connector=acme.connector, mode="delta", state="running", fetched=412)

    page = text_of(alice.get("/setup"))

    assert "Almost there: check the stages" in page
    assert "is complete up to" in page


def test_a_stay_that_goes_on_is_told_with_its_business_days(acme: Any, alice: Client) -> None:
    application = acme.apply(acme.job(), days_ago=14)

    assert "10.0 so far" in text_of(alice.get(f"/candidates/{application.candidate_id}"))


def test_a_person_costs_the_same_queries_for_any_number_of_applications(
    acme: Any, alice: Client, django_assert_max_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    first = acme.apply(acme.job())
    with CaptureQueriesContext(connection) as one:
        alice.get(f"/candidates/{first.candidate_id}")
    for _ in range(4):
        another = acme.apply(acme.job())
        another.candidate = first.candidate
        another.save()

    with django_assert_max_num_queries(len(one)):
        assert text_of(alice.get(f"/candidates/{first.candidate_id}")).count("so far") == 5


def test_a_person_without_an_organization_is_told_so() -> None:
    client = Client()
    client.force_login(User.objects.create_user("lonely"))

    assert "You belong to no organization yet" in text_of(client.get("/"))


def test_old_data_and_a_broken_account_are_announced(acme: Any, alice: Client) -> None:
    acme.job()
    acme.connector.fresh_at = timezone.now() - timedelta(hours=3)
    acme.connector.save()
    assert "What you see is old" in text_of(alice.get("/"))

    acme.connector.status = "broken"
    acme.connector.save()
    assert "needs attention" in text_of(alice.get("/"))


# --- the lens: clock, window and moment, all in the address ---------------------------------------------
def test_the_time_machine_shows_the_board_as_it_was(acme: Any, alice: Client) -> None:
    job = acme.job("Time traveller")
    for days in (2, 30):
        acme.apply_on_record(job, days_ago=days)
    day = (timezone.now() - timedelta(days=10)).date().isoformat()

    now, then = text_of(alice.get("/")), text_of(alice.get(f"/?as_of={day}"))

    assert (counts_on(now)[0][0], counts_on(then)[0][0]) == (2, 1)
    assert 'data-live="patch"' in now
    assert 'data-live="still"' in then, "the past does not move"
    assert "as it was known then" in then
    assert f"/jobs/{job.pk}?as_of={day}" in then, "links keep the moment"


def test_a_job_of_the_past_and_its_people_agree(acme: Any, alice: Client) -> None:
    job = acme.job()
    for days in (2, 30, 40):
        acme.apply_on_record(job, days_ago=days)
    day = (timezone.now() - timedelta(days=10)).date().isoformat()

    assert "2 waiting" in text_of(alice.get(f"/jobs/{job.pk}/stages/review?as_of={day}"))
    assert "3 waiting" in text_of(alice.get(f"/jobs/{job.pk}/stages/review"))
    assert "by then" in text_of(alice.get(f"/jobs/{job.pk}?as_of=2020-01-01"))


def test_a_moment_of_the_past_is_kept_and_shown_as_its_day(acme: Any, alice: Client) -> None:
    job = acme.job()
    acme.apply(job, days_ago=30)
    moment = (timezone.now() - timedelta(days=10)).replace(hour=9, minute=30, second=0, microsecond=0)

    page = text_of(alice.get("/", {"as_of": moment.isoformat()}))

    assert f'value="{moment.date().isoformat()}" data-submit' in page
    assert 'value="10"' in page, "the slider stands there too"
    assert f"/jobs/{job.pk}?{urlencode({'as_of': moment.isoformat()})}" in page, "links keep the very moment"


@pytest.mark.parametrize("query", ["as_of=2999-01-01T00:00:00Z", "as_of=nonsense", "window=0", "clock=moon"])
def test_what_cannot_be_shown_is_told_and_now_is_shown(acme: Any, alice: Client, query: str) -> None:
    acme.apply(acme.job("Still here"))

    page = text_of(alice.get(f"/?{query}"))

    assert "cannot be shown" in page
    assert "Still here" in page


def test_both_clocks_are_shown(acme: Any, alice: Client) -> None:
    job = acme.job()
    acme.apply(job, days_ago=14)

    assert "10 bd" in text_of(alice.get(f"/jobs/{job.pk}/stages/review"))
    assert "14 calendar days" in text_of(alice.get(f"/jobs/{job.pk}/stages/review"))
    assert 'value="cd" data-submit checked' in text_of(alice.get("/?clock=cd"))


def test_a_large_board_is_paged_while_its_sums_count_everything(acme: Any, alice: Client) -> None:
    for number in range(60):
        acme.apply(acme.job(f"Job {number}"))

    first, second = text_of(alice.get("/")), text_of(alice.get("/?page=2"))

    assert (len(counts_on(first)), len(counts_on(second))) == (50, 10)
    for page in (first, second):
        assert 'data-tile="open" data-sum="60"' in page
        assert 'data-column="review" data-sum="60">60<' in page
    assert "51–60 of 60 jobs" in second


def test_csv_holds_what_is_shown_on_all_its_pages(acme: Any, alice: Client) -> None:
    for number in range(60):
        acme.apply(acme.job(f"Job {number}"))
    acme.job("Other")

    lines = alice.get("/?search=job&format=csv").content.decode().splitlines()

    assert len(lines) == 1 + 60 * 6
    assert lines[0].startswith("job.id,job.title")
    people = alice.get(f"/jobs/{acme.job('More').pk}/stages/review?format=csv")
    assert people["Content-Type"] == "text/csv; charset=utf-8"


# --- job, person, explanation ------------------------------------------------------------------------------
def test_the_page_of_a_job_has_every_picture_and_its_table(acme: Any, alice: Client) -> None:
    job = acme.job()
    for days in (1, 3, 30, 60):
        acme.apply(job, days_ago=days)

    page = text_of(alice.get(f"/jobs/{job.pk}"))

    for heading in ("How long people have waited", "Coming and going", "Funnel", "How long stays take", "What happened lately"):
        assert heading in page
    assert page.count("As a table") == 3


def test_the_page_of_a_job_costs_the_same_queries_for_any_number_of_people(
    acme: Any, alice: Client, django_assert_max_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    job = acme.job()
    for days in (1, 100):
        acme.apply(job, days_ago=days)
    with CaptureQueriesContext(connection) as few:
        alice.get(f"/jobs/{job.pk}")
    for days in range(20):
        acme.apply(job, days_ago=days)

    with django_assert_max_num_queries(len(few)):
        alice.get(f"/jobs/{job.pk}")


def test_an_explanation_names_the_people_behind_a_number(acme: Any, alice: Client) -> None:
    job = acme.job()
    acme.apply(job, days_ago=5)
    acme.apply(job, days_ago=200)

    page = text_of(alice.get(f"/jobs/{job.pk}/stages/review/explain"))

    assert "Grace Hopper" in page
    assert "still here" in page
    assert "1: began before the window" in page
    assert "Calendar days" in page


def test_an_explanation_counts_as_many_stays_as_it_lists(acme: Any, alice: Client) -> None:
    """What is remembered of a cell is a little behind; what is explained is not."""
    job = acme.job()
    for days in (3, 5, 200):
        acme.apply(job, days_ago=days)

    page = text_of(alice.get(f"/jobs/{job.pk}/stages/review/explain"))

    assert "2 stays: 0 ended, 2 still going" in page
    assert "Counted <small>2</small>" in page


def test_a_persons_page_shows_their_way_and_what_happened(acme: Any, alice: Client) -> None:
    job = acme.job("Cartographer")
    application = acme.apply(job, days_ago=5)

    page = text_of(alice.get(f"/candidates/{application.candidate_id}"))

    assert "Grace Hopper" in page
    assert "Cartographer" in page
    assert "still here" in page


def test_pages_hold_no_inline_styles_or_scripts(acme: Any, alice: Client) -> None:
    """A strict Content-Security-Policy must not break them."""
    job = acme.job()
    application = acme.apply(job, days_ago=60)

    for path in ("/", f"/jobs/{job.pk}", f"/jobs/{job.pk}/stages/review", f"/jobs/{job.pk}/stages/review/explain", "/issues", "/tasks",
                 f"/candidates/{application.candidate_id}", "/definitions"):  # fmt: skip
        page = text_of(alice.get(path))
        assert "default-src 'none'" in alice.get(path)["Content-Security-Policy"]
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", page), path


def test_pages_are_compressed(acme: Any, alice: Client) -> None:
    acme.apply(acme.job())

    assert alice.get("/", headers={"Accept-Encoding": "gzip"})["Content-Encoding"] == "gzip"


def test_who_may_correct_a_key_is_led_to_where_that_is_done(acme: Any, alice: Client) -> None:
    acme.apply(acme.job())
    acme.connector.status = "broken"
    acme.connector.save()
    root = Client()
    root.force_login(acme.member("root", role=Role.ADMIN))

    assert "Ask an administrator to check its key" in text_of(alice.get("/"))
    assert '<a href="/setup?organization=acme">Correct its key</a>' in text_of(root.get("/"))


def test_large_sums_are_grouped(acme: Any, alice: Client) -> None:
    acme.crowd(job := acme.job(), 1200)
    StageVisit.objects.bulk_create(
        StageVisit(
            entry_event_id=7_000_000 + n, organization=acme.organization, application=application, n=1, job=job, stage=acme.review,
            entered_at=timezone.now() - timedelta(days=60),
        )
        for n, application in enumerate(job.applications.order_by("pk"))
    )  # fmt: skip
    StageMetric.objects.create(organization=acme.organization, job=job, stage=acme.review, open=1200)

    page = text_of(alice.get("/"))

    assert re.search(r'data-tile="open" data-sum="1200"[^>]*>1,200</a>', page)
    assert re.search(r'data-column="review" data-sum="1200">1,200</span>', page)
