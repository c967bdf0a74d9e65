"""Bringing a file into the inbox: checked whole before anything is committed, in batches that share no application."""

from __future__ import annotations

import gzip
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ats.models import Application, CandidateEvent
from connectors.exceptions import NotConfigured
from connectors.files import importing
from connectors.files.importing import SHOWN, FileRefused, import_file
from connectors.models import Batch, Connector, RawEvent, SyncRun
from connectors.sandbox import bench
from tests.walking import event_row, file_connector, walk, write_jsonl

T = datetime(2026, 9, 1, 9, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def rows(number: int, *, each: int = 1) -> list[dict[str, Any]]:
    return [
        event_row(f"e-{n}-{k}", T, application_external_id=f"a-{n}", candidate_external_id=f"c-{n}", stage_to=f"s-{k}")
        for n in range(number)
        for k in range(each)
    ]


def imported(path: Path, connector: Connector | None = None, **options: Any) -> SyncRun:
    run = import_file(connector=connector or file_connector(), path=path, columns={}, **options)
    walk()
    run.refresh_from_db()
    return run


def test_a_file_goes_through_the_flow(tmp_path: Path) -> None:
    run = imported(write_jsonl(tmp_path / "a.jsonl", rows(5, each=2)))

    assert (run.state, run.mode, run.fetched, run.notes) == (SyncRun.State.SUCCEEDED, SyncRun.Mode.IMPORT, 10, [])
    assert CandidateEvent.objects.count() == 10
    assert Application.objects.count() == 5


def test_importing_again_doubles_nothing(tmp_path: Path) -> None:
    connector = file_connector()
    path = write_jsonl(tmp_path / "a.jsonl", [{**row, "provider_event_id": ""} for row in rows(6)])
    imported(path, connector)

    again = imported(path, connector)

    assert CandidateEvent.objects.count() == 6
    counts = list(again.batches.filter(kind="events").values_list("created_count", "skipped_count"))
    assert counts == [(0, 6)]


def test_rows_of_one_application_share_a_batch(tmp_path: Path, settings: Any) -> None:
    settings.BATCH_SIZE = 10

    run = imported(write_jsonl(tmp_path / "a.jsonl", rows(30, each=4)))

    assert run.batches.filter(kind="events").count() > 5
    batches: dict[str, set[int]] = {}
    for raw in RawEvent.objects.all():
        batches.setdefault(raw.payload["application_external_id"], set()).add(raw.batch_id)
    assert {len(found) for found in batches.values()} == {1}
    assert sum(Batch.objects.values_list("raw_count", flat=True)) == 120


def test_a_spreadsheets_own_format_is_refused_and_the_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("event_type,timestamp\n", encoding="utf-16")

    with pytest.raises(NotConfigured, match="save the file as CSV in UTF-8"):
        imported(tmp_path / "a.csv")

    assert "not text in UTF-8" in SyncRun.objects.get().error


def test_of_a_bad_file_nothing_is_imported_and_every_bad_row_is_named(tmp_path: Path) -> None:
    told = [*rows(3), {**rows(1)[0], "timestamp": "yesterday"}, *rows(2), {"event_type": "stage_changed"}]
    connector = file_connector()

    with pytest.raises(FileRefused) as raised:
        imported(write_jsonl(tmp_path / "a.jsonl", told), connector)

    said = str(raised.value)
    assert "a.jsonl has 2 rows that cannot be imported, so nothing was" in said
    assert "row 4: timestamp 'yesterday'" in said
    assert "row 7: " in said
    assert "--skip-bad-rows" in said
    assert not RawEvent.objects.exists()
    assert not Batch.objects.exists()
    run = SyncRun.objects.get()
    assert (run.state, run.error_code, run.error) == (SyncRun.State.FAILED, "file_refused", said)
    assert connector.fresh_at is None


def test_only_the_first_bad_rows_are_listed_and_the_rest_counted(tmp_path: Path) -> None:
    with pytest.raises(FileRefused) as raised:
        imported(write_jsonl(tmp_path / "a.jsonl", [{"timestamp": "x"}] * (SHOWN + 5)))

    assert f"row {SHOWN}:" in str(raised.value)
    assert f"row {SHOWN + 1}:" not in str(raised.value)
    assert "and 5 more" in str(raised.value)


def test_asked_for_the_good_rows_are_imported_and_the_bad_ones_noted(tmp_path: Path) -> None:
    run = imported(write_jsonl(tmp_path / "a.jsonl", [*rows(2), {"event_type": "x"}, *rows(4)[2:]]), skip_bad_rows=True)

    assert (run.state, run.fetched) == (SyncRun.State.SUCCEEDED, 4)
    assert run.notes[0] == "1 rows were left out"
    assert run.notes[1].startswith("row 3: ")
    assert CandidateEvent.objects.count() == 4


def test_a_file_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("".join(write_jsonl(tmp_path / "x", rows(3000)).read_text()).encode())[:-500])

    with pytest.raises(NotConfigured, match="cannot be read"):
        imported(path)

    assert not RawEvent.objects.exists()
    assert SyncRun.objects.get().state == SyncRun.State.FAILED


