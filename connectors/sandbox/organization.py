"""The company: departments, offices, staff, and the jobs it opens over the simulated months."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from connectors.sandbox.people import FAMILY, GIVEN, Person
from connectors.sandbox.statuses import INTERVIEWED, NEW, REVIEWED, SCHEDULE_INTERVIEW

DAY = 86_400


class Quirk(StrEnum):
    """What is wrong with a job, so that a monitor has something to find."""

    NONE = ""
    STUCK_INTERVIEWER = "stuck_interviewer"
    CLEAN_UP = "clean_up"
    FROZEN = "frozen"
    NEGLECTED = "neglected"
    EVERGREEN = "evergreen"
    DRAFT = "draft"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Department:
    id: int
    name: str
    titles: tuple[str, ...]
    #: stage durations relative to the company's
    pace: float
    popularity: float
    take_home: bool = False


DEPARTMENTS = (
    Department(18264, "Engineering", (
        "Backend Engineer", "Frontend Engineer", "Site Reliability Engineer", "Engineering Manager", "QA Engineer", "Mobile Engineer",
        "Security Engineer", "Staff Engineer", "Platform Engineer"), 1.05, 1.2, True),
    Department(18265, "Customer Success", (
        "Customer Support Agent", "Customer Success Manager", "Onboarding Specialist", "Technical Support Engineer",
        "Support Team Lead", "Implementation Consultant"), 0.8, 1.6),
    Department(18266, "Sales", (
        "Enterprise Account Executive", "Sales Development Representative", "Account Manager", "Sales Engineer",
        "Regional Sales Lead DACH", "Partner Manager", "Revenue Operations Analyst"), 0.85, 1.0),
    Department(18267, "Marketing", (
        "Working Student Marketing", "Content Strategist", "Performance Marketing Manager", "Brand Designer",
        "Event Manager", "Product Marketing Manager"), 1.1, 1.3),
    Department(18268, "Data", (
        "Data Engineer", "Data Analyst", "Machine Learning Engineer", "Analytics Engineer", "Head of Data"), 1.0, 1.1, True),
    Department(18269, "Product & Design", (
        "Product Manager", "Product Designer", "UX Researcher", "Group Product Manager", "Design Lead"), 1.15, 1.2, True),
    Department(18270, "People & Finance", (
        "Talent Partner", "Financial Controller", "Office Manager", "Payroll Specialist", "Legal Counsel", "IT Administrator"), 0.95, 0.8),
)  # fmt: skip

LEAD_TITLES = ("Head of {}", "Director {}")
SENIOR_WORDS = ("Manager", "Lead", "Head", "Staff", "Director", "Counsel", "Controller", "Senior")


@dataclass(frozen=True, slots=True)
class Location:
    id: int
    name: str
    city: str
    state: tuple[int, str, str, str] | None
    country: tuple[int, str, str]
    zipcode: str
    street: str


LOCATIONS = (
    Location(18240, "Berlin Office", "Berlin", (3, "Berlin", "BE", "DE-BE"), (83, "Germany", "DE"), "10119", "Torstr. 1"),
    Location(18241, "Hamburg Office", "Hamburg", (6, "Hamburg", "HH", "DE-HH"), (83, "Germany", "DE"), "20457", "Am Sandtorkai 40"),
    Location(18242, "Lisbon Hub", "Lisboa", None, (173, "Portugal", "PT"), "1200-109", "Rua do Alecrim 12"),
)


@dataclass(slots=True)
class JobPlan:
    """What the company intends with a job. Times in epoch seconds."""

    id: int
    title: str
    department: Department | None
    location_id: int | None
    lead: Person | None
    recruiter: Person
    opened_at: int
    close_by: int | None
    openings: int
    popularity: float
    quirk: Quirk = Quirk.NONE
    senior: bool = False
    #: factor on every stage's duration, and further ones by status id
    tempo: float = 1.0
    slow: dict[int, float] = field(default_factory=dict)

    @property
    def take_home(self) -> bool:
        return self.department is not None and self.department.take_home

    def facts(self) -> dict[str, object]:
        return {
            "title": self.title,
            "department_id": self.department.id if self.department else None,
            "department": self.department.name if self.department else None,
            "location_id": self.location_id,
            "lead": self.lead.employee_id if self.lead else None,
            "recruiter": self.recruiter.user_id,
            "take_home": self.take_home,
            "senior": self.senior,
            "openings": self.openings,
            "popularity": round(self.popularity, 3),
            "tempo": round(self.tempo, 3),
            "slow": {str(status): factor for status, factor in self.slow.items()},
            "quirk": str(self.quirk),
        }


@dataclass(slots=True)
class Organization:
    """The cast and the plan. ``start`` and ``until`` bound the simulated past, in epoch seconds."""

    seed: int
    start: int
    until: int
    recruiters: list[Person]
    leads: dict[str, list[Person]]
    plans: list[JobPlan]

    @property
    def staff(self) -> dict[int, Person]:
        people = [*self.recruiters, *(lead for leads in self.leads.values() for lead in leads)]
        return {person.user_id: person for person in people}


def found(*, seed: int, start: int, until: int, jobs: int) -> Organization:
    """Draw a company with ``jobs`` jobs over the period. The same arguments give the same company."""
    rng = Random(f"organization:{seed}")
    recruiters, leads = _hire_staff(rng)
    plans = [_plan_job(rng, index, jobs, start, until, recruiters, leads) for index in range(jobs)]
    plans.sort(key=lambda plan: plan.opened_at)
    for number, plan in enumerate(plans):
        plan.id = 31 + number
    return Organization(seed, start, until, recruiters, leads, plans)


def _hire_staff(rng: Random) -> tuple[list[Person], dict[str, list[Person]]]:
    names = list(zip(rng.sample(GIVEN, 24), rng.sample(FAMILY, 24), strict=True))
    recruiters = [Person(2410 + i, 70 + i, *names.pop(), 18236, "Talent Partner") for i in range(5)]
    leads: dict[str, list[Person]] = {}
    number = 0
    for department in DEPARTMENTS:
        for title in LEAD_TITLES:
            # BambooHR answers leads without a job title too
            label = None if number == 9 else title.format(department.name)
            person = Person(2460 + 3 * number, 83 + number, *names.pop(), 18318 + number if label else None, label)
            leads.setdefault(department.name, []).append(person)
            number += 1
    return recruiters, leads


def _quirk(index: int, jobs: int) -> Quirk:
    order = (
        Quirk.STUCK_INTERVIEWER,
        Quirk.CLEAN_UP,
        Quirk.FROZEN,
        Quirk.NEGLECTED,
        Quirk.NONE,
        Quirk.EVERGREEN,
        Quirk.DRAFT,
        Quirk.DELETED,
    )
    return order[index] if index < len(order) and (index < 5 or jobs >= 12) else Quirk.NONE


def _plan_job(
    rng: Random, index: int, jobs: int, start: int, until: int, recruiters: list[Person], leads: dict[str, list[Person]]
) -> JobPlan:
    quirk = _quirk(index, jobs)
    department = DEPARTMENTS[index % len(DEPARTMENTS)]
    title = department.titles[(index // len(DEPARTMENTS)) % len(department.titles)]
    opened_at, close_by = _window(rng, index, quirk, start, until)
    plan = JobPlan(
        id=0,
        title=title,
        department=department,
        location_id=rng.choices([location.id for location in LOCATIONS], (7, 2, 1))[0],
        # the second lead of the first department is the stuck interviewer and has that one job only
        lead=leads[department.name][0 if department is DEPARTMENTS[0] or rng.random() < 0.6 else 1],
        recruiter=recruiters[index % len(recruiters)],
        opened_at=opened_at,
        close_by=close_by,
        openings=rng.choices((1, 2, 3, 5), (28, 30, 24, 18))[0] + (close_by is None),
        # the company grows: its earlier jobs drew fewer people, but not that few
        popularity=department.popularity * rng.lognormvariate(0, 0.4) * (1.0 if close_by is None else 1.3),
        quirk=quirk,
        senior=any(word in title for word in SENIOR_WORDS),
    )
    plan.tempo = department.pace * rng.lognormvariate(0, 0.15)
    _bend(plan, leads)
    return plan


def _bend(plan: JobPlan, leads: dict[str, list[Person]]) -> None:
    """Give a quirky job its character."""
    department = plan.department
    assert department is not None
    if plan.quirk is Quirk.STUCK_INTERVIEWER:
        plan.lead, plan.popularity, plan.openings = leads[department.name][1], 2.6, 25
        plan.slow = {INTERVIEWED: 4.0, SCHEDULE_INTERVIEW: 1.5}
    elif plan.quirk is Quirk.CLEAN_UP:
        plan.popularity, plan.openings = 3.4, 99
    elif plan.quirk is Quirk.FROZEN:
        plan.popularity, plan.openings = 2.4, 9
    elif plan.quirk is Quirk.NEGLECTED:
        plan.popularity, plan.openings = 2.0, 4
        plan.slow = {NEW: 4.0, REVIEWED: 2.0}
    elif plan.quirk is Quirk.EVERGREEN:
        plan.title, plan.department, plan.lead, plan.openings, plan.popularity = "General Application", None, None, 99, 0.25
        plan.slow = {NEW: 2.0}
    elif plan.quirk is Quirk.DRAFT:
        plan.popularity, plan.location_id, plan.lead = 0.0, None, None


def _window(rng: Random, index: int, quirk: Quirk, start: int, until: int) -> tuple[int, int | None]:
    """When a job opens, and when the company wants to be done with it (None: not within the period)."""
    period = until - start

    def ago(days: float) -> int:
        return until - int(min(days * DAY, period * 0.9)) - rng.randrange(3600, 8 * 3600)

    match quirk:
        case Quirk.STUCK_INTERVIEWER:
            return ago(150), None
        case Quirk.CLEAN_UP:
            return ago(230), ago(50) if period > 100 * DAY else until - period // 4
        case Quirk.FROZEN:
            return ago(110), None
        case Quirk.NEGLECTED:
            return ago(70), None
        case Quirk.EVERGREEN:
            return start, None
        case Quirk.DRAFT:
            return ago(12), None
        case Quirk.DELETED:
            return ago(330), ago(250)
    if index % 10 in (1, 4, 6, 9):
        return ago(rng.uniform(6, 125)), None
    length = int(min(max(rng.lognormvariate(4.45, 0.35), 30) * DAY, period * 0.8))
    # spread evenly (golden ratio), and begun before the period so that its first months are as busy as the others
    opened_at = start - 60 * DAY + int((index * 0.618) % 1 * max(period - length, 1))
    return max(opened_at, start + rng.randrange(6 * 3600)), max(opened_at + length, start + 40 * DAY)
