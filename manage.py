#!/usr/bin/env python
"""Django's command line, with the embedded servers under it where no URL names others."""

from __future__ import annotations

import os
import sys

#: what neither reads nor writes the database: these start no server
OFFLINE = {
    "", "help", "version", "check", "collectstatic", "compilemessages", "diffsettings", "makemessages", "spectacular",
    # they bring the stack up themselves, and say so
    "demo", "stack",
}  # fmt: skip
#: what PostgreSQL calls a table or column that is not there
NOT_THERE = {"42P01", "42703"}


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError, ProgrammingError

    from config import embedded, leases

    command = sys.argv[1] if len(sys.argv) > 1 else ""
    offline = command in OFFLINE or command.startswith("-") or {"-h", "--help", "--version"} & set(sys.argv)
    lease = None
    try:
        settings.INSTALLED_APPS  # noqa: B018  (read now: a bad setting must not start servers first)
        if not offline:
            lease = leases.start(embedded.var_dir(), embedded.needed())  # held until this process ends
        execute_from_command_line(sys.argv)
    except (embedded.EmbeddedError, ImproperlyConfigured, OperationalError) as error:
        if "--traceback" in sys.argv:
            raise
        print(f"error: {_sentence(error, OperationalError)}", file=sys.stderr)
        return 1
    except ProgrammingError as error:
        if "--traceback" in sys.argv or getattr(error.__cause__, "sqlstate", "") not in NOT_THERE:
            raise
        print("error: the database lacks tables or columns of this version; run manage.py release, or make run, first.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        # a running stack has its own way to end; this is somebody who changed their mind while servers start, or a command waits
        print("stopped", file=sys.stderr)
        return 130
    del lease
    return 0


def _sentence(error: Exception, database_error: type[Exception]) -> str:
    """What went wrong and what to do, in one line; a driver's message goes on with guesses."""
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return (
        f"the database refused: {first}; check DATABASE_URL, or see the whole with --traceback."
        if isinstance(error, database_error)
        else first
    )


if __name__ == "__main__":
    sys.exit(main())
