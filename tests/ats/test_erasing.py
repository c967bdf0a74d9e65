"""Erasing a person: nothing of them is left in any table, nothing of the pipeline is lost, and nothing brings them back."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from analytics.rebuilding import rebuild
from ats.erasing import NotErased, erase_candidate
from ats.forgetting import erased_at
from ats.models import Candidate, CandidateEvent, ErasureReceipt
from connectors import inbox, memory
from connectors.base import Observation, Record
from connectors.files.rows import encode, from_values
from connectors.models import Batch, Connector, ProviderRecord, RawEvent, SyncRun
from connectors.replaying import replay
from issues.decisions import decide
from issues.lifecycle import Action
from issues.models import Issue, IssueTransition
from tests.canonical import counters, ledger, snapshots, visits
from tests.factories.accounts import member
from tests.live import wait_until
from tests.walking import bring_in, event_row, file_connector, step, walk
from triggers.models import Task

pytestmark = pytest.mark.django_db

NAME, EMAIL, SOURCE = "Ada Q. Canary", "ada.canary@example.net", "Referred by a friend"
LONG_AGO = datetime(2026, 3, 2, 9, tzinfo=UTC)
PERSON = {"candidate_name": NAME, "candidate_email": EMAIL, "source": SOURCE}


def ada(event_id: str, days: float, **fields: Any) -> dict[str, Any]:
    """One of Ada's events on the job j-1, so many days after she applied."""
    return event_row(f"ada:{event_id}", LONG_AGO + timedelta(days=days), stage_to_category="screen", **PERSON | fields)


HISTORY = (
    ada("1", 0, event_type="application_created", stage_to="new", stage_to_name="New", job_title="Engineer"),
    ada("2", 3, stage_from="new", stage_to="phone", stage_to_name="Phone screen", actor="Sam Recruiter", actor_id="u-7"),
    ada("3", 4, event_type="comment_added", metadata={"comment": "Ada was great on the phone", "origin": "export"}),
    ada("4", 5, event_type="rating_changed", actor=NAME, actor_id="u-99", metadata={"rating": 4, "stage_to_name": f"Call {NAME}"}),
)
NEIGHBOUR = event_row(
    "bob:1", LONG_AGO, application_external_id="a-2", candidate_external_id="c-2", event_type="application_created",
    stage_to="new", stage_to_name="New", candidate_name="Bob Neighbour", candidate_email="bob@example.net",
)  # fmt: skip


@pytest.fixture
def connector() -> Connector:
    """A file connector that knows Ada, whose application has waited long enough for an issue, and Bob."""
    made = file_connector()
    member(made.organization)
    bring_in(made, [*HISTORY, NEIGHBOUR])
    return made


def the_candidate() -> Candidate:
    return Candidate.objects.get(external_id="c-1")


def erase(candidate: Candidate | None = None, reason: str = "Request 17") -> ErasureReceipt:
    with transaction.atomic():
        return erase_candidate(candidate_id=(candidate or the_candidate()).pk, reason=reason)


def tables_naming(*words: str) -> dict[str, list[str]]:
    """Rows, as text, of any table that hold one of the words in any case."""
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        # not the batches' temporary ones, which a commit empties and a test's transaction does not
        cursor.execute("select tablename from pg_tables where schemaname = 'public'")
        for (table,) in cursor.fetchall():
            quoted = connection.ops.quote_name(table)
            cursor.execute(f"select r::text from {quoted} r where lower(r::text) like any(%s)", [[f"%{word.lower()}%" for word in words]])
            if rows := [row[0] for row in cursor.fetchall()]:
                found[table] = rows
    return found


def payload_behind(event_id: str) -> Any:
    return RawEvent.objects.get(pk=CandidateEvent.objects.get(provider_event_id=event_id).raw_event_id).payload


def test_the_canary_is_in_the_tables_before(connector: Connector) -> None:
    assert {"ats_candidate", "ats_candidateevent", "connectors_rawevent"} <= tables_naming(NAME, EMAIL).keys()


