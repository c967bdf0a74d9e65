"""Jobs, stages and people as batches tell of them: made, brought up to date, and never turned back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from analytics.models import StageVisit
from ats.models import Candidate, Job, Stage
from connectors.models import Batch, Connector
from tests.walking import bring_in, event_row, file_connector

T = datetime(2026, 9, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db


def told(connector: Connector, *rows: dict[str, Any]) -> None:
    """Each row in a batch of its own, in this order."""
    for row in rows:
        bring_in(connector, [row])


def row(number: int, **fields: Any) -> dict[str, Any]:
    """Something told on day ``number``."""
    return event_row(f"e-{number}", T + number * DAY, event_type="comment_added", **fields)


FIRST = row(0, job_title="Old", department="R&D", candidate_name="Ilse", source="Referral", stage_to="s", stage_to_name="Limbo")
SECOND = row(1, job_title="New", candidate_name="Ilse M.", candidate_email="i@example.org", stage_to="s", stage_to_name="Phone screen")


@pytest.mark.parametrize("order", list(permutations((FIRST, SECOND))), ids=["in order", "late"])
def test_the_later_telling_wins_and_the_earlier_fills_gaps(order: tuple[dict[str, Any], ...]) -> None:
    told(file_connector(), *order)

    assert Job.objects.values_list("title", "department").get() == ("New", "R&D")
    assert Candidate.objects.values_list("name", "email", "source").get() == ("Ilse M.", "i@example.org", "Referral")
    assert Stage.objects.values_list("name", "category").get() == ("Phone screen", "screen")


def test_what_is_only_named_exists_and_what_is_not_told_overwrites_nothing() -> None:
    connector = file_connector()
    told(connector, FIRST, row(1, stage_to="s"))

    assert Job.objects.get().title == "Old"
    assert Candidate.objects.get().name == "Ilse"
    assert str(Stage.objects.get()) == "Limbo"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_jobs_status_is_the_newest_whatever_came_last(order: tuple[int, ...]) -> None:
    words = ("open", "on_hold", "filled")
    statuses = [
        event_row(f"j-{n}", T + n * DAY, event_type="job_status_changed", application_external_id=None, job_status=words[n])
        for n in range(3)
    ]

    told(file_connector(), *(statuses[n] for n in order))

    assert Job.objects.values_list("status", "status_at").get() == ("filled", T + 2 * DAY)


def test_a_person_who_mapped_a_stage_is_not_overruled() -> None:
    connector = file_connector()
    told(connector, row(0, stage_to="s", stage_to_category="screen"))
    Stage.objects.update(category="offer", position=7, mapped_by_person=True)

    told(connector, row(1, stage_to="s", stage_to_category="review", stage_to_name="Screening"))

    assert Stage.objects.values_list("name", "category", "position").get() == ("Screening", "offer", 7)


def test_a_shrug_takes_no_category_back() -> None:
    connector = file_connector()

    told(connector, row(0, stage_to="s", stage_to_category="screen"), row(1, stage_to="s", stage_to_category="unmapped"))

    assert Stage.objects.get().category == "screen"


def test_a_stage_that_finds_its_place_has_those_who_passed_it_measured_anew() -> None:
    connector = file_connector()
    moves = [event_row("a", T, event_type="application_created", stage_to="s-1"), event_row("b", T + DAY, stage_from="s-1", stage_to="s-2")]
    told(connector, *moves)
    assert StageVisit.objects.get(stage__external_id="s-1").exit_kind == "lateral"

    told(
        connector,
        row(5, stage_from="s-1", stage_from_category="offer", stage_to="s-2", stage_to_category="review", application_external_id="x"),
    )

    assert StageVisit.objects.get(stage__external_id="s-1").exit_kind == "moved_back"
    assert Batch.objects.filter(kind=Batch.Kind.RECHECK).exists()


def test_an_erased_person_stays_erased() -> None:
    connector = file_connector()
    told(connector, FIRST)
    Candidate.objects.update(name="", email="", source="", erased_at=T)

    told(connector, SECOND)

    assert Candidate.objects.values_list("name", "email").get() == ("", "")


def test_what_says_nothing_new_writes_nothing() -> None:
    connector = file_connector()
    told(connector, FIRST)

    with CaptureQueriesContext(connection) as queries:
        told(connector, {**FIRST, "provider_event_id": "again"})

    written = [query["sql"] for query in queries if query["sql"].startswith(("UPDATE", "INSERT")) and "ats_" in query["sql"]]
    assert written == []


def test_a_persons_stage_is_that_of_their_newest_active_application() -> None:
    def stands(number: int, days: int, **fields: Any) -> dict[str, Any]:
        told = {"event_type": "application_created", "application_external_id": f"a-{number}", "stage_to": f"s-{number}", **fields}
        return event_row(f"{number}:{days}", T + days * DAY, **told)

    connector = file_connector()
    told(connector, stands(1, 0), stands(2, 1), stands(3, 2), stands(3, 3, event_type="application_rejected"))

    person = Candidate.objects.select_related("current_stage").get()
    assert (person.current_stage.external_id, person.last_event_at) == ("s-2", T + 3 * DAY)


@pytest.mark.parametrize("order", list(permutations(("a-1", "a-2"))))
def test_of_two_equally_new_applications_the_one_that_arrived_last_has_no_advantage(order: tuple[str, ...]) -> None:
    applied = [event_row(name, T, event_type="application_created", application_external_id=name, stage_to=f"of-{name}") for name in order]

    told(file_connector(), *applied)

    assert Candidate.objects.get().current_stage.external_id == "of-a-2"
