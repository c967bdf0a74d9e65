"""The embedded default: real PostgreSQL and Valkey from wheels, for a machine where nothing is set up.

Where DATABASE_URL or REDIS_URL is unset, that server is ours. Its data lies under ``var/`` (or
STAGEWATCH_VAR) and it listens on a Unix socket only, so no port is taken and no other user gets in.
Addresses follow from the path of ``var/`` alone: reading them starts nothing.

This module knows where things are; `config.servers` how each server is run, `config.keeper` keeps one
running, and `config.leases` is how a command asks for them.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from urllib.parse import quote

from config import env, local_secrets
from config.processes import FileLock

BASE_DIR = Path(__file__).resolve().parent.parent

POSTGRES = "postgres"
VALKEY = "valkey"

DATABASE = "stagewatch"
#: owns the database and its tables, runs migrations; may create databases, for the tests
OWNER = "stagewatch_owner"
#: everything else: owns nothing, so row-level security and missing grants hold for it
APP = "stagewatch_app"

#: sun_path holds 104 bytes on macOS, 108 on Linux, with the closing NUL
SOCKET_PATH_LIMIT = 103


class EmbeddedError(Exception):
    """A server that cannot start. The message is one sentence for the person at the keyboard."""


def var_dir() -> Path:
    """Where everything this checkout makes for itself lies; absolute."""
    return Path(env.text("STAGEWATCH_VAR") or BASE_DIR / "var").expanduser().resolve()


def needed() -> list[str]:
    """The servers no URL is set for."""
    unset = {POSTGRES: not env.text("DATABASE_URL"), VALKEY: not env.text("REDIS_URL")}
    return [name for name, missing in unset.items() if missing]


# --- addresses -----------------------------------------------------------------------------------
def database_url(var: Path) -> str:
    """For everything but migrations."""
    return _database_url(var, APP)


def migration_database_url(var: Path) -> str:
    return _database_url(var, OWNER)


def redis_url(var: Path) -> str:
    return f"unix://{quote(str(socket_path(var, VALKEY)))}?db=0"


def _database_url(var: Path, role: str) -> str:
    password = local_secrets.database_password(var, role)
    host = quote(str(socket_path(var, POSTGRES).parent), safe="")
    return f"postgresql://{role}:{password}@{host}/{DATABASE}"


def socket_path(var: Path, name: str) -> Path:
    file = {POSTGRES: ".s.PGSQL.5432", VALKEY: "valkey.sock"}[name]
    path = var / "run" / name / file
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    # a deep checkout: the path of var/ picks the same short place every time
    digest = hashlib.sha256(os.fsencode(var)).hexdigest()[:12]
    return Path(f"/tmp/stagewatch-{os.geteuid()}-{digest}") / name / file  # noqa: S108 (checked in `make_private`)


# --- files ---------------------------------------------------------------------------------------
def users_lock(var: Path, name: str) -> Path:
    return var / "run" / f"{name}.users"


def keeper_lock(var: Path, name: str) -> Path:
    return var / "run" / f"{name}.keeper"


def log_path(var: Path, name: str) -> Path:
    return var / "log" / f"{name}.log"


def make_var(var: Path) -> None:
    """Make ``var/`` with its run and log folders. Raises EmbeddedError where they belong to somebody else."""
    try:
        for folder in (var, var / "run", var / "log"):
            folder.mkdir(parents=True, exist_ok=True)
        # as root the database runs as another user, which must be able to pass
        if os.geteuid() == 0:
            for folder in (var, var / "run"):
                folder.chmod(folder.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)
        probe = FileLock(var / "run" / "writable")
        probe.acquire(shared=True)
        probe.release()
    except OSError as error:
        raise EmbeddedError(
            f"{error.filename or var} cannot be written ({error.strerror}); run as the user who made it, "
            "or set STAGEWATCH_VAR to a folder of your own."
        ) from None


def make_private(folder: Path, owner: int | None) -> None:
    """A folder nobody else may enter, belonging to ``owner`` (a uid; None: to us). Raises EmbeddedError if it is another's.

    Matters for the short place under /tmp, where anybody could have made it first.
    """
    parent_made = not folder.parent.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if parent_made:
        folder.parent.chmod(0o711)
    for path, uids in ((folder.parent, {os.geteuid()}), (folder, {os.geteuid(), owner})):
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in uids:
            raise EmbeddedError(f"{path} belongs to another user; remove it or set STAGEWATCH_VAR to another folder.")
    if owner is not None:
        os.chown(folder, owner, -1)
    folder.chmod(0o700)
