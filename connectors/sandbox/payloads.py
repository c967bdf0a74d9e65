"""The answers of BambooHR's applicant tracking API, field by field, out of the simulated state.

Shapes follow recorded answers and the published examples: ids are numbers except those of statuses, avatars differ
between list and detail, a draft job has null counts. Details also carry what a monitor must never store (salary,
address, answers); every such text holds ``PRIVATE``, so that a test can search a database for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random
from typing import Any

from connectors.sandbox.office_hours import iso
from connectors.sandbox.organization import LOCATIONS, Location
from connectors.sandbox.people import Person
from connectors.sandbox.state import Application, Job, State
from connectors.sandbox.statuses import JOB_STATUS_LABELS, NEW, STATUSES, JobStatusId

Json = dict[str, Any]

#: marks every text that must not leave the connector
PRIVATE = "private-canary"

PHOTO = "https://resources.bamboohr.com/images/photo_person_160x160.png"
DEGREES = ((5, "College - Associate"), (6, "College - Bachelor of Science"), (7, "College - Master of Science"), (8, "Doctorate"))


def status_rows() -> list[Json]:
    """``GET statuses``: the only place where ids are text."""
    return [
        {
            "id": str(status.id),
            "code": status.code,
            "name": status.name,
            "translatedName": status.translated_name or status.name,
            "description": status.description,
            "enabled": status.enabled,
            "manageable": status.code is None,
        }
        for status in STATUSES.values()
        if status.listed
    ]


def list_row(application: Application, job: Job) -> Json:
    initials = f"{application.first_name[:1]}{application.last_name[:1]}"
    return {
        "id": application.id,
        "appliedDate": iso(application.applied_at),
        "status": {"id": application.status, "label": STATUSES[application.status].name},
        "rating": application.rating,
        "applicant": {
            "id": application.applicant_id,
            "firstName": application.first_name,
            "lastName": application.last_name,
            "avatar": f"https://resources.bamboohr.com/employees/photos/initials.php?initials={initials}",
            "email": application.email,
            "source": application.source,
        },
        "job": {"id": job.id, "title": _job_title(job)},
    }


def detail(application: Application, job: Job, state: State, staff: dict[int, Person]) -> Json:
    row = list_row(application, job)
    rng = Random(application.applicant_id)
    person = staff.get(application.status_by or 0)
    row["status"] |= {"dateChanged": iso(application.status_at), "changedByUser": _user(person) if person else None}
    row["applicant"] |= {"avatar": None, **_applicant_extras(application, rng)}
    row["job"]["hiringLead"] = _lead(job, staff)
    duplicates = sum(other.email == application.email for other in state.applications.values()) - 1 if application.email else 0
    return row | {
        "resumeFileId": application.id + 5000 if rng.random() < 0.9 else None,
        "coverLetterFileId": application.id + 90000 if rng.random() < 0.3 else None,
        "movedTo": _moved(application.moved_to, state),
        "movedFrom": _moved(application.moved_from, state),
        "alsoConsideredForCount": 0,
        "duplicateApplicationCount": max(duplicates, 0),
        "referredBy": f"{rng.choice(('a colleague', 'a friend'))} ({PRIVATE})" if application.source == "Referral" else None,
        "desiredSalary": f"€{rng.randrange(42, 98)},000 ({PRIVATE})" if rng.random() < 0.7 else None,
        "commentCount": application.comments,
        "emailCount": application.emails,
        "attachmentCount": None,
        "eventCount": application.events,
        "questionsAndAnswers": [] if application.applicant_id % 5 == 0 else _answers(rng),
        "attachments": None,
        "applicationReferences": f"Former manager, {PRIVATE}" if rng.random() < 0.2 else None,
    }


def _applicant_extras(application: Application, rng: Random) -> Json:
    """What the application form asked; one in five left everything blank."""
    bare = application.applicant_id % 5 == 0
    phone = f"+49 30 5550 {rng.randrange(1000, 9999)}"
    address = {
        "addressLine1": f"Ahornweg {rng.randrange(1, 99)}, {PRIVATE}",
        "addressLine2": rng.choice((None, " ", "Hinterhaus")),
        "city": rng.choice(("Potsdam", "Berlin", "Hamburg", "Leipzig", "Porto")),
        "state": None,
        "zipcode": str(rng.randrange(10115, 22769)),
        "country": "Germany",
    }
    level = rng.choice((None, *DEGREES))
    education = {"institution": f"TU Example, {PRIVATE}", "level": {"id": level[0], "label": level[1]} if level else None}
    return {
        "phoneNumber": application.phone or (None if bare else phone),
        "address": None if bare else address,
        "linkedinUrl": f"https://www.linkedin.com/in/{PRIVATE}-{application.applicant_id}" if rng.random() < 0.5 else None,
        "twitterUsername": None,
        "websiteUrl": None,
        "availableStartDate": None if bare else f"2027-{rng.randrange(1, 12):02d}-01",
        "education": None if bare else education,
    }


def _answers(rng: Random) -> list[Json]:
    blank = {"hasRevisions": False, "isArchived": False, "archivedDate": None, "editedDate": None, "editedEndDate": None}
    tools = f"PostgreSQL\r\nClickHouse, {PRIVATE}"
    rows: list[Json] = [
        {"question": {"id": 36, "label": "What have you run in production?"}, "answer": {"id": rng.randrange(100, 9999), "label": tools}},
        {"question": {"id": 37, "label": "How did you hear about us?"}, "answer": None},
    ]
    return [row | blank for row in rows]


def _moved(application_id: int | None, state: State) -> list[Json] | None:
    """The element shape is not published; an id and a job is the least it can be."""
    if application_id is None:
        return None
    other = state.applications.get(application_id)
    return [{"id": application_id, "jobId": other.job_id if other else None}]


def _job_title(job: Job) -> Json:
    return {"id": 18000 + job.id if job.id % 7 == 0 else None, "label": job.title}


def _user(person: Person) -> Json:
    return {
        "id": person.user_id,
        "firstName": person.first_name,
        "lastName": person.last_name,
        "avatar": PHOTO,
        "jobTitle": {"id": person.title_id, "label": person.title} if person.title else None,
    }


def _lead(job: Job, staff: dict[int, Person]) -> Json | None:
    person = next((person for person in staff.values() if person.employee_id == job.lead), None)
    if person is None:
        return None
    return {
        "employeeId": person.employee_id,
        "firstName": person.first_name,
        "lastName": person.last_name,
        "avatar": PHOTO if person.title else None,
        "jobTitle": {"id": person.title_id, "label": person.title},
    }


def job_rows(jobs: Iterable[Job], state: State, staff: dict[int, Person], base_url: str) -> list[Json]:
    new, active, total = Counter[int](), Counter[int](), Counter[int]()
    for application in state.applications.values():
        total[application.job_id] += 1
        active[application.job_id] += application.active
        new[application.job_id] += application.status == NEW
    rows = []
    for job in jobs:
        draft = job.status == JobStatusId.DRAFT
        rows.append(
            {
                "id": job.id,
                "title": _job_title(job),
                "postedDate": iso(job.posted_at),
                "location": _job_location(job),
                "department": {"id": job.department_id, "label": job.department} if job.department else None,
                "status": {"id": job.status, "label": JOB_STATUS_LABELS[job.status]},
                "hiringLead": _lead(job, staff),
                "newApplicantsCount": None if draft else new[job.id],
                "activeApplicantsCount": None if draft else active[job.id],
                "totalApplicantsCount": total[job.id],
                "postingUrl": None if draft else f"{base_url}/jobs/view.php?id={job.id}",
            }
        )
    return rows


def _job_location(job: Job) -> Json | None:
    location = next((place for place in LOCATIONS if place.id == job.location_id), None)
    if location is None:
        return None
    state_name = location.state[1] if location.state else location.city
    return {
        "id": location.id,
        "label": f"{location.city}, {state_name}",
        "address": {
            "name": location.name,
            "description": None,
            "addressLine1": location.street,
            "addressLine2": " ",
            "city": location.city,
            "state": location.state[1] if location.state else None,
            "zipcode": location.zipcode,
            "country": location.country[1],
            "phoneNumber": None,
        },
    }


def lead_rows(state: State, staff: dict[int, Person]) -> list[Json]:
    leads = {job.lead for job in state.jobs.values()}
    return [
        {"employeeId": person.employee_id, "preferredFullName": person.name} for person in staff.values() if person.employee_id in leads
    ]


def location_rows() -> list[Json]:
    return [_location_row(location) for location in LOCATIONS]


def _location_row(location: Location) -> Json:
    state, country = location.state, location.country
    return {
        "id": location.id,
        "name": location.name,
        "description": None,
        "city": location.city,
        "state": {"id": state[0], "name": state[1], "abbrev": state[2], "iso_code": state[3]} if state else None,
        "country": {"id": country[0], "name": country[1], "iso_code": country[2]},
        "zipcode": location.zipcode,
        "addressLine1": location.street,
        "addressLine2": None,
        "phone": None,
    }


def to_xml(value: Any, tag: str = "result") -> str:
    """What a client gets that did not ask for JSON."""
    from xml.sax.saxutils import escape

    if isinstance(value, dict):
        body = "".join(to_xml(item, key) for key, item in value.items())
    elif isinstance(value, list):
        body = "".join(to_xml(item, "item") for item in value)
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        body = "" if value is None else escape(text)
    return f"<{tag}>{body}</{tag}>"
