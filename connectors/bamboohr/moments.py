"""BambooHR's ways of writing a moment, as UTC whole seconds.

Answers carry ISO 8601 with an offset; older models only a date; requests and webhooks a blank between
date and time, in UTC; employee dates ``0000-00-00`` for none. No value is known to be local time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec

ONE_DAY = timedelta(days=1)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
#: zero dates of databases ("0001-01-01", "1899-12-30") are not moments of a hiring process
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


class Moment(msgspec.Struct, frozen=True):
    """An instant; ``date_only`` means any instant of that UTC day, written as its first."""

    at: datetime
    date_only: bool = False

    def is_after(self, other: Moment) -> bool:
        """Later for certain: of a date and a moment within it neither is later."""
        if self.date_only or other.date_only:
            return self.at.date() > other.at.date()
        return self.at > other.at


def read(text: str | None) -> Moment | None:
    """None if there is no readable moment in ``text``. A moment without an offset is taken as UTC."""
    if not text:
        return None
    if _DATE.fullmatch(text):
        text, date_only = f"{text}T00:00:00+00:00", True
    else:
        date_only = False
    try:
        at = datetime.fromisoformat(text)
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        return None
    return Moment(at, date_only) if _EARLIEST < at < _LATEST else None


def whole_second(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)


def midpoint(lower: datetime, upper: datetime) -> datetime:
    """The middle of a gap, the best single guess for a change somewhere in it."""
    return whole_second(lower + (upper - lower) / 2)


def compact(at: datetime) -> str:
    """Basic format in UTC, as event keys hold it: ``20261014T133005Z``."""
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
