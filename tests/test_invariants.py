"""Contract §4, one by one, as far as they can be shown in one process. Orders of arrival are in ``test_order``, workers at
the same moment in ``test_concurrency``, whole processes in ``test_main_road`` and ``test_recovery``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from analytics import rebuilding
from analytics.models import StageVisit
from ats.models import Application, CandidateEvent, Job
from config import flow
from connectors import batches, registry
from connectors.exceptions import PayloadNotUnderstood
from connectors.models import Batch, Connector, RawEvent, SyncRun
from connectors.replaying import replay
from issues import services as issues
from issues.decisions import decide
from issues.lifecycle import Action
from issues.models import Issue, IssueTransition, Watch
from tests.canonical import differences, dump, foreign_rows, no_two_of_one_identity
from tests.factories.accounts import member
from tests.oracles.histories import seeded_history
from tests.walking import bring_in, cut, event_row, file_connector, row_of, walk
from triggers.models import Task

#: a Monday morning
T = datetime(2026, 6, 1, 9, tzinfo=UTC)

pytestmark = pytest.mark.django_db

Travel = Callable[[datetime], datetime]


@pytest.fixture
def travel(monkeypatch: pytest.MonkeyPatch) -> Travel:
    """``travel(moment)``: from now on it is then."""

    def to(moment: datetime) -> datetime:
        monkeypatch.setattr(timezone, "now", lambda: moment)
        return moment

    return to


def applied(name: str = "a-1", at: datetime = T, **fields: Any) -> dict[str, Any]:
    told = {"event_type": "application_created", "stage_to": "s-1", "stage_to_category": "screen", "application_external_id": name}
    return event_row(f"{name}:created", at, **{**told, "candidate_external_id": f"c-{name}", **fields})


def waiting_too_long(travel: Travel) -> tuple[Connector, Issue]:
    """Somebody stuck in a stage for two months."""
    connector = file_connector()
    travel(T + timedelta(days=60))
    bring_in(connector, [applied()])
    return connector, Issue.objects.get(organization=connector.organization)


def a_quiet_sync(connector: Connector) -> SyncRun:
    """A run that brought nothing new: the data is fresh, and what is due is judged."""
    return bring_in(connector)


# --- 1, 2: the ledger and what follows from it -----------------------------------------------------------------------


def test_the_ledger_can_neither_be_changed_nor_thinned() -> None:
    bring_in(file_connector(), [applied()])

    with pytest.raises(DatabaseError, match="append"), transaction.atomic():
        CandidateEvent.objects.update(occurred_at=T + timedelta(days=1))
    with pytest.raises(DatabaseError, match="append"), transaction.atomic():
        CandidateEvent.objects.all()._raw_delete("default")
    assert CandidateEvent.objects.count() == 1


def test_a_fact_told_twice_in_one_batch_or_in_two_is_counted_as_skipped() -> None:
    connector = file_connector()

    first = bring_in(connector, [applied(), applied(), applied("a-2")])
    second = bring_in(connector, [applied("a-2"), applied("a-3")])

    counts = [list(run.batches.filter(kind="events").values_list("raw_count", "created_count", "skipped_count")) for run in (first, second)]
    assert counts == [[(3, 2, 1)], [(2, 1, 1)]]
    assert CandidateEvent.objects.count() == 3


# --- 4: a snapshot never goes back -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("late", "why"),
    [
        ({"timestamp": (T + timedelta(hours=1)).isoformat()}, "it happened before"),
        ({"recorded_at": None}, "who does not say when he learned of it is asked last"),
        ({"recorded_at": (T + timedelta(hours=3)).isoformat()}, "it was recorded before"),
        ({"provider_event_id": "a"}, "all else being equal, the id decides"),
    ],
)
def test_a_late_event_never_moves_a_snapshot_back(late: dict[str, Any], why: str) -> None:
    newest = event_row("m", T + timedelta(hours=2), stage_to="s-9", recorded_at=(T + timedelta(hours=4)).isoformat())
    told_late = {**newest, "provider_event_id": "late" if late.get("provider_event_id") is None else "a", "stage_to": "s-5", **late}
    connector = file_connector()

    bring_in(connector, [applied()], [newest])
    bring_in(connector, [{name: value for name, value in told_late.items() if value is not None}])

    assert Application.objects.get().current_stage.external_id == "s-9", why
    assert StageVisit.objects.get(left_at=None).stage.external_id == "s-9"
    assert CandidateEvent.objects.count() == 3, "and it is in the ledger all the same"


# --- 5: people's words ------------------------------------------------------------------------------------------------


def test_what_a_person_resolved_stays_so_whatever_sweeps_and_events_find(travel: Travel) -> None:
    connector, issue = waiting_too_long(travel)
    person = member(connector.organization)
    decide(issue_id=issue.pk, action=Action.RESOLVE, actor=person, now=timezone.now(), reason="we spoke")
    walk()

    for days in (1, 30):
        travel(T + timedelta(days=60 + days))
        a_quiet_sync(connector)
        bring_in(connector, [event_row(f"comment-{days}", T + timedelta(days=60), event_type="comment_added")])

    issue.refresh_from_db()
    assert (issue.status, issue.resolved_by) == ("resolved", "person")
    assert Issue.objects.count() == 1
    assert not Task.objects.exclude(status__in=Task.ENDED).exists()


def test_a_snooze_lasts_exactly_as_long_as_it_was_meant_to(travel: Travel) -> None:
    connector, issue = waiting_too_long(travel)
    until = timezone.now() + timedelta(days=3)
    decide(issue_id=issue.pk, action=Action.SNOOZE, actor=member(connector.organization), now=timezone.now(), until=until)
    walk()

    travel(until - timedelta(seconds=1))
    a_quiet_sync(connector)
    issue.refresh_from_db()
    assert issue.status == "snoozed"

    travel(until + timedelta(seconds=1))
    a_quiet_sync(connector)
    issue.refresh_from_db()
    assert (issue.status, issue.snoozed_until) == ("open", None)


def test_a_new_stay_is_a_new_issue_even_where_the_last_one_was_waved_through(travel: Travel) -> None:
    connector, issue = waiting_too_long(travel)
    decide(issue_id=issue.pk, action=Action.RESOLVE, actor=member(connector.organization), now=timezone.now())

    travel(T + timedelta(days=150))
    bring_in(
        connector, [event_row("moved", T + timedelta(days=61), stage_to="s-2"), event_row("back", T + timedelta(days=62), stage_to="s-1")]
    )

    assert set(Issue.objects.values_list("visit__entry_event__provider_event_id", "status")) == {
        ("a-1:created", "resolved"),
        ("back", "open"),
    }


def test_a_condition_that_clears_and_holds_again_reopens_the_same_issue_and_asks_for_a_new_task(travel: Travel) -> None:
    connector, issue = waiting_too_long(travel)
    task = Task.objects.get()

    bring_in(connector, [event_row("hold", T + timedelta(days=61), event_type="job_status_changed", job_status="on_hold")])
    issue.refresh_from_db()
    task.refresh_from_db()
    assert (issue.status, issue.resolved_by, task.status) == ("resolved", "hidden", "obsolete")

    bring_in(connector, [event_row("open", T + timedelta(days=62), event_type="job_status_changed", job_status="open")])
    issue.refresh_from_db()
    assert (issue.status, issue.resolved_by) == ("open", "")
    assert Task.objects.exclude(status__in=Task.ENDED).get().issue == issue
    assert [(row.status_from, row.status_to) for row in IssueTransition.objects.all()] == [
        ("", "open"),
        ("open", "resolved"),
        ("resolved", "open"),
    ]


def test_a_jobs_status_told_in_passing_counts_as_much_as_an_event(travel: Travel) -> None:
    """As a first poll after an import tells it: the job is on hold by now, and nobody saw it happen."""
    connector, issue = waiting_too_long(travel)
    passing = {"event_type": "comment_added", "application_external_id": "somebody-else"}

    bring_in(connector, [event_row("x", T + timedelta(days=50), job_status="on_hold", **passing)])
    issue.refresh_from_db()
    assert issue.status == "resolved"

    bring_in(connector, [event_row("y", T + timedelta(days=51), job_status="open", **passing)])
    issue.refresh_from_db()
    assert issue.status == "open"


def test_a_task_that_was_done_is_not_asked_for_again_while_its_issue_stays_open(travel: Travel) -> None:
    connector, _ = waiting_too_long(travel)
    Task.objects.update(status=Task.Status.DONE, ended_at=timezone.now())

    travel(T + timedelta(days=70))
    a_quiet_sync(connector)
    bring_in(connector, [event_row("comment", T + timedelta(days=69), event_type="comment_added")])

    assert Issue.objects.get().status == "open"
    assert Task.objects.count() == 1


def test_sweeping_twice_is_sweeping_once(travel: Travel) -> None:
    connector = file_connector()
    travel(T + timedelta(days=1))
    bring_in(connector, [applied(f"a-{n}") for n in range(5)])
    assert not Issue.objects.exists()

    travel(T + timedelta(days=90))
    Connector.objects.update(fresh_at=timezone.now())
    assert issues.sweep() == 1
    assert issues.sweep() == 0, "one is on its way"
    walk()
    before = dump(connector.organization, as_of=timezone.now()), IssueTransition.objects.count(), set(Watch.objects.values_list("due_at"))

    assert issues.sweep() == 0, "nobody is due any more"
    batches.start(organization_id=connector.organization_id, connector_id=connector.pk, kind=Batch.Kind.DUE, step=flow.DETECT)
    walk()

    after = dump(connector.organization, as_of=timezone.now()), IssueTransition.objects.count(), set(Watch.objects.values_list("due_at"))
    assert differences(before[0], after[0]) == {}
    assert before[1:] == after[1:]
    assert {row[0] for row in before[0]["issues"]} == {"stuck", "no_exits"}
    assert len({row[1] for row in before[0]["issues"] if row[1]}) == len({row[1] for row in before[0]["tasks"] if row[1]}) == 5
    no_two_of_one_identity(connector.organization)


def test_a_step_may_run_again_from_the_middle_without_a_trace(travel: Travel) -> None:
    connector = file_connector()
    travel(T + timedelta(days=60))
    run = bring_in(connector, [row_of(event) for event in seeded_history(4, applications=10).events])
    before = dump(connector.organization, as_of=timezone.now())
    everyone = list(Application.objects.values_list("pk", flat=True))
    jobs = list(Job.objects.values_list("pk", flat=True))

    for step in flow.STEPS[1:]:
        batches.start(
            organization_id=connector.organization_id, connector_id=connector.pk, step=step, application_ids=everyone, job_ids=jobs
        )
    Batch.objects.filter(sync_run=run, kind="events").update(step=flow.NORMALIZE, finished_at=None)
    walk(rng=Random(4))

    assert differences(before, dump(connector.organization, as_of=timezone.now())) == {}
    assert not rebuilding.rebuild(organization_id=connector.organization_id, check=True)


# --- 7: poison does not block -----------------------------------------------------------------------------------------

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "not a row": ({"salary": 90_000}, "cannot be read back"),
    "wrong types": ({"event_type": ["a"], "provider_event_id": 7, "timestamp": T.isoformat()}, "cannot be read back"),
    "no id": (applied() | {"provider_event_id": ""}, "no provider_event_id"),
    "nobody": ({"event_type": "stage_changed", "provider_event_id": "x", "timestamp": T.isoformat()}, "names no application"),
    "no job": ({"event_type": "job_status_changed", "provider_event_id": "x", "timestamp": T.isoformat()}, "names no job"),
    "no time zone": (applied() | {"timestamp": "2026-06-01T09:00:00"}, "no time zone"),
    "before all time": (applied() | {"timestamp": "0001-01-01T00:00:00+00:00"}, "year 1;"),
    "after all time": (applied() | {"timestamp": "9999-12-31T23:59:59+00:00"}, "year 9999;"),
    "bounds that are none": (applied(precision="bounded", metadata={"bounds": ["yesterday", "today"]}), "two moments"),
    "bounds without end": (applied(precision="bounded", metadata={"bounds": ["-infinity", "infinity"]}), "two moments"),
    "bounds as numbers": (applied(precision="bounded", metadata={"bounds": [1, 2]}), "two moments"),
    "bounds reversed": (
        applied(precision="bounded", metadata={"bounds": ["2026-06-02T00:00:00+00:00", "2026-06-01T00:00:00+00:00"]}),
        "two moments",
    ),
    "an id the database has no room for": (applied() | {"provider_event_id": "x" * 501}, "22001"),
    "a stage id without end": (applied(stage_to="s" * 5_000), "22001"),
    "a move to a job of any shape": (
        event_row("x", T, event_type="application_moved", stage_to="s", metadata={"job_to": {"id": "x" * 300}}),
        "22001",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_payload_is_set_aside_with_its_reason_and_its_neighbours_go_through(name: str) -> None:
    payload, reason = BAD[name]
    good = [applied(f"good-{number}") for number in range(6)]
    connector = file_connector()

    run = bring_in(connector, [*good[:3], payload, *good[3:]])

    dead = RawEvent.objects.get(state=RawEvent.State.DEAD)
    assert reason in dead.error
    assert dead.failed_at is not None
    assert set(CandidateEvent.objects.values_list("provider_event_id", flat=True)) == {row["provider_event_id"] for row in good}
    assert StageVisit.objects.count() == len(good)
    assert run.state == SyncRun.State.SUCCEEDED
    assert run.batches.values_list("failed_count", "created_count").get(kind="events") == (1, 6)


STRANGE: dict[str, dict[str, Any]] = {
    "NUL": applied() | {"provider_event_id": "nul\x00", "candidate_name": "A\x00B"},
    "NUL spelled out": applied(candidate_name="A\\u0000B"),
    "what COPY would read as its own": applied(candidate_name="\\.\t\\N\r\n\\", metadata={"note": "a\tb\\\n\\."}),
    "a huge number": applied(metadata={"n": 10**400}),
    "deep metadata": applied(metadata={"a": [[[[[{"b": [1]}]]]]]}),
    "other alphabets": applied(candidate_name="Žofie Ďurišová 🜁 \u202eabc", job_title="\u200bдворник"),
    "the future": applied(at=datetime(2199, 12, 31, tzinfo=UTC)),
    "a status of any shape": event_row("x", T, event_type="job_status_changed", metadata={"status": ["open"]}),
    "a word nobody knows": applied() | {"event_type": "unknown", "metadata": {"original_event_type": "candidate_teleported"}},
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_payload_is_a_fact_like_any_other(name: str) -> None:
    connector = file_connector()

    run = bring_in(connector, [applied("good-1"), STRANGE[name], applied("good-2")])
    again = a_quiet_sync(connector)

    assert CandidateEvent.objects.count() == 3
    assert not RawEvent.objects.filter(state=RawEvent.State.DEAD).exists()
    assert {run.state, again.state} == {SyncRun.State.SUCCEEDED}
    assert not rebuilding.rebuild(organization_id=connector.organization_id, check=True)


def test_text_survives_the_road_to_the_letter() -> None:
    name = "\\.\t\\N\r\n\\ 'x' \"y\" {z} %s"
    bring_in(file_connector(), [applied(candidate_name=name, metadata={"note": name}, actor=name)])

    event = CandidateEvent.objects.select_related("application__candidate").get()
    assert (event.application.candidate.name, event.metadata["note"], event.actor_name) == (name, name, name)


def test_somebody_whose_clock_runs_ahead_stops_nobody_from_being_judged(travel: Travel) -> None:
    """Known to wait too long, then told to have moved in a hundred years."""
    connector, issue = waiting_too_long(travel)

    run = bring_in(connector, [event_row("ahead", datetime(2190, 1, 1, tzinfo=UTC), stage_to="s-2")], [applied("a-2")])
    quiet = a_quiet_sync(connector)

    assert {run.state, quiet.state} == {SyncRun.State.SUCCEEDED}
    issue.refresh_from_db()
    assert issue.status == "resolved"
    assert set(Issue.objects.filter(status="open", application__isnull=False).values_list("application__external_id", "issue_type")) == {
        ("a-1", "clock_skew"),
        ("a-2", "stuck"),
    }


def test_many_bad_ones_among_many_good_ones_are_each_found() -> None:
    rng = Random(1)
    good = [applied(f"g-{number}") for number in range(40)]
    bad = [applied() | {"provider_event_id": f"{number}" * 600} for number in range(7)]
    rows = [*good, *bad]
    rng.shuffle(rows)

    bring_in(file_connector(), rows)

    assert RawEvent.objects.filter(state=RawEvent.State.DEAD).count() == len(bad)
    assert CandidateEvent.objects.count() == len(good)


def test_code_that_chokes_on_one_payload_still_carries_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no check foresaw: the mapper itself falls over."""
    real = registry.mapper

    def mapper(provider: str) -> Any:
        def map_raw(kind: str, payload: str) -> Any:
            if "poison" in payload:
                raise ZeroDivisionError("nobody expected this")
            return real(provider)(kind, payload)

        return map_raw

    monkeypatch.setattr(registry, "mapper", mapper)

    bring_in(file_connector(), [applied("a-1"), applied("poison"), applied("a-2")])

    assert RawEvent.objects.get(state=RawEvent.State.DEAD).error == "ZeroDivisionError"
    assert CandidateEvent.objects.count() == 2


