"""From raw payloads to what the ledger needs. Pure: no database."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ats.normalizer import NEVER, Gathered, check, gather, job_of, metadata_json
from ats.stages import suggest_category
from connectors import registry
from connectors.events import (
    Actor,
    CandidateFacts,
    EventType,
    JobFacts,
    JobStatus,
    Mapped,
    NormalizedEvent,
    Precision,
    StageCategory,
    StageFacts,
    are_bounds,
)
from connectors.exceptions import PayloadNotUnderstood
from connectors.files.provider import KIND
from tests.walking import event_row

T = datetime(2026, 9, 1, 9, tzinfo=UTC)
RECEIVED = "2026-09-02 00:00:00+00"


def event(**fields: Any) -> NormalizedEvent:
    values: dict[str, Any] = {
        "event_type": EventType.STAGE_CHANGED, "provider_event_id": "e-1", "provider": "files", "application_external_id": "a-1",
        "candidate_external_id": "c-1", "job_external_id": "j-1", "stage_from": "s-1", "stage_to": "s-2", "timestamp": T,
    }  # fmt: skip
    return NormalizedEvent(**{**values, **fields})


def gathered(*mapped: Mapped | Exception) -> Gathered:
    """What a batch of these says, one raw event each, numbered from 1."""

    def map_raw(kind: str, payload: str) -> Mapped:
        found = mapped[int(payload)]
        if isinstance(found, Exception):
            raise found
        return found

    return gather([(n + 1, "k", str(n), RECEIVED) for n in range(len(mapped))], map_raw)


def told(*events: NormalizedEvent, at: datetime = T, **facts: Iterable[Any]) -> Mapped:
    return Mapped(observed_at=at, events=events, **facts)


def test_an_event_is_staged_with_its_raw_event_and_names_what_must_exist() -> None:
    found = gathered(told(event()))

    assert found.events == {"e-1": (event(), 1, RECEIVED)}
    assert (set(found.jobs), set(found.stages), set(found.candidates)) == ({"j-1"}, {"s-1", "s-2"}, {"c-1"})
    assert {dated.at for dated in (*found.jobs.values(), *found.stages.values(), *found.candidates.values())} == {NEVER}
    assert found.applications == {"a-1": ("c-1", "j-1")}


def test_of_repeats_the_first_is_kept_and_the_others_counted() -> None:
    found = gathered(told(event()), told(event(stage_to="other")), told(event()))

    assert (found.events["e-1"][1], found.repeats) == (1, 2)


def test_what_cannot_be_understood_is_set_aside_and_stops_nobody() -> None:
    found = gathered(told(event()), PayloadNotUnderstood("Half a payload."), told(event(provider_event_id="e-2")))

    assert found.dead == {2: "Half a payload."}
    assert set(found.events) == {"e-1", "e-2"}


def test_of_a_payload_with_one_bad_event_nothing_is_taken() -> None:
    found = gathered(told(event(), event(provider_event_id=""), jobs=[JobFacts(external_id="j-9")]))

    assert (found.events, found.jobs, set(found.dead)) == ({}, {}, {1})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"provider_event_id": ""}, "no provider_event_id"),
        ({"timestamp": datetime(2026, 1, 1)}, "no time zone"),
        ({"timestamp": datetime(1969, 1, 1, tzinfo=UTC)}, "year 1969"),
        ({"timestamp": datetime(2201, 1, 1, tzinfo=UTC)}, "year 2201"),
        ({"application_external_id": None}, "names no application"),
        ({"candidate_external_id": ""}, "names no application or no candidate"),
        ({"event_type": EventType.JOB_STATUS_CHANGED, "job_external_id": None}, "names no job"),
        ({"precision": Precision.BOUNDED, "metadata": {"bounds": "then"}}, "two moments"),
    ],
)
def test_what_every_event_must_have(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(PayloadNotUnderstood, match=words):
        check(event(**fields))


def test_what_an_event_may_lack() -> None:
    check(event(job_external_id=None, stage_from=None, stage_to=None, actor=Actor()))
    check(event(event_type=EventType.JOB_STATUS_CHANGED, application_external_id=None, candidate_external_id=None))
    check(event(precision=Precision.BOUNDED))


@pytest.mark.parametrize(
    ("bounds", "fine"),
    [
        (["2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"], True),
        (("2026-01-01T00:00:00Z", "2026-01-02T00:00:00.123456-08:00"), True),
        (["2026-01-02T00:00:00+00:00", "2026-01-01T00:00:00+00:00"], False),
        (["2026-01-01T00:00:00+00:00"], False),
        (["2026-01-01", "2026-01-02"], False),
        (["2026-13-01T00:00:00+00:00", "2026-13-02T00:00:00+00:00"], False),
        (["2026-W01-1T00:00:00+00:00", "2026-W01-2T00:00:00+00:00"], False),
        (["-infinity", "infinity"], False),
        ([1, 2], False),
        ([None, None], False),
        ({"a": 1, "b": 2}, False),
        (None, False),
    ],
)
def test_bounds_are_two_moments_that_python_and_postgresql_read_alike(bounds: Any, fine: bool) -> None:
    assert are_bounds(bounds) is fine


@pytest.mark.parametrize(
    ("fields", "job"),
    [
        ({}, "j-1"),
        ({"job_external_id": None}, None),
        ({"event_type": EventType.APPLICATION_MOVED, "metadata": {"job_to": "j-2"}}, "j-2"),
        ({"event_type": EventType.APPLICATION_MOVED, "metadata": {"job_to": 7}}, "7"),
        ({"event_type": EventType.APPLICATION_MOVED, "metadata": {"job_to": None}}, "j-1"),
        ({"event_type": EventType.STAGE_CHANGED, "metadata": {"job_to": "j-2"}}, "j-1"),
    ],
)
def test_a_move_between_jobs_leads_to_the_one_it_went_to(fields: dict[str, Any], job: str | None) -> None:
    assert job_of(event(**fields)) == job


def test_an_application_is_of_the_first_candidate_named_and_of_the_first_job_that_is_any() -> None:
    found = gathered(
        told(event(job_external_id=None)), told(event(provider_event_id="e-2", job_external_id="j-2", candidate_external_id="c-2"))
    )

    assert found.applications == {"a-1": ("c-1", "j-2")}


# --- facts: of two tellings the later wins, whichever comes first ----------------------------------------------------


def test_the_later_telling_wins_and_the_earlier_fills_its_gaps() -> None:
    early = told(at=T, jobs=[JobFacts(external_id="j", title="Old", department="R&D")])
    late = told(at=T + timedelta(days=1), jobs=[JobFacts(external_id="j", title="New")])

    for order in permutations((early, late)):
        dated = gathered(*order).jobs["j"]
        assert (dated.facts.title, dated.facts.department, dated.at) == ("New", "R&D", T + timedelta(days=1))


def test_the_same_told_again_is_as_new_as_the_last_time() -> None:
    first, again = (told(at=at, jobs=[JobFacts(external_id="j", title="A")]) for at in (T, T + timedelta(days=2)))

    for order in permutations((first, again)):
        assert gathered(*order).jobs["j"].at == T + timedelta(days=2)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(list(JobStatus))), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_a_jobs_status_is_the_newest_told_in_any_order(statuses: list[tuple[int, JobStatus]], rng: Any) -> None:
    def status_event(number: int, days: int, status: JobStatus) -> Mapped:
        return told(
            event(
                event_type=EventType.JOB_STATUS_CHANGED,
                provider_event_id=str(number),
                application_external_id=None,
                timestamp=T + timedelta(days=days),
                metadata={"status": str(status)},
            )
        )

    arrivals = [status_event(number, days, status) for number, (days, status) in enumerate(statuses)]
    rng.shuffle(arrivals)

    assert gathered(*arrivals).job_statuses["j-1"] == max((T + timedelta(days=days), str(status)) for days, status in statuses)


def test_a_status_told_as_a_fact_counts_from_when_it_was_seen() -> None:
    seen = told(at=T + timedelta(days=1), jobs=[JobFacts(external_id="j-1", status=JobStatus.FILLED)])
    happened = told(event(event_type=EventType.JOB_STATUS_CHANGED, metadata={"status": "on_hold"}))

    for order in permutations((seen, happened)):
        assert gathered(*order).job_statuses == {"j-1": (T + timedelta(days=1), "filled")}


@pytest.mark.parametrize("status", ["sleeping", None, 7, ["open"], {"a": 1}])
def test_a_status_that_is_no_word_is_not_known(status: Any) -> None:
    found = gathered(told(event(event_type=EventType.JOB_STATUS_CHANGED, metadata={"status": status})))

    assert found.job_statuses == {}
    assert set(found.events) == {"e-1"}


def test_stages_and_candidates_merge_like_jobs() -> None:
    stage = [StageFacts(external_id="s", name=name, category=StageCategory.SCREEN) for name in ("Old", "New")]
    person = [CandidateFacts(external_id="c", name=name) for name in ("Ilse", "Ilse M.")]
    early, late = (told(at=T + timedelta(days=n), stages=[stage[n]], candidates=[person[n]]) for n in (0, 1))

    for order in permutations((early, late)):
        found = gathered(*order)
        assert (found.stages["s"].facts, found.candidates["c"].facts) == (stage[1], person[1])


# --- what is kept ------------------------------------------------------------------------------------------------------


def test_metadata_is_kept_as_json() -> None:
    assert json.loads(metadata_json(event(metadata={"a": [1, None, "ü"], "n": 10**30}))) == {"a": [1, None, "ü"], "n": 10**30}
    assert metadata_json(event()) == "{}"


def test_a_row_from_the_inbox_becomes_its_event() -> None:
    row = event_row("e-1", T, actor="Alice", actor_id="u-1", stage_to="s-2", stage_to_name="Screen", metadata={"a": 1})

    (staged,) = gather([(1, KIND, msgspec.json.encode(row).decode(), RECEIVED)], registry.mapper("bamboohr")).events.values()

    assert staged[0] == event(
        provider="bamboohr", stage_from=None, actor=Actor(external_id="u-1", name="Alice"), metadata={"a": 1, "stage_to_name": "Screen"}
    )


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("New", "review"), ("CV Review", "review"), ("Phone Interview", "screen"), ("Recruiter Call", "screen"),
        ("Take-home Task", "assessment"),
        ("Coding Challenge", "assessment"), ("On-site", "interview"), ("Final Round", "interview"), ("Reference Check", "decision"),
        ("Offer Interview", "offer"), ("Verbal Agreement", "offer"), ("Limbo", "unmapped"), ("", "unmapped"),
    ],
)  # fmt: skip
def test_a_stages_name_suggests_its_category(name: str, category: str) -> None:
    assert suggest_category(name) == category
