"""One row of an import file: what it may hold, how it is read, and what is wrong with it.

Pure. A row names one event, and may tell facts (a title, a name) on the way. Columns not listed here are dropped,
so no résumé or salary ever reaches the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from connectors.events import EventType, JobStatus, Precision, StageCategory, are_bounds

#: longest id, word or name accepted; the ledger's columns are made for it
LONGEST = 200
LONGEST_EVENT_ID = 500

EVENT_WORDS = frozenset(EventType)
#: columns with a closed vocabulary
WORDS: dict[str, type[Precision | StageCategory | JobStatus]] = {
    "precision": Precision,
    "job_status": JobStatus,
    "stage_from_category": StageCategory,
    "stage_to_category": StageCategory,
}

#: longest facts, as their columns have it; the names of stages and departments are as short as ids
LENGTHS = {
    "candidate_name": 300,
    "candidate_email": 300,
    "source": 200,
    "job_title": 300,
    "department": 200,
    "stage_from_name": 200,
    "stage_to_name": 200,
}
Upto200 = Annotated[str, msgspec.Meta(max_length=200)]
Upto300 = Annotated[str, msgspec.Meta(max_length=300)]

Text = str | int | float | None


class RowError(ValueError):
    """What is wrong with a row, naming the column and what to do. Holds no value of a person's field."""


