"""How good the rules are: of the tasks people ended, how many they found useful."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet

from analytics.estimators import wilson_interval
from triggers.models import Task

#: tasks opened longer ago say little about the rules of today
WINDOW = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Tasks of one trigger rule (None: the default) about one type of issue, by what became of them.

    ``precision`` is useful / rated, with its 95 % Wilson interval; None while nobody has answered.
    """

    rule_id: int | None
    rule: str
    issue_type: str
    opened: int
    done: int
    dismissed: int
    obsolete: int
    rated: int
    useful: int

    @property
    def precision(self) -> float | None:
        return self.useful / self.rated if self.rated else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson_interval(self.useful, self.rated)


def outcomes(tasks: QuerySet[Task], *, now: datetime) -> list[Outcome]:
    """By rule and type of issue, most tasks first; one query."""
    counted = (
        tasks.filter(created_at__gte=now - WINDOW)
        .order_by()
        .values("rule_id", "rule__name", "rule__issue_type", "issue__issue_type")
        .annotate(
            opened=Count("pk"),
            done=Count("pk", filter=Q(status=Task.Status.DONE)),
            dismissed=Count("pk", filter=Q(status=Task.Status.DISMISSED)),
            obsolete=Count("pk", filter=Q(status=Task.Status.OBSOLETE)),
            rated=Count("pk", filter=Q(useful__isnull=False)),
            useful=Count("pk", filter=Q(useful=True)),
        )
        .order_by("-opened", "rule_id", "issue__issue_type")
    )
    return [
        Outcome(
            rule_id=row["rule_id"],
            rule=_name(row),
            issue_type=row["issue__issue_type"],
            **{name: row[name] for name in ("opened", "done", "dismissed", "obsolete", "rated", "useful")},
        )
        for row in counted
    ]


def _name(row: Mapping[str, Any]) -> str:
    if row["rule_id"] is None:
        return "default"
    return str(row["rule__name"] or f"rule {row['rule_id']} ({row['rule__issue_type'] or 'any issue'})")
