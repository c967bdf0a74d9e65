"""The writing calls, so that a story can be told through the API itself. Each needs the account's lock held."""

from __future__ import annotations

import json
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from connectors.sandbox.account import KEY_OWNER, Account
from connectors.sandbox.changes import Kind
from connectors.sandbox.listing import Refusal
from connectors.sandbox.state import Application
from connectors.sandbox.statuses import JOB_STATUS_LABELS, STATUSES

JOB_FIELDS = ("postingTitle", "jobStatus", "hiringLead", "employmentType", "jobDescription")


class Writes:
    def __init__(self, account: Account) -> None:
        self._account = account

    @property
    def _author(self) -> int | None:
        return KEY_OWNER if self._account.habits.posted_by == "owner" else None

    def set_status(self, application: Application, body: bytes) -> Any:
        status = STATUSES.get(_json(body).get("status") or 0)
        if status is None or not status.enabled or not status.listed:
            raise Refusal(400, "Invalid status")
        self._account.set_status(application, status.id, actor=self._author)
        return {"type": "positionApplicantStatus", "id": self._account.state.last_record_id}

    def comment(self, application: Application, body: bytes) -> Any:
        sent = _json(body)
        if sent.get("type", "comment") != "comment" or not isinstance(sent.get("comment"), str) or not sent["comment"].strip():
            raise Refusal(400, "Invalid comment")
        self._account.change(Kind.COMMENT, application_id=application.id, actor=self._author)
        return {"type": "comment", "id": self._account.state.last_record_id}

    def create_candidate(self, content_type: str, body: bytes) -> Any:
        form = _form(content_type, body)
        job = self._account.state.jobs.get(int(form["jobId"])) if form.get("jobId", "").isdecimal() else None
        if job is None or not form.get("firstName") or not form.get("lastName"):
            raise Refusal(400, "firstName, lastName and jobId are required")
        person = {
            "first_name": form["firstName"],
            "last_name": form["lastName"],
            "email": form.get("email"),
            "source": form.get("source"),
            "phone": form.get("phoneNumber"),
        }
        change = self._account.apply(job.id, person)
        # named a candidate, but the number is that of the application
        return {"result": "success", "candidateId": change.application_id}

    def create_job(self, content_type: str, body: bytes) -> Any:
        form = _form(content_type, body)
        numbers = {label: number for number, label in JOB_STATUS_LABELS.items() if label != "Deleted"}
        missing = [name for name in JOB_FIELDS if not form.get(name)]
        if missing or form["jobStatus"] not in numbers or not form["hiringLead"].isdecimal():
            raise Refusal(422, f"Validation failed: {', '.join(missing) or 'jobStatus, hiringLead'}")
        number = self._account.state.last_job_id + 1
        facts = {
            "title": form["postingTitle"],
            "department_id": None,
            "department": form.get("department"),
            "location_id": None,
            "lead": int(form["hiringLead"]),
            "recruiter": KEY_OWNER,
        }
        self._account.change(Kind.JOB_OPENED, job_id=number, status_to=numbers[form["jobStatus"]], facts=facts, actor=self._author)
        return {"result": "success", "jobOpeningId": str(number)}


def _json(body: bytes) -> dict[str, Any]:
    try:
        sent = json.loads(body)
    except ValueError:
        raise Refusal(400, "Malformed JSON") from None
    if not isinstance(sent, dict):
        raise Refusal(400, "Malformed JSON")
    return sent


def _form(content_type: str, body: bytes) -> dict[str, str]:
    """The text fields of a multipart form; files are read and forgotten."""
    if not content_type.lower().startswith("multipart/form-data"):
        raise Refusal(400, "multipart/form-data expected")
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str) and part.get_filename() is None:
            content = part.get_payload(decode=True)
            fields[name] = content.decode("utf-8", "replace").strip() if isinstance(content, bytes) else ""
    return fields
