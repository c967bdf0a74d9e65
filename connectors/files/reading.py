"""Reading an import file: plain or gzip, CSV or JSONL, row by row with its number, in constant memory. No database."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, TextIO

from connectors.exceptions import NotConfigured
from connectors.files.rows import COLUMNS, ImportRow, RowError, from_json, from_values

#: rows of either kind are bounded, so that a file without line breaks cannot fill the memory
LONGEST_LINE = 1_000_000

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

#: of the columns there are, in the sentence about those that are missing
MOST_OF_A_HEADER = 500

#: a row, or what is wrong with it
Read = tuple[int, ImportRow | RowError]


def read_rows(path: Path, columns: Mapping[str, str]) -> Iterator[Read]:
    """``(row number, row or error)``; numbers are those an editor shows. Raises ``NotConfigured`` for an unusable file.

    ``columns`` maps the file's column names to ours; names not mapped keep their own.
    """
    unknown = sorted(set(columns.values()) - set(COLUMNS))
    if unknown:
        raise NotConfigured(f"--map names unknown fields: {', '.join(unknown)}. Known are {', '.join(COLUMNS)}.")
    try:
        with _open(path) as file:
            yield from _read_csv(file, columns) if _is_csv(path) else _read_jsonl(file, columns)
    except (OSError, EOFError, zlib.error) as error:
        raise NotConfigured(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def estimated_rows(path: Path) -> int:
    """About how many rows the file has, from its size and its first rows; for sizing batches, not for counting."""
    try:
        with _open(path) as file:
            head = file.read(256 * 1024)
        lines = head.count(b"\n")
        return max(1, int(_unpacked_size(path) / (len(head) / lines))) if lines else 1
    except (OSError, EOFError, zlib.error):
        return 1  # who reads its rows will say what is wrong


def _unpacked_size(path: Path) -> int:
    if not _is_gzip(path):
        return path.stat().st_size
    with path.open("rb") as file:  # a gzip file ends with its unpacked size, modulo 2^32
        file.seek(-4, io.SEEK_END)
        told = int.from_bytes(file.read(4), "little")
    return max(told, path.stat().st_size * 3)


def _open(path: Path) -> BinaryIO:
    return gzip.open(path, "rb") if _is_gzip(path) else path.open("rb")  # type: ignore[return-value]


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _is_csv(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    last = suffixes[-1] if suffixes else ""
    if last in (".csv", ".tsv"):
        return True
    if last in (".jsonl", ".ndjson", ".json"):
        return False
    with _open(path) as file:  # no telling name: JSON lines begin with a brace
        return not file.read(64).lstrip(BYTE_ORDER_MARK + b" \t\r\n").startswith(b"{")


def _read_jsonl(file: BinaryIO, columns: Mapping[str, str]) -> Iterator[Read]:
    for number, line in enumerate(_lines(file), start=1):
        if line.isspace():
            continue
        try:
            yield number, from_json(line.removeprefix(BYTE_ORDER_MARK), columns)
        except RowError as error:
            yield number, error


def _read_csv(file: BinaryIO, columns: Mapping[str, str]) -> Iterator[Read]:
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="", errors="surrogateescape") as text:
        yield from _read_csv_text(text, columns)


def _read_csv_text(text: TextIO, columns: Mapping[str, str]) -> Iterator[Read]:
    head = text.readline(LONGEST_LINE)
    if any(char == "\x00" or "\udc80" <= char <= "\udcff" for char in head):  # UTF-16, or a spreadsheet's own format
        raise NotConfigured("The first line is not text in UTF-8; save the file as CSV in UTF-8.")
    delimiter = max(",;\t", key=head.count)
    header = next(csv.reader([head], delimiter=delimiter), [])
    names = [columns.get(name.strip(), name.strip()) for name in header]
    _check_header(header, names, columns)
    reader = csv.reader(text, delimiter=delimiter)
    try:
        for values in reader:
            if not values:
                continue
            yield reader.line_num + 1, _csv_row(names, values)
    except csv.Error as error:
        yield reader.line_num + 1, RowError(f"not readable as CSV ({error}).")


def _csv_row(names: list[str], values: list[str]) -> ImportRow | RowError:
    if len(values) != len(names):
        return RowError(f"has {len(values)} values, the header names {len(names)} columns.")
    if any("\udc80" <= char <= "\udcff" for value in values for char in value if not value.isascii()):
        return RowError("is not UTF-8; save the file as UTF-8.")
    try:
        return from_values(dict(zip(names, values, strict=True)))
    except RowError as error:
        return error


def _check_header(header: list[str], names: list[str], columns: Mapping[str, str]) -> None:
    missing = [name for name in ("event_type", "timestamp") if name not in names]
    if missing:
        raise NotConfigured(
            f"The file has no column {' or '.join(missing)}; it has {', '.join(header)[:MOST_OF_A_HEADER] or 'no header'}. "
            "Use --map COLUMN=FIELD to name them."
        )
    absent = sorted(set(columns) - {name.strip() for name in header})
    if absent:
        raise NotConfigured(f"--map names columns that the file does not have: {', '.join(absent)}.")
    doubled = sorted({name for name in names if names.count(name) > 1 and name in COLUMNS})
    if doubled:
        raise NotConfigured(f"Two columns both mean {', '.join(doubled)}; map one of them to something else.")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE):
        yield line
