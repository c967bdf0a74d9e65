"""``make demo``: the whole system at work on a simulated company, until Ctrl-C."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from config import demo
from config.demo import DemoError, Logins
from config.embedded import EmbeddedError
from config.stack import Stack, StackError
from config.supervisor import PortTaken, ProcfileError, Stopped
from connectors.exceptions import ConnectorError
from connectors.models import Connector, SyncRun

#: seconds between delta syncs; the schedule's five minutes are long to watch
POLL_EVERY = 15.0
LOOK_EVERY = 1.0
#: what the simulated company says once it answers
SANDBOX_READY = "sandbox ready: "


class Command(BaseCommand):
    help = "Run the whole system on a simulated company: servers, workers, web, a company's 18 months of hiring, and its live changes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--applications", type=int, metavar="N", help="size of the simulated company's past (default: about 6,000)")

    def handle(self, *args: Any, **options: Any) -> None:
        self.size = options["applications"]
        self.began = time.monotonic()
        self.ready = False
        try:
            with Stack(listener=self._heard) as stack:
                self._say("starting servers, workers and web")
                stack.bring_up()
                connector = self._prepare(stack)
                self._announce(stack)
                self._follow(stack, connector)
        except Stopped:
            self.stdout.write("stopped; the data is kept, make demo goes on from here")
        except (ConnectorError, DemoError, EmbeddedError, PortTaken, ProcfileError, StackError) as error:
            raise CommandError(str(error)) from None

    def _prepare(self, stack: Stack) -> Connector:
        """People, company, history and a first full sync; each only where it is not there yet."""
        path = stack.var / "demo.json"
        logins = Logins.load(path)
        demo.prepare_people(logins)
        logins.sandbox_port = demo.free_port(logins.sandbox_port)
        logins.save(path)
        self.logins = logins
        loaded = demo.has_succeeded(demo.find_connector(), SyncRun.Mode.IMPORT)
        history = self._start_company(stack, loaded=loaded)
        connector = demo.prepare_connector(logins)
        if not loaded:
            self._say("loading the company's history: an export of 18 months, as a customer would bring one")
            stack.run(
                "import",
                f"python manage.py import_events '{history}' --organization {demo.ORGANIZATION} --connector {demo.CONNECTOR} --wait",
            )
        if not demo.has_succeeded(connector, SyncRun.Mode.FULL):
            self._say("reading the account through its API: the first full sync")
            stack.run("first-sync", f"python manage.py sync {demo.ORGANIZATION}/{demo.CONNECTOR} --full --wait")
        return connector

    def _start_company(self, stack: Stack, *, loaded: bool) -> Path:
        """Start the simulated company and wait until it answers; returns its exported history."""
        home = stack.var / "demo"
        if loaded and not home.exists():
            raise DemoError(f"{home} is gone but the database still holds the company it belonged to; make clean starts over.")
        home.mkdir(exist_ok=True)
        history = home / "history.jsonl.gz"
        size = f" --applications {self.size}" if self.size is not None and not loaded else ""  # later it is remembered
        if not loaded:
            history.unlink(missing_ok=True)  # exported anew, up to now
        stack.supervisor.add(
            "sandbox",
            # = because a key may begin with a dash
            f"python -m connectors.sandbox serve --port {self.logins.sandbox_port} --api-key={self.logins.sandbox_key} "
            f"--state-dir '{home / 'company'}' --export '{history}'{size}",
        )
        self._say("starting the simulated company and its API")
        stack.wait("sandbox", lambda: self.ready)
        return history

    def _announce(self, stack: Stack) -> None:
        self._say(f"ready: {demo.standing()}")
        for line in (
            "",
            f"url: {stack.url}",
            f"login: admin / {self.logins.admin}",
            f"login: recruiter / {self.logins.recruiter}",
            f"token: {self.logins.token}",
            "",
            "Ctrl-C stops everything; the data is kept. The company goes on hiring, and a sync follows it:",
        ):
            self.stdout.write(line)

    def _follow(self, stack: Stack, connector: Connector) -> None:
        """Poll more often than the schedule would, and tell of every run that ends, until asked to stop."""
        last = max((run.pk for run in demo.ended_runs(connector, after=0)), default=0)
        asked = looked = 0.0
        away = False
        while True:
            stack.step()
            now = time.monotonic()
            if now - looked < LOOK_EVERY:
                continue
            looked = now
            close_old_connections()  # a database that was restarted is found again
            try:
                if now - asked > POLL_EVERY:
                    asked = now
                    demo.ask_for_changes(connector)
                for run in demo.ended_runs(connector, after=last):
                    last = run.pk
                    self.stdout.write(f"{timezone.localtime():%H:%M:%S}  {demo.sentence(run)} · {demo.standing()}")
                away = False
            except (OperationalError, InterfaceError):
                if not away:  # its keeper starts it again; nobody here has to end for it
                    self.stdout.write(f"{timezone.localtime():%H:%M:%S}  the database is away, waiting for it")
                away = True

    def _say(self, sentence: str) -> None:
        self.stdout.write(f"[{time.monotonic() - self.began:5.1f} s] {sentence}")
        self.stdout.flush()

    def _heard(self, name: str, line: str) -> None:
        """The logs stay in their files; only trouble is worth a line here."""
        if name == "sandbox" and line.startswith(SANDBOX_READY):
            self.ready = True
        if line.startswith("supervisor: ") or " CRITICAL " in line:
            self.stdout.write(f"{name}: {line}")
