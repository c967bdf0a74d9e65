"""What is read of BambooHR's answers, and nothing else: these structs are the allowlist.

Each ``read_*`` takes whatever JSON came and survives missing, null and oddly typed values, since the
published spec, recordings and the old PHP models disagree (object or text, number or text, ``items`` or
list). Ids become text. What is not a field here (résumé, answers, salary, address, phone, education,
avatars) is dropped on arrival and stored nowhere.

Reference: documentation.bamboohr.com/reference, "Applicant Tracking".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

ID_LENGTH = 64
#: the narrowest column such a text may end up in: longer, and one status' name would cost all events that carry it
TEXT_LENGTH = 200
#: moved-to elements have no published shape: an element without an id counts, as this
NAMELESS = "?"


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """A BambooHR user: who changed a status, who leads a job."""

    id: str | None = None
    name: str | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One company-wide status. ``code`` is None for custom ones."""

    id: str
    code: str | None = None
    name: str | None = None
    #: the operator's word for it (``stage_map``), which wins over the code
    taken_as: str | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str
    title: str | None = None
    department: str | None = None
    location: str | None = None
    status_id: str | None = None
    status_label: str | None = None
    #: as written; moves when the job is posted again
    posted: str | None = None
    lead: Person | None = None


class Application(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A list row or a detail. None and UNSET mean not told, except that a told ``rating`` may be None."""

    id: str
    #: as written
    applied: str | None = None
    status_id: str | None = None
    status_label: str | None = None
    #: as written; only details tell it
    status_changed: str | None = None
    #: None: system, candidate, API, or not told
    changed_by: Person | None = None
    rating: int | UnsetType | None = UNSET
    candidate_id: str | None = None
    candidate_name: str | None = None
    candidate_email: str | None = None
    candidate_source: str | None = None
    job_id: str | None = None
    job_title: str | None = None
    comment_count: int | None = None
    email_count: int | None = None
    event_count: int | None = None
    #: ids of the elements; None: not told (list rows)
    moved_to: tuple[str, ...] | None = None
    moved_from: tuple[str, ...] | None = None


def read_application(raw: Any) -> Application | None:
    """None if it is no object with an id: there is nothing to hold it by."""
    row = _object(raw)
    external_id = _id(row.get("id"))
    if external_id is None:
        return None
    status, applicant, job = (_object_or_id(row.get(name)) for name in ("status", "applicant", "job"))
    return Application(
        id=external_id,
        applied=_text(row.get("appliedDate")),
        status_id=_id(status.get("id")),
        status_label=_label(row.get("status")),
        status_changed=_text(status.get("dateChanged")),
        changed_by=_person(status.get("changedByUser"), id_field="id"),
        rating=_whole(row["rating"]) if "rating" in row else UNSET,
        candidate_id=_id(applicant.get("id")),
        candidate_name=_full_name(applicant),
        candidate_email=_text(applicant.get("email")),
        candidate_source=_text(applicant.get("source")),
        job_id=_id(job.get("id")),
        job_title=_label(job.get("title")),
        comment_count=_count(row.get("commentCount")),
        email_count=_count(row.get("emailCount")),
        event_count=_count(row.get("eventCount")),
        moved_to=_element_ids(row["movedTo"]) if "movedTo" in row else None,
        moved_from=_element_ids(row["movedFrom"]) if "movedFrom" in row else None,
    )


def read_status(raw: Any) -> Status | None:
    row = _object(raw)
    external_id = _id(row.get("id"))
    if external_id is None:
        return None
    code = _text(row.get("code"))
    return Status(id=external_id, code=code.upper() if code else None, name=_text(row.get("name")))


def read_job(raw: Any) -> Job | None:
    row = _object(raw)
    external_id = _id(row.get("id"))
    if external_id is None:
        return None
    return Job(
        id=external_id,
        title=_label(row.get("title")),
        department=_label(row.get("department")),
        location=_label(row.get("location")),
        status_id=_id(_object_or_id(row.get("status")).get("id")),
        status_label=_label(row.get("status")),
        posted=_text(row.get("postedDate")),
        lead=_person(row.get("hiringLead"), id_field="employeeId"),
    )


def rows(raw: Any) -> list[Any] | None:
    """The members of a list; of the old PHP models' ``{"items": […]}`` too. None: no list at all."""
    if isinstance(raw, dict):
        raw = raw.get("items")
    return raw if isinstance(raw, list) else None


def _text(value: Any) -> str | None:
    """Text fit for the database, or None for a blank. NUL and lone surrogates cannot be stored."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    clean = str(value).replace("\x00", "").encode("utf-8", "replace").decode().strip()
    return clean[:TEXT_LENGTH] or None


def _id(value: Any) -> str | None:
    """Ids are numbers in one call and text in the next: 6, "6" and 6.0 are one id."""
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None
    text = _text(value)
    return text if text is not None and len(text) <= ID_LENGTH else None


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and value.strip().isdecimal():
        value = value.strip()[:ID_LENGTH]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 2**31 else None


def _count(value: Any) -> int | None:
    number = _whole(value)
    return number if number is not None and number >= 0 else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _object_or_id(value: Any) -> dict[str, Any]:
    """An object, or an id standing for one, as older models have it."""
    return {"id": value} if isinstance(value, int) else _object(value)


def _label(value: Any) -> str | None:
    """The label of ``{"id": …, "label": …}``, or the text standing for it."""
    return _text(value.get("label")) if isinstance(value, dict) else _text(value) if isinstance(value, str) else None


def _full_name(person: dict[str, Any]) -> str | None:
    parts = [_text(person.get(name)) for name in ("firstName", "lastName")]
    return _text(" ".join(part for part in parts if part))


def _person(value: Any, *, id_field: str) -> Person | None:
    fields = {id_field: value} if isinstance(value, int) and not isinstance(value, bool) else _object(value)
    person = Person(_id(fields.get(id_field)), _full_name(fields))
    return person if person != Person() else None


def _element_ids(value: Any) -> tuple[str, ...]:
    elements = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(_first_id(element) or NAMELESS for element in elements if element)


def _first_id(element: Any) -> str | None:
    """The id of a thing whose shape is not published; never any other of its texts, which may be personal."""
    fields = _object_or_id(element)
    candidates: Iterable[Any] = (fields.get(name) for name in ("id", "applicationId", "jobId"))
    return next((found for candidate in candidates if (found := _id(candidate)) and found.isdecimal()), None)
