"""The commands as a person types them: what they print, how they end, and the one sentence when they cannot."""

from __future__ import annotations

import io
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Organization
from ats.models import CandidateEvent
from connectors import waiting
from connectors.models import Batch, Connector, RawEvent, SyncRun
from connectors.waiting import NotThrough, Telling, check_worker, follow
from tests.factories.accounts import OrganizationFactory
from tests.factories.connectors import BatchFactory, ConnectorFactory, SyncRunFactory
from tests.live import LiveStack
from tests.walking import bring_in, event_row, file_connector, walk, write_jsonl

T = datetime(2026, 9, 1, 9, tzinfo=UTC)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as raised:
        run(*arguments)
    assert raised.value.returncode != 0
    return str(raised.value)


# --- connect -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_connect_makes_the_organization_and_seals_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "s3cret")

    said = run(
        "connect", "bamboohr", "--organization", "acme-corp", "--name", "bamboo", "--base-url", "https://acme.bamboohr.com/api/v1",
        "--secret-env", "KEY", "--set", "requests_per_second=1.5", "--set", 'stage_map={"27": "screen"}',
    )  # fmt: skip

    connector = Connector.objects.get()
    assert (connector.organization.name, connector.provider, connector.name) == ("Acme Corp", "bamboohr", "bamboo")
    assert connector.settings == {"requests_per_second": 1.5, "stage_map": {"27": "screen"}}
    assert connector.open_secret() == "s3cret"
    assert "s3cret" not in connector.sealed_secret + said


@pytest.mark.django_db
def test_connecting_again_changes_what_is_told_and_keeps_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "s3cret")
    base = ("connect", "bamboohr", "--organization", "acme", "--name", "bamboo")
    run(*base, "--base-url", "https://acme.bamboohr.com/api/v1", "--secret-env", "KEY", "--set", "refresh_budget=7")
    Connector.objects.update(status=Connector.Status.BROKEN, status_reason="wrong key")

    run(*base, "--set", "max_pages=9")

    connector = Connector.objects.get()
    assert (connector.settings, connector.open_secret()) == ({"refresh_budget": 7, "max_pages": 9}, "s3cret")
    assert (connector.status, connector.status_reason) == (Connector.Status.ACTIVE, "")


CONNECT = ("connect", "bamboohr", "--organization", "acme", "--name", "bamboo", "--base-url", "https://acme.bamboohr.com/api/v1")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (CONNECT, "needs an API key"),
        ((*CONNECT, "--secret-env", "NOT_SET"), "environment variable NOT_SET is not set"),
        ((*CONNECT, "--secret-env", "KEY", "--set", "nonsense"), "--set takes key=value"),
        ((*CONNECT, "--secret-env", "KEY", "--set", "requests_per_second=fast"), "requests_per_second must be a number"),
        ((*CONNECT, "--secret-env", "KEY", "--set", "request_per_second=1"), "no setting 'request_per_second'; there are allow_private,"),
        (("connect", "files", "--organization", "acme", "--name", "x", "--set", "a=1"), "no setting 'a'; there is none."),
        (("connect", "files", "--organization", "", "--name", "x"), "'' cannot be the name of this organization"),
        (("connect", "files", "--organization", "Acme Corp", "--name", "x"), "'Acme Corp' cannot be the name of this organization"),
        (("connect", "files", "--organization", "a" * 51, "--name", "x"), "at most 50"),
        (("connect", "files", "--organization", "acme", "--name", "a/b"), "'a/b' cannot be the name of this connector"),
        (("connect", "teamtailor", "--organization", "acme", "--name", "x"), "invalid choice: 'teamtailor'"),
        (("connect", "files", "--organization", "acme", "--name", "x", "--base-url", "https://example.org"), "neither a base URL nor"),
    ],
)
def test_what_cannot_be_connected_leaves_nothing_behind(arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "s3cret")

    assert words in refused(*arguments)

    assert not Connector.objects.exists()
    assert not Organization.objects.exists()


@pytest.mark.django_db
def test_a_name_belongs_to_one_provider() -> None:
    connector = file_connector(name="bamboo")

    said = refused("connect", "bamboohr", "--organization", connector.organization.slug, "--name", "bamboo")

    assert "bamboo is a files connector already" in said


