"""Two workers at the same moment, each held exactly where it could step on the other's toes.

One thread stops inside its open transaction; the other runs until it is done or waits for a lock of the first. Whatever
comes of it must be what the ledger says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from analytics import rebuilding
from analytics.models import StageVisit
from ats.mapping import map_stage
from ats.models import Application, Stage
from config import flow
from connectors import batches
from connectors.events import StageCategory
from connectors.models import Batch
from issues.models import Issue
from tests.live import wait_until
from tests.walking import WORK, bring_in, event_row, file_connector, step, walk

T = datetime(2026, 9, 1, 9, tzinfo=UTC)
LATER = datetime(2026, 9, 2, 9, tzinfo=UTC)

pytestmark = pytest.mark.django_db(transaction=True)


class Worker(threading.Thread):
    """Runs ``work`` on a connection of its own. ``waits``: done, or standing at somebody's lock."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.error: BaseException | None = None
        self.pid = 0
        self.start()

    def run(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("select pg_backend_pid()")
                self.pid = cursor.fetchone()[0]
            self._work()
        except BaseException as error:
            self.error = error
        finally:
            connection.close()

    def waits(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from pg_locks where pid = %s and not granted", [self.pid])
            return not self.is_alive() or bool(cursor.fetchone()[0])

    def finish(self) -> None:
        self.join(60)
        assert not self.is_alive(), "the worker hangs"
        if self.error is not None:
            raise self.error


class Held:
    """A step whose work is done and whose transaction is still open."""

    def __init__(self, batch: Batch) -> None:
        self._reached, self._go_on = threading.Event(), threading.Event()

        def work(batch: Batch) -> bool | None:
            stays = WORK[batch.step](batch)
            self._reached.set()
            assert self._go_on.wait(60)
            return stays

        batch.refresh_from_db()
        self.worker = Worker(lambda: batches.carry(batch.pk, batch.step, work))
        assert self._reached.wait(60), self.worker.error

    def let_go(self) -> None:
        self._go_on.set()
        self.worker.finish()


class HeldAtEnd:
    """A last step that has moved its batch to the end, its transaction still open."""

    def __init__(self, batch: Batch) -> None:
        self._reached, self._go_on = threading.Event(), threading.Event()

        def carried() -> None:
            with transaction.atomic():
                assert step(batch.pk)
                self._reached.set()
                assert self._go_on.wait(60)

        self.worker = Worker(carried)
        assert self._reached.wait(60), self.worker.error

    def let_go(self) -> None:
        self._go_on.set()
        self.worker.finish()


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody else takes the batches."""
    monkeypatch.setattr(flow, "run", lambda batch_id, *, start: None)
    monkeypatch.setattr(flow, "send", lambda task, *args, **options: None)
    return


def carried_to(batch: Batch, door: str) -> Batch:
    while Batch.objects.get(pk=batch.pk).step != door:
        assert step(batch.pk)
    batch.refresh_from_db()
    return batch


def test_a_job_that_closes_while_its_rejections_are_measured_makes_them_clean_ups() -> None:
    connector = file_connector()
    applied = event_row("a", T, event_type="application_created", stage_to="s-1")
    rejected = event_row("b", LATER.replace(hour=10), event_type="application_rejected")
    closed = event_row("c", LATER, event_type="job_status_changed", job_status="closed", application_external_id=None)
    people, job = bring_in(connector, [applied, rejected], [closed], walked=False).batches.order_by("pk")
    carried_to(people, flow.MEASURE)

    held = Held(people)
    closing = Worker(lambda: carried_to(job, flow.DETECT))
    wait_until(closing.waits)
    held.let_go()
    closing.finish()

    assert StageVisit.objects.get().exit_kind == "job_closed"
    walk()
    assert not rebuilding.rebuild(organization_id=connector.organization_id, check=True)


def test_a_stage_that_finds_its_place_while_moves_are_measured_turns_them_round() -> None:
    connector = file_connector()
    first = [
        event_row("0", T, event_type="application_created", stage_to="s-1", application_external_id="a-0"),
        event_row("1", T, event_type="application_created", stage_to="s-2", stage_to_category="screen", application_external_id="a-1"),
    ]
    bring_in(connector, first)
    applied = event_row("a", T, event_type="application_created", stage_to="s-1")
    moved = event_row("b", LATER, stage_from="s-1", stage_to="s-2")
    placed = event_row("c", LATER, event_type="comment_added", stage_to="s-1", stage_to_category="offer", application_external_id="a-0")
    people, naming = bring_in(connector, [applied, moved], [placed], walked=False).batches.order_by("pk")

    held = Held(naming)
    moving = Worker(lambda: carried_to(people, flow.DETECT))
    wait_until(moving.waits)
    held.let_go()
    moving.finish()
    walk()

    assert StageVisit.objects.get(stage__external_id="s-1", left_at__isnull=False).exit_kind == "moved_back"
    assert not rebuilding.rebuild(organization_id=connector.organization_id, check=True)


def test_a_person_who_maps_a_stage_while_moves_are_measured_turns_them_round() -> None:
    connector = file_connector()
    applied = event_row("a", T, event_type="application_created", stage_to="s-1", stage_to_category="review")
    moved = event_row("b", LATER, stage_from="s-1", stage_to="s-2", stage_to_category="screen")
    people = bring_in(connector, [applied, moved], walked=False).batches.get()
    carried_to(people, flow.MEASURE)

    held = Held(people)
    mapping = Worker(lambda: map_stage(stage=Stage.objects.get(external_id="s-1"), category=StageCategory.OFFER, position=0))
    wait_until(mapping.waits)
    held.let_go()
    mapping.finish()
    walk()

    assert StageVisit.objects.get(stage__external_id="s-1").exit_kind == "moved_back"
    assert not rebuilding.rebuild(organization_id=connector.organization_id, check=True)


def test_the_sweep_and_an_event_about_the_same_people_queue_up_instead_of_deadlocking() -> None:
    """Both lock the application first: else one holds its watch and wants the application, and the other the reverse."""
    connector = file_connector()
    people = [f"a-{n}" for n in range(40)]
    created = [event_row(f"c-{name}", T, event_type="application_created", stage_to="s", application_external_id=name) for name in people]
    bring_in(connector, created)
    assert Issue.objects.filter(issue_type="stuck", is_group=False).count() == len(people)
    moved = [event_row(f"m-{name}", LATER, stage_to="t", application_external_id=name) for name in people]
    events = bring_in(connector, moved, walked=False).batches.get()
    carried_to(events, flow.DETECT)
    with connection.cursor() as cursor:
        cursor.execute("update issues_watch set due_at = now() - interval '1 day'")
    sweep = batches.start(organization_id=connector.organization_id, connector_id=connector.pk, kind=Batch.Kind.DUE, step=flow.DETECT)

    with transaction.atomic():
        # somebody at work on the last of them, until both stand in the queue
        Application.objects.select_for_update(no_key=True).get(external_id=people[-1])
        first = Worker(lambda: step(sweep.pk))
        wait_until(first.waits)
        second = Worker(lambda: step(events.pk))
        wait_until(second.waits)
        with connection.cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_locks l join pg_class c on c.oid = l.relation where c.relname = 'issues_watch' and l.pid = any(%s)"
                " and l.mode in ('RowShareLock', 'RowExclusiveLock')",
                [[first.pid, second.pid]],
            )
            assert cursor.fetchone()[0] == 0, "nobody holds a watch before the applications"
    first.finish()
    second.finish()
    walk()
    assert set(Issue.objects.exclude(status="resolved").values_list("stage__external_id", flat=True)) == {"t"}


def test_a_doubled_message_finds_the_batch_taken_and_goes_its_way() -> None:
    connector = file_connector()
    batch = bring_in(connector, [event_row("a", T, event_type="application_created", stage_to="s")], walked=False).batches.get()

    held = Held(batch)
    double = Worker(lambda: batches.carry(batch.pk, flow.NORMALIZE, WORK[flow.NORMALIZE]))
    double.finish()
    batch.refresh_from_db()
    assert (batch.step, batch.attempts) == (flow.NORMALIZE, 1), "it did not even count as an attempt"
    assert batches.offer_due(now=timezone.now() + timedelta(minutes=1)) == 0, "nor is it offered while somebody is at it"
    held.let_go()

    batch.refresh_from_db()
    assert batch.step == flow.SNAPSHOT


def test_two_batches_with_the_same_facts_count_each_once() -> None:
    connector = file_connector()
    row = event_row("a", T, event_type="application_created", stage_to="s")
    first, second = bring_in(connector, [row], [row], walked=False).batches.order_by("pk")

    held = Held(first)
    waiting = Worker(lambda: carried_to(second, flow.SNAPSHOT))
    wait_until(waiting.waits)
    held.let_go()
    waiting.finish()
    walk()

    counts = Batch.objects.filter(kind="events").order_by("pk").values_list("created_count", "skipped_count")
    assert list(counts) == [(1, 0), (0, 1)]
    assert not rebuilding.rebuild(organization_id=connector.organization_id, check=True)


def test_what_one_batch_could_not_commit_the_other_tells() -> None:
    """The first had the fact and died: the second, waiting behind it, is not told it was there."""
    connector = file_connector()
    row = event_row("a", T, event_type="application_created", stage_to="s")
    first, second = bring_in(connector, [row], [row], walked=False).batches.order_by("pk")

    def dying(batch: Batch) -> None:
        WORK[flow.NORMALIZE](batch)
        reached.set()
        assert go_on.wait(60)
        raise RuntimeError("killed")

    reached, go_on = threading.Event(), threading.Event()
    first_worker = Worker(lambda: batches.carry(first.pk, flow.NORMALIZE, dying))
    assert reached.wait(60)
    waiting = Worker(lambda: carried_to(second, flow.SNAPSHOT))
    wait_until(waiting.waits)
    go_on.set()
    with pytest.raises(RuntimeError, match="killed"):
        first_worker.finish()
    waiting.finish()
    walk()

    counts = Batch.objects.filter(kind="events").order_by("pk").values_list("created_count", "skipped_count")
    assert list(counts) == [(0, 1), (1, 0)]


def test_two_who_judge_the_same_person_find_one_issue_and_ask_for_one_task() -> None:
    connector = file_connector()
    bring_in(connector, [event_row("a", T, event_type="application_created", stage_to="s")])
    Issue.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("update issues_watch set due_at = now() - interval '1 day'")
    start = {"organization_id": connector.organization_id, "connector_id": connector.pk, "step": flow.DETECT}
    first, second = (batches.start(**start, kind=Batch.Kind.DUE) for _ in range(2))

    held = Held(first)
    waiting = Worker(lambda: carried_to(second, flow.DONE))
    wait_until(waiting.waits)
    held.let_go()
    waiting.finish()
    walk()

    assert Issue.objects.get().tasks.count() == 1


def test_of_two_batches_that_end_together_one_ends_the_run() -> None:
    connector = file_connector()
    rows = [event_row(name, T, event_type="application_created", stage_to="s", application_external_id=name) for name in ("a", "b")]
    run = bring_in(connector, rows[:1], rows[1:], walked=False)
    first, second = run.batches.order_by("pk")
    for batch in (first, second):
        carried_to(batch, flow.PUSH)

    held = HeldAtEnd(first)
    ending = Worker(lambda: step(second.pk))
    wait_until(ending.waits)
    held.let_go()
    ending.finish()

    run.refresh_from_db()
    assert run.state == run.State.SETTLING
    assert run.batches.filter(kind="due").count() == 1
