"""Pages of a ranking that moves: the most overdue job first, while everybody grows older.

A cursor holds the moment by which its pages are ranked and the place of the job at the edge. Following pages are ranked
by that moment too, so that nobody is passed over because a row behind has overtaken one in front meanwhile.
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from django.utils import timezone
from rest_framework.exceptions import ValidationError

#: Minus the overdue days, title, id: what rows are sorted by.
Rank = tuple[float, str, int]
Row = TypeVar("Row")

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
#: A cursor serves for this long; the ranking of an older moment helps nobody.
CURSOR_LIFE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Cursor:
    ranked_at: datetime
    edge: Rank
    backward: bool = False

    def text(self) -> str:
        values = [int(self.backward), self.ranked_at.isoformat(), *self.edge]
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises ``ValidationError`` for what is no cursor of a heatmap, or too old."""
        try:
            backward, moment, overdue, title, job_id = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            ranked_at = datetime.fromisoformat(moment)
            if not (backward in (0, 1) and isinstance(overdue, int | float) and isinstance(title, str) and isinstance(job_id, int)):
                raise ValueError
            if not abs(timezone.now() - ranked_at) <= CURSOR_LIFE:
                raise ValueError
        except (ValueError, TypeError):
            raise ValidationError({"cursor": ["Not a cursor of this list, or too old; start with the first page."]}) from None
        return cls(ranked_at, (float(overdue), title, job_id), bool(backward))


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of the rows is wanted; without a size all of them."""

    size: int | None = None
    cursor: Cursor | None = None

    @classmethod
    def of(cls, given: dict[str, Any]) -> Paging:
        cursor = Cursor.parse(given["cursor"]) if given.get("cursor") else None
        return cls(given.get("page_size", DEFAULT_PAGE_SIZE if cursor else None), cursor)

    def ranked_at(self, now: datetime) -> datetime:
        return self.cursor.ranked_at if self.cursor else now

    def page(self, ranked: Sequence[tuple[Rank, Row]], now: datetime) -> Page[Row]:
        """The wanted part of rows sorted by rank."""
        first, last = 0, len(ranked)
        if self.cursor and self.cursor.backward:
            last = bisect_left(ranked, self.cursor.edge, key=lambda one: one[0])
            first = max(0, last - (self.size or 0))
        elif self.cursor:
            first = bisect_right(ranked, self.cursor.edge, key=lambda one: one[0])
        if self.size is not None:
            last = min(last, first + self.size)
        moment, shown = self.ranked_at(now), ranked[first:last]
        return Page(
            rows=[row for _, row in shown],
            next=Cursor(moment, shown[-1][0]) if shown and last < len(ranked) else None,
            previous=Cursor(moment, shown[0][0], backward=True) if shown and first > 0 else None,
            total=len(ranked),
        )


ALL = Paging()


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    rows: Sequence[Row]
    next: Cursor | None
    previous: Cursor | None
    total: int