def test_dead_letters_go_through_once_the_cause_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    connector, real = file_connector(), registry.mapper

    def broken(provider: str) -> Any:
        def map_raw(kind: str, payload: str) -> Any:
            if "a-2" in payload:
                raise PayloadNotUnderstood("This version does not know a-2.")
            return real(provider)(kind, payload)

        return map_raw

    with monkeypatch.context() as patched:
        patched.setattr(registry, "mapper", broken)
        bring_in(connector, [applied("a-1"), applied("a-2"), applied("a-3")])
    assert RawEvent.objects.get(state=RawEvent.State.DEAD).error == "This version does not know a-2."

    assert replay(connector=connector, failed=True) == 1
    walk()

    assert not RawEvent.objects.filter(state=RawEvent.State.DEAD).exists()
    assert set(CandidateEvent.objects.values_list("application__external_id", flat=True)) == {"a-1", "a-2", "a-3"}
    assert replay(connector=connector, failed=True) == 0
    assert not rebuilding.rebuild(organization_id=connector.organization_id, check=True)


def test_replaying_what_went_through_changes_nothing() -> None:
    connector = file_connector()
    bring_in(connector, [applied(f"a-{number}") for number in range(4)])
    before = dump(connector.organization, as_of=T)

    assert replay(connector=connector, raw_event_ids=list(RawEvent.objects.values_list("pk", flat=True))) == 4
    walk()

    assert differences(before, dump(connector.organization, as_of=T)) == {}


