"""Evidence as people read it: keys become words, numbers keep their unit, moments their zone. Pure.

Rules write evidence for programs: nested, with ISO moments and units apart from values. What nobody has given words
to is shown all the same, under its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

UNITS = {"bd": "business day", "cd": "calendar day", "h": "hour", "hours": "hour", "days": "day", "s": "second", "seconds": "second"}
#: of a measured value, said in brackets behind it
QUALIFIERS = ("source", "level", "confidence", "n")
WORDS = {"entered_at": "In the stage since", "last_activity_at": "Last activity", "entry_precision": "Time of entry"}
#: entries of a list shown before the rest is counted
MOST = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One fact. ``depth`` says how far it is nested."""

    label: str
    text: str
    depth: int = 0


def lines(evidence: Mapping[str, Any], *, zone: tzinfo | None = None) -> list[Line]:
    """Evidence, one fact a line, in the order the rule wrote it. ``zone``: that of a page whose moments are all of it; without
    one they are of UTC and say so."""
    return list(_lines(evidence, zone, 0))


def _lines(evidence: Mapping[str, Any], zone: tzinfo | None, depth: int) -> Iterator[Line]:
    for key, value in evidence.items():
        label = WORDS.get(key, str(key).replace("_", " ").capitalize())
        if isinstance(value, Mapping) and "value" not in value:
            yield Line(label, "", depth)
            yield from _lines(value, zone, depth + 1)
        elif _is_list(value) and any(isinstance(item, Mapping) for item in value):
            yield Line(label, f"{len(value)}", depth)
            for item in value[:MOST]:
                yield Line("·", _inline(item, zone), depth + 1)
        else:
            yield Line(label, text(value, zone), depth)


def text(value: Any, zone: tzinfo | None = None) -> str:
    """A value in words: ``{"value": 5, "unit": "bd", "source": "default"}`` is ``5 business days (default)``."""
    if isinstance(value, Mapping):
        return _measured(value) if "value" in value else _inline(value, zone)
    if _is_list(value):
        shown = ", ".join(text(item, zone) for item in value[:MOST])
        return f"{shown} and {len(value) - MOST} more" if len(value) > MOST else shown or "none"
    if value is None or value == "":
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.1f}".removesuffix(".0")
    moment = _moment(value) if isinstance(value, str) else None
    return _told(moment, zone) if moment else str(value)


def _told(moment: datetime, zone: tzinfo | None) -> str:
    if zone is None or moment.tzinfo is None:
        return f"{moment:%a %d %b %Y, %H:%M} UTC"
    there = moment.astimezone(zone)
    return f"{there.day} {there:%b %Y, %H:%M}"


def _measured(value: Mapping[str, Any]) -> str:
    number, unit = text(value["value"]), UNITS.get(str(value.get("unit", "")), str(value.get("unit", "")))
    plural = "s" if unit in UNITS.values() and number != "1" else ""
    said = [f"n = {value[name]}" if name == "n" else str(value[name]) for name in QUALIFIERS if value.get(name) not in (None, "")]
    return f"{number} {unit}{plural}".rstrip() + (f" ({', '.join(said)})" if said else "")


def _inline(value: Any, zone: tzinfo | None) -> str:
    if not isinstance(value, Mapping):
        return text(value, zone)
    return ", ".join(f"{str(key).replace('_', ' ')} {text(item, zone)}" for key, item in value.items())


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _moment(value: str) -> datetime | None:
    """A date with a time; a bare number or word is none."""
    if len(value) < len("2026-01-01T00:00") or value[4:5] != "-":
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment
