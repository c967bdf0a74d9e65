"""A discrete-event simulation of people applying and being moved through the pipeline.

It produces the past in one go (``simulate``), and goes on live with the same habits (``Simulation.revive``). Live, the
*order* of what happens still follows simulated office time, nights and weekends skipped, but every change is stamped with
the clock it is given, so nothing ever lies in the future.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from connectors.sandbox import activity, vacancies
from connectors.sandbox.arrivals import Season, arrival_times, share_out
from connectors.sandbox.changes import Change, Kind
from connectors.sandbox.oddities import Oddity, befall, oddity_of
from connectors.sandbox.office_hours import BERLIN, OfficeHours
from connectors.sandbox.organization import DAY, Organization, Person, Quirk
from connectors.sandbox.people import Applicants
from connectors.sandbox.pipeline import duration, fate, rejection
from connectors.sandbox.state import Application, Job, State
from connectors.sandbox.statuses import (
    HIRED,
    INTERVIEWED,
    NEW,
    OFFER,
    OFFER_IDS,
    OFFER_SENT,
    OFFER_SIGNED,
    REVIEWED,
    STAGE_IDS,
    STATUSES,
    TAKE_HOME,
    JobStatusId,
    Role,
)

Handler = Callable[..., None]

#: the teams with take-home tasks used OFFER until it was disabled in favour of OLSENT; some applications still sit in it
OFFER_DISABLED_BEFORE_END = 12 * DAY
#: what counts as recent when the company goes on live
RECENT = 75 * DAY
MISCLICKS = 0.013
OVERTIME = 0.04
SECOND_THOUGHTS = 0.014


class Simulation:
    """``rng`` decides, ``stamp`` turns simulated instants into the times that changes carry."""

    def __init__(self, company: Organization, rng: Random, *, stamp: Callable[[float], int] = int) -> None:
        self.company = company
        self.rng = rng
        self.stamp = stamp
        self.state = State()
        self.changes: list[Change] = []
        first_day = datetime.fromtimestamp(company.start, UTC).astimezone(BERLIN).date() - timedelta(days=40)
        self.hours = OfficeHours(first_day)
        self.applicants = Applicants(rng)
        #: applications in play, by job
        self.roster: dict[int, set[int]] = defaultdict(set)
        self.staff: dict[int, Person] = company.staff
        self.by_employee = {person.employee_id: person for person in self.staff.values()}
        self.arrived = 0
        #: simulated time: that of the last thing done
        self.now: float = company.start
        self._arrivals_a_day = 1.0
        self._queue: list[tuple[float, int, Handler, tuple[Any, ...]]] = []
        self._tickets = count()

    # -- the machine

    def schedule(self, when: float, handler: Handler, *args: Any) -> None:
        heapq.heappush(self._queue, (when, next(self._tickets), handler, args))

    def run_until(self, until: float) -> None:
        while self._queue and self._queue[0][0] <= until:
            self.step()

    def step(self) -> bool:
        """Do the next thing planned; False if nothing is."""
        if not self._queue:
            return False
        when, _, handler, args = heapq.heappop(self._queue)
        self.now = when
        handler(when, *args)
        return True

    def emit(self, when: float, kind: Kind, **fields: Any) -> Change:
        change = Change(seq=self.state.seq + 1, at=self.stamp(when), kind=kind, **fields)
        self.state.apply(change)
        self.changes.append(change)
        return change

    def moment(self, after: float, business_days: float) -> float:
        """When somebody at the office gets round to it; now and then in the evening, or on a Sunday."""
        when = self.hours.after(after, business_days)
        if self.rng.random() < OVERTIME:
            if self.rng.random() < 0.25:
                # day 0 of the epoch was a Thursday
                return when + (6 - (int(when) // DAY + 3) % 7) * DAY
            return max(when, self.hours.closing(when) + self.rng.uniform(0.5, 4) * 3600)
        return when

    # -- applications

    def arrive(self, when: float, job_id: int) -> None:
        job = self._open_job_near(self.state.jobs[job_id])
        if job is None:
            return
        self.arrived += 1
        oddity = oddity_of(self.arrived)
        application = self.apply_to(when, job, applied_at=when - self.rng.uniform(1, 6) * DAY if oddity is Oddity.BACKDATED else None)
        if oddity is None or not befall(self, when, application, oddity):
            self.enter(when, application)

    def apply_to(self, when: float, job: Job, *, applied_at: float | None = None, copy_of: Application | None = None) -> Application:
        """Add an application, of a new person or (moved from another job) of the person of ``copy_of``."""
        state = self.state
        applicant_id = state.last_applicant_id + self.rng.choice((1, 1, 2)) if state.last_applicant_id else 3117
        if copy_of is None:
            person: dict[str, Any] = dict(self.applicants.draw(applicant_id))
        else:
            person = {name: getattr(copy_of, name) for name in ("first_name", "last_name", "email", "source")}
            person["moved_from"] = copy_of.id
        if applied_at is not None:
            person["applied_at"] = int(applied_at)
        change = self.emit(
            when,
            Kind.APPLIED,
            application_id=state.last_application_id + 1 if state.last_application_id else 1001,
            job_id=job.id,
            status_to=NEW,
            facts={"applicant_id": applicant_id, **person},
        )
        self.roster[job.id].add(change.application_id)
        return state.applications[change.application_id]

    def _open_job_near(self, job: Job) -> Job | None:
        """``job`` while it takes applications, else another one, of the same department if possible."""
        if job.status == JobStatusId.OPEN:
            return job
        open_jobs = [other for other in self.state.jobs.values() if other.status == JobStatusId.OPEN and other.quirk != Quirk.CLEAN_UP]
        near = [other for other in open_jobs if other.department == job.department]
        return self.rng.choice(near or open_jobs) if open_jobs else None

    def enter(self, when: float, application: Application, *, waited: float = 0.0) -> None:
        """Plan the rest of a stay which has already lasted ``waited`` business days."""
        job = self.state.jobs[application.job_id]
        rng, status = self.rng, application.status
        plan = fate(
            rng,
            status,
            job,
            pace=job.pace(status) * vacancies.strain(self, job, status, when),
            rounds=application.interviews,
            came_from=application.last_stage or 0,
            offer_code=OFFER if job.take_home and when < self.offer_disabled_at else OFFER_SENT,
        )
        left = plan.business_days - waited
        if left <= 0:
            # overdue already: somebody will notice, sooner or later
            left = duration(rng, status, job.pace(status)) * rng.uniform(0.2, 1.8)
        if not waited:
            activity.accompany(self, when, application, job, plan, left)
        self.schedule(self.moment(when, left), self.leave, application.id, application.moves, plan.status)

    @property
    def offer_disabled_at(self) -> float:
        return self.company.until - OFFER_DISABLED_BEFORE_END

    def current(self, application_id: int, moves: int) -> Application | None:
        """The application, unless it is gone or has been moved since the caller planned."""
        application = self.state.applications.get(application_id)
        return application if application is not None and application.moves == moves else None

    def leave(self, when: float, application_id: int, moves: int, target: int) -> None:
        application = self.current(application_id, moves)
        if application is None:
            return
        job = self.state.jobs[application.job_id]
        if job.status == JobStatusId.ON_HOLD and STATUSES[target].role is not Role.WITHDRAWN:
            # nobody touches a frozen job; look again in some weeks
            self.schedule(self.moment(when, self.rng.uniform(8, 16)), self.leave, application_id, moves, target)
            return
        if STATUSES[target].role is Role.STAGE and target not in OFFER_IDS and vacancies.is_over(job):
            target = rejection(self.rng, application.status)
        if target in (OFFER, OFFER_SENT) and not vacancies.has_room(self, job):
            target = rejection(self.rng, application.status)
        if STATUSES[target].role is Role.STAGE and self.rng.random() < MISCLICKS:
            self._misclick(when, application, target)
        else:
            self.set_status(when, application, target)

    def _misclick(self, when: float, application: Application, target: int) -> None:
        origin = application.status
        wrong = self.rng.choice([status for status in sorted(STAGE_IDS - OFFER_IDS) if status not in (origin, target) and status != 31])
        self.put(when, application, wrong, self.mover(application, origin))
        back_at = when + self.rng.uniform(20, 480)
        self.schedule(back_at, self._undo, application.id, application.moves, origin, target)

    def _undo(self, when: float, application_id: int, moves: int, origin: int, target: int) -> None:
        application = self.current(application_id, moves)
        if application is None:
            return
        self.put(when, application, origin, self.mover(application, origin))
        self.schedule(when + self.rng.uniform(10, 90), self.leave, application_id, application.moves, target)

    def set_status(self, when: float, application: Application, target: int) -> None:
        """Move an application for good, with all that follows."""
        before = application.status
        if not self.put(when, application, target, self.mover(application, target)):
            return
        role = STATUSES[target].role
        if role in (Role.STAGE, Role.HOLD):
            self.enter(when, application)
            return
        activity.farewell(self, when, application, before)
        if role is Role.HIRED:
            vacancies.filled(self, when, self.state.jobs[application.job_id])
            if self.state.jobs[application.job_id].hires % 7 == 3:
                # the contract fell through and was signed again: hired, moved back, hired
                self.schedule(self.moment(when, 2), self.reopen, application.id, application.moves, OFFER_SIGNED)
        elif role is Role.REJECTED and self.rng.random() < SECOND_THOUGHTS:
            back = before if before in STAGE_IDS else REVIEWED
            self.schedule(self.moment(when, self.rng.uniform(0.3, 9)), self.reopen, application.id, application.moves, back)

    def reopen(self, when: float, application_id: int, moves: int, target: int) -> None:
        application = self.current(application_id, moves)
        if application is None or (application.status != HIRED and self.state.jobs[application.job_id].status != JobStatusId.OPEN):
            return
        self.roster[application.job_id].add(application.id)
        self.set_status(when, application, target)

    def put(self, when: float, application: Application, target: int, actor: int | None, **facts: Any) -> Change | None:
        """The bare change of status. Two changes of one application never share a second: their keys would be equal."""
        if self.stamp(when) <= application.status_at:
            self.schedule(when + 1, self.leave, application.id, application.moves, target)
            return None
        change = self.emit(
            when,
            Kind.STATUS,
            application_id=application.id,
            job_id=application.job_id,
            actor=actor,
            status_from=application.status,
            status_to=target,
            facts=facts or None,
        )
        if not application.active:
            self.roster[application.job_id].discard(application.id)
        return change

    def mover(self, application: Application, target: int) -> int | None:
        """Who would set ``target``: mostly the recruiter, the lead after interviews, nobody for what happens by itself."""
        job, chance = self.state.jobs[application.job_id], self.rng.random()
        lead = self.by_employee.get(job.lead or 0)
        if target == OFFER_SIGNED or (STATUSES[target].role is Role.WITHDRAWN and chance < 0.4):
            return None
        if application.status == NEW and STATUSES[target].role is Role.REJECTED and chance < 0.12:
            return None  # a knock-out question of the application form
        if lead is not None and (application.status in (INTERVIEWED, TAKE_HOME) or (application.status == REVIEWED and chance < 0.3)):
            return lead.user_id
        return job.recruiter

    # -- going on after the past

    def revive(self, state: State, now: float) -> None:
        """Take over ``state`` and plan what comes after ``now``, beginning with the next office hour."""
        self.state, self.now = state, self.hours.after(now, 0)
        self.arrived = len(state.applications)
        for application in state.applications.values():
            if application.active:
                self.roster[application.job_id].add(application.id)
                waited = self.hours.between(application.status_at, self.now)
                self.enter(self.now, application, waited=max(waited, 0.001))
        since = self.company.until - RECENT
        recent = sum(since < application.applied_at <= self.company.until for application in state.applications.values())
        self._arrivals_a_day = max(recent, 10) / max(self.hours.between(since, self.company.until), 1)
        self.schedule(self._next_arrival(self.now), self._arrive_live)

    def _next_arrival(self, now: float) -> float:
        """At the pace of the last weeks of the past, but in office time: nights and weekends are skipped."""
        return self.hours.after(now, self.rng.expovariate(self._arrivals_a_day))

    def _arrive_live(self, when: float) -> None:
        jobs = [job for job in self.state.jobs.values() if job.status == JobStatusId.OPEN]
        if jobs:
            job = self.rng.choices(jobs, [job.popularity + 0.01 for job in jobs])[0]
            self.arrive(when, job.id)
        self.schedule(self._next_arrival(when), self._arrive_live)


def simulate(company: Organization, applications: int) -> list[Change]:
    """The company's past as a list of changes, in order, ``applications`` people applying. Deterministic."""
    simulation = Simulation(company, Random(f"history:{company.seed}"))
    season = Season(Random(f"season:{company.seed}"), company.start, company.until)
    bounds = [vacancies.posting_bounds(plan, company.until) for plan in company.plans]
    weights = [season.of_job(plan, *bound) for plan, bound in zip(company.plans, bounds, strict=True)]
    shares = share_out(applications, [sum(days) for days in weights])
    for plan, bound, days, share in zip(company.plans, bounds, weights, shares, strict=True):
        simulation.schedule(plan.opened_at, vacancies.open_job, simulation, plan)
        for at in arrival_times(simulation.rng, season, days, share, *bound):
            simulation.schedule(at, simulation.arrive, plan.id)
    simulation.run_until(company.until)
    return simulation.changes