def test_an_empty_file_is_a_run_that_brought_nothing(tmp_path: Path) -> None:
    run = imported(write_jsonl(tmp_path / "a.jsonl", []))

    assert (run.state, run.fetched) == (SyncRun.State.SUCCEEDED, 0)


def test_an_import_cut_off_in_the_middle_is_failed_and_can_be_repeated(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed stays and flows; the rest comes with the second try."""
    settings.BATCH_SIZE = 10
    connector, path = file_connector(), write_jsonl(tmp_path / "a.jsonl", rows(60))
    commit, committed = importing._commit, []

    def cut_off(*arguments: Any) -> None:
        if len(committed) == 2:
            raise KeyboardInterrupt
        committed.append(commit(*arguments))

    with monkeypatch.context() as patched:
        patched.setattr(importing, "_commit", cut_off)
        with pytest.raises(KeyboardInterrupt):
            imported(path, connector)
    walk()
    first = SyncRun.objects.get()
    assert (first.state, first.error_code) == (SyncRun.State.FAILED, "interrupted")
    assert "Run the same command again" in first.error
    assert 0 < CandidateEvent.objects.count() < 60

    assert imported(path, connector).state == SyncRun.State.SUCCEEDED
    assert CandidateEvent.objects.count() == 60


def test_two_imports_may_run_beside_a_poll(tmp_path: Path) -> None:
    connector = file_connector(provider="bamboohr")
    SyncRun.objects.create(connector=connector, mode=SyncRun.Mode.DELTA)

    assert imported(write_jsonl(tmp_path / "a.jsonl", rows(1)), connector).state == SyncRun.State.SUCCEEDED
    assert imported(write_jsonl(tmp_path / "b.jsonl", rows(2)), connector).state == SyncRun.State.SUCCEEDED


def test_progress_is_told_to_the_last_row(tmp_path: Path) -> None:
    told: list[int] = []

    imported(write_jsonl(tmp_path / "a.jsonl", rows(3)), progress=told.append)

    assert told[-1] == 3


MEASURE = """
import sys
from pathlib import Path
from connectors.files.reading import read_rows
from connectors.files.rows import encode
for number, row in read_rows(Path(sys.argv[1]), {}):
    encode(row)
# not ru_maxrss: Linux counts into that what the parent had before exec
print(number, next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def test_checking_a_large_file_takes_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    peaks = {}
    for number in (2_000, 60_000):
        path = tmp_path / f"{number}.jsonl.gz"
        bench.write_file(bench.Shape(events=number), path)
        said = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True).stdout.split()
        assert int(said[0]) == number
        peaks[number] = int(said[1])

    assert peaks[60_000] < peaks[2_000] + 8_000, "kilobytes"


@pytest.mark.parametrize("bad", ["does-not-exist.csv", "."])
def test_a_file_that_is_none_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(NotConfigured, match="cannot be read"):
        imported(tmp_path / bad)