# --- sync --------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(("option", "mode"), [((), "delta"), (("--delta",), "delta"), (("--full",), "full")])
def test_sync_queues_a_run_and_prints_its_id(option: tuple[str, ...], mode: str) -> None:
    connector = ConnectorFactory()

    said = run("sync", connector.name, *option)

    made = SyncRun.objects.get()
    assert (said, made.mode, made.state) == (f"{made.pk}\n", mode, SyncRun.State.QUEUED)


@pytest.mark.django_db
@pytest.mark.parametrize("word", ["{0.name}", "{0.organization.slug}/{0.name}", "{0.pk}"])
def test_a_connector_is_found_by_its_name_its_full_name_or_its_id(word: str) -> None:
    connector = ConnectorFactory(name="bamboo")

    run("sync", word.format(connector))

    assert SyncRun.objects.get().connector == connector


@pytest.mark.django_db
def test_a_connector_nobody_can_mean_is_named_with_those_there_are() -> None:
    first, second = (ConnectorFactory(name="bamboo") for _ in range(2))

    assert f"several connectors called bamboo: {first.organization.slug}/bamboo, {second.organization.slug}/bamboo" in refused(
        "sync", "bamboo"
    )
    assert f"no connector called x. Known: {first.organization.slug}/bamboo" in refused("sync", "x")


@pytest.mark.django_db
def test_what_cannot_be_synced_says_why() -> None:
    paused = ConnectorFactory(name="paused", status=Connector.Status.PAUSED)
    files = file_connector(name="files")
    busy = SyncRunFactory(connector__name="busy")

    assert "paused is paused" in refused("sync", paused.name)
    assert "cannot be polled. Use import_events" in refused("sync", files.name)
    assert f"has a run in progress (SyncRun {busy.pk}" in refused("sync", "busy")


# --- import_events and replay ------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_import_makes_the_file_connector_and_prints_the_id_of_its_run(tmp_path: Path) -> None:
    organization = OrganizationFactory()
    path = write_jsonl(tmp_path / "a.jsonl", [event_row("e", T)])

    said = run("import_events", str(path), "--organization", organization.slug, "--connector", "history")

    made = SyncRun.objects.get()
    assert (said, made.connector.name, made.connector.provider) == (f"{made.pk}\n", "history", "files")
    walk()
    assert CandidateEvent.objects.count() == 1


@pytest.mark.django_db
def test_columns_can_be_mapped_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("What,When,App\nstage_changed,2026-09-01T09:00:00Z,7\n")
    mapping = [
        f"--map={column}={name}" for column, name in (("What", "event_type"), ("When", "timestamp"), ("App", "application_external_id"))
    ]

    run("import_events", str(path), "--organization", OrganizationFactory().slug, "--connector", "files", *mapping)
    walk()

    assert CandidateEvent.objects.get().application.external_id == "7"


@pytest.mark.django_db
def test_an_import_that_cannot_be_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    slug = OrganizationFactory(slug="acme").slug
    good, bad = write_jsonl(tmp_path / "good.jsonl", [event_row("e", T)]), write_jsonl(tmp_path / "bad.jsonl", [{"event_type": "x"}])
    here = ("--organization", slug, "--connector", "files")

    assert "There is no organization 'nobody'; known: acme" in refused(
        "import_events", str(good), "--organization", "nobody", "--connector", "x"
    )
    assert f"There is no file {tmp_path}/none" in refused("import_events", f"{tmp_path}/none", *here)
    assert not Connector.objects.exists()
    assert "row 1: timestamp is missing" in refused("import_events", str(bad), *here)
    assert "--map takes column=field" in refused("import_events", str(good), *here, "--map", "nonsense")
    assert not RawEvent.objects.exists()


@pytest.mark.django_db
def test_replay_sends_dead_letters_again_and_says_how_many() -> None:
    connector = file_connector()
    bring_in(connector, [{"salary": 1}, event_row("e", T)])
    given_up = BatchFactory(connector=connector, step="issues.detect", failed_at=T, attempts=5, error="broken")

    assert run("replay", "--connector", connector.name, "--failed").splitlines() == [
        "1 raw events on the road again",
        "1 batches go on at the step they stopped at",
    ]
    walk()
    assert run("replay", "--connector", connector.name, "--failed").splitlines()[1:] == [], "no batch has stopped"

    given_up.refresh_from_db()
    assert (given_up.error, given_up.failed_at) == ("", None)
    assert given_up.finished_at is not None
    assert "ids of raw events" in refused("replay", "--connector", connector.name)
    assert "no connector called nobody" in refused("replay", "--connector", "nobody", "--failed")


