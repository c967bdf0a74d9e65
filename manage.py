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


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    from config import embedded, leases

    command = sys.argv[1] if len(sys.argv) > 1 else ""
    offline = command in OFFLINE or command.startswith("-") or {"-h", "--help", "--version"} & set(sys.argv)
    try:
        # held until this process ends
        lease = None if offline else leases.start(embedded.var_dir(), embedded.needed())
    except embedded.EmbeddedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    execute_from_command_line(sys.argv)
    del lease
    return 0


if __name__ == "__main__":
    sys.exit(main())
