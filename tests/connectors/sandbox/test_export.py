"""The exported past is a valid import file and tells nothing a poll of the same account would tell again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from connectors.bamboohr.provider import BambooHR
from connectors.base import Account as ConnectorAccount
from connectors.base import Record, SyncMode
from connectors.events import NormalizedEvent
from connectors.files.rows import from_json
from connectors.sandbox.account import Account
from connectors.sandbox.changes import Kind
from connectors.sandbox.export import event_key, import_rows, write_file
from connectors.sandbox.office_hours import iso
from connectors.sandbox.process import RunningSandbox
from connectors.sandbox.statuses import STATUSES, Role
from tests.connectors.sandbox.conftest import UNTIL


class Forgetful:
    """A connector's memory before its first run, filled by what the run remembers."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], Record] = {}

    def recall(self, kind: str, external_ids: Sequence[str]) -> dict[str, Record]:
        return {number: self.records[kind, number] for number in external_ids if (kind, number) in self.records}

    def stalest(self, kind: str, *, before: datetime, limit: int) -> list[Record]:
        return []

    def unlisted(self, kind: str, *, since: datetime) -> Iterator[Record]:
        return iter(())


def polled(sandbox: RunningSandbox, memory: Forgetful) -> list[NormalizedEvent]:
    """One full run of the real connector over real HTTP."""
    provider = BambooHR()
    account = ConnectorAccount(
        connector_id=1,
        base_url=sandbox.base_url,
        secret=sandbox.api_key,
        settings={"requests_per_second": 1000, "allow_private": True, "insecure_http": True},
    )
    events: list[NormalizedEvent] = []
    for page in provider.fetch(account, mode=SyncMode.FULL, checkpoint=None, memory=memory, started_at=datetime.now(UTC)):
        for observation in page.observations:
            events += provider.map(observation.kind, observation.payload).events
        memory.records |= {(record.kind, record.external_id): record for record in page.records}
    return events


def rows_of(account: Account) -> list[dict[str, object]]:
    return list(import_rows(account.changes, account.company.staff, until=account.charter.until))


def test_every_row_is_a_valid_import_row_with_a_key_of_its_own(company: Account) -> None:
    rows = rows_of(company)

    checked = [from_json(json.dumps(row).encode()) for row in rows]

    assert len({row.provider_event_id for row in checked}) == len(rows)
    assert all(row.event_type != "unknown" for row in checked)
    assert all(row.timestamp.timestamp() <= UNTIL for row in checked)
    assert all(row.recorded_at and row.recorded_at.timestamp() >= 0 for row in checked)


def test_a_first_poll_after_the_import_tells_only_known_events(sandbox: RunningSandbox) -> None:
    history = {row["provider_event_id"]: row for row in sandbox.history()}

    events = polled(sandbox, Forgetful())

    told = {event.provider_event_id for event in events}
    reassigned = {change["application_id"] for change in sandbox.truth() if change["kind"] == "reassigned"}
    assert told <= set(history)
    assert {f"bhr:app:{number}:created" for number in sandbox.applications()} <= told
    for event in events:
        row = history[event.provider_event_id]
        assert event.timestamp == datetime.fromisoformat(row["timestamp"]), event.provider_event_id
        assert (event.event_type, event.application_external_id, event.candidate_external_id) == (
            row["event_type"],
            row["application_external_id"],
            row["candidate_external_id"],
        )
        # a poll knows only the job an application is on today
        assert event.job_external_id == row["job_external_id"] or int(row["application_external_id"]) in reassigned
        if event.event_type != "application_created":
            # where it went is known to both; where it came from only to the export
            assert event.stage_to == row.get("stage_to")
            assert (event.actor.external_id if event.actor else None) == row.get("actor_id")
            assert event.metadata.get("terminal_status_id") == row["metadata"].get("terminal_status_id")


def test_later_polls_tell_what_happened_since_under_the_keys_an_export_would_have(sandbox: RunningSandbox) -> None:
    memory = Forgetful()
    polled(sandbox, memory)
    since = sandbox.about()["last_seq"]
    sandbox.clock(advance=60)
    sandbox.tick(40)

    events = polled(sandbox, memory)

    truth = sandbox.truth(since)
    dated = {event.provider_event_id for event in events if ":seen:" not in event.provider_event_id}
    happened = {change["provider_event_id"] for change in truth if change["provider_event_id"]}
    assert dated <= happened | {row["provider_event_id"] for row in sandbox.history()}
    current = {
        change["application_id"]: change["provider_event_id"] for change in truth if change["kind"] == "status"
    }  # the last status of each, which is all a poll can see
    assert set(current.values()) <= dated
    assert {change["provider_event_id"] for change in truth if change["kind"] == "applied"} <= dated


