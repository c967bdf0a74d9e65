"""Runs against a real server that misbehaves on demand: bamboohr.md's errors, limits and oddities as a SyncRun tells them.

Every one of them: a clear sentence on the run, nothing lost, nothing twice, and the next run heals. Waiting is only
skipped, never left out: the clock's hands are moved instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from ats.models import Application, CandidateEvent, Job
from connectors import registry, services
from connectors.bamboohr.provider import BambooHR
from connectors.http import Clock
from connectors.models import Connector, RawEvent, SyncRun
from connectors.sandbox.process import RunningSandbox, running_sandbox
from connectors.services import MAX_ATTEMPTS, carry_out, connect, request_sync
from tests.bamboo import SETTINGS, Watcher, ledger_keys
from tests.factories.accounts import OrganizationFactory
from tests.walking import walk

pytestmark = pytest.mark.django_db


class SkippingClock(Clock):
    """Real time, but waiting only moves its own hands."""

    def __init__(self) -> None:
        self.waited = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return super().monotonic() + self.waited

    def sleep(self, seconds: float) -> None:
        self.waited += seconds


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(seed=3, jobs=2, applications=12, months=2, until="2026-10-05T12:00:00Z", page_size=5) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> RunningSandbox:
    shared_sandbox.clear_faults()
    shared_sandbox.habits(page_size=10, next_page_url="absolute", keeps_filters=True)
    return shared_sandbox


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SkippingClock:
    clock = SkippingClock()
    monkeypatch.setitem(registry.PROVIDERS, "bamboohr", BambooHR(clock=clock))
    return clock


@pytest.fixture
def connector(sandbox: RunningSandbox, clock: SkippingClock) -> Connector:
    return connect(
        organization=OrganizationFactory(),
        provider="bamboohr",
        name="bamboo",
        base_url=sandbox.base_url,
        secret=sandbox.api_key,
        settings=SETTINGS,
    )


def sync(connector: Connector, mode: str = "delta") -> SyncRun:
    """One run, by this process, as far as it gets."""
    run = request_sync(connector=connector, mode=mode)
    return go_on(run)


def go_on(run: SyncRun) -> SyncRun:
    carry_out(run.pk, worker="test")
    walk()
    run.refresh_from_db()
    return run


def heals(connector: Connector, sandbox: RunningSandbox) -> None:
    """The next run finds everything, tells nothing twice, and leaves the connector in order."""
    sandbox.clear_faults()
    run = sync(connector)
    assert (run.state, run.error, run.error_code) == (SyncRun.State.SUCCEEDED, "", "")
    everything_is_told(connector, sandbox)
    connector.refresh_from_db()
    assert (connector.status, connector.status_reason) == (Connector.Status.ACTIVE, "")
    assert connector.fresh_at == run.fetched_at


def last_request(sandbox: RunningSandbox) -> int:
    return int(sandbox.requests()[-1]["number"])


def everything_is_told(connector: Connector, sandbox: RunningSandbox) -> None:
    watcher = Watcher(sandbox)
    watcher.looked()
    assert ledger_keys(connector) == watcher.keys
    assert Job.objects.filter(connector=connector).count() == sandbox.about()["jobs"]


APPLICATIONS = {"path": "applicant_tracking/applications"}

REFUSALS = [
    ({"kind": "status", "status": 400, "message": "Invalid status group", **APPLICATIONS}, "request_refused", "Invalid status group"),
    ({"kind": "status", "status": 401}, "credentials_rejected", "key"),
    ({"kind": "status", "status": 403, **APPLICATIONS}, "credentials_rejected", "ATS"),
    ({"kind": "status", "status": 404, "path": "jobs"}, "not_found", "404"),
    ({"kind": "status", "status": 406, **APPLICATIONS}, "request_refused", "406"),
    ({"kind": "status", "status": 409, **APPLICATIONS}, "request_refused", "409"),
    ({"kind": "status", "status": 413, **APPLICATIONS}, "request_refused", "413"),
    ({"kind": "status", "status": 422, "body": "json", **APPLICATIONS}, "request_refused", "422"),
    ({"kind": "html"}, "payload_not_understood", "JSON"),
    ({"kind": "html", "path": "jobs"}, "payload_not_understood", "JSON"),
    ({"kind": "foreign_next"}, "paging_broken", "attacker.example.org"),
    ({"kind": "repeat_next", "times": None}, "paging_broken", "repeats itself"),
    ({"kind": "endless", "times": None}, "paging_broken", "repeats itself"),
]


@pytest.mark.parametrize(("fault", "code", "words"), REFUSALS, ids=lambda value: str(value) if isinstance(value, str) else value["kind"])
def test_what_trying_again_cannot_help_fails_the_run_with_a_clear_sentence(
    connector: Connector, sandbox: RunningSandbox, fault: dict[str, Any], code: str, words: str
) -> None:
    sandbox.fault(**fault)

    run = sync(connector)

    assert (run.state, run.error_code, run.attempts) == (SyncRun.State.FAILED, code, run.attempts)
    assert words in run.error
    assert run.error.endswith(".")
    assert sandbox.api_key not in run.error
    assert run.finished_at is not None
    connector.refresh_from_db()
    assert connector.fresh_at is None, "nothing may be judged by half a look"
    heals(connector, sandbox)


@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_key_stops_the_schedule_until_a_person_acts(connector: Connector, sandbox: RunningSandbox, status: int) -> None:
    sandbox.fault("status", status=status)

    run = sync(connector)

    connector.refresh_from_db()
    assert (connector.status, connector.status_reason) == (Connector.Status.BROKEN, run.error)
    assert services.request_syncs() == 0
    heals(connector, sandbox)
    assert services.request_syncs() == 1


def test_a_key_without_rights_is_told_apart_from_a_broken_server(sandbox: RunningSandbox, clock: SkippingClock) -> None:
    connector = connect(
        organization=OrganizationFactory(), provider="bamboohr", name="bamboo", base_url=sandbox.base_url,
        secret=sandbox.powerless_key, settings=SETTINGS,
    )  # fmt: skip

    assert sync(connector).error_code == "credentials_rejected"
    connect(organization=connector.organization, provider="bamboohr", name="bamboo", secret=sandbox.api_key)
    heals(connector, sandbox)


OUTAGES = [
    ({"kind": "status", "status": 500}, "provider_unavailable"),
    ({"kind": "status", "status": 503, "body": "html"}, "provider_unavailable"),
    ({"kind": "status", "status": 598}, "provider_unavailable"),
    ({"kind": "disconnect"}, "provider_unavailable"),
    ({"kind": "truncated", "declared": "full"}, "provider_unavailable"),
    ({"kind": "throttled", "retry_after": 2}, "rate_limited"),
    ({"kind": "throttled", "retry_after": None}, "rate_limited"),
    ({"kind": "throttled", "retry_after": 2, "status": 503}, "rate_limited"),
    ({"kind": "error_body"}, "rate_limited"),
]


@pytest.mark.parametrize(("fault", "code"), OUTAGES, ids=lambda value: str(value) if isinstance(value, str) else str(list(value.values())))
def test_what_may_pass_is_tried_again_later_and_goes_on_where_it_stood(
    connector: Connector, sandbox: RunningSandbox, fault: dict[str, Any], code: str
) -> None:
    """Page two of the list fails as long as the fault lasts: the first page is in, the run waits and then goes on."""
    sandbox.fault(**fault, **APPLICATIONS, page=2, times=None)

    run = sync(connector)

    assert (run.state, run.error_code) == (SyncRun.State.QUEUED, code)
    assert run.error.endswith(".")
    assert run.next_attempt_at > timezone.now()
    assert run.checkpoint["query"]["page"] == "2"
    first_page = Application.objects.count()
    assert 0 < first_page < len(sandbox.applications())

    sandbox.clear_faults()
    since = last_request(sandbox)
    assert go_on(run).state == SyncRun.State.SUCCEEDED
    assert not [call for call in sandbox.requests(since) if call["query"].get("page") == "1"], "nothing is read again"
    everything_is_told(connector, sandbox)


def test_an_outage_that_does_not_end_is_given_up_and_the_next_run_begins_afresh(connector: Connector, sandbox: RunningSandbox) -> None:
    sandbox.fault("status", status=502, times=None, **APPLICATIONS)

    run = request_sync(connector=connector, mode="delta")
    waits = []
    for _ in range(MAX_ATTEMPTS + 1):
        if go_on(run).state == SyncRun.State.QUEUED:
            waits.append(run.next_attempt_at - timezone.now())

    assert (run.state, run.error_code) == (SyncRun.State.FAILED, "provider_unavailable")
    assert len(waits) >= MAX_ATTEMPTS - 1
    assert waits == sorted(waits), "each wait is longer than the one before"
    heals(connector, sandbox)


def test_a_run_waits_as_long_as_the_provider_asks(connector: Connector, sandbox: RunningSandbox, clock: SkippingClock) -> None:
    sandbox.fault("throttled", retry_after=7)
    assert sync(connector).state == SyncRun.State.SUCCEEDED
    assert clock.waited >= 7

    sandbox.fault("throttled", retry_after=4_000)
    run = sync(connector)
    assert (run.state, run.error_code) == (SyncRun.State.QUEUED, "rate_limited")
    assert run.next_attempt_at - timezone.now() > timedelta(seconds=3_900)


PASSING = [
    {"kind": "throttled", "retry_after": 2},
    {"kind": "throttled", "retry_after": "date"},
    {"kind": "throttled", "retry_after": None},
    {"kind": "throttled", "status": 503, "retry_after": 2},
    {"kind": "status", "status": 500, "page": 2, **APPLICATIONS},
    {"kind": "status", "status": 408, "times": 3},
    {"kind": "slow", "seconds": 0.2},
    {"kind": "truncated", "declared": "full"},
    {"kind": "disconnect", "times": 2},
    {"kind": "error_body"},
    {"kind": "duplicate_row"},
    {"kind": "missing_next", "times": None},
    {"kind": "missing_next", "times": None, "absent": True},
    {"kind": "endless", "times": None, "empty": True},
]


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: str(list(fault.values())))
def test_a_passing_fault_costs_time_and_nothing_else(connector: Connector, sandbox: RunningSandbox, fault: dict[str, Any]) -> None:
    sandbox.fault(**fault)

    run = sync(connector, "full")

    assert (run.state, run.error) == (SyncRun.State.SUCCEEDED, "")
    everything_is_told(connector, sandbox)


@pytest.mark.parametrize(
    "habits",
    [{"next_page_url": "relative"}, {"next_page_url": "null"}, {"next_page_url": "absent"}, {"keeps_filters": False}, {"page_size": 3}],
)
def test_the_ways_an_account_pages_make_no_difference(connector: Connector, sandbox: RunningSandbox, habits: dict[str, Any]) -> None:
    sandbox.habits(**habits)

    assert sync(connector).state == SyncRun.State.SUCCEEDED

    everything_is_told(connector, sandbox)


def test_a_row_that_slips_between_two_pages_is_found_by_the_next_run(connector: Connector, sandbox: RunningSandbox) -> None:
    sandbox.fault("row_moves")
    assert sync(connector).state == SyncRun.State.SUCCEEDED
    assert Application.objects.count() == len(sandbox.applications()) - 1

    heals(connector, sandbox)
    assert not CandidateEvent.objects.filter(event_type="application_removed").exists()


@pytest.mark.parametrize("fault", ["status", "html", "truncated", "disconnect"])
def test_a_detail_that_cannot_be_read_is_told_of_by_a_later_run(connector: Connector, sandbox: RunningSandbox, fault: str) -> None:
    number = next(iter(sandbox.applications()))
    sandbox.fault(fault, path=f"applications/{number}", times=None, **({"status": 500} if fault == "status" else {}))

    run = sync(connector)

    assert run.state == SyncRun.State.SUCCEEDED
    assert not Application.objects.filter(external_id=str(number)).exists()
    assert any("could not be read" in note for note in run.notes)
    assert Application.objects.count() == len(sandbox.applications()) - 1, "its neighbours went through"
    heals(connector, sandbox)


def test_an_application_gone_between_the_list_and_its_detail_stops_nobody(connector: Connector, sandbox: RunningSandbox) -> None:
    number = sandbox.change("applied", job_id=next(iter(sandbox.applications().values()))["job_id"])["application_id"]
    sandbox.fault("vanishes", application_id=number)

    assert sync(connector).state == SyncRun.State.SUCCEEDED

    everything_is_told(connector, sandbox)
    assert not Application.objects.filter(external_id=str(number)).exists()


#: what rows may hold instead of what they should, and what must come of it
ODDITIES = [
    {"where": "list", "changes": {"status": None}},
    {"where": "list", "changes": {"applicant": {"firstName": "A\x00B", "lastName": "x" * 10_000}}},
    {"where": "detail", "changes": {"applicant": {"firstName": "\ud83d\ude00", "email": {"a": 1}, "source": ["b"]}}},
    {"where": "detail", "changes": {"appliedDate": "0000-00-00"}},
    {"where": "detail", "changes": {"appliedDate": "9999-12-31T23:59:59+14:00"}},
    {"where": "detail", "changes": {"rating": 10**30, "commentCount": "many", "emailCount": -1}},
    {"where": "detail", "changes": {"movedTo": [[{"id": 1}], "x", None], "movedFrom": {"a": 1}}},
    {"where": "detail", "remove": ["job", "applicant.id", "status.changedByUser"]},
    {"where": "jobs", "changes": {"title": {"label": "x" * 5_000}, "department": {"label": "y" * 250}, "hiringLead": "nobody"}},
    {"where": "jobs", "changes": {"postedDate": "soon", "status": {"id": 99, "label": "Sleeping"}}},
    {"where": "statuses", "changes": {"name": "z" * 250, "code": None}},
    {"where": "statuses", "changes": {"id": 6.0}},
]


@pytest.mark.parametrize("oddity", ODDITIES, ids=lambda oddity: str(oddity)[:60])
def test_an_odd_record_neither_stops_the_run_nor_becomes_a_dead_letter(
    connector: Connector, sandbox: RunningSandbox, oddity: dict[str, Any]
) -> None:
    sandbox.fault("override", times=1, **oddity)

    run = sync(connector)

    assert run.state == SyncRun.State.SUCCEEDED, run.error
    assert list(RawEvent.objects.filter(state=RawEvent.State.DEAD).values_list("error", flat=True)) == []
    assert Application.objects.count() >= len(sandbox.applications()) - 1
    heals_or_differs_in_one(connector, sandbox)


def heals_or_differs_in_one(connector: Connector, sandbox: RunningSandbox) -> None:
    """After the oddity the next run tells what is true now; what was told of one record may stand beside it."""
    sandbox.clear_faults()
    assert sync(connector).state == SyncRun.State.SUCCEEDED
    watcher = Watcher(sandbox)
    watcher.looked()
    found = ledger_keys(connector)
    assert watcher.keys <= found | {key for key in watcher.keys if ":status:" in key}
    assert len(found ^ watcher.keys) <= 2


def test_rows_nobody_can_hold_on_to_are_noted_and_prove_no_absence(connector: Connector, sandbox: RunningSandbox) -> None:
    sync(connector)
    sandbox.fault("override", where="list", remove=["id"], times=1)

    runs = [sync(connector) for _ in range(3)]

    assert {run.state for run in runs} == {SyncRun.State.SUCCEEDED}
    assert any("no readable id" in note for note in runs[0].notes)
    assert not CandidateEvent.objects.filter(event_type="application_removed").exists()


# --- one run at a time, and what becomes of a run whose process is gone ----------------------------------------------


def test_one_run_per_connector_at_a_time(connector: Connector, sandbox: RunningSandbox) -> None:
    first = request_sync(connector=connector, mode="delta")

    with pytest.raises(services.SyncInProgress, match=rf"SyncRun {first.pk}, Queued"):
        request_sync(connector=connector, mode="full")
    assert services.request_syncs() == 0

    go_on(first)
    assert request_sync(connector=connector, mode="full").pk != first.pk


def test_a_run_in_somebodys_hands_is_left_alone(connector: Connector, sandbox: RunningSandbox) -> None:
    run = request_sync(connector=connector, mode="delta")
    SyncRun.objects.filter(pk=run.pk).update(
        state=SyncRun.State.RUNNING, claimed_by="another", next_attempt_at=timezone.now() + timedelta(seconds=40)
    )
    since = last_request(sandbox)

    carry_out(run.pk, worker="test")

    assert sandbox.requests(since) == []


def test_a_process_that_lost_its_run_writes_nothing_more(
    connector: Connector, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another took it over while a page was on its way: neither the page nor the end is the first one's to write."""
    run = request_sync(connector=connector, mode="delta")
    commit, pages = services._commit_page, []

    def taken_over(run: SyncRun, page: Any) -> None:
        commit(run, page)
        pages.append(page)
        SyncRun.objects.filter(pk=run.pk).update(claimed_by="another")

    monkeypatch.setattr(services, "_commit_page", taken_over)
    carry_out(run.pk, worker="test")

    run.refresh_from_db()
    assert (len(pages), run.state, run.claimed_by) == (1, SyncRun.State.RUNNING, "another")


