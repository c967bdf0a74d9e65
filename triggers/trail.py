"""Every change of a task leaves a row, written in the transaction that makes it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from accounts.models import User
from config import telemetry
from triggers.models import Task, TaskChange

What = TaskChange.What


def opened(tasks: Iterable[Task], *, at: datetime, actor: User | None = None) -> None:
    rows = [TaskChange(task=task, at=at, actor=actor, what=What.OPENED, after=_word(task.assignee)) for task in tasks]
    TaskChange.objects.bulk_create(rows, batch_size=2000)
    telemetry.count_after_commit(telemetry.TASK_OUTCOMES, len(rows), outcome="opened")


def edited(task: Task, before: dict[str, Any], *, at: datetime, actor: User | None) -> None:
    """``before``: the changed fields as they were. Of a note only the fact is kept."""
    TaskChange.objects.bulk_create(
        TaskChange(
            task=task,
            at=at,
            actor=actor,
            what=What(name),
            before="" if name == What.NOTE else _word(value),
            after="" if name == What.NOTE else _word(getattr(task, name)),
        )
        for name, value in before.items()
    )


def moved(task: Task, what: What, *, before: Any, at: datetime, after: Any) -> TaskChange:
    """An unsaved row about a task the machine gave to somebody, or told somebody of."""
    return TaskChange(task=task, at=at, what=what, before=_word(before), after=_word(after))


def _word(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, User):
        return value.get_username()[:150]
    if isinstance(value, datetime):
        return value.isoformat(timespec="minutes")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)[:150]