def test_the_path_of_every_application_can_be_walked_in_the_export(company: Account) -> None:
    paths: dict[str, list[dict[str, object]]] = {}
    for row in rows_of(company):
        if row["event_type"] in ("comment_added", "email_logged", "rating_changed", "job_status_changed"):
            continue
        paths.setdefault(str(row["application_external_id"]), []).append(row)

    for number, item in company.state.applications.items():
        last = paths[str(number)][-1]
        terminal = last["metadata"].get("terminal_status_id")  # type: ignore[attr-defined]
        reached = last.get("stage_to") if STATUSES[item.status].role is Role.STAGE else terminal
        assert reached == str(item.status)
        for before, after in zip(paths[str(number)], paths[str(number)][1:], strict=False):
            if "stage_from" in after and "stage_to" in before:
                assert after["stage_from"] == before["stage_to"]


def test_a_stay_is_as_long_as_its_dates_say(company: Account) -> None:
    entered: dict[str, datetime] = {}
    compared = 0
    for row in rows_of(company):
        metadata, number = row["metadata"], str(row.get("application_external_id"))
        moment = datetime.fromisoformat(str(row["timestamp"]))
        if "duration_in_previous_stage" in metadata and number in entered:  # type: ignore[operator]
            assert metadata["duration_in_previous_stage"] == (moment - entered[number]).total_seconds()  # type: ignore[index]
            compared += 1
        if row.get("stage_to") and row["event_type"] != "application_moved":
            entered[number] = moment
    assert compared > 5000


def test_nothing_was_recorded_before_it_happened_or_after_the_export(company: Account) -> None:
    created = {change.application_id: change.at for change in company.changes if change.kind is Kind.APPLIED}
    backdated = 0
    for row in rows_of(company):
        happened, recorded = (datetime.fromisoformat(str(row[name])).timestamp() for name in ("timestamp", "recorded_at"))
        if row["event_type"] == "application_created":
            # an edited date may lie on either side of the day it was entered
            backdated += happened < created[int(str(row["application_external_id"]))]
        else:
            assert 0 <= recorded - happened <= 90
            assert recorded <= UNTIL
    assert backdated > 3


def test_an_application_entered_by_hand_has_its_first_status_as_a_row_of_its_own(company: Account) -> None:
    created = {change.application_id: change for change in company.changes if change.kind is Kind.APPLIED}
    item = next(item for item in company.state.applications.values() if item.applied_at < created[item.id].at)

    first, second = [row for row in rows_of(company) if row.get("application_external_id") == str(item.id)][:2]

    assert (first["event_type"], first["timestamp"], first.get("stage_to")) == ("application_created", iso(item.applied_at), None)
    assert (second["provider_event_id"], second.get("stage_from"), second["stage_to"]) == (
        event_key_of(created[item.id].at, item.id),
        None,
        "1",
    )


def event_key_of(at: int, number: int) -> str:
    return f"bhr:app:{number}:status:1:{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%SZ}"


def test_removed_and_moved_applications_end_in_the_export(company: Account) -> None:
    rows = rows_of(company)
    by_key = {row["provider_event_id"]: row for row in rows}
    removed = [change for change in company.changes if change.kind is Kind.REMOVED]
    moved = [change for change in company.changes if change.kind is Kind.STATUS and change.status_to == 19]

    causes = [row["metadata"]["cause"] for row in rows if row["event_type"] == "application_removed"]  # type: ignore[index]
    assert sorted(set(causes)) == ["deleted", "vanished"]
    assert causes.count("vanished") == len(removed)
    for change in moved:
        row = by_key[str(event_key(change))]
        assert (row["event_type"], row.get("stage_to")) == ("application_moved", None)
        assert row["metadata"]["moved_to"] == [str((change.facts or {})["moved_to"])]  # type: ignore[index]


def test_the_status_of_a_job_is_told_by_its_own_rows_only(company: Account) -> None:
    rows = rows_of(company)
    last: dict[str, object] = {}
    for row in rows:
        if "job_status" in row:
            assert row["event_type"] == "job_status_changed"
            last[str(row["job_external_id"])] = row["job_status"]

    words = {1: "open", 2: "draft", 3: "on_hold", 4: "filled", 5: "canceled", 6: "deleted"}
    assert last == {str(job.id): words[job.status] for job in company.state.jobs.values()}


def test_a_file_is_complete_or_absent_and_gzipped_by_its_name(company: Account, tmp_path: Path) -> None:
    rows = rows_of(company)[:100]

    assert write_file(tmp_path / "a" / "past.jsonl.gz", rows) == 100
    assert write_file(tmp_path / "past.jsonl", rows) == 100

    assert gzip.decompress((tmp_path / "a" / "past.jsonl.gz").read_bytes()) == (tmp_path / "past.jsonl").read_bytes()
    assert not list(tmp_path.rglob("*.partial"))
