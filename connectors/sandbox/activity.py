"""Comments, mails and ratings around the moves: what BambooHR tells only as counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.sandbox.changes import Kind
from connectors.sandbox.organization import Quirk
from connectors.sandbox.pipeline import Fate
from connectors.sandbox.state import Application, Job
from connectors.sandbox.statuses import (
    INTERVIEWED,
    OFFER_SENT,
    PHONED,
    REFERENCES,
    REVIEWED,
    SCHEDULE_INTERVIEW,
    SCHEDULE_PHONE,
    TAKE_HOME,
)

if TYPE_CHECKING:
    from connectors.sandbox.simulation import Simulation

#: chance that entering a stage sends the candidate a mail
MAILS = {SCHEDULE_PHONE: 0.9, SCHEDULE_INTERVIEW: 0.92, TAKE_HOME: 1.0, OFFER_SENT: 1.0, REFERENCES: 0.5}
#: expected comments during a stay
COMMENTS = {REVIEWED: 0.25, PHONED: 0.7, TAKE_HOME: 0.9, INTERVIEWED: 1.5, REFERENCES: 0.6}
RATED = (PHONED, INTERVIEWED)


def accompany(simulation: Simulation, when: float, application: Application, job: Job, plan: Fate, days: float) -> None:
    """Plan what happens besides during a stay of ``days`` business days that will end as ``plan`` says."""
    rng, status, number = simulation.rng, application.status, application.id
    if rng.random() < MAILS.get(status, 0.0):
        simulation.schedule(simulation.moment(when, 0.05 * rng.random()), _mail, simulation, number, job.recruiter)
    silent = job.quirk == Quirk.STUCK_INTERVIEWER and status == INTERVIEWED
    expected = COMMENTS.get(status, 0.0) * (0.1 if silent else 1.0)
    lead = simulation.by_employee.get(job.lead or 0)
    author = lead.user_id if lead and status in (INTERVIEWED, TAKE_HOME) else job.recruiter
    while expected > 0:
        if rng.random() < expected:
            at = simulation.moment(when, days * rng.uniform(0.02, 0.7))
            simulation.schedule(at, _comment, simulation, number, author)
        expected -= 1
    if status in RATED and not silent and rng.random() < 0.75:
        stars = rng.choice((3, 4, 4, 5)) if plan.advances else rng.choice((1, 2, 2, 3, 4))
        simulation.schedule(simulation.moment(when, days * 0.3 * rng.random()), _rate, simulation, number, author, stars)


def farewell(simulation: Simulation, when: float, application: Application, before: int) -> None:
    """Most who are turned down get a mail, mostly within the hour."""
    if simulation.rng.random() < 0.75:
        recruiter = simulation.state.jobs[application.job_id].recruiter
        simulation.schedule(when + simulation.rng.uniform(30, 3000), _mail, simulation, application.id, recruiter)


def _mail(when: float, simulation: Simulation, number: int, actor: int) -> None:
    _emit(when, simulation, Kind.EMAIL, number, actor)


def _comment(when: float, simulation: Simulation, number: int, actor: int) -> None:
    _emit(when, simulation, Kind.COMMENT, number, actor)


def _rate(when: float, simulation: Simulation, number: int, actor: int, stars: int) -> None:
    application = simulation.state.applications.get(number)
    if application is not None and application.rating != stars:
        _emit(when, simulation, Kind.RATING, number, actor, stars)


def _emit(when: float, simulation: Simulation, kind: Kind, number: int, actor: int, value: int | None = None) -> None:
    application = simulation.state.applications.get(number)
    if application is not None:
        simulation.emit(when, kind, application_id=number, job_id=application.job_id, actor=actor, value=value)
