"""Backtests that people ask for: written down, answered by a worker, kept for a while."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from config import flow
from issues.models import Backtest
from issues.whatif import Question, WrongQuestion

if TYPE_CHECKING:
    from accounts.models import User

State = Backtest.State

#: longest replay: shorter than the broker waits before it hands a message to a second worker
LONGEST = timedelta(minutes=25)
#: a message is taken for lost after this
LOST_AFTER = timedelta(minutes=5)
#: workers may die of a question so often
MOST_ATTEMPTS = 3

TOO_LONG = f"The replay took longer than {LONGEST.seconds // 60} minutes. Ask for fewer days, or for one job."
GAVE_UP = "A worker ended in the middle of it every time. Ask for fewer days, or for one job."


def question_of(row: Backtest) -> Question:
    """Raises ``WrongQuestion``."""
    values = {name: getattr(row, name) for name in ("business_days", "factor", "people", "proxy")}
    return Question(
        organization=row.organization,
        rule=row.rule,
        days=row.days,
        job=row.job,
        stage=row.stage,
        values={name: value for name, value in values.items() if value is not None},
    )


@transaction.atomic
def ask(row: Backtest, *, asked_by: User, now: datetime) -> Backtest:
    """Write down a question (an unsaved row) and offer it to the workers. Raises ``WrongQuestion``."""
    question_of(row)
    row.asked_by, row.asked_at = asked_by, now
    row.save()
    flow.send_after_commit(flow.BACKTEST, row.pk)
    return row


def run(backtest_id: int, *, worker: str) -> bool:
    """Answer a question and keep the answer; False: somebody else does, or it is answered."""
    row = _claim(backtest_id, worker=worker)
    if row is None:
        return False
    mine = Backtest.objects.filter(pk=row.pk, state=State.RUNNING, worker=worker)
    try:
        answer = question_of(row).answered(row.asked_at)
    except WrongQuestion as error:  # what it was about has changed since
        mine.update(state=State.FAILED, error=str(error), finished_at=timezone.now())
    except SoftTimeLimitExceeded:
        mine.update(state=State.FAILED, error=TOO_LONG, finished_at=timezone.now())
    except Exception as error:
        told = f"It failed ({type(error).__name__}); the worker's log says more."
        mine.update(state=State.FAILED, error=told, finished_at=timezone.now())
        raise
    else:
        mine.update(state=State.DONE, answer=answer.told, finished_at=timezone.now())
    return True


def _claim(backtest_id: int, *, worker: str) -> Backtest | None:
    """The row, if it waits, if its worker is overdue, or if this very message was handed out again (its worker died).

    The attempt is on record before the work begins.
    """
    now = timezone.now()
    waiting = Q(state=State.WAITING)
    left = Q(state=State.RUNNING) & (Q(worker=worker) | Q(started_at__lt=now - LONGEST))
    free = Backtest.objects.filter(waiting | left, pk=backtest_id)
    claimed = free.filter(attempts__lt=MOST_ATTEMPTS).update(state=State.RUNNING, worker=worker, started_at=now, attempts=F("attempts") + 1)
    if not claimed:
        free.update(state=State.FAILED, error=GAVE_UP, finished_at=now)
        return None
    return Backtest.objects.select_related("organization", "job", "stage").get(pk=backtest_id)


def offer_again(*, now: datetime) -> int:
    """Questions whose message, or whose worker, was lost; returns how many."""
    lost = Q(state=State.WAITING, asked_at__lt=now - LOST_AFTER) | Q(state=State.RUNNING, started_at__lt=now - LONGEST)
    found = list(Backtest.objects.filter(lost).order_by("pk").values_list("pk", flat=True))
    for pk in found:
        flow.send(flow.BACKTEST, pk)
    return len(found)


def prune(*, before: datetime) -> int:
    """Forget questions asked before ``before``; returns how many."""
    return Backtest.objects.filter(asked_at__lt=before).delete()[0]
