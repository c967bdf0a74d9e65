"""Two roles on one database: the owner changes tables, the application only uses them.

So that row-level security, missing grants and the append-only ledger hold for everything but migrations.
Where MIGRATION_DATABASE_URL names the same role as DATABASE_URL, both are one and nothing here does harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dj_database_url
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from psycopg import OperationalError, sql

#: what of an address makes the difference between the two roles
ADDRESS = ("HOST", "PORT", "USER", "PASSWORD")


@contextmanager
def as_owner() -> Iterator[None]:
    """Within, the default connection is the owner's, without the pool and time limits of ordinary work.

    The same alias, not a second one: migrations that name no alias would otherwise wait for the lock that
    their own schema change holds.
    """
    owner = dj_database_url.parse(settings.MIGRATION_DATABASE_URL)
    ours = connection.settings_dict
    before = {key: ours.get(key) for key in (*ADDRESS, "OPTIONS")}
    options = {key: value for key, value in (ours.get("OPTIONS") or {}).items() if key != "pool"}
    options["options"] = settings.CLIENT_CHECK
    _reconnect({key: owner.get(key, "") for key in ADDRESS} | {"OPTIONS": options | owner.get("OPTIONS", {})})
    try:
        yield
    finally:
        _reconnect(before)


def _reconnect(values: dict[str, object]) -> None:
    """The next query opens a connection with the new values."""
    connection.close()
    if connection.settings_dict["OPTIONS"].get("pool"):
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's own
    connection.settings_dict.update(values)


@contextmanager
def beside_the_pool(*, within: int, statements_within: int | None = None) -> Iterator[None]:
    """Within, this thread's default connection is a session of its own where there is a pool: to tell of a pool in which
    nothing is left, one must not wait for it. ``within``: seconds for the session to begin, ``statements_within`` for each
    of its statements. Raises ``DatabaseError``."""
    pooled = connections[DEFAULT_DB_ALIAS]
    if not pooled.settings_dict["OPTIONS"].get("pool"):
        yield
        return
    options = {key: value for key, value in pooled.settings_dict["OPTIONS"].items() if key != "pool"} | {"connect_timeout": within}
    if statements_within is not None:
        options["options"] += f" -c statement_timeout={statements_within * 1000}"
    own = type(pooled)({**pooled.settings_dict, "OPTIONS": options}, DEFAULT_DB_ALIAS)
    connections[DEFAULT_DB_ALIAS] = own
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = pooled
        own.close()


def has_room(*, within: float) -> bool:
    """Whether this process's pool hands out a connection within so many seconds. True where none has been opened."""
    pool = connections[DEFAULT_DB_ALIAS].pool  # type: ignore[attr-defined]  # PostgreSQL's own
    if pool is None or pool.closed:
        return True
    try:
        with pool.connection(timeout=within):
            return True
    except OperationalError:  # the pool's own of time being up is one
        return False


def app_role() -> str:
    """Whom everything but migrations connects as (from the URL: ``as_owner`` changes the connection's own settings)."""
    return str(dj_database_url.parse(settings.DATABASE_URL)["USER"])


def grant_to_app() -> None:
    """Let the application's role use what the owner has made and will make in this database. Repeatable.

    Call inside ``as_owner``. Rows and sequences only: no TRUNCATE, no REFERENCES, no TRIGGER.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        (owner,) = cursor.fetchone()
        if owner == app_role():
            return
        role = sql.Identifier(app_role())
        for statement in (
            "GRANT USAGE ON SCHEMA public TO {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
            # what makes and drops partitions runs as the owner; nobody else may call it
            "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {role}",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO {role}",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {role}",
        ):
            cursor.execute(sql.SQL(statement).format(role=role))
        # the batches' staging tables are temporary
        cursor.execute(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(sql.Identifier(connection.settings_dict["NAME"]), role))
