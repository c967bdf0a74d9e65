from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from config import env

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def no_dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The checkout's own .env must not decide these tests."""
    monkeypatch.setattr(env, "DOTENV", tmp_path / ".env")


def test_a_variable_wins_over_its_file_and_the_file_over_dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOKEN=from-dotenv\n")
    assert env.text("TOKEN", "default") == "from-dotenv"

    (tmp_path / "secret").write_text("from-file\n")
    monkeypatch.setenv("TOKEN_FILE", str(tmp_path / "secret"))
    assert env.text("TOKEN", "default") == "from-file"

    monkeypatch.setenv("TOKEN", "from-environment")
    assert env.text("TOKEN", "default") == "from-environment"


def test_a_secret_that_everybody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = dict(re.findall(r"^(SECRET_KEY|METRICS_TOKEN)=(.+)$", (ROOT / "deploy" / "production.env.example").read_text(), re.M))
    assert set(shipped) == {"SECRET_KEY", "METRICS_TOKEN"}
    for name, value in shipped.items():
        monkeypatch.setenv(name, value)
        with pytest.raises(ImproperlyConfigured, match=f"^{name} still is the example's; "):
            env.secret(name)
        monkeypatch.setenv(name, "0f5cb3c1f7a9")
        assert env.secret(name) == "0f5cb3c1f7a9"


def test_children_get_what_dotenv_adds_and_nothing_that_outranks_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WORKER_CONCURRENCY=7\nHOST=0.0.0.0\nSECRET_KEY=from-dotenv\n")
    monkeypatch.setattr(env, "DOTENV", tmp_path / ".env")
    monkeypatch.setenv("HOST", "::1")
    monkeypatch.setenv("SECRET_KEY_FILE", "/run/secrets/secret_key")

    children = env.for_children()

    assert (children["WORKER_CONCURRENCY"], children["HOST"]) == ("7", "::1")
    assert "SECRET_KEY" not in children


def test_a_secret_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOKEN_FILE", str(tmp_path / "missing"))

    with pytest.raises(ImproperlyConfigured, match=r"TOKEN_FILE points to .*missing, which cannot be read: No such file"):
        env.text("TOKEN")


@pytest.mark.parametrize(
    ("read", "value", "sentence"),
    [
        (lambda: env.flag("X"), "yes", "X must be true or false, not 'yes'."),
        (lambda: env.flag("X"), "1", "X must be true or false, not '1'."),
        (lambda: env.integer("X", 5), "five", "X must be a whole number of at least 0, not 'five'."),
        (lambda: env.integer("X", 5), "", "X must be a whole number of at least 0, not ''."),
        (lambda: env.integer("X", 5, minimum=1), "0", "X must be a whole number of at least 1, not '0'."),
        (lambda: env.integer("X", 5, maximum=9), "10", "X must be a whole number between 0 and 9, not '10'."),
        (lambda: env.choice("X", "a", ("a", "b")), "c", "X must be one of a, b, not 'c'."),
        (
            lambda: env.networks("X"),
            "10.0.0.0/8, 10.1.2.3/8",
            "X must list addresses and networks such as 10.0.0.0/8: 10.1.2.3/8 has host bits set.",
        ),
    ],
)
def test_a_bad_value_is_one_sentence(monkeypatch: pytest.MonkeyPatch, read: Callable[[], object], value: str, sentence: str) -> None:
    monkeypatch.setenv("X", value)

    with pytest.raises(ImproperlyConfigured) as caught:
        read()

    assert str(caught.value) == sentence


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("TRUE", True), ("false", False), (None, True)])
def test_a_flag_is_a_word(monkeypatch: pytest.MonkeyPatch, value: str | None, expected: bool) -> None:
    if value is not None:
        monkeypatch.setenv("X", value)
    assert env.flag("X", True) is expected


def test_a_listing_drops_the_empty_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "a, b,,")
    assert env.listing("X", "c") == ["a", "b"]


def test_a_url_of_another_kind_is_refused_without_repeating_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://root:hunter2@db/app")

    with pytest.raises(ImproperlyConfigured) as caught:
        env.url("DATABASE_URL", ("postgresql", "postgres"))

    assert str(caught.value) == "DATABASE_URL must start with postgresql:// or postgres://, not mysql://."


@pytest.mark.parametrize("wrong", ["abc", "hunter2" * 5, "schlüssel"])
def test_a_key_that_is_none_is_refused_by_its_place(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    good = Fernet.generate_key().decode()
    monkeypatch.setenv("X", good)
    assert env.fernet_keys("X") == [good]

    monkeypatch.setenv("X", f"{good},{wrong}")
    with pytest.raises(ImproperlyConfigured, match=r"^X holds no Fernet key in place 2 of 2: ") as refused:
        env.fernet_keys("X")

    assert wrong not in str(refused.value)


def test_dotenv_takes_plain_assignments(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_text("# comment\n\nA=1\nexport B='two words'\nC=\"x=y\"\nD=\n")
    assert env.dotenv(path) == {"A": "1", "B": "two words", "C": "x=y", "D": ""}


def test_dotenv_names_the_line_it_does_not_understand(tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_text("A=1\nnonsense\n")
    with pytest.raises(ImproperlyConfigured, match=r"broken, line 2: expected NAME=value\."):
        env.dotenv(path)


def test_every_variable_read_stands_in_the_example() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    example = (root / ".env.example").read_text()
    used = set()
    for path in [*root.glob("*/*.py"), *root.glob("*/*/*.py")]:
        if not {"tests", ".venv", "benchmarks"} & set(path.parts):
            used |= _names(path.read_text())
    missing = sorted(name for name in used if f"# {name}=" not in example)

    assert len(used) > 15
    assert missing == ["STAGEWATCH_PROCESS"]  # set by the supervisor, not by people


def _names(source: str) -> set[str]:
    return set(re.findall(r"env\.(?:text|flag|integer|listing|choice|url|address|networks|fernet_keys)\(\s*\"([A-Z_]+)\"", source))


@pytest.mark.parametrize("written", ["postgresql://app:s3cret@db:port/x", "postgresql://app:s3/cret@db:5432/x", "postgresql://[::1/x"])
def test_a_url_that_is_none_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("SOME_URL", written)

    with pytest.raises(ImproperlyConfigured, match=r"^SOME_URL is no URL") as refused:
        env.url("SOME_URL", ("postgresql",))

    assert "s3" not in str(refused.value)
