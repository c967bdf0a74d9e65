"""The command line: ``python -m connectors.sandbox [serve|export|bench|describe]``."""

from __future__ import annotations

import argparse
import ctypes
import errno
import gc
import os
import signal
import sys
import threading
import time
from pathlib import Path

from connectors.sandbox import bench
from connectors.sandbox.account import Account
from connectors.sandbox.api import API_KEY, POWERLESS_KEY
from connectors.sandbox.control import instant
from connectors.sandbox.describe import describe
from connectors.sandbox.export import import_rows, write_file
from connectors.sandbox.journal import Charter, Journal, StateDirectoryError
from connectors.sandbox.office_hours import iso
from connectors.sandbox.organization import DAY
from connectors.sandbox.process import READY
from connectors.sandbox.server import Sandbox, Server

MONTH = 30.4375 * DAY
#: the organization of the demo: its bottlenecks show
DEFAULT_SEED = 4
#: with the default organization about one change in four seconds
DEFAULT_RATE = 400.0
PR_SET_PDEATHSIG = 1


def main(arguments: list[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    if not given or (given[0].startswith("--") and given[0] != "--help"):
        given = ["serve", *given]
    options = _parser().parse_args(given)
    try:
        return int(options.run(options))
    except (StateDirectoryError, OSError, ValueError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m connectors.sandbox", description=__doc__)
    commands = parser.add_subparsers(required=True)

    organization = argparse.ArgumentParser(add_help=False)
    organization.add_argument("--seed", type=int, help=f"which organization (default {DEFAULT_SEED})")
    organization.add_argument("--jobs", type=int, help="jobs over the period (default 40)")
    organization.add_argument("--applications", type=int, help="applications over the period (default 6000)")
    organization.add_argument("--months", type=float, help="length of the past (default 18)")
    organization.add_argument("--until", type=_time, help="end of the past, ISO 8601 (default now)")
    organization.add_argument("--state-dir", type=Path, help="remember everything here and go on from it")

    serve = commands.add_parser("serve", parents=[organization], help="answer as BambooHR would (the default)")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8765, help="0 picks a free one")
    serve.add_argument("--port-file", type=Path, help="write the port here when ready")
    serve.add_argument(
        "--rate", type=float, default=DEFAULT_RATE, help="how many times livelier than its past; 0: nothing happens by itself"
    )
    serve.add_argument("--page-size", type=int, default=50)
    serve.add_argument("--api-key", default=API_KEY)
    serve.add_argument("--export", type=Path, help="write the past as an import file, unless the file exists and the past is remembered")
    serve.add_argument("--die-with-parent", action="store_true", help="end when the starting thread's process does (Linux)")
    serve.set_defaults(run=_serve)

    export = commands.add_parser("export", parents=[organization], help="write the past as an import file")
    export.add_argument("--out", type=Path, required=True, help="FILE.jsonl or FILE.jsonl.gz")
    export.set_defaults(run=_export)

    load = commands.add_parser("bench", help="write a large import file of a plain shape")
    load.add_argument("--events", type=int, required=True)
    load.add_argument("--out", type=Path, required=True)
    load.add_argument("--jobs", type=int, default=200)
    load.add_argument("--stages", type=int, default=8)
    load.add_argument("--seed", type=int, default=1)
    load.add_argument("--start-id", type=int, default=1, help="first application id, for files that share no application")
    load.add_argument("--order", choices=bench.ORDERS, default="time")
    load.add_argument("--until", type=_time, default=bench.DEFAULT_UNTIL, help="about the last event's time (default fixed)")
    load.set_defaults(run=_bench)

    told = commands.add_parser("describe", parents=[organization], help="print what the organization looks like")
    told.set_defaults(run=_describe)
    return parser


def _time(text: str) -> int:
    try:
        return instant(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 8601 time") from None


def _account(options: argparse.Namespace) -> tuple[Account, bool]:
    """The account asked for, and whether its past is new."""
    journal = Journal(options.state_dir) if options.state_dir else None
    remembered = journal.charter() if journal else None
    if remembered is not None:
        _check_same(options, remembered)
        return Account(remembered, journal=journal), False
    until = options.until if options.until is not None else int(time.time())
    months = 18 if options.months is None else options.months
    charter = Charter(
        seed=DEFAULT_SEED if options.seed is None else options.seed,
        start=until - int(months * MONTH),
        until=until,
        jobs=40 if options.jobs is None else options.jobs,
        applications=6000 if options.applications is None else options.applications,
    )
    if charter.jobs < 1 or charter.applications < 0 or months < 1:
        raise ValueError("an organization needs at least 1 job, 0 applications and 1 month")
    return Account(charter, journal=journal), True


def _check_same(options: argparse.Namespace, remembered: Charter) -> None:
    for name in ("seed", "jobs", "applications", "until"):
        asked, known = getattr(options, name), getattr(remembered, name)
        if asked is not None and asked != known:
            raise StateDirectoryError(f"{options.state_dir} remembers --{name} {known}; leave the option out or choose another directory.")


def _serve(options: argparse.Namespace) -> int:
    if options.die_with_parent:
        _die_with_parent()
    began = time.perf_counter()
    account, new = _account(options)
    account.habits.page_size = options.page_size
    if options.export and (new or not options.export.exists()):
        write_file(options.export, import_rows(account.changes, account.company.staff, until=account.charter.until))
    # the past never goes away: keep the collector from walking it again and again
    gc.collect()
    gc.freeze()
    sandbox = Sandbox(account, rate=options.rate, keys={options.api_key: True, POWERLESS_KEY: False})
    server = _bound(options, sandbox)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="server", daemon=True).start()
    sandbox.start()
    _announce(options, server, account, time.perf_counter() - began)
    stop.wait()
    server.shutdown()
    server.server_close()
    sandbox.stop()
    return 0


def _bound(options: argparse.Namespace, sandbox: Sandbox) -> Server:
    try:
        return Server((options.host, options.port), sandbox)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ValueError(f"port {options.port} of {options.host} is taken; choose another with --port (0 picks a free one).") from None
        raise


def _announce(options: argparse.Namespace, server: Server, account: Account, seconds: float) -> None:
    if options.port_file:
        partial = options.port_file.with_name(options.port_file.name + ".partial")
        partial.write_text(f"{server.server_port}\n")
        partial.replace(options.port_file)
    count = len(account.state.applications)
    print(f"{READY}http://{options.host}:{server.server_port} ({count} applications, {seconds:.1f} s)", flush=True)


def _die_with_parent() -> None:
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent or parent == 1:
        # it died before we asked
        raise SystemExit(0)


def _export(options: argparse.Namespace) -> int:
    account, _ = _account(options)
    number = write_file(options.out, import_rows(account.changes, account.company.staff, until=account.charter.until))
    account.close()
    last = account.changes[-1].at if account.changes else account.charter.until
    print(f"{options.out}: {number} events up to {iso(last)}")
    return 0


def _bench(options: argparse.Namespace) -> int:
    names = ("events", "jobs", "stages", "seed", "start_id", "order", "until")
    speed = bench.write_file(bench.Shape(**{name: getattr(options, name) for name in names}), options.out)
    print(f"{options.out}: {options.events} events, {speed:,.0f} a second")
    return 0


def _describe(options: argparse.Namespace) -> int:
    account, _ = _account(options)
    print(describe(account))
    account.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