def test_nothing_of_the_person_is_left_in_any_table(connector: Connector) -> None:
    recruiter = member(connector.organization)
    issue = Issue.objects.get(application__external_id="a-1", status="open")
    decide(issue_id=issue.pk, action=Action.ACKNOWLEDGE, actor=recruiter, now=timezone.now(), reason=f"Called {NAME}")
    Task.objects.filter(issue=issue).update(note=f"wrote to {EMAIL}")
    run = SyncRun.objects.latest("pk")
    SyncRun.objects.filter(pk=run.pk).update(notes=[f"row 3: timestamp '{NAME}' is not an ISO 8601 time", "row 4: is empty"])

    receipt = erase()

    assert tables_naming(NAME, EMAIL, "Canary", SOURCE, "great on the phone") == {}
    run.refresh_from_db()
    assert run.notes == ["row 3: timestamp '[erased]' is not an ISO 8601 time", "row 4: is empty"]
    assert IssueTransition.objects.filter(issue=issue, actor=recruiter).get().reason == ""
    assert receipt.counts == {
        "ats_candidate": 1,
        "ats_candidateevent": 4,
        "connectors_rawevent": 4,
        "connectors_providerrecord": 0,
        "connectors_syncrun": 1,
        "issues_issuetransition": 1,
        "triggers_task": 1,
    }


def test_what_the_pipeline_went_through_stays(connector: Connector) -> None:
    organization = connector.organization
    before = visits(organization), counters(organization), snapshots(organization)
    keys = ledger(organization).keys()
    issue = Issue.objects.get(application__external_id="a-1", status="open")

    erase()
    walk()

    assert (visits(organization), counters(organization), snapshots(organization)) == before
    assert ledger(organization).keys() == keys
    assert list(Issue.objects.filter(application__external_id="a-1").values_list("pk", "status")) == [(issue.pk, "open")]
    assert not rebuild(organization_id=organization.pk, check=True)


def test_events_keep_labels_and_staff_and_lose_free_text(connector: Connector) -> None:
    erase()

    events = {event.provider_event_id: event for event in CandidateEvent.objects.filter(application__external_id="a-1")}
    assert events["ada:2"].metadata == {"stage_to_name": "Phone screen"}
    assert events["ada:2"].actor_name == "Sam Recruiter"
    assert events["ada:3"].metadata == {"origin": "export"}
    assert events["ada:4"].metadata == {}
    assert (events["ada:4"].actor_name, events["ada:4"].actor_external_id) == (None, None)


def test_neighbours_are_not_touched(connector: Connector) -> None:
    erase()

    bob = Candidate.objects.get(external_id="c-2")
    assert (bob.name, bob.email, bob.erased_at) == ("Bob Neighbour", "bob@example.net", None)
    assert payload_behind("bob:1")["candidate_name"] == "Bob Neighbour"


def test_somebody_of_the_same_name_is_somebody_else(connector: Connector) -> None:
    namesake = event_row(
        "other:1", LONG_AGO, application_external_id="a-3", candidate_external_id="c-3", event_type="application_created",
        stage_to="new", candidate_name=NAME, candidate_email="another.ada@example.org",
    )  # fmt: skip
    bring_in(connector, [namesake])

    erase()

    other = Candidate.objects.get(external_id="c-3")
    assert other.name == NAME
    assert payload_behind("other:1")["candidate_name"] == NAME


def test_importing_the_same_file_again_does_not_bring_the_person_back(connector: Connector) -> None:
    erase()

    bring_in(connector, [*HISTORY, NEIGHBOUR])

    assert tables_naming(NAME, EMAIL) == {}
    assert RawEvent.objects.filter(connector=connector).count() == 10
    assert the_candidate().name == ""


def test_new_facts_about_an_erased_person_count_and_name_nobody(connector: Connector) -> None:
    erase()

    bring_in(
        connector,
        [ada("9", 20, event_type="application_rejected", stage_from="phone", metadata={"reason": f"{NAME} was late", "gap": False})],
    )

    assert tables_naming(NAME, EMAIL) == {}
    assert CandidateEvent.objects.get(provider_event_id="ada:9").metadata == {"gap": False}
    assert snapshots(connector.organization)["a-1"][2] == "rejected"


