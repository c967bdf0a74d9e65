"""Files as they come: plain or packed, CSV of every dialect, JSON lines, with and without a telling name. No database."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from connectors.exceptions import NotConfigured
from connectors.files.reading import LONGEST_LINE, estimated_rows, read_rows
from connectors.files.rows import ImportRow, RowError

WHEN = "2026-10-14T13:30:05+00:00"
ROWS = [
    {"event_type": "application_created", "timestamp": WHEN, "application_external_id": str(n), "candidate_name": 'Žofie, "Zo"\nN.'}
    for n in range(3)
]


def as_csv(delimiter: str = ",", newline: str = "\r\n") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(ROWS[0]), delimiter=delimiter, lineterminator=newline)
    writer.writeheader()
    writer.writerows(ROWS)
    return text.getvalue().encode()


def as_jsonl(newline: str = "\n") -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + newline for row in ROWS).encode()


BOM = b"\xef\xbb\xbf"
FILES: dict[str, tuple[str, bytes]] = {
    "csv": ("a.csv", as_csv()),
    "csv with bom": ("a.csv", BOM + as_csv()),
    "csv with semicolons": ("a.csv", as_csv(";")),
    "csv with unix line ends": ("a.csv", as_csv(newline="\n")),
    "tsv": ("a.tsv", as_csv("\t")),
    "tsv by another name": ("a.csv", as_csv("\t")),
    "packed csv": ("a.csv.gz", gzip.compress(as_csv())),
    "packed csv that does not say so": ("a.csv", gzip.compress(as_csv())),
    "csv in capitals": ("A.CSV", as_csv()),
    "csv without a name": ("export", as_csv()),
    "jsonl": ("a.jsonl", as_jsonl()),
    "jsonl with bom": ("a.jsonl", BOM + as_jsonl()),
    "jsonl with windows line ends": ("a.jsonl", as_jsonl("\r\n")),
    "jsonl with empty lines": ("a.jsonl", b"\n" + as_jsonl().replace(b"\n", b"\n \n")),
    "jsonl without a last line end": ("a.jsonl", as_jsonl().rstrip()),
    "packed jsonl": ("a.jsonl.gz", gzip.compress(as_jsonl())),
    "ndjson": ("a.ndjson", as_jsonl()),
    "jsonl without a name": ("export", b"\n " + as_jsonl()),
    "jsonl without a name but with bom": ("export", BOM + as_jsonl()),
    "packed jsonl without a name": ("export", gzip.compress(as_jsonl())),
}


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def read(path: Path, **columns: str) -> list[Any]:
    return [row for _, row in read_rows(path, columns)]


@pytest.mark.parametrize("kind", FILES)
def test_the_same_rows_come_out_of_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    rows = read(written(tmp_path, *FILES[kind]))

    assert all(isinstance(row, ImportRow) for row in rows), rows
    assert [row.application_external_id for row in rows] == ["0", "1", "2"]
    assert {row.candidate_name for row in rows} == {ROWS[0]["candidate_name"]}


def test_rows_carry_the_numbers_an_editor_shows(tmp_path: Path) -> None:
    text = "event_type,timestamp,application_external_id,metadata\n" + f"stage_changed,{WHEN},1,\n" + f'stage_changed,{WHEN},2,"{{\n}}"\n'
    text += "stage_changed,yesterday,3,\n\n" + f"stage_changed,{WHEN},4\n"

    found = list(read_rows(written(tmp_path, "a.csv", text.encode()), {}))

    assert [number for number, _ in found] == [2, 4, 5, 7], "of a row of several lines the last"
    assert "timestamp 'yesterday'" in str(found[2][1])
    assert "3 values, the header names 4" in str(found[3][1])


def test_a_bad_line_does_not_hide_the_good_ones_around_it(tmp_path: Path) -> None:
    lines = as_jsonl().splitlines(keepends=True)
    found = list(read_rows(written(tmp_path, "a.jsonl", lines[0] + b"{nonsense\n" + lines[1] + b"\xff\n" + lines[2]), {}))

    assert [(number, isinstance(row, RowError)) for number, row in found] == [(1, False), (2, True), (3, False), (4, True), (5, False)]


def test_a_file_in_another_encoding_is_told_row_by_row(tmp_path: Path) -> None:
    latin = "event_type,timestamp,application_external_id,candidate_name\n" + f"stage_changed,{WHEN},1,Jörg\nstage_changed,{WHEN},2,Ann\n"

    bad, good = read(written(tmp_path, "a.csv", latin.encode("latin-1")))

    assert "not UTF-8" in str(bad)
    assert good.candidate_name == "Ann"


def test_columns_can_be_named_anew(tmp_path: Path) -> None:
    text = f"What,When,App,Stage\nstage_changed,{WHEN},1,2\n"
    mapping = {"What": "event_type", "When": "timestamp", "App": "application_external_id", "Stage": "stage_to"}

    (row,) = read(written(tmp_path, "a.csv", text.encode()), **mapping)
    (same,) = read(
        written(tmp_path, "a.jsonl", json.dumps({"What": "stage_changed", "When": WHEN, "App": 1, "Stage": 2}).encode()), **mapping
    )

    assert row == same
    assert (row.application_external_id, row.stage_to) == ("1", "2")


UNUSABLE = [
    (b"", {}, "no column event_type or timestamp; it has no header"),
    (b"a,b\n1,2\n", {}, "no column event_type or timestamp; it has a, b"),
    (b"event_type\n", {}, "no column timestamp"),
    (as_csv().decode().encode("utf-16"), {}, "not text in UTF-8"),
    (b"PK\x03\x04\x00\x00", {}, "not text in UTF-8"),
    ("Bewerbung;gr\u00f6\u00dfe\n".encode("latin-1"), {}, "not text in UTF-8"),
    (b"a," * 5000 + b"\n", {}, "no column event_type or timestamp"),
    (as_csv(), {"event_type": "kind"}, "--map names unknown fields: kind"),
    (as_csv(), {"Stage": "stage_to"}, "--map names columns that the file does not have: Stage"),
    (b"event_type,timestamp,stage_to,stage_to\n", {}, "Two columns both mean stage_to"),
    (b"event_type,timestamp,Stage,stage_to\n", {"Stage": "stage_to"}, "Two columns both mean stage_to"),
    (gzip.compress(as_csv() * 2000)[:-2000], {}, "cannot be read"),
    (b"\x1f\x8b\x08", {}, "cannot be read"),
]


@pytest.mark.parametrize(("content", "columns", "words"), UNUSABLE, ids=range(len(UNUSABLE)))
def test_an_unusable_file_is_refused_in_one_sentence(tmp_path: Path, content: bytes, columns: dict[str, str], words: str) -> None:
    path = written(tmp_path, "a.csv", content)

    with pytest.raises(NotConfigured) as raised:
        read(path, **columns)
    assert words in str(raised.value)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_file_without_line_breaks_fills_no_memory(tmp_path: Path, name: str) -> None:
    head = b"event_type,timestamp\n" if name.endswith("csv") else b""
    rows = read(written(tmp_path, name, head + b"x" * (3 * LONGEST_LINE)))

    assert rows
    assert all(isinstance(row, RowError) for row in rows)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("number", [1, 50, 20_000])
def test_the_number_of_rows_is_guessed_about_right(tmp_path: Path, number: int, packed: bool) -> None:
    content = (as_jsonl().splitlines(keepends=True)[0]) * number
    path = written(tmp_path, "a.jsonl", gzip.compress(content) if packed else content)

    assert number * 0.5 <= estimated_rows(path) <= number * 2 + 1