class ImportRow(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """A row as it is kept in the inbox. Times are aware; ids are text."""

    event_type: EventType
    provider_event_id: str
    timestamp: datetime
    application_external_id: str | None = None
    candidate_external_id: str | None = None
    job_external_id: str | None = None
    stage_from: str | None = None
    stage_to: str | None = None
    actor: str | None = None
    actor_id: str | None = None
    recorded_at: datetime | None = None
    precision: Precision = Precision.EXACT
    metadata: dict[str, Any] = {}
    candidate_name: Upto300 | None = None
    candidate_email: Upto300 | None = None
    source: Upto200 | None = None
    job_title: Upto300 | None = None
    department: Upto200 | None = None
    job_status: JobStatus | None = None
    job_opened_at: datetime | None = None
    stage_from_name: Upto200 | None = None
    stage_to_name: Upto200 | None = None
    stage_from_category: StageCategory | None = None
    stage_to_category: StageCategory | None = None


COLUMNS = tuple(field.name for field in msgspec.structs.fields(ImportRow))


class _Loose(msgspec.Struct, kw_only=True):
    """A JSONL row as people write it: ids may be numbers, times are still text."""

    event_type: Text = None
    provider_event_id: Text = None
    timestamp: Text = None
    application_external_id: Text = None
    candidate_external_id: Text = None
    job_external_id: Text = None
    stage_from: Text = None
    stage_to: Text = None
    actor: Text = None
    actor_id: Text = None
    recorded_at: Text = None
    precision: Text = None
    metadata: dict[str, Any] | str | None = None
    candidate_name: Text = None
    candidate_email: Text = None
    source: Text = None
    job_title: Text = None
    department: Text = None
    job_status: Text = None
    job_opened_at: Text = None
    stage_from_name: Text = None
    stage_to_name: Text = None
    stage_from_category: Text = None
    stage_to_category: Text = None


_strict = msgspec.json.Decoder(ImportRow)
_loose = msgspec.json.Decoder(_Loose)
_any = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode


def from_json(line: bytes, columns: Mapping[str, str] | None = None) -> ImportRow:
    """A JSONL line as a checked row; ``columns`` maps the file's names to ours. Raises ``RowError``."""
    try:
        if not columns:
            try:
                # the common case, a file in our own words, decoded and type-checked in one go
                return checked(_strict.decode(line))
            except msgspec.ValidationError:
                return from_values(msgspec.structs.asdict(_loose.decode(line)))
        return from_values({columns.get(name, name): value for name, value in _any.decode(line).items()})
    except RowError:
        raise
    except msgspec.ValidationError as error:
        raise RowError(f"a column has the wrong type ({error}); ids and words are text, metadata is an object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RowError(f"not a JSON object ({error}); write one object per line, in UTF-8.") from None


def from_values(values: Mapping[str, Any]) -> ImportRow:
    """Named values (a CSV row, a loosely typed JSON object) as a checked row. Raises ``RowError``."""
    given = {name: values[name] for name in COLUMNS if values.get(name) not in (None, "")}
    texts: dict[str, Any] = {name: _text(name, value) for name, value in given.items() if name != "metadata"}
    for name in ("timestamp", "recorded_at", "job_opened_at"):
        if name in texts:
            texts[name] = _moment(name, texts[name])
    if "metadata" in given:
        texts["metadata"] = _metadata(given["metadata"])
    for name in ("event_type", "timestamp"):
        if name not in texts:
            raise RowError(f"{name} is missing; every row needs one.")
    if texts["event_type"] not in EVENT_WORDS:
        # kept, never refused: the word rides along and the event becomes ``unknown``
        texts["metadata"] = {**texts.get("metadata", {}), "original_event_type": texts["event_type"]}
        texts["event_type"] = EventType.UNKNOWN
    texts["event_type"] = EventType(texts["event_type"])
    for name, words in WORDS.items():
        if name in texts:
            texts[name] = _word(name, texts[name], words)
    for name, longest in LENGTHS.items():
        if len(texts.get(name, "")) > longest:
            raise RowError(f"{name} is longer than {longest} characters.")
    texts.setdefault("provider_event_id", "")
    return checked(ImportRow(**texts))


def checked(row: ImportRow) -> ImportRow:
    """The row with its identity complete and its times aware. Raises ``RowError``."""
    row.timestamp = _aware("timestamp", row.timestamp)
    if row.recorded_at is not None:
        row.recorded_at = _aware("recorded_at", row.recorded_at)
    if row.job_opened_at is not None:
        row.job_opened_at = _aware("job_opened_at", row.job_opened_at)
    if row.precision is Precision.BOUNDED and "bounds" in row.metadata and not are_bounds(row.metadata["bounds"]):
        raise RowError("metadata.bounds must be two times like 2026-10-14T13:30:05+00:00, the earlier one first.")
    _complete_identity(row)
    return row


def encode(row: ImportRow) -> bytes:
    """The row as the JSON kept in the inbox. Raises ``RowError`` for what PostgreSQL's text cannot hold."""
    encoded = _encode(row)
    if b"\\u0000" in encoded:
        raise RowError("a value contains the NUL character (\\u0000); remove it.")
    return encoded


def _complete_identity(row: ImportRow) -> None:
    if row.event_type == EventType.JOB_STATUS_CHANGED:
        if not row.job_external_id:
            raise RowError("job_external_id is missing; an event about a job needs one.")
        if not row.job_status:
            raise RowError("job_status is missing; a job_status_changed event says which status the job got.")
    elif not row.application_external_id:
        if not (row.candidate_external_id and row.job_external_id):
            raise RowError("application_external_id is missing; give it, or both candidate_external_id and job_external_id.")
        row.application_external_id = f"{row.candidate_external_id}@{row.job_external_id}"
    if row.application_external_id and not row.candidate_external_id:
        row.candidate_external_id = row.application_external_id
    if not row.provider_event_id:
        row.provider_event_id = _built_id(row)
    if len(row.provider_event_id) > LONGEST_EVENT_ID:
        raise RowError(f"provider_event_id is longer than {LONGEST_EVENT_ID} characters.")
    for name in ("application_external_id", "candidate_external_id", "job_external_id", "stage_from", "stage_to", "actor_id", "actor"):
        value = getattr(row, name)
        if value is not None and len(value) > LONGEST:
            raise RowError(f"{name} is longer than {LONGEST} characters.")


def _built_id(row: ImportRow) -> str:
    """A deterministic id from who, what and the source's own time: the same fact gives the same id anywhere."""
    subject = f"app:{row.application_external_id}" if row.application_external_id else f"job:{row.job_external_id}"
    moment = row.timestamp.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    # what tells two facts of one kind and moment apart: where to, which word, or who
    what = row.stage_to or row.job_status or row.metadata.get("original_event_type") or row.actor_id or row.actor or ""
    return f"file:{subject}:{row.event_type}:{what}:{moment}"


def _word(name: str, word: str, words: type[Precision | StageCategory | JobStatus]) -> Precision | StageCategory | JobStatus:
    try:
        return words(word)
    except ValueError:
        raise RowError(f"{name} {word[:40]!r} is not known; use one of {', '.join(sorted(words))}.") from None


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError(f"{name} must be text.")
    return value.strip() if isinstance(value, str) else str(value)


def _moment(name: str, value: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise RowError(f"{name} {value[:40]!r} is not an ISO 8601 time; write it like 2026-10-14T13:30:05+00:00.") from None


def _aware(name: str, moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise RowError(f"{name} has no UTC offset; write it like 2026-10-14T13:30:05+00:00, nothing is guessed.")
    if not 1970 <= moment.year <= 2200:
        raise RowError(f"{name} lies in the year {moment.year}; expected 1970 to 2200.")
    return moment


def _metadata(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = _any.decode(value)
        except msgspec.MsgspecError:
            raise RowError("metadata is not a JSON object.") from None
    if not isinstance(value, dict):
        raise RowError("metadata is not a JSON object.")
    return value