def test_payloads_still_on_the_road_are_emptied_as_they_pass(connector: Connector) -> None:
    bring_in(connector, [ada("5", 9, stage_from="phone", stage_to="onsite", metadata={"comment": "bring a laptop"})], walked=False)

    receipt = erase()
    assert receipt.waiting == 1
    walk()

    assert tables_naming(NAME, EMAIL, "laptop") == {}
    assert CandidateEvent.objects.filter(provider_event_id="ada:5").exists(), "the move is a fact and counts"


def test_a_dead_letter_that_names_the_person_is_emptied_and_waits_for_nobody(connector: Connector) -> None:
    inbox.store(connector, [Observation(kind="mystery", payload={"who": f"{NAME} <{EMAIL}>"})])
    inbox.store(connector, [Observation(kind="mystery", payload={"who": "Bob Neighbour"})])
    walk()

    erase()

    assert tables_naming(NAME, EMAIL) == {}
    assert [raw.payload for raw in RawEvent.objects.filter(state="dead")] == [{"who": "Bob Neighbour"}]


def test_what_is_left_of_a_payload_can_be_replayed_and_means_nothing(connector: Connector) -> None:
    erase()
    ids = list(RawEvent.objects.filter(connector=connector).values_list("pk", flat=True))

    replay(connector=connector, raw_event_ids=ids)
    walk()

    assert not RawEvent.objects.filter(state="dead").exists()
    assert Batch.objects.latest("pk").created_count == 0
    assert the_candidate().name == ""


def test_an_address_used_as_an_id_is_replaced_everywhere() -> None:
    connector = file_connector()
    member(connector.organization)
    without_ids = {"provider_event_id": "", "application_external_id": "", "candidate_external_id": EMAIL}
    # as an import builds the missing ids: from the candidate's and the job's
    bring_in(connector, [json.loads(encode(from_values(row | without_ids))) for row in HISTORY])
    candidate = Candidate.objects.get(external_id=EMAIL)
    issues = list(Issue.objects.values_list("pk", "status"))
    assert issues, "the story is meant to have an open issue, whose identity holds the key of an event"
    before = len(visits(connector.organization))

    erase(candidate)
    walk()

    assert tables_naming(NAME, EMAIL) == {}
    candidate.refresh_from_db()
    assert candidate.external_id == f"erased-{candidate.pk}"
    assert candidate.applications.get().external_id == f"erased-{candidate.pk}@j-1"
    assert list(Issue.objects.values_list("pk", "status")) == issues, "the issue is the same one still"
    assert len(visits(connector.organization)) == before
    assert not rebuild(organization_id=connector.organization_id, check=True)


def test_what_polls_remember_loses_the_person_and_stays_erased(connector: Connector) -> None:
    Connector.objects.filter(pk=connector.pk).update(provider="bamboohr")
    state = {"known": True, "status_id": "2", "person": {"name": "5f2b6c", "email": "93aa01"}}
    for kind, external_id in (("application", "a-1"), ("application", "a-2"), ("job", "a-1")):
        ProviderRecord.objects.create(connector=connector, kind=kind, external_id=external_id, state=state)

    receipt = erase()
    # a poll that began before the erasure commits its page only now
    memory.keep(connector.pk, [Record(kind="application", external_id="a-1", state=state)])

    erased = {(row.kind, row.external_id): (row.erased, "person" in row.state) for row in ProviderRecord.objects.all()}
    assert receipt.counts["connectors_providerrecord"] == 1
    assert erased == {("application", "a-1"): (True, True), ("application", "a-2"): (False, True), ("job", "a-1"): (False, True)}
    assert memory.DatabaseMemory(connector.pk).recall("application", ["a-1"])["a-1"].erased