def test_another_connectors_raw_events_are_not_replayed() -> None:
    theirs, ours = file_connector(), file_connector()
    bring_in(theirs, [{"salary": 1}])

    assert replay(connector=ours, raw_event_ids=list(RawEvent.objects.values_list("pk", flat=True)), failed=True) == 0
    assert RawEvent.objects.get().state == RawEvent.State.DEAD


# --- 8: no data is not recovery ---------------------------------------------------------------------------------------


def stale(connector: Connector) -> None:
    Connector.objects.filter(pk=connector.pk).update(fresh_at=timezone.now() - timedelta(minutes=31))


def judged_now(connector: Connector) -> None:
    """An event-like look at everybody, and the sweep, without any sync."""
    batches.start(
        organization_id=connector.organization_id,
        connector_id=connector.pk,
        step=flow.DETECT,
        application_ids=list(Application.objects.filter(connector=connector).values_list("pk", flat=True)),
    )
    issues.sweep()
    batches.start(organization_id=connector.organization_id, connector_id=connector.pk, kind=Batch.Kind.DUE, step=flow.DETECT)
    walk()


def test_without_fresh_data_nothing_opens_and_with_it_everything_that_should_have(travel: Travel) -> None:
    connector = file_connector()
    travel(T)
    bring_in(connector, [applied(f"a-{number}") for number in range(3)])

    travel(T + timedelta(days=90))
    judged_now(connector)
    assert not Issue.objects.exists()

    a_quiet_sync(connector)
    assert Issue.objects.filter(status="open", issue_type="stuck").count() == 3
    assert Issue.objects.filter(status="open", issue_type="no_exits").count() == 1


