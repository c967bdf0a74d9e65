"""A repeated task does not take over the process it runs in."""

from __future__ import annotations

import pytest

from analytics import tasks


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tasks, "monotonic", clock)
    return clock


def test_work_that_took_long_rests_in_proportion(clock: Clock) -> None:
    done: list[float] = []

    def work() -> None:
        done.append(clock.now)
        clock.now += 2

    restraint = tasks.Restraint(share=10)
    restraint.run(work)
    clock.now = 121.9
    restraint.run(work)
    assert done == [100.0], "it rests for twenty seconds after two of work"

    clock.now = 122.0
    restraint.run(work)
    assert done == [100.0, 122.0]