def test_a_process_that_lost_its_run_does_not_end_it_for_the_other(
    connector: Connector, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = request_sync(connector=connector, mode="delta")
    sandbox.fault("status", status=401)
    fail = services._end_attempt

    def taken_over(run: SyncRun, error: Any) -> None:
        SyncRun.objects.filter(pk=run.pk).update(claimed_by="another")
        fail(run, error)

    monkeypatch.setattr(services, "_end_attempt", taken_over)
    carry_out(run.pk, worker="test")

    run.refresh_from_db()
    connector.refresh_from_db()
    assert (run.state, run.claimed_by, connector.status) == (SyncRun.State.RUNNING, "another", Connector.Status.ACTIVE)


def test_a_run_whose_message_or_process_was_lost_is_offered_again_once_its_time_is_over(
    connector: Connector, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: list[int] = []
    monkeypatch.setattr(services.flow, "send", lambda task, *args, **options: offered.extend(args) if task == "connectors.sync" else None)
    run = request_sync(connector=connector, mode="delta")

    assert services.offer_due_runs() == 0
    SyncRun.objects.update(state=SyncRun.State.RUNNING, claimed_by="dead", next_attempt_at=timezone.now())
    assert services.offer_due_runs() == 1
    assert services.offer_due_runs() == 0, "it has just been offered"

    assert offered == [run.pk]
    assert go_on(run).state == SyncRun.State.SUCCEEDED


def test_a_run_that_kills_its_process_again_and_again_is_given_up(connector: Connector, sandbox: RunningSandbox) -> None:
    run = request_sync(connector=connector, mode="delta")
    SyncRun.objects.update(state=SyncRun.State.RUNNING, claimed_by="dead", next_attempt_at=timezone.now(), attempts=MAX_ATTEMPTS)

    services.offer_due_runs()

    run.refresh_from_db()
    assert (run.state, run.error_code) == (SyncRun.State.FAILED, "process_died")
    assert "4 times" in run.error
    heals(connector, sandbox)


def test_a_run_that_gets_on_between_outages_is_not_given_up(connector: Connector, sandbox: RunningSandbox) -> None:
    """Every page of the list fails for one whole attempt: more attempts than one run is granted at one place."""
    sandbox.habits(page_size=1)
    run = request_sync(connector=connector, mode="delta")
    for page in range(2, MAX_ATTEMPTS + 4):
        sandbox.fault("status", status=502, times=None, page=page, **APPLICATIONS)
        assert go_on(run).state == SyncRun.State.QUEUED, page
        sandbox.clear_faults()

    assert go_on(run).state == SyncRun.State.SUCCEEDED
    everything_is_told(connector, sandbox)