@pytest.mark.django_db(transaction=True)
def test_the_ledger_is_closed_again_after_an_erasure(connector: Connector) -> None:
    erase()

    with pytest.raises(ProgrammingError, match="append-only"):
        CandidateEvent.objects.filter(provider_event_id="ada:1").update(event_type="unknown")


@pytest.mark.django_db(transaction=True)
def test_an_erasure_waits_for_a_batch_that_is_being_normalized(connector: Connector) -> None:
    """The batch has looked who is erased before the erasure, and writes after: the erasure must see what it wrote."""
    bring_in(connector, [ada("5", 9, stage_to="onsite", metadata={"comment": "bring a laptop"})], walked=False)
    batch = Batch.objects.get(finished_at=None)
    candidate = the_candidate()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic(), connection.cursor() as cursor:
            erased_at(cursor, connector)
            erasing = pool.submit(_erase_in_thread, candidate)
            wait_until(lambda: _somebody_waits(cursor), what="the erasure to wait")
            step(batch.pk)
        assert erasing.result(timeout=30).waiting == 0

    assert tables_naming(NAME, EMAIL, "laptop") == {}


def _erase_in_thread(candidate: Candidate) -> ErasureReceipt:
    try:
        return erase(candidate)
    finally:
        connection.close()


def _somebody_waits(cursor: Any) -> bool:
    cursor.execute("select count(*) from pg_locks where locktype = 'advisory' and not granted")
    return bool(cursor.fetchone()[0])


def test_a_reason_that_names_the_person_is_refused(connector: Connector) -> None:
    for reason in (f"Letter of {NAME.upper()}", f"Mail from {EMAIL}", "Canary, Ada Q.", "  "):
        with pytest.raises(NotErased):
            erase(reason=reason)

    assert the_candidate().name == NAME
    assert not ErasureReceipt.objects.exists()


def test_erasing_twice_is_allowed(connector: Connector) -> None:
    first = erase()
    again = erase(reason="Request 18")

    assert again.pk != first.pk
    assert the_candidate().erased_at == first.erased_at


# --- the command ---------------------------------------------------------------------------------
def command(*arguments: str) -> str:
    output = StringIO()
    call_command("erase_candidate", *arguments, stdout=output)
    return output.getvalue()


def test_the_command_prints_a_receipt_without_the_person(connector: Connector) -> None:
    candidate = the_candidate()

    printed = command(str(candidate.pk), "--reason", "Request 17", "--yes")

    receipt = ErasureReceipt.objects.get()
    assert f"receipt: {receipt.pk}\ncandidate: {candidate.pk}\n" in printed
    assert "reason: Request 17\n" in printed
    assert "connectors_rawevent: 4\n" in printed
    assert NAME not in printed
    assert EMAIL not in printed


def test_the_command_tells_of_the_same_person_s_other_applications(connector: Connector) -> None:
    again = event_row("ada:again", LONG_AGO, application_external_id="a-9", candidate_external_id="c-9", **PERSON)
    bring_in(connector, [again])

    printed = command(str(the_candidate().pk), "--reason", "Request 17", "--yes")

    assert f"same address: candidates {Candidate.objects.get(external_id='c-9').pk} are" in printed


def test_the_command_asks_at_a_terminal(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "no")

    with pytest.raises(CommandError, match=r"Nothing was erased\."):
        command(str(the_candidate().pk), "--reason", "Request 17")

    assert the_candidate().name == NAME
    monkeypatch.setattr("builtins.input", lambda _: str(the_candidate().pk))
    command(str(the_candidate().pk), "--reason", "Request 17")
    assert the_candidate().name == ""


def test_without_a_terminal_nobody_is_asked(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)

    assert "receipt: " in command(str(the_candidate().pk), "--reason", "Request 17")

    assert the_candidate().name == ""


def test_an_unknown_candidate_is_said_to_be_unknown(db: None) -> None:
    with pytest.raises(CommandError, match="There is no candidate 4711"):
        command("4711", "--reason", "Request 17", "--yes")
