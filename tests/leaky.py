"""A worker whose steps fail once each, quoting people: `celery -A tests.leaky worker`, for tests of what is repeated.

As libraries do: a ValueError with the value in its words, and PostgreSQL's refusal of one.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import django

from config.celery import app

django.setup()

from django.db import connection  # noqa: E402

from ats.models import Candidate  # noqa: E402
from connectors import batches  # noqa: E402

__all__ = ["app"]

_original = batches._work_and_advance


def _leak(step: str) -> None:
    """Once per step and kind, over all processes."""
    person = Candidate.objects.exclude(name="").order_by("pk").first()
    if person is None:
        return
    for kind, raising in (("value", _value), ("row", _row)):
        try:
            os.close(os.open(f"{os.environ['LEAKS']}/{kind}:{step}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        raising(f"{person.name} <{person.email}>")


def _value(words: str) -> None:
    raise ValueError(f"invalid literal for int() with base 10: {words!r}")


def _row(words: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select %s::int", [words])


def _leaking(batch_id: int, step: str, work: batches.Work) -> bool:
    _leak(step)
    return _original(batch_id, step, work)


def _wrap(leaking: Callable[[int, str, batches.Work], bool]) -> None:
    batches._work_and_advance = leaking


_wrap(_leaking)
