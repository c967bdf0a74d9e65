"""The life of a job: opened, perhaps put on hold, filled or given up, and what that does to the people waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.sandbox.changes import Kind
from connectors.sandbox.organization import DAY, DEPARTMENTS, JobPlan, Quirk
from connectors.sandbox.state import Application, Job
from connectors.sandbox.statuses import INTERVIEWED, NEW, NOT_A_FIT, OFFER_IDS, REVIEWED, JobStatusId

if TYPE_CHECKING:
    from connectors.sandbox.simulation import Simulation

#: the frozen job went on hold this long before the end of the past
FROZEN_FOR = 37 * DAY
#: the team of the clean-up job stopped looking at applications this long before it closed
NEGLECT_BEFORE_CLEAN_UP = 45 * DAY
#: since when the stuck interviewer hardly decides anything any more, before the end of the past
WORSE_SINCE = 50 * DAY
BULK = 20  #: rejections one request of the web application carries


def posting_bounds(plan: JobPlan, until: int) -> tuple[int, int]:
    """From when to when people can apply, within the past."""
    end = until - 60 if plan.close_by is None else min(plan.close_by, until - 60)
    if plan.quirk is Quirk.FROZEN:
        end = frozen_at(plan, until)
    return plan.opened_at, max(end, plan.opened_at + 3600)


def frozen_at(plan: JobPlan, until: int) -> int:
    return max(until - FROZEN_FOR, plan.opened_at + (until - plan.opened_at) // 2)


def is_over(job: Job) -> bool:
    return job.status in (JobStatusId.FILLED, JobStatusId.CANCELED, JobStatusId.DELETED)


def has_room(simulation: Simulation, job: Job) -> bool:
    """Whether one more offer can be made: openings not hired for and not on offer."""
    applications = simulation.state.applications
    offers = sum(applications[number].status in OFFER_IDS for number in simulation.roster[job.id])
    return not is_over(job) and job.hires + offers < job.openings


def strain(simulation: Simulation, job: Job, status: int, when: float) -> float:
    """Passing slowness: the stuck interviewer gets worse, the clean-up job's team loses interest before it closes."""
    company = simulation.company
    if job.quirk == Quirk.STUCK_INTERVIEWER and status == INTERVIEWED:
        return 2.0 if when > company.until - WORSE_SINCE else 1.0
    if job.quirk == Quirk.CLEAN_UP and status in (NEW, REVIEWED):
        plan = next((plan for plan in company.plans if plan.id == job.id), None)
        if plan is not None and plan.close_by is not None and when > plan.close_by - NEGLECT_BEFORE_CLEAN_UP:
            return 12.0
    return 1.0


def open_job(when: float, simulation: Simulation, plan: JobPlan) -> None:
    status = JobStatusId.DRAFT if plan.quirk is Quirk.DRAFT else JobStatusId.OPEN
    simulation.emit(when, Kind.JOB_OPENED, job_id=plan.id, status_to=status, facts=plan.facts(), actor=plan.recruiter.user_id)
    if plan.close_by is not None:
        simulation.schedule(plan.close_by, _deadline, simulation, plan.id, 0)
    if plan.quirk is Quirk.FROZEN:
        simulation.schedule(frozen_at(plan, simulation.company.until), _freeze, simulation, plan.id)
    elif plan.quirk is Quirk.NONE and plan.id % 9 == 2:
        # posted again after some weeks, so that the posting date is no opening date
        simulation.schedule(when + 40 * DAY, _repost, simulation, plan.id)


def open_another(when: float, simulation: Simulation, closed_id: int) -> None:
    """Live, a closed job is followed by a new one of the same department, so that the company goes on."""
    closed = simulation.state.jobs[closed_id]
    department = next((d for d in DEPARTMENTS if d.id == closed.department_id), DEPARTMENTS[0])
    rng = simulation.rng
    plan = JobPlan(
        id=simulation.state.last_job_id + 1,
        title=rng.choice(department.titles),
        department=department,
        location_id=closed.location_id,
        lead=simulation.by_employee.get(closed.lead or 0),
        recruiter=simulation.staff[closed.recruiter],
        opened_at=int(when),
        close_by=None,
        openings=rng.choice((1, 1, 2)),
        popularity=department.popularity,
        tempo=department.pace,
    )
    open_job(when, simulation, plan)


