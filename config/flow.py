"""THE MAIN ROAD. Read this first.

A batch of raw payloads enters at the first step and leaves at the last as a message on the screen:

    ats.normalize           raw payloads      → facts in the ledger
    ats.refresh_snapshots   ledger            → how each application stands
    analytics.measure       ledger            → stage visits and counters
    issues.detect           snapshots, visits → what is wrong
    triggers.open_tasks     issues            → who should do what about it
    realtime.push           all of the above  → browsers

What travels through the broker is the id of a ``connectors.Batch`` row and nothing else. The row says
which step comes next, and each step moves it on in the transaction that does the step's work: a lost,
doubled or late message changes nothing but speed, and a sweep re-offers whatever stands still.

This module imports no app, so that every app may import it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from celery import chain, current_app, signature
from django.db import transaction
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

NORMALIZE = "ats.normalize"
SNAPSHOT = "ats.refresh_snapshots"
MEASURE = "analytics.measure"
DETECT = "issues.detect"
OPEN_TASKS = "triggers.open_tasks"
PUSH = "realtime.push"

STEPS = (NORMALIZE, SNAPSHOT, MEASURE, DETECT, OPEN_TASKS, PUSH)

#: Not a step: replays the past for a question a person asked, beside the road.
BACKTEST = "issues.backtest"

#: Steps that write only what the ledger can give again. Their commits need not wait for the disk: a crash takes back
#: a step together with the batch's progress, and the sweep has it done once more.
RECOMPUTABLE = frozenset({SNAPSHOT, MEASURE, DETECT, OPEN_TASKS})

#: Writes what open screens are told, in the transaction of a change that does not come by the road.
TELL = "realtime.services.tell"

#: ``Batch.step`` of a batch that has gone all the way.
DONE = "done"

#: A queue is named for what waits in it.
QUEUES = {
    NORMALIZE: "raw-events",
    SNAPSHOT: "normalized-events",
    MEASURE: "snapshots",
    DETECT: "issues",
    OPEN_TASKS: "tasks",
    PUSH: "updates",
    "analytics.*": "metrics",
    BACKTEST: "metrics",
    "issues.*": "issues",
    "triggers.*": "tasks",
    "realtime.*": "updates",
    "ats.*": "normalized-events",
    "config.*": "updates",
    "connectors.sync": "sync",
    "connectors.*": "raw-events",
    "accounts.*": "raw-events",
}


def after(step: str) -> str:
    """The step that follows ``step``; ``DONE`` after the last."""
    position = STEPS.index(step) + 1
    return STEPS[position] if position < len(STEPS) else DONE


def run(batch_id: int, *, start: str = NORMALIZE) -> None:
    """Offer a batch to the workers, from ``start`` to the end of the road.

    Raises nothing: a dead broker only delays, since the sweep offers the batch again.
    """
    first, *rest = STEPS[STEPS.index(start) :]
    road = chain(signature(first, args=(batch_id,)), *(signature(step) for step in rest))
    _offer(road.apply_async)


def run_after_commit(batch_id: int, *, start: str = NORMALIZE) -> None:
    """``run`` once the surrounding transaction has committed (pitfall: a closure, and robust)."""
    transaction.on_commit(lambda: run(batch_id, start=start), robust=True)


def send(task: str, *args: object, **options: object) -> None:
    """Offer one task by name, with ids as arguments. Raises nothing, like ``run``."""
    _offer(lambda: current_app.send_task(task, args=args, **options))


def send_after_commit(task: str, *args: object) -> None:
    transaction.on_commit(lambda: send(task, *args), robust=True)


def tell(*, organization_id: int, **what: Iterable[int]) -> None:
    """Tell open screens of a change, in the current transaction: call it last (``issue_ids``, ``task_ids``, ``job_ids``,
    ``sync_run_ids``). Named by a string, as steps are: those who change something import nothing that lies above them."""
    import_string(TELL)(organization_id=organization_id, **what)


def _offer(publish: Callable[[], object]) -> None:
    try:
        publish()
    except OperationalError as error:
        # The rows say what is left to do; the next sweep offers it again.
        logger.warning("broker unreachable, work waits for the next sweep", extra={"action": "offer_failed", "error": type(error).__name__})