# --- waiting -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_waiting_ends_well_only_if_everything_went_through() -> None:
    good = bring_in(file_connector(), [event_row("e", T)])
    assert follow(good) == good

    poisoned = bring_in(file_connector(), [event_row("e", T), {"salary": 1}])
    with pytest.raises(NotThrough, match=r"through, but 1 payloads were set aside.*replay --connector"):
        follow(poisoned)

    failed = SyncRunFactory(state=SyncRun.State.FAILED, error="The key is wrong.")
    with pytest.raises(NotThrough, match=f"SyncRun {failed.pk} failed: The key is wrong."):
        follow(failed)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> list[str]:
        """What a person reads in the end: what was written over is gone."""
        return [line.rpartition("\r\033[K")[2] for line in self.getvalue().split("\n")]


@pytest.mark.django_db
def test_waiting_tells_how_far_it_is() -> None:
    screen, told = Terminal(), []
    going = bring_in(file_connector(), [event_row("e", T)], walked=False)

    class Walking(Telling):
        def progress(self, line: str) -> None:
            super().progress(line)
            told.append(line)
            walk()

    follow(going, telling=Walking(screen))

    assert told[0].startswith("In flow: ")
    assert "1 in flow" in told[0]
    assert "0 in flow" in told[-1]
    assert [line[10:] for line in screen.shown] == [" In flow", " Succeeded", ""], "states stay, the bar goes"


@pytest.mark.django_db
@pytest.mark.parametrize("out", [Terminal(), io.StringIO()], ids=["on a terminal", "in a log"])
def test_waiting_tells_that_a_run_is_tried_again_when_and_why(out: io.StringIO) -> None:
    run = SyncRunFactory(state=SyncRun.State.QUEUED)
    again = {"next_attempt_at": T.replace(hour=18, minute=42), "error": "bamboohr (acme.bamboohr.com, GET /jobs) answered 503."}
    moves = iter([
        {"state": "running", "attempts": 1}, {"fetched": 50}, {"state": "queued", **again}, {}, {"state": "running", "attempts": 2},
        {"state": "flowing", "error": ""}, {"state": "succeeded"},
    ])  # fmt: skip

    class Moving(Telling):
        def progress(self, line: str) -> None:
            SyncRun.objects.filter(pk=run.pk).update(**next(moves, {"state": "succeeded"}))

    follow(run, telling=Moving(out))

    lines = out.getvalue().replace("\r\033[K", "").splitlines()
    assert all(re.match(r"\d\d:\d\d UTC  ", line) for line in lines)
    assert [line[11:] for line in lines] == [
        "Queued", "Fetching", "Try 2 of 4 at 18:42 UTC, because: bamboohr (acme.bamboohr.com, GET /jobs) answered 503.",
        "Fetching (try 2 of 4)", "In flow", "Succeeded",
    ]  # fmt: skip


def test_without_a_worker_waiting_gives_up_within_ten_seconds(live_stack: LiveStack) -> None:
    began = time.monotonic()

    with pytest.raises(NotThrough, match="No worker answers"):
        check_worker()

    assert time.monotonic() - began < 10


def test_wait_without_a_worker_fails_in_one_sentence_and_queues_nothing(live_stack: LiveStack, tmp_path: Path, monkeypatch: Any) -> None:
    connector = file_connector(name="files")
    path = write_jsonl(tmp_path / "a.jsonl", [event_row("e", T)])

    done = live_stack.manage("import_events", str(path), "--organization", connector.organization.slug, "--connector", "files", "--wait")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "No worker answers, so nothing would move. Start the stack (make run)" in done.stderr
    assert not SyncRun.objects.exists()
    assert waiting.WORKER_PATIENCE < 10


def test_without_a_broker_work_is_kept_and_waiting_refused(live_stack: LiveStack, tmp_path: Path) -> None:
    connector = file_connector(name="files")
    live_stack.environment["REDIS_URL"] = "redis://127.0.0.1:1/0"
    path = write_jsonl(tmp_path / "a.jsonl", [event_row("e", T)])
    arguments = ("import_events", str(path), "--organization", connector.organization.slug, "--connector", "files")

    refused = live_stack.manage(*arguments, "--wait")
    kept = live_stack.manage(*arguments)

    assert refused.returncode == 1
    assert "No worker answers" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert kept.returncode == 0, kept.stderr
    assert Batch.objects.get(finished_at=None).step == "ats.normalize"
    assert RawEvent.objects.count() == 1
