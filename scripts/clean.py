"""Remove ``var/``, unless something still uses it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from config import embedded
from config.processes import is_locked


def main() -> int:
    var = embedded.var_dir()
    places = [var, *(var / "test").glob("[0-9]*/")]
    used = [place for place in places for name in (embedded.POSTGRES, embedded.VALKEY) if is_locked(embedded.users_lock(place, name))]
    if used:
        print(f"error: {used[0]} is in use; stop what runs on it first.", file=sys.stderr)
        return 1
    shutil.rmtree(var, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
