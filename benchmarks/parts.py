"""The parts of ``make bench``, each run in a process of its own."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def run(what: str, folder: Path, options: argparse.Namespace) -> None:
    # before Django reads its settings: servers of our own, whatever else runs on this machine
    os.environ |= {"STAGEWATCH_VAR": str(folder), "DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "WARNING"}
    os.environ.pop("DATABASE_URL", None)
    os.environ.pop("REDIS_URL", None)
    if what == "ingest":
        from benchmarks import ingest

        ingest.run(folder, events=options.events, small=options.small, large=options.large, obvious=options.obvious)
    elif what == "sweep":
        from benchmarks import sweep

        sweep.run(folder, small=options.few, large=options.many)
    elif what == "streams":
        from benchmarks import streams

        streams.run(folder, events=options.beside)
    else:
        from benchmarks import analytics

        analytics.run(folder, visits=options.visits, jobs=options.jobs, port=options.port, ingest=options.fresh)