def test_without_fresh_data_nothing_resolves_and_with_it_everything_that_should_have(travel: Travel) -> None:
    connector, issue = waiting_too_long(travel)
    stale(connector)
    with transaction.atomic():  # the ledger learns that it is over, but no run has ended since
        bring_in(connector, [event_row("end", T + timedelta(days=59), event_type="application_rejected")], walked=False)
        SyncRun.objects.filter(state="flowing").update(state=SyncRun.State.FAILED)
    walk()
    judged_now(connector)
    issue.refresh_from_db()
    assert issue.status == "open"
    assert not StageVisit.objects.filter(left_at=None).exists()

    a_quiet_sync(connector)
    issue.refresh_from_db()
    assert (issue.status, issue.resolved_by) == ("resolved", "rule")


def test_a_run_that_failed_leaves_the_data_as_stale_as_it_was(travel: Travel) -> None:
    connector = file_connector()
    travel(T)
    bring_in(connector, [applied()])
    fresh = Connector.objects.get().fresh_at
    travel(T + timedelta(hours=1))

    run = bring_in(connector, [applied("a-2")], walked=False)
    Batch.objects.filter(sync_run=run).update(failed_at=timezone.now(), finished_at=None)
    batches.close_if_complete(run.pk)

    run.refresh_from_db()
    assert run.state == SyncRun.State.FAILED
    assert Connector.objects.get().fresh_at == fresh


