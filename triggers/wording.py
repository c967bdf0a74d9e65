"""What people are told. Pure; no candidate is named: a sentence about an issue holds no personal data, and a link leads on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

#: tasks named in one message; the rest is counted, so that a first sync does not fill a screen
MOST = 15
#: of a title, so that a message stays one piece whatever carries it
LONGEST_TITLE = 160

WORST_FIRST = ("critical", "high", "medium", "low")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What of a task is told."""

    task_id: int
    title: str
    priority: str
    due_at: datetime | None
    assignee: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    subject: str
    body: str


def tasks_message(tasks: Sequence[Told], *, now: datetime, zone: str, link: str, named: bool) -> Message:
    """Tasks somebody has just got. ``named``: several people read it, so each line says whose it is."""
    count = len(tasks)
    subject = _short(tasks[0].title) if count == 1 else f"{count} tasks for you"
    if count > 1 and named:
        subject = f"{count} new tasks"
    return Message(subject=f"Stagewatch: {subject}", body=_body(tasks, now=now, zone=zone, link=link, named=named))


def digest_message(tasks: Sequence[Told], *, now: datetime, zone: str, link: str, named: bool) -> Message:
    """The day's list, once a day."""
    late = sum(1 for task in tasks if task.due_at is not None and task.due_at <= now)
    subject = f"Stagewatch today: {len(tasks)} {'task' if len(tasks) == 1 else 'tasks'}" + (f", {late} overdue" if late else "")
    return Message(subject=subject, body=_body(tasks, now=now, zone=zone, link=link, named=named))


TEST = Message(subject="Stagewatch: a test", body="This channel works. Nothing is asked of you.")


def _body(tasks: Sequence[Told], *, now: datetime, zone: str, link: str, named: bool) -> str:
    ordered = sorted(tasks, key=lambda task: (WORST_FIRST.index(task.priority), task.due_at is None, task.due_at or now, task.task_id))
    lines = [_line(task, now=now, zone=zone, named=named) for task in ordered[:MOST]]
    if len(ordered) > MOST:
        lines.append(f"… and {len(ordered) - MOST} more")
    if link:
        lines += ["", link]
    return "\n".join(lines)


def _line(task: Told, *, now: datetime, zone: str, named: bool) -> str:
    due = ""
    if task.due_at is not None:
        word = "overdue since" if task.due_at <= now else "due"
        due = f", {word} {task.due_at.astimezone(ZoneInfo(zone)):%a %d %b %H:%M}"
    whose = f", {task.assignee or 'nobody'}" if named else ""
    return f"[{task.priority}] {_short(task.title)} ({task.task_id}{due}{whose})"


def _short(title: str) -> str:
    line = " ".join(title.split())
    return line if len(line) <= LONGEST_TITLE else line[: LONGEST_TITLE - 1] + "…"
