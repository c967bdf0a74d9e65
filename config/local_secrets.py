"""Secrets a single-machine installation makes for itself, once, readable by its owner only.

A deployment sets SECRET_KEY and CREDENTIAL_KEYS in its environment instead, and these files never exist.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured


def secret_key(var: Path) -> str:
    return _kept(var / "secrets" / "secret_key", lambda: secrets.token_urlsafe(50))


def fernet_key(var: Path) -> str:
    return _kept(var / "secrets" / "credential_key", lambda: Fernet.generate_key().decode())


def database_password(var: Path, role: str) -> str:
    """URL-safe by construction, so that it can stand in DATABASE_URL as it is."""
    return _kept(var / "secrets" / f"{role}_password", lambda: secrets.token_urlsafe(24))


def _kept(path: Path, make: Callable[[], str]) -> str:
    """The content of ``path``, made on first use. Two processes starting at once agree on one value.

    Raises ImproperlyConfigured where it can be neither read nor made.
    """
    try:
        if not path.exists():
            _make(path, make())
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{path} cannot be made or read ({error.strerror}); run as the user who made it, or set STAGEWATCH_VAR to a folder of your own."
        ) from None


def _make(path: Path, value: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value)
    try:
        os.link(draft, path)  # atomic, and refuses to overwrite: the first one wins
    except FileExistsError:
        pass
    draft.unlink()