# --- 9: tenancy of the flow -------------------------------------------------------------------------------------------


def test_two_organizations_with_the_same_ids_never_mix(travel: Travel) -> None:
    """Told at the same time, batch by batch between each other, each is as if it were alone."""
    now = travel(T + timedelta(days=20))
    rng = Random(9)
    histories = {seed: [row_of(event) for event in seeded_history(seed, applications=15).events] for seed in (31, 32)}
    alone = {seed: file_connector() for seed in histories}
    for seed, connector in alone.items():
        bring_in(connector, histories[seed])

    together = {seed: file_connector(name="files") for seed in histories}
    for seed, connector in together.items():
        bring_in(connector, *cut(histories[seed], rng, most=25), walked=False)
    walk(rng=rng)

    for seed in histories:
        one, other = (dump(each[seed].organization, as_of=now) for each in (alone, together))
        assert differences(one, other) == {}
        assert set(foreign_rows(together[seed].organization).values()) == {0}


def test_two_connectors_of_one_organization_with_the_same_ids_never_mix() -> None:
    first = file_connector()
    second = file_connector(organization=first.organization)

    bring_in(first, [applied(candidate_name="Alice")])
    bring_in(second, [applied(candidate_name="Bob", stage_to="s-2")])

    found = Application.objects.order_by("pk").values_list("connector_id", "external_id", "candidate__name", "current_stage__external_id")
    assert list(found) == [(first.pk, "a-1", "Alice", "s-1"), (second.pk, "a-1", "Bob", "s-2")]


def test_a_row_imported_into_a_polled_connector_keeps_its_own_meaning() -> None:
    connector = file_connector(provider="bamboohr")

    bring_in(connector, [applied()])

    assert CandidateEvent.objects.get().event_type == "application_created"
