"""The words the connector's run tests share: filling an account, letting time pass, reading what a run told."""

from __future__ import annotations

from datetime import datetime, timedelta

from connectors.base import Page
from connectors.events import NormalizedEvent
from tests.connectors.bamboohr.harness import RUN_1, Bamboo, Desk, Reply, Run

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
BROKEN = Reply(status=500)
#: the filters without which the list hides people
EVERYTHING = {"applicationStatus": "ALL", "jobStatusGroups": "ALL"}


def people(bamboo: Bamboo, count: int, *, status: int = 1) -> None:
    for number in range(1, count + 1):
        bamboo.apply(number, at=RUN_1 - DAY * 30 + HOUR * number, status=status)


def later(desk: Desk, **span: float) -> datetime:
    desk.clock.pass_time(**(span or {"minutes": 10}))
    return desk.clock.now().replace(microsecond=0)


def kinds(run: Run) -> list[str]:
    return [str(event.event_type) for event in run.events]


def forget_requests(desk: Desk) -> None:
    desk.bamboo.server.asked.clear()


def events_of(desk: Desk, pages: list[Page]) -> list[NormalizedEvent]:
    seen = [observation for page in pages for observation in page.observations]
    return [event for observation in seen for event in desk.provider.map(observation.kind, observation.payload).events]
