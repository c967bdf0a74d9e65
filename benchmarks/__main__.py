"""The command line of ``make bench``."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
from pathlib import Path

from benchmarks import parts

PARTS = ("ingest", "sweep", "analytics", "streams")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="|".join(PARTS), help="default: all")
    ingesting = parser.add_argument_group("ingest")
    ingesting.add_argument("--events", type=int, default=1_000_000, help="events of the large import")
    ingesting.add_argument("--small", type=int, default=500_000, help="size of the ledger at the first batch measurement")
    ingesting.add_argument("--large", type=int, default=5_000_000, help="size of the ledger at the second one; 0 leaves it out")
    ingesting.add_argument("--obvious", type=int, default=3_000, help="events through the obvious design")
    analysing = parser.add_argument_group("analytics")
    analysing.add_argument("--visits", type=int, default=10_000_000, help="visits of the past")
    analysing.add_argument("--jobs", type=int, default=2_000, help="jobs they are spread over")
    analysing.add_argument("--port", type=int, default=8110, help="where the web process listens, on loopback")
    analysing.add_argument("--fresh", type=int, default=300_000, help="events imported to see how soon percentiles follow; 0: none")
    analysing.add_argument("--keep", type=Path, help="folder whose past is used again, or made; it is not removed")
    sweeping = parser.add_argument_group("sweep")
    sweeping.add_argument("--few", type=int, default=100_000, help="open applications at the first measurement")
    sweeping.add_argument("--many", type=int, default=1_000_000, help="open applications at the second one")
    streaming = parser.add_argument_group("streams")
    streaming.add_argument("--beside", type=int, default=300_000, help="events imported while thousands listen")
    options = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    (root / "var").mkdir(exist_ok=True)
    for what in PARTS:
        if options.what and what not in options.what:
            continue
        if what == "analytics" and options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            _child(what, options.keep.resolve(), options)
            continue
        with tempfile.TemporaryDirectory(prefix="bench-", dir=root / "var") as folder:
            _child(what, Path(folder), options)


def _child(what: str, folder: Path, options: argparse.Namespace) -> None:
    """Each part in a process of its own: Django reads its settings once, and they name the part's servers."""
    os.chmod(folder, 0o755)  # PostgreSQL may run as another account than the one that started this
    part = multiprocessing.get_context("spawn").Process(target=parts.run, args=(what, folder, options))
    part.start()
    part.join()
    if part.exitcode:
        raise SystemExit(part.exitcode)


if __name__ == "__main__":
    main()
