"""The command line of ``make bench``."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the large import")
    parser.add_argument("--small", type=int, default=500_000, help="size of the ledger at the first batch measurement")
    parser.add_argument("--large", type=int, default=5_000_000, help="size of the ledger at the second one; 0 leaves it out")
    parser.add_argument("--obvious", type=int, default=3_000, help="events through the obvious design")
    options = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    (root / "var").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=root / "var") as folder:
        # before Django reads its settings: servers of our own, whatever else runs on this machine
        os.environ |= {"STAGEWATCH_VAR": folder, "DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "WARNING"}
        os.environ.pop("DATABASE_URL", None)
        os.environ.pop("REDIS_URL", None)
        os.chmod(folder, 0o755)  # PostgreSQL may run as another account than the one that started this
        from benchmarks import ingest

        ingest.run(Path(folder), events=options.events, small=options.small, large=options.large, obvious=options.obvious)


main()
