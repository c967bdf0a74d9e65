"""The BambooHR account of the simulated company: its state, its truth, and the only door through which it changes."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from random import Random
from typing import Any

from connectors.sandbox.changes import Change, Kind
from connectors.sandbox.clock import Clock
from connectors.sandbox.journal import Charter, Journal
from connectors.sandbox.organization import Organization, found
from connectors.sandbox.simulation import Simulation, simulate
from connectors.sandbox.state import Application, State
from connectors.sandbox.statuses import NEW

#: pops of the simulation's queue one tick may need; more means nothing can happen any more
PATIENCE = 50_000
#: status changes made with the API key are signed by its owner, one of the recruiters
KEY_OWNER = 2410


@dataclass
class Habits:
    """How this account answers where real ones differ. Changed through the control endpoint."""

    page_size: int = 50
    #: ``absolute``, ``relative``, ``null`` or ``absent``
    next_page_url: str = "absolute"
    #: whether ``nextPageUrl`` carries the filters of the request on
    keeps_filters: bool = True
    #: whose name a status set through the API carries: ``owner`` of the key or ``nobody``
    posted_by: str = "owner"
    domain: str = "acme"


class Account:
    """Thread-safe: every method that reads or changes takes the lock; ``lock`` may be held for a longer look."""

    def __init__(self, charter: Charter, *, clock: Clock | None = None, journal: Journal | None = None) -> None:
        self.charter = charter
        self.clock = clock or Clock()
        self.habits = Habits()
        self.lock = threading.RLock()
        self.company: Organization = found(seed=charter.seed, start=charter.start, until=charter.until, jobs=charter.jobs)
        self._journal = journal
        self.changes = self._remember()
        self.state = State.fold(self.changes)
        self._noted = len(self.changes)
        self._history = sum(change.at <= charter.until for change in self.changes)
        self._simulation: Simulation | None = None

    def _remember(self) -> list[Change]:
        if self._journal is not None and self._journal.charter() is not None:
            return self._journal.read()
        history = simulate(self.company, self.charter.applications)
        if self._journal is not None:
            self._journal.begin(self.charter, history)
        return history

    @property
    def changes_per_second(self) -> float:
        """The pace of the past, nights and weekends included."""
        return self._history / max(self.charter.until - self.charter.start, 1)

    @property
    def simulation(self) -> Simulation:
        """The company going on after its past; planned anew at every start, from how things stand."""
        if self._simulation is None:
            rng = Random(f"live:{self.charter.seed}:{self.state.seq}")
            self._simulation = Simulation(self.company, rng, stamp=lambda _: self.clock.now())
            self._simulation.changes = self.changes
            self._simulation.revive(self.state, self.clock.now())
        return self._simulation

    def tick(self, number: int = 1) -> list[Change]:
        """Let at least ``number`` changes happen now; fewer if nothing is left that could."""
        with self.lock:
            before = len(self.changes)
            for _ in range(PATIENCE):
                if len(self.changes) - before >= number or not self.simulation.step():
                    break
            return self._note()

    def change(self, kind: Kind, *, at: int | None = None, **fields: Any) -> Change:
        """Make one change by hand, at ``at`` or now."""
        with self.lock:
            simulation = self.simulation
            application = self.state.applications.get(fields.get("application_id", 0))
            if application is not None:
                fields.setdefault("job_id", application.job_id)
            simulation.stamp = lambda _: self.clock.now() if at is None else at
            try:
                change = simulation.emit(simulation.now, kind, **fields)
            finally:
                simulation.stamp = lambda _: self.clock.now()
            self._replan(change)
            self._note()
            return change

    def _replan(self, change: Change) -> None:
        """Whatever was planned for the application is void; let it go on from where it is now."""
        application = self.state.applications.get(change.application_id)
        for members in self.simulation.roster.values():
            members.discard(change.application_id)
        if application is None or not application.active:
            return
        self.simulation.roster[application.job_id].add(application.id)
        if change.kind in (Kind.APPLIED, Kind.STATUS):
            self.simulation.enter(self.simulation.now, application)

    def set_status(self, application: Application, status: int, *, actor: int | None, at: int | None = None) -> Change:
        """A change of status; one that would share its second with an equal one is dated a second later."""
        with self.lock:
            when = self.clock.now() if at is None else at
            if when == application.status_at:
                when += 1
            return self.change(
                Kind.STATUS, at=when, application_id=application.id, actor=actor, status_from=application.status, status_to=status
            )

    def apply(self, job_id: int, person: dict[str, Any], *, at: int | None = None) -> Change:
        """A new application by a new person."""
        with self.lock:
            facts = {"applicant_id": self.state.last_applicant_id + 1, "email": None, "source": None, **person}
            number = self.state.last_application_id + 1
            return self.change(Kind.APPLIED, at=at, application_id=number, job_id=job_id, status_to=NEW, facts=facts)

    def remove(self, application_id: int) -> None:
        with self.lock:
            if application_id in self.state.applications:
                self.change(Kind.REMOVED, application_id=application_id)

    def _note(self) -> list[Change]:
        new = self.changes[self._noted :]
        if self._journal is not None and new:
            self._journal.append(new)
        self._noted = len(self.changes)
        return new

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
