"""The truth of the simulated organization: an ordered list of timestamped changes, and nothing else.

Whatever the server answers is a fold over this list (``state``), so a test can ask what really happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from gzip import GzipFile
from typing import IO, Any

import msgspec


class Kind(StrEnum):
    JOB_OPENED = "job_opened"  #: facts: title, department, location, lead, recruiter, ...; status_to
    JOB_STATUS = "job_status"
    JOB_REPOSTED = "job_reposted"
    APPLIED = "applied"  #: facts: the person, ``applied_at`` if the date was entered by hand, ``moved_from``
    APPLIED_DATE = "applied_date"  #: value: the corrected date, epoch seconds
    STATUS = "status"  #: facts (optional): ``moved_to``
    COMMENT = "comment"
    EMAIL = "email"
    RATING = "rating"  #: value: 1 to 5
    REASSIGNED = "reassigned"  #: moved to ``job_id`` in place; facts: ``job_from``
    REMOVED = "removed"  #: gone for good: neither listed nor found


class Change(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One thing that happened. ``seq`` counts from 1 without gaps; ``at`` is in epoch seconds (UTC)."""

    seq: int
    at: int
    kind: Kind
    application_id: int = 0
    job_id: int = 0
    #: user id of whoever did it; None means the system, the candidate or the API
    actor: int | None = None
    status_from: int | None = None
    status_to: int | None = None
    value: int | None = None
    facts: dict[str, Any] | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Change)


def write_lines(stream: IO[bytes] | GzipFile, changes: Iterable[Change]) -> None:
    for change in changes:
        stream.write(_encoder.encode(change) + b"\n")


def read_lines(lines: Iterable[bytes]) -> Iterator[Change]:
    """Decode one change per line; a malformed line raises ``msgspec.DecodeError``."""
    for line in lines:
        yield _decoder.decode(line)
