"""Typed readers of environment variables: a bad value stops the start with one clear sentence.

A variable is looked for in the process environment, then in the file named by ``NAME_FILE`` (container
secrets), then in the checkout's ``.env``. `.env.example` lists them all.
"""

from __future__ import annotations

import os
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

DOTENV = Path(__file__).resolve().parent.parent / ".env"


def text(name: str, default: str = "") -> str:
    """The variable as it stands, or the default where it is set nowhere."""
    if name in os.environ:
        return os.environ[name]
    path = os.environ.get(f"{name}_FILE")
    if path is None:
        return dotenv(DOTENV).get(name, default)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE points to {path}, which cannot be read: {error.strerror}.") from error


def secret(name: str) -> str:
    """The variable, or "" where it is unset. Refuses what deploy/production.env.example has in its place: everybody knows that."""
    value = text(name)
    if "CHANGE" in value:
        raise ImproperlyConfigured(f"{name} still is the example's; put a secret of your own there (openssl rand -hex 32).")
    return value


def for_children() -> dict[str, str]:
    """The process environment with what ``.env`` adds to it: the Procfile's commands are read by a shell, which cannot
    ask ``text``. A variable given as a file stays one."""
    added = {name: value for name, value in dotenv(DOTENV).items() if f"{name}_FILE" not in os.environ}
    return {**added, **os.environ}


def flag(name: str, default: bool = False) -> bool:
    value = text(name, "true" if default else "false").lower()
    if value not in {"true", "false"}:
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")
    return value == "true"


def integer(name: str, default: int, *, minimum: int = 0, maximum: int | None = None) -> int:
    value = text(name, str(default))
    limits = f"of at least {minimum}" if maximum is None else f"between {minimum} and {maximum}"
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number {limits}, not {value!r}.") from None
    if number < minimum or (maximum is not None and number > maximum):
        raise ImproperlyConfigured(f"{name} must be a whole number {limits}, not {value!r}.")
    return number


def listing(name: str, default: str = "") -> list[str]:
    """A comma-separated list; empty entries are dropped."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    return value


def url(name: str, schemes: tuple[str, ...]) -> str:
    """A URL with one of the ``schemes``, or "" where it is unset. The value may hold a password, so no message repeats it."""
    value = text(name)
    try:
        parts = urlsplit(value)
        _ = parts.port  # reading it is what judges it
    except ValueError:
        raise ImproperlyConfigured(
            f"{name} is no URL: its port must be a number, and signs such as / or @ in a password percent-encoded."
        ) from None
    scheme = parts.scheme
    if value and scheme not in schemes:
        wanted = " or ".join(f"{allowed}://" for allowed in schemes)
        raise ImproperlyConfigured(f"{name} must start with {wanted}{f', not {scheme}://' if scheme else ''}.")
    return value


def address(name: str) -> tuple[str, int] | None:
    """``host:port``; None where it is unset."""
    value = text(name)
    if not value:
        return None
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 1 <= int(port) <= 65_535:
        raise ImproperlyConfigured(f"{name} must be host:port, such as 0.0.0.0:9464, not {value!r}.")
    return host.strip("[]"), int(port)


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """A comma-separated list of addresses and networks; empty where it is unset."""
    found = []
    for written in listing(name):
        try:
            found.append(ip_network(written))
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} must list addresses and networks such as 10.0.0.0/8: {error}.") from None
    return found


def fernet_keys(name: str) -> list[str]:
    """A comma-separated list of keys that seal secrets; empty where it is unset. No message repeats one."""
    keys = listing(name)
    for place, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} holds no Fernet key in place {place} of {len(keys)}: one is 32 bytes in URL-safe base64, "
                'made by python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())".'
            ) from None
    return keys


@cache
def dotenv(path: Path) -> dict[str, str]:
    """The assignments of a ``.env`` file: ``NAME=value`` lines, ``#`` comments, optional quotes, nothing expanded."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    found: dict[str, str] = {}
    for number, written in enumerate(lines, start=1):
        line = written.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip().isidentifier():
            raise ImproperlyConfigured(f"{path}, line {number}: expected NAME=value.")
        value = value.strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        found[name.strip()] = value[1:-1] if quoted else value
    return found
