"""What docs/operate.md says about backups, done: dumped while work goes on, restored into an empty server, taken up again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from ats.models import CandidateEvent
from connectors.models import Batch
from connectors.sandbox.process import running_sandbox
from tests.bamboo import BambooAccount
from tests.live import FLOW_QUEUES, ROOT, LiveStack, wait_until
from tests.test_recovery import schedules
from tests.walking import bring_in, event_row, file_connector

T = datetime(2026, 9, 1, 9, tzinfo=UTC)

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An empty server of its own: another folder, another process, its own roles. The environment that names it."""
    var = tmp_path_factory.mktemp("v")
    var.chmod(0o755)
    environment = {**os.environ, "STAGEWATCH_VAR": str(var), "STAGEWATCH_SHARED_BUFFERS_MB": "64"}
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert held.stdin is not None
    assert held.stdout is not None
    try:
        assert held.stdout.readline() == "up\n"
        yield environment
    finally:
        held.stdin.close()
        held.wait(30)
        held.stdout.close()


#: keeps a PostgreSQL and a Valkey under STAGEWATCH_VAR until its standard input ends
HOLD = """
import sys
from config import embedded, leases
lease = leases.start(embedded.var_dir(), embedded.needed())
print("up", flush=True)
sys.stdin.read()
lease.release()
"""


def test_a_dump_under_load_restores_to_a_consistent_whole_and_syncs_go_on(
    live_stack: LiveStack, elsewhere: dict[str, str], tmp_path: Path
) -> None:
    dump = tmp_path / "stagewatch.dump"
    schedules()
    files = file_connector()
    live_stack.worker("flow", queues=f"{FLOW_QUEUES},sync", concurrency=2)
    with running_sandbox(seed=3, jobs=4, applications=60, months=3, page_size=20) as sandbox:
        account = BambooAccount(live_stack, sandbox, organization="acme")
        account.poll("full")
        with Importing(files) as importing:
            wait_until(lambda: importing.turn > 3, what="work in the middle of which to dump")
            before = importing.turn
            run("scripts/pg", "pg_dump", "--format=custom", f"--file={dump}", f"--dbname={owner_url()}", environment=live_stack.environment)
            assert importing.turn > before, "somebody worked meanwhile"
        known = list(CandidateEvent.objects.filter(connector=account.connector).values_list("provider_event_id", flat=True))
        live_stack.stop()  # the old server is gone, as far as anybody knows

        url = restore(dump, elsewhere)
        restored = {**elsewhere, "CREDENTIAL_KEYS": settings.CREDENTIAL_KEYS[0]}
        live_stack.environment = {**live_stack.environment, **restored}
        for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL"):
            del live_stack.environment[name]
        live_stack.worker("restored", queues=f"{FLOW_QUEUES},sync", concurrency=2)
        live_stack.beat()
        with psycopg.connect(url) as database:
            wait_until(lambda: not rows(database, UNFINISHED), timeout=60, what="what the dump caught on the road")
            checked = live_stack.manage("rebuild", "--organization", "acme", "--check")
            assert (checked.returncode, "no drift" in checked.stdout) == (0, True), checked.stdout + checked.stderr
            checked = live_stack.manage("rebuild", "--organization", files.organization.slug, "--check")
            assert checked.returncode == 0, checked.stdout + checked.stderr
            # a poll after the restore: it knows all of this already
            said = live_stack.manage("sync", "acme/bamboo", "--full", "--wait")
            assert said.returncode == 0, said.stdout + said.stderr
            after = [
                row[0]
                for row in rows(database, f"select provider_event_id from ats_candidateevent where connector_id = {account.connector.pk}")
            ]
            assert sorted(after) == sorted(known)
            told = set(keys_of(database, files.pk))
            assert {f"{turn}-{n}" for turn in range(before) for n in range(20)} <= told
            assert rows(database, "select relkind from pg_class where relname = 'connectors_rawevent'") == [("p",)]


UNFINISHED = "select id from connectors_batch where finished_at is null"


class Importing:
    """Somebody who imports small files all the time."""

    def __init__(self, connector: object) -> None:
        self.connector, self.turn = connector, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Importing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            told = [event_row(f"{self.turn}-{n}", T, application_external_id=f"a-{n}", stage_to=f"s-{self.turn % 5}") for n in range(20)]
            bring_in(self.connector, told, walked=False)  # type: ignore[arg-type]
            self.turn += 1
            wait_until(lambda: Batch.objects.filter(finished_at=None).count() < 10, what="room")
        connection.close()


def owner_url() -> str:
    return urlunsplit(urlsplit(settings.MIGRATION_DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}"))


def restore(dump: Path, environment: dict[str, str]) -> str:
    """Into the empty database of the other server, which has the two roles; returns its owner's URL."""
    url = run("scripts/pg", "--url", environment=environment).strip()
    run("scripts/pg", "pg_restore", "--exit-on-error", "--no-owner", f"--dbname={url}", str(dump), environment=environment)
    run(sys.executable, "manage.py", "migrate", "-v", "0", environment=environment)  # grants, and what the dump's version lacked
    return url


def run(*command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command[:2]}: {done.stderr}"
    return done.stdout


def keys_of(database: psycopg.Connection, connector: int) -> list[object]:
    return [row[0] for row in rows(database, f"select provider_event_id from ats_candidateevent where connector_id = {connector}")]


def rows(database: psycopg.Connection, query: str) -> list[tuple[object, ...]]:
    found = database.execute(query).fetchall()  # type: ignore[arg-type]
    database.rollback()
    return found
