"""The tables are emptied between tests although somebody still reads them; how often is told by a sequence, which no rollback undoes."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection

from tests import emptying

pytestmark = pytest.mark.django_db(transaction=True)


def fails(times: int, condition: str = "deadlock_detected") -> list[str]:
    """What a flush runs, ended by PostgreSQL so many times before it goes through."""
    with connection.cursor() as cursor:
        cursor.execute("drop sequence if exists tries; create temporary sequence tries")
    return [f"do $$ begin if nextval('tries') <= {times} then raise {condition}; end if; end $$"]


def tries() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select last_value from tries")
        return cursor.fetchone()[0]


def test_of_a_deadlock_with_a_late_reader_the_emptying_gets_up_again() -> None:
    connection.ops.execute_sql_flush(fails(2))
    assert tries() == 3


def test_a_reader_who_never_ends_is_an_error() -> None:
    with pytest.raises(OperationalError, match="deadlock_detected"):
        connection.ops.execute_sql_flush(fails(1000))
    assert tries() == emptying.TRIES


def test_what_is_no_deadlock_is_said_once() -> None:
    with pytest.raises(OperationalError, match="lock_not_available"):
        connection.ops.execute_sql_flush(fails(1, "lock_not_available"))
    assert tries() == 1
