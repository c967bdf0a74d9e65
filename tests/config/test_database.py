from __future__ import annotations

import re
import socket
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from django.conf import settings
from django.db import ProgrammingError, connection

from config import database, row_metrics
from tests.live import LiveStack, wait_until
from tests.relay import relay_to_database

pytestmark = pytest.mark.django_db


def test_the_application_is_neither_superuser_nor_owner_of_its_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False, False, False)
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner = current_user")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchone()[0] > 20


def test_the_application_cannot_change_a_table() -> None:
    with pytest.raises(ProgrammingError, match="must be owner"), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_organization ADD COLUMN gone integer")


def test_the_application_may_stage_rows_in_a_temporary_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE staging (id bigint)")
        cursor.execute("INSERT INTO staging VALUES (1)")
        cursor.execute("SELECT count(*) FROM staging")
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db(transaction=True)
def test_the_owner_is_asked_for_explicitly_and_handed_back() -> None:
    def user() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            return str(cursor.fetchone()[0])

    before = user()
    with database.as_owner():
        owner = user()

    assert before == user() == database.app_role()
    assert owner != before


def test_the_application_reads_and_writes_what_the_migrations_made() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT'))"
        )
        assert cursor.fetchall() == []


@pytest.mark.django_db(transaction=True)
def test_a_session_of_another_role_that_sits_in_a_transaction_is_seen() -> None:
    def seen() -> int:
        return int(
            re.findall(r'^stagewatch_database_connections{state="idle_in_transaction"} (\d+)', row_metrics.latest().decode(), re.M)[0]
        )

    before = seen()
    with psycopg.connect(settings.MIGRATION_DATABASE_URL, dbname=connection.settings_dict["NAME"]) as somebody:
        somebody.execute("select 1")
        wait_until(lambda: seen() > before, what="the session")


def test_a_database_that_hangs_or_refuses_is_told_to_the_scraper_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        monkeypatch.setitem(connection.settings_dict, "PORT", silent.getsockname()[1])
        assert "stagewatch_database_up 0.0" in row_metrics.latest().decode()
    assert "stagewatch_database_up 0.0" in row_metrics.latest().decode(), "nobody listens any more"
    monkeypatch.undo()
    assert "stagewatch_database_up 1.0" in row_metrics.latest().decode()


#: seconds in which a probe is answered on a busy machine, too; without its own way it would wait ten for the pool, or for ever
IN_TIME = 8


@contextmanager
def full_pool(web: str) -> Iterator[None]:
    """Visitors wait for a table, with every connection of a small pool, and more of them for the pool."""
    with psycopg.connect(settings.MIGRATION_DATABASE_URL, dbname=connection.settings_dict["NAME"]) as somebody:
        somebody.execute("lock table knox_authtoken in access exclusive mode")
        asking = {"headers": {"Authorization": "Token nobody-has-this"}, "timeout": 60}
        visitors = [threading.Thread(target=requests.get, args=(f"{web}/ats/jobs",), kwargs=asking) for _ in range(4)]
        for visitor in visitors:
            visitor.start()
        try:
            yield
        finally:
            somebody.rollback()
            for visitor in visitors:
                visitor.join()


@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
def test_a_pool_in_which_nothing_is_left_tells_of_it(live_stack: LiveStack) -> None:
    """Whoever scrapes or probes does not wait in the queue that is to be told of."""
    web = live_stack.web(DATABASE_POOL_SIZE="2")
    waited_for = re.compile(r'^stagewatch_database_pool{state="waited_for"} [1-9]', re.MULTILINE)
    with full_pool(web):
        told = ""

        def scraped() -> bool:
            nonlocal told
            told = requests.get(f"{web}/metrics", timeout=IN_TIME).text
            return waited_for.search(told) is not None

        wait_until(scraped, what="requests that wait for the pool")
        ready = requests.get(f"{web}/readyz?exclude=heartbeat", timeout=IN_TIME)
        assert requests.get(f"{web}/healthz", timeout=IN_TIME).status_code == 200

    assert "stagewatch_database_up 1.0" in told
    assert ready.json()["detail"] == "Not ready: pool."
    busy = "all database connections of this process are busy, and none became free within 2 s"
    assert ready.json()["checks"] == {"database": "ok", "broker": "ok", "migrations": "ok", "pool": busy}
    assert requests.get(f"{web}/readyz?exclude=heartbeat", timeout=IN_TIME).status_code == 200, "it is over"


@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
def test_a_database_that_hangs_is_told_to_the_probe_in_time(live_stack: LiveStack) -> None:
    """A server that takes sessions and says nothing would keep a pooled connection waiting for ever."""
    with relay_to_database() as relay:
        who, _, _ = urlsplit(settings.DATABASE_URL).netloc.rpartition("@")
        url = f"postgresql://{who}@127.0.0.1:{relay.port}/{connection.settings_dict['NAME']}"
        web = live_stack.web(DATABASE_URL=url, DATABASE_POOL_SIZE="2")
        probe = f"{web}/readyz?exclude=heartbeat"
        assert requests.get(probe, timeout=10).json()["status"] == "ok"
        relay.hang()

        answers = [requests.get(probe, timeout=IN_TIME) for _ in range(3)]
        alive = requests.get(f"{web}/healthz", timeout=IN_TIME)

        relay.go_on()
        wait_until(lambda: requests.get(probe, timeout=10).status_code == 200, what="readiness")
    assert [one.json()["detail"] for one in answers] == ["Not ready: database."] * 3
    assert answers[0].json()["checks"]["database"] == "unreachable"
    assert alive.status_code == 200


#: a process that holds one lock and, in the same transaction, does what takes long
HOLDS_AND = """
from django.db import connection, transaction
with transaction.atomic(), connection.cursor() as cursor:
    cursor.execute("select pg_advisory_xact_lock(1)")
    print("holds it", flush=True)
    cursor.execute("select {}")
"""
UNDER_WAY = "select 1 from pg_stat_activity where state = 'active' and query = %s"


def seen(statement: str, *parameters: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone() is not None


@pytest.mark.stack
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("work", ["pg_advisory_xact_lock(2)", "pg_sleep(50)"], ids=["waits for a lock", "computes"])
@pytest.mark.parametrize("role", ["application", "owner"])
def test_what_a_killed_process_held_is_free_soon(live_stack: LiveStack, role: str, work: str) -> None:
    """Not when its statement would have ended: a batch, or a whole upgrade, waits behind it."""
    code = HOLDS_AND.format(work)
    if role == "owner":
        code = "from config.database import as_owner\nwith as_owner():\n" + textwrap.indent(code, "    ")
    with psycopg.connect(settings.MIGRATION_DATABASE_URL, dbname=connection.settings_dict["NAME"], autocommit=True) as somebody:
        somebody.execute("select pg_advisory_lock(2)")
        process = live_stack.spawn("killed", sys.executable, "manage.py", "shell", "-c", code)
        process.wait_for_line("holds it")
        wait_until(lambda: seen(UNDER_WAY, f"select {work}"), what="the statement")

        process.kill()

        wait_until(lambda: somebody.execute("select pg_try_advisory_lock(1)").fetchone() == (True,), timeout=20, what="its lock")
