"""The rare cases every real account has. They hit fixed arrival numbers, so that a small organization has them too."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from connectors.sandbox.changes import Kind
from connectors.sandbox.organization import DAY
from connectors.sandbox.state import Application
from connectors.sandbox.statuses import ASSESSMENT_DAY, DELETED, MOVED, REVIEWED, JobStatusId

if TYPE_CHECKING:
    from connectors.sandbox.simulation import Simulation


class Oddity(StrEnum):
    BACKDATED = "backdated"  #: entered by hand with an earlier applied date
    POSTDATED = "postdated"  #: applied date corrected to after the first status change
    COPIED = "copied"  #: moved to another job: status MOVED here, a new application there
    REASSIGNED = "reassigned"  #: moved to another job in place
    VANISHED = "vanished"  #: removed: in no list, 404
    DELETED = "deleted"  #: status DELETED, still listed
    UNLISTED = "unlisted"  #: forgotten in a status the statuses call does not tell of


#: oddity: (every so many arrivals, the first one)
SCHEDULE = {
    Oddity.BACKDATED: (331, 7),
    Oddity.POSTDATED: (997, 11),
    Oddity.COPIED: (397, 17),
    Oddity.REASSIGNED: (797, 23),
    Oddity.VANISHED: (1201, 29),
    Oddity.DELETED: (1999, 37),
    Oddity.UNLISTED: (499, 41),
}


def oddity_of(arrival: int) -> Oddity | None:
    for oddity, (every, first) in SCHEDULE.items():
        if arrival % every == first:
            return oddity
    return None


def befall(simulation: Simulation, when: float, application: Application, oddity: Oddity) -> bool:
    """Plan the oddity; True if the application's way is thereby decided and nothing else need be planned."""
    later = simulation.moment(when, simulation.rng.uniform(0.4, 3))
    number, moves = application.id, application.moves
    match oddity:
        case Oddity.COPIED:
            simulation.schedule(later, _copy, simulation, number, moves)
        case Oddity.DELETED:
            simulation.schedule(later, _set, simulation, number, moves, DELETED)
        case Oddity.UNLISTED:
            simulation.schedule(later, _shelve, simulation, number, moves)
        case Oddity.VANISHED:
            simulation.schedule(when + simulation.rng.uniform(3, 30) * DAY, _vanish, simulation, number)
            return False
        case Oddity.POSTDATED:
            simulation.schedule(later, _set, simulation, number, moves, REVIEWED)
            simulation.schedule(later + 3600, _correct_date, simulation, number, int(later) + 1800)
        case Oddity.REASSIGNED:
            simulation.schedule(simulation.moment(when, 1), _reassign, simulation, number)
            return False
        case Oddity.BACKDATED:
            return False
    return True


def _set(when: float, simulation: Simulation, number: int, moves: int, status: int) -> None:
    application = simulation.current(number, moves)
    if application is not None:
        simulation.set_status(when, application, status)


def _shelve(when: float, simulation: Simulation, number: int, moves: int) -> None:
    application = simulation.current(number, moves)
    if application is not None:
        # nothing further is planned: it waits until its job closes
        simulation.put(when, application, ASSESSMENT_DAY, simulation.state.jobs[application.job_id].recruiter)


def _copy(when: float, simulation: Simulation, number: int, moves: int) -> None:
    application = simulation.current(number, moves)
    target = _another_job(simulation, number)
    if application is None or target is None:
        _set(when, simulation, number, moves, REVIEWED)
        return
    copy = simulation.apply_to(when, simulation.state.jobs[target], copy_of=application)
    recruiter = simulation.state.jobs[application.job_id].recruiter
    simulation.put(when, application, MOVED, recruiter, moved_to=copy.id)
    simulation.enter(when, copy)


def _reassign(when: float, simulation: Simulation, number: int) -> None:
    application = simulation.state.applications.get(number)
    target = _another_job(simulation, number)
    if application is None or target is None or not application.active:
        return
    origin = application.job_id
    recruiter = simulation.state.jobs[origin].recruiter
    simulation.emit(when, Kind.REASSIGNED, application_id=number, job_id=target, actor=recruiter, facts={"job_from": origin})
    simulation.roster[origin].discard(number)
    simulation.roster[target].add(number)


def _another_job(simulation: Simulation, number: int) -> int | None:
    application = simulation.state.applications.get(number)
    if application is None:
        return None
    jobs = [job.id for job in simulation.state.jobs.values() if job.status == JobStatusId.OPEN and job.id != application.job_id]
    return simulation.rng.choice(jobs) if jobs else None


def _correct_date(when: float, simulation: Simulation, number: int, applied_at: int) -> None:
    application = simulation.state.applications.get(number)
    if application is not None:
        simulation.emit(when, Kind.APPLIED_DATE, application_id=number, job_id=application.job_id, value=applied_at)


def _vanish(when: float, simulation: Simulation, number: int) -> None:
    application = simulation.state.applications.get(number)
    if application is not None:
        simulation.roster[application.job_id].discard(number)
        simulation.emit(when, Kind.REMOVED, application_id=number, job_id=application.job_id)