def _freeze(when: float, simulation: Simulation, job_id: int) -> None:
    job = simulation.state.jobs[job_id]
    if not is_over(job):
        _set_status(when, simulation, job, JobStatusId.ON_HOLD)


def _repost(when: float, simulation: Simulation, job_id: int) -> None:
    job = simulation.state.jobs[job_id]
    if job.status == JobStatusId.OPEN:
        simulation.emit(when, Kind.JOB_REPOSTED, job_id=job_id, actor=job.recruiter)


def filled(simulation: Simulation, when: float, job: Job) -> None:
    """Called after a hire: the last opening taken closes the job within days."""
    if job.hires >= job.openings and not is_over(job):
        simulation.schedule(simulation.moment(when, simulation.rng.uniform(0.5, 4)), _close, simulation, job.id, JobStatusId.FILLED)


def _deadline(when: float, simulation: Simulation, job_id: int, extended: int) -> None:
    """The company wanted to be done by now: with a hire it is, else it gives up or goes on for some weeks."""
    job = simulation.state.jobs[job_id]
    if is_over(job):
        return
    on_offer = any(simulation.state.applications[number].status in OFFER_IDS for number in simulation.roster[job_id])
    if job.hires or job.quirk == Quirk.CLEAN_UP:
        _close(when, simulation, job_id, JobStatusId.FILLED)
    elif extended < 3 and (on_offer or simulation.rng.random() < 0.75):
        simulation.schedule(simulation.moment(when, 20), _deadline, simulation, job_id, extended + 1)
    else:
        _close(when, simulation, job_id, JobStatusId.CANCELED)


def _close(when: float, simulation: Simulation, job_id: int, status: int) -> None:
    job = simulation.state.jobs[job_id]
    if is_over(job):
        return
    _set_status(when, simulation, job, status)
    _clear_out(when, simulation, job)
    if job.quirk == Quirk.DELETED:
        simulation.schedule(when + 14 * DAY, _delete, simulation, job_id)
    if when > simulation.company.until:
        simulation.schedule(simulation.moment(when, simulation.rng.uniform(1, 5)), open_another, simulation, job_id)


def _clear_out(when: float, simulation: Simulation, job: Job) -> None:
    """Turn down who is left, all at once or over some days; those with an offer in hand are let finish."""
    applications, rng = simulation.state.applications, simulation.rng
    left = [number for number in sorted(simulation.roster[job.id]) if applications[number].status not in OFFER_IDS]
    if job.quirk == Quirk.CLEAN_UP or (len(left) > 12 and rng.random() < 0.4):
        start = simulation.hours.after(when, 0.02)
        for index in range(0, len(left), BULK):
            # six requests, ten seconds apart: within the minute, whatever the number
            chunk = left[index : index + BULK]
            simulation.schedule(start + min(index // BULK * 10, 50), _reject_all, simulation, chunk, job.recruiter)
        return
    for number in left:
        application = applications[number]
        simulation.schedule(simulation.moment(when, rng.uniform(0.02, 3)), _reject_one, simulation, number, application.moves)


def _reject_all(when: float, simulation: Simulation, numbers: list[int], actor: int) -> None:
    for number in numbers:
        application = simulation.state.applications.get(number)
        if application is not None and application.active:
            _reject(when, simulation, application, actor)


def _reject_one(when: float, simulation: Simulation, number: int, moves: int) -> None:
    application = simulation.current(number, moves)
    if application is not None:
        _reject(when, simulation, application, simulation.state.jobs[application.job_id].recruiter)


def _reject(when: float, simulation: Simulation, application: Application, actor: int) -> None:
    simulation.put(when, application, NOT_A_FIT, actor)


def _delete(when: float, simulation: Simulation, job_id: int) -> None:
    _set_status(when, simulation, simulation.state.jobs[job_id], JobStatusId.DELETED)


def _set_status(when: float, simulation: Simulation, job: Job, status: int) -> None:
    simulation.emit(when, Kind.JOB_STATUS, job_id=job.id, status_from=job.status, status_to=status, actor=job.recruiter)
