"""What is on the screen as CSV: one line per cell or person, nested fields joined by dots."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rest_framework.renderers import BaseRenderer

from analytics.exporting import spreadsheet_safe

Row = Mapping[str, Any]


class CsvRenderer(BaseRenderer):
    """``?format=csv``, or ``Accept: text/csv``. The view says with ``csv_rows(data)`` what a line is."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None) -> bytes:
        context = renderer_context or {}
        return to_csv(flat(row) for row in context["view"].csv_rows(data)).encode()


def to_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """With the columns of all rows, in the order in which they first appear."""
    rows = list(rows)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerow(columns)
    writer.writerows([spreadsheet_safe(row.get(column)) for column in columns] for row in rows)
    return out.getvalue()


def flat(row: Row, prefix: str = "") -> dict[str, Any]:
    """``{"stage": {"name": "Screen"}}`` becomes ``{"stage.name": "Screen"}``; lists become their length or their words."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            found[name] = (
                len(value) if value and isinstance(value[0], Mapping) else " ".join("" if one is None else str(one) for one in value)
            )
        else:
            found[name] = value.isoformat() if isinstance(value, datetime) else value
    return found
