"""What people are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from triggers.wording import LONGEST_TITLE, MOST, Told, digest_message, tasks_message

NOW = datetime(2026, 6, 3, 9, tzinfo=UTC)


def told(
    number: int = 1, *, priority: str = "high", due: timedelta | None = timedelta(days=1), title: str = "Decide", **fields: str
) -> Told:
    return Told(task_id=number, title=title, priority=priority, due_at=NOW + due if due is not None else None, **fields)


def test_one_task_is_its_own_subject() -> None:
    message = tasks_message(
        [told(title="Engineer: 20 days\nin Screen")], now=NOW, zone="Europe/Berlin", link="https://s.example/tasks", named=False
    )

    assert message.subject == "Stagewatch: Engineer: 20 days in Screen"
    assert message.body == "[high] Engineer: 20 days in Screen (1, due Thu 04 Jun 11:00)\n\nhttps://s.example/tasks"


def test_several_are_listed_worst_first_and_the_rest_counted() -> None:
    many = [told(number, priority="low") for number in range(MOST)] + [told(99, priority="critical", due=None)]

    message = tasks_message(many, now=NOW, zone="UTC", link="", named=False)

    assert message.subject == f"Stagewatch: {MOST + 1} tasks for you"
    lines = message.body.splitlines()
    assert lines[0] == "[critical] Decide (99)"
    assert (len(lines), lines[-1]) == (MOST + 1, "… and 1 more")


def test_where_several_read_it_each_line_says_whose_it_is() -> None:
    message = tasks_message([told(1, assignee="rita"), told(2)], now=NOW, zone="UTC", link="", named=True)

    assert message.subject == "Stagewatch: 2 new tasks"
    assert message.body.splitlines() == ["[high] Decide (1, due Thu 04 Jun 09:00, rita)", "[high] Decide (2, due Thu 04 Jun 09:00, nobody)"]


def test_the_day_s_list_counts_what_is_overdue() -> None:
    message = digest_message([told(1), told(2, due=-timedelta(hours=1))], now=NOW, zone="UTC", link="", named=False)

    assert message.subject == "Stagewatch today: 2 tasks, 1 overdue"
    assert "[high] Decide (2, overdue since Wed 03 Jun 08:00)" in message.body


def test_a_long_title_stays_one_line_of_bearable_length() -> None:
    message = tasks_message([told(title="x" * 400)], now=NOW, zone="UTC", link="", named=False)

    assert "x" * (LONGEST_TITLE - 1) + "…" in message.body
    assert "x" * LONGEST_TITLE not in message.body
