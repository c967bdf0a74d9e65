"""Contract, invariant 3: the same events in any order, batching and interleaving give the same everything.

Seeded histories go through the real services (inbox, normalize, … open_tasks, push) on the real database; several
batches are on the road at once and a random source picks which moves next. The oracle says what must come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.utils import timezone

from analytics import rebuilding
from connectors.models import Connector
from tests.canonical import as_found, as_the_oracle_has_it, differences, dump, foreign_rows, no_two_of_one_identity
from tests.oracles.histories import STAGE_ORDER, START, History, seeded_history
from tests.oracles.visits import Folded, fold, job_histories, ledgers
from tests.walking import bring_in, cut, file_connector, row_of

#: by turns: most of a history has happened, or some of it still lies in the future (clocks are skewed), or all is long past
MOMENTS = [START + timedelta(days=days, minutes=7) for days in (9, 24, 45, 90, 400)]

#: the categories and positions that give the stages the order the oracle is told
STAGES = {"s-review": "review", "s-screen": "screen", "s-interview": "interview", "s-offer": "interview"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def now(seed: int, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """All of it happens at one moment, so that issues depend on nothing but the events."""
    moment = MOMENTS[seed % len(MOMENTS)]
    monkeypatch.setattr(timezone, "now", lambda: moment)
    return moment


def rows_of(events: Iterable[Any]) -> list[dict[str, Any]]:
    """The events as rows; each tells the category of the stage it leads to, as exports do."""
    rows = []
    for event in events:
        row = row_of(event)
        for side in ("from", "to"):
            if row.get(f"stage_{side}") in STAGES:
                row[f"stage_{side}_category"] = STAGES[row[f"stage_{side}"]]
        rows.append(row)
    return rows


def told(history: Sequence[Any], bundles: Callable[[list[dict[str, Any]]], list[Any]], *, rng: Random | None = None) -> Connector:
    connector = file_connector()
    bring_in(connector, *bundles(rows_of(history)), rng=rng)
    return connector


def all_at_once(rows: list[dict[str, Any]]) -> list[Any]:
    return [rows]


@pytest.mark.parametrize("seed", range(6))
def test_any_order_batching_and_interleaving_give_the_same_everything(seed: int, now: datetime) -> None:
    # given
    history, rng = seeded_history(seed, applications=25), Random(seed)
    plain = told(history.events, all_at_once)

    # when
    arrivals = list(history.arrivals)
    rng.shuffle(arrivals)
    shuffled = told(arrivals, lambda rows: cut(rows, rng, most=40), rng=rng)

    # then
    one, other = (dump(each.organization, as_of=now) for each in (plain, shuffled))
    assert differences(one, other) == {}
    assert one["ledger"], "something was told"
    for each in (plain, shuffled):
        no_two_of_one_identity(each.organization)
        assert not rebuilding.rebuild(organization_id=each.organization_id, check=True)
        assert set(foreign_rows(each.organization).values()) == {0}


@pytest.mark.parametrize("seed", range(6, 10))
def test_what_comes_out_is_what_the_oracle_says(seed: int, now: datetime) -> None:
    history, rng = seeded_history(seed, applications=25), Random(seed)

    connector = told(history.arrivals, lambda rows: cut(rows, rng, most=60), rng=rng)

    expected = told_at_once(history)
    found = dump(connector.organization, as_of=now)
    assert set(found["ledger"]) == {event.provider_event_id for event in history.events}
    assert as_found(found) == as_the_oracle_has_it(expected)


@pytest.mark.parametrize("seed", range(10, 13))
def test_told_again_in_part_or_whole_nothing_changes(seed: int, now: datetime) -> None:
    history, rng = seeded_history(seed, applications=15), Random(seed)
    connector = told(history.events, all_at_once)
    before = dump(connector.organization, as_of=now)

    again = bring_in(connector, *cut(rows_of(rng.sample(history.arrivals, len(history.arrivals) // 2)), rng, most=20), rng=rng)

    assert differences(before, dump(connector.organization, as_of=now)) == {}
    assert set(again.batches.values_list("created_count", flat=True)) <= {0}
    assert again.state == again.State.SUCCEEDED


@pytest.mark.parametrize("seed", range(13, 16))
def test_event_by_event_or_by_sweep_alone_the_open_issues_are_the_same(seed: int, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """One organization hears its events over months, rules judging all along; the other once, at the end."""
    history, rng = seeded_history(seed, applications=20), Random(seed)
    events = sorted(history.events, key=lambda event: event.timestamp)
    living = file_connector()
    for start in range(0, len(events), 30):
        bundle = events[start : start + 30]
        monkeypatch.setattr(timezone, "now", lambda at=bundle[-1].timestamp: min(at + timedelta(minutes=1), now))
        bring_in(living, rows_of(bundle), rng=rng)
    monkeypatch.setattr(timezone, "now", lambda: now)
    bring_in(living)

    late = told(history.events, all_at_once)

    one, other = (dump(each.organization, as_of=now) for each in (living, late))
    assert {row[:-1] for row in one["issues"]} == {row[:-1] for row in other["issues"]}
    assert {row[:3] for row in one["tasks"]} == {row[:3] for row in other["tasks"]}
    no_two_of_one_identity(living.organization)


def told_at_once(history: History) -> dict[str, Folded]:
    statuses = job_histories(history.events)
    return {
        application: fold(events, stage_order=STAGE_ORDER, job_statuses=statuses) for application, events in ledgers(history.events).items()
    }


def test_the_histories_hold_what_these_tests_are_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else they would prove nothing: issues of both kinds, tasks, cells with percentiles, jobs that are not open."""
    now = START + timedelta(days=24)
    monkeypatch.setattr(timezone, "now", lambda: now)

    found = dump(told(seeded_history(3, applications=60).events, all_at_once).organization, as_of=now)

    assert {row[0] for row in found["issues"]} >= {"stuck", "idle_candidate", "missing_feedback", "clock_skew", "unmapped_status"}
    about_people = {row[:2] for row in found["issues"] if row[1]}
    assert {row[:2] for row in found["tasks"] if row[1]} == about_people
    assert len(about_people) > 10
    assert sum(row[6] is not None for row in found["percentiles"].values()) > 5
    assert {row[2] for row in found["jobs"].values()} > {"open"}
