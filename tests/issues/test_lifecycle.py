from __future__ import annotations

import pytest

from issues.lifecycle import LEGAL, Action, IllegalAction, status_after

STATUSES = ("open", "acknowledged", "snoozed", "resolved")


@pytest.mark.parametrize(
    ("status", "action", "after"),
    [
        ("open", "acknowledge", "acknowledged"),
        ("snoozed", "acknowledge", "acknowledged"),
        ("open", "snooze", "snoozed"),
        ("acknowledged", "snooze", "snoozed"),
        ("open", "resolve", "resolved"),
        ("acknowledged", "resolve", "resolved"),
        ("snoozed", "resolve", "resolved"),
        ("acknowledged", "reopen", "open"),
        ("snoozed", "reopen", "open"),
        ("resolved", "reopen", "open"),
    ],
)
def test_each_legal_action_leads_to_its_status(status: str, action: str, after: str) -> None:
    assert status_after(status, Action(action)) == after


@pytest.mark.parametrize("action", [Action.ACKNOWLEDGE, Action.SNOOZE])
def test_a_resolved_issue_must_be_reopened_first(action: Action) -> None:
    with pytest.raises(IllegalAction, match="reopen it first"):
        status_after("resolved", action)


def test_every_action_leads_to_one_status_and_doing_it_twice_changes_nothing() -> None:
    for action, moves in LEGAL.items():
        assert set(moves) <= set(STATUSES)
        (after,) = set(moves.values())
        assert moves[after] == after, action
