"""What four worker processes count together is what the rows say. Real processes, real scrape."""

from __future__ import annotations

import re
import urllib.request
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.db.models import Count, Sum
from django.utils import timezone

from config import flow, telemetry_folder
from connectors import inbox
from connectors.base import Observation
from connectors.models import Batch, Connector, SyncRun
from issues.models import IssueTransition
from tests.live import LiveStack, wait_until
from tests.walking import bring_in, event_row, file_connector
from triggers.models import Task

pytestmark = pytest.mark.stack

#: all words that label a metric of ours; none of them is an organization, a person or an id
LABELS = {
    "step", "outcome", "queue", "task", "kind", "reason", "result", "schedule", "process", "state", "status", "rule", "by",
    "provider", "endpoint", "le", "table",
}  # fmt: skip

LONG_AGO = datetime(2026, 9, 1, 9, tzinfo=UTC)


def scrape(address: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def total(samples: dict[str, float], name: str, *labels: str) -> float:
    return sum(value for key, value in samples.items() if key.partition("{")[0] == name and all(one in key for one in labels))


def bring_people(connector: Connector, numbers: Iterable[int]) -> None:
    """Each with five facts, two of them told twice."""
    for n in numbers:
        rows = [event_row(f"a{n}-{k}", LONG_AGO + timedelta(hours=k), application_external_id=f"n-{n}", stage_to="s") for k in range(5)]
        bring_in(connector, rows, rows[:2], walked=False)


def wait_for_the_end_of_the_road() -> None:
    wait_until(lambda: not Batch.objects.filter(finished_at=None, failed_at=None).exists(), timeout=90, what="the end of the road")
    wait_until(lambda: not SyncRun.objects.exclude(state__in=SyncRun.ENDED).exists(), timeout=60, what="the end of all runs")


def kill_idle_children(pid: int) -> set[int]:
    """kill -9 of all pool processes of a worker; returns once others have taken their place."""
    parent = psutil.Process(pid)
    before = {child.pid for child in parent.children()}
    for child in parent.children():
        child.kill()
    wait_until(lambda: len({child.pid for child in parent.children()} - before) >= 4, what="children in the place of the killed")
    return before


def test_four_children_count_what_the_rows_say(live_stack: LiveStack, tmp_path: Path) -> None:
    live_stack.environment[telemetry_folder.VARIABLE] = str(tmp_path / "values")
    connector = file_connector()
    Connector.objects.update(fresh_at=timezone.now())  # so that rules may judge
    worker = live_stack.worker(concurrency=4)
    web = live_stack.web()

    bring_people(connector, range(6))
    inbox.store(connector, [Observation(kind="nonsense", payload={"no": "event"})])
    wait_for_the_end_of_the_road()
    wait_until(lambda: total(scrape(web), "stagewatch_task_seconds_count") > 0, what="a scrape")
    gone = kill_idle_children(worker.process.pid)
    wait_until(lambda: total(scrape(web), "stagewatch_task_seconds_count") > 0, what="a scrape that takes in what the killed had counted")
    bring_people(connector, range(6, 12))
    wait_for_the_end_of_the_road()

    rows = Batch.objects.aggregate(created=Sum("created_count"), skipped=Sum("skipped_count"), dead=Sum("failed_count"))
    ended = Batch.objects.filter(finished_at__isnull=False)

    expected = {
        **rows,
        "end to end": ended.filter(kind=Batch.Kind.EVENTS).count(),
        "last step": ended.count(),
    }

    def counted() -> dict[str, float]:
        samples = scrape(web)
        return {
            **{result: total(samples, "stagewatch_events_total", f'result="{result}"') for result in rows},
            "end to end": total(samples, "stagewatch_end_to_end_seconds_count"),
            "last step": total(samples, "stagewatch_step_seconds_count", 'outcome="done"', f'step="{flow.PUSH}"'),
        }

    # the last task counts itself just after its commit
    wait_until(lambda: counted() == expected, timeout=10, what="agreement of counters and rows")
    samples = scrape(web)
    assert rows["created"] == 12 * 5
    churn = Counter(dict(IssueTransition.objects.values_list("issue__issue_type").annotate(Count("pk")).order_by()))
    assert sum(churn.values()) > 0, "nothing was wrong with anybody"
    for rule, count in churn.items():
        assert total(samples, "stagewatch_issue_transitions_total", f'rule="{rule}"', 'by="rule"') == count
    assert total(samples, "stagewatch_followups_total", 'outcome="opened"') == Task.objects.count() > 0
    own = psutil.Process()
    given_way = {child.nice() for child in psutil.Process(worker.process.pid).children()}
    assert given_way == {min(19, own.nice() + settings.WORKER_NICENESS)}, "an import must leave the screens their time"
    pids = {path.stem.rpartition("_")[2] for path in (tmp_path / "values").glob("counter_*.db")}
    assert len(pids - {str(pid) for pid in gone}) > 4, "one process did it all"
    labels = {label for name in samples if name.startswith("stagewatch_") for label in re.findall(r'(\w+)="([^"]*)"', name)}
    assert {name for name, _ in labels} <= LABELS
    assert [value for _, value in labels if not re.fullmatch(r"[a-z0-9_.+-]{1,40}|[+]Inf", value)] == []
