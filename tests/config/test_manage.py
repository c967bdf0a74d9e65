"""The command line without a running stack: what starts servers, what does not, and what is said when it cannot."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from config import embedded
from config.processes import is_locked
from tests.live import free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent


def manage(var: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    environment |= {"STAGEWATCH_VAR": str(var), **settings}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_command_finds_no_server_starts_one_and_ends_it_with_itself(tmp_path: Path) -> None:
    var = tmp_path / "var"

    migrated = manage(var, "migrate")
    seen = manage(var, "showmigrations", "--plan")

    assert migrated.returncode == 0, migrated.stderr
    assert "Applying accounts.0001_initial... OK" in migrated.stdout
    assert seen.returncode == 0, seen.stderr
    assert "[ ]" not in seen.stdout
    for name in (embedded.POSTGRES, embedded.VALKEY):
        wait_until(lambda name=name: not is_locked(embedded.keeper_lock(var, name)), what=f"the end of {name}")  # type: ignore[misc]


def test_a_command_that_needs_no_database_starts_no_server(tmp_path: Path) -> None:
    var = tmp_path / "var"

    for arguments in (["check"], ["help"], ["sync", "--help"], ["--version"]):
        done = manage(var, *arguments)
        assert done.returncode == 0, done.stderr

    assert not (var / "postgres").exists()
    assert not (var / "valkey").exists()


def test_a_database_without_tables_is_one_sentence_that_says_what_makes_them(tmp_path: Path) -> None:
    done = manage(tmp_path / "var", "connect", "files", "--organization", "acme", "--name", "history")

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: the database lacks tables")
    assert "manage.py release" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_server_that_cannot_start_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    done = manage(tmp_path / "file" / "var", "migrate")

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "STAGEWATCH_VAR" in done.stderr


def test_a_bad_setting_is_one_sentence_before_anything_starts(tmp_path: Path) -> None:
    var = tmp_path / "var"

    done = manage(var, "migrate", BATCH_SIZE="many")

    assert done.returncode == 1
    assert done.stderr == "error: BATCH_SIZE must be a whole number of at least 1, not 'many'.\n"
    assert not (var / "postgres").exists()


def test_a_database_that_does_not_answer_is_one_sentence_without_its_password(tmp_path: Path) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        port = nobody_listens.getsockname()[1]
        done = manage(
            tmp_path / "var", "migrate", DATABASE_URL=f"postgresql://app:hunter2@127.0.0.1:{port}/db", REDIS_URL="redis://127.0.0.1:1"
        )

    assert done.returncode == 1
    assert "Connection refused; check DATABASE_URL" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr


def test_a_broker_that_does_not_answer_is_one_sentence_without_its_password(tmp_path: Path) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        port = nobody_listens.getsockname()[1]
        done = manage(
            tmp_path / "var", "stack", DATABASE_URL="postgresql://app@127.0.0.1:1/db", REDIS_URL=f"redis://:hunter2@127.0.0.1:{port}/0",
            PORT=str(free_port()),
        )  # fmt: skip

    assert done.returncode == 1
    assert "the broker refused: Error 111 connecting" in done.stderr
    assert done.stderr.rstrip().endswith("; check REDIS_URL.")
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr + done.stdout


def test_a_bad_setting_is_told_in_a_sentence_by_every_program(tmp_path: Path) -> None:
    environment = {**os.environ, "STAGEWATCH_VAR": str(tmp_path), "DATABASE_POOL_SIZE": "many"}
    celery = ["-m", "celery", "-A", "config"]
    for program in (["manage.py", "doctor"], ["-m", "config.web"], [*celery, "worker"], [*celery, "beat"], [*celery, "inspect", "ping"]):
        told = subprocess.run(
            [sys.executable, *program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

        assert told.returncode != 0
        assert told.stderr.strip() == "error: DATABASE_POOL_SIZE must be a whole number of at least 0, not 'many'.", program
