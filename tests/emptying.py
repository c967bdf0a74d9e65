"""Emptying the tables between tests although a web process or worker may still be reading them.

A test ends when it has seen what it waited for; a request that its page sent last may run on. It holds some tables and asks for
others, TRUNCATE asks for all, and of two that wait for each other PostgreSQL ends one. Where that is ours, it is said again:
the other has what it wanted and will be done.
"""

from __future__ import annotations

from typing import Any

import psycopg.errors
import pytest
from django.db import OperationalError, connection

#: Each try waits for a lock as long as any statement may; a reader that comes again and again is a page nobody closed.
TRIES = 5


def withstand_late_readers(patch: pytest.MonkeyPatch) -> None:
    """Lets Django's flush, which transactional tests end with, be the victim of a deadlock without failing the test."""
    operations = type(connection.ops)
    empty = operations.execute_sql_flush

    def empty_again(self: Any, sql_list: list[str]) -> None:
        for _ in range(TRIES - 1):
            try:
                empty(self, sql_list)
                return
            except OperationalError as error:
                if not isinstance(error.__cause__, psycopg.errors.DeadlockDetected):
                    raise
        empty(self, sql_list)

    patch.setattr(operations, "execute_sql_flush", empty_again)
