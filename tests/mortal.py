"""A worker that kills itself: `celery -A tests.mortal worker`, for tests of what survives.

At each named point of each step the pool process sends itself SIGKILL, the first time any process gets there; the
deaths are counted in a file, so that they end. Nobody gets to say good-bye: no rollback is sent, no message acknowledged.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import django

from config.celery import app

django.setup()

from connectors import batches, services  # noqa: E402
from connectors.models import Batch  # noqa: E402
from triggers import channels  # noqa: E402

#: where in a step a process may die; ``page`` is inside the transaction of a fetched page, ``paged`` behind it
POINTS = ("claimed", "worked", "advanced", "committed")
SYNC_POINTS = ("page", "paged")

__all__ = ["app"]


def _die(point: str, step: str) -> None:
    """Once per point and step, over all processes: whoever makes the file first."""
    try:
        os.close(os.open(f"{os.environ['DEATHS']}/{point}:{step}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def _wrap(module: Any, name: str, wrapped: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    setattr(module, name, wrapped(getattr(module, name)))


def _dying_in(work: batches.Work, step: str) -> batches.Work:
    def worked(batch: Batch) -> bool | None:
        stays = work(batch)
        _die("worked", step)
        return stays

    return worked


def _work_and_advance(original: Callable[..., bool]) -> Callable[..., bool]:
    def dying(batch_id: int, step: str, work: batches.Work) -> bool:
        _die("claimed", step)
        done = original(batch_id, step, _dying_in(work, step))
        _die("committed", step)
        return done

    return dying


def _advance(original: Callable[..., None]) -> Callable[..., None]:
    def dying(batch: Batch, *rest: Any) -> None:
        step = batch.step
        original(batch, *rest)
        _die("advanced", step)

    return dying


def _commit_page(original: Callable[..., None]) -> Callable[..., None]:
    def dying(run: Any, page: Any) -> None:
        phase = (page.checkpoint or {}).get("phase", "")
        original(run, page)
        _die("page", phase)
        from django.db import transaction

        transaction.on_commit(lambda: _die("paged", phase))

    return dying


def _deliver(original: Callable[..., None]) -> Callable[..., None]:
    def dying(*arguments: Any, **rest: Any) -> None:
        original(*arguments, **rest)
        _die("sent", "notification")  # the receiver has it, and nobody has written so down

    return dying


_wrap(channels, "deliver", _deliver)
_wrap(batches, "_work_and_advance", _work_and_advance)
_wrap(batches, "_advance", _advance)
_wrap(services, "_commit_page", _commit_page)
