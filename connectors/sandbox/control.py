"""The control endpoints under ``/_sandbox``: outside of the API, for tests and demos, without a key.

GET    /_sandbox                    what this is and how it stands
GET    /_sandbox/truth?since=SEQ    every change after SEQ: what really happened
GET    /_sandbox/history            the whole past as import rows (JSONL)
GET    /_sandbox/applications       how every application stands
GET    /_sandbox/requests?since=N   API calls received after number N
POST   /_sandbox/tick               {"number": 5}: at least so many changes happen now
POST   /_sandbox/changes            one change by hand: {"kind": "status", "application_id": 1001, "status": 6, "at": ISO}
POST   /_sandbox/clock              {"now": ISO} stops it, {"advance": seconds} moves it, {"now": null} lets it run
POST   /_sandbox/habits             {"page_size": 3, "next_page_url": "relative", ..., "rate": 60}
GET, POST, DELETE /_sandbox/faults  see ``faults.KINDS``
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from connectors.sandbox.account import Habits
from connectors.sandbox.api import Answer, Request
from connectors.sandbox.changes import Change, Kind
from connectors.sandbox.export import event_key, import_rows
from connectors.sandbox.faults import KINDS
from connectors.sandbox.office_hours import iso
from connectors.sandbox.statuses import STATUSES, JobStatusId

if TYPE_CHECKING:
    from connectors.sandbox.server import Sandbox

NEXT_PAGE_URLS = ("absolute", "relative", "null", "absent")


class Control:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._routes: dict[tuple[str, str], Callable[[Request, dict[str, Any]], Any]] = {
            ("GET", ""): self._about,
            ("GET", "truth"): self._truth,
            ("GET", "applications"): self._applications,
            ("GET", "requests"): self._requests,
            ("POST", "tick"): self._tick,
            ("POST", "changes"): self._change,
            ("POST", "clock"): self._clock,
            ("POST", "habits"): self._habits,
            ("GET", "faults"): lambda request, sent: [msgspec.to_builtins(fault) for fault in sandbox.faults.in_force()],
            ("POST", "faults"): lambda request, sent: msgspec.to_builtins(sandbox.faults.add(sent)),
            ("DELETE", "faults"): lambda request, sent: sandbox.faults.clear(),
        }

    def answer(self, request: Request) -> Answer:
        """400 with the reason as JSON for a request that makes no sense."""
        name = request.path.removeprefix("/_sandbox").strip("/")
        if (request.method, name) == ("GET", "history"):
            return self._history()
        call = self._routes.get((request.method, name))
        if call is None:
            return Answer(404, b'{"error": "no such control"}')
        try:
            sent = json.loads(request.body) if request.body else {}
            if not isinstance(sent, dict):
                raise ValueError("send a JSON object")
            return Answer(200, json.dumps(call(request, sent)).encode())
        except (ValueError, KeyError, TypeError) as error:
            return Answer(400, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())

    def _about(self, request: Request, sent: dict[str, Any]) -> Any:
        account = self._sandbox.account
        with account.lock:
            active = sum(application.active for application in account.state.applications.values())
            return {
                "charter": dataclasses.asdict(account.charter),
                "now": iso(account.clock.now()),
                "last_seq": account.state.seq,
                "jobs": len(account.state.jobs),
                "applications": len(account.state.applications),
                "active": active,
                "rate": self._sandbox.rate,
                "habits": dataclasses.asdict(account.habits),
                "fault_kinds": KINDS,
            }

    def _truth(self, request: Request, sent: dict[str, Any]) -> Any:
        account, since = self._sandbox.account, int(request.query.get("since", "0"))
        with account.lock:
            # seq counts from 1 without gaps, so it is an index
            return {"changes": [told(change) for change in account.changes[since:]], "last_seq": account.state.seq}

    def _history(self) -> Answer:
        account = self._sandbox.account
        with account.lock:
            changes = list(account.changes)
        encode = msgspec.json.Encoder().encode
        rows = import_rows(changes, account.company.staff, until=account.charter.until)
        return Answer(200, b"".join(encode(row) + b"\n" for row in rows), "application/x-ndjson")

    def _applications(self, request: Request, sent: dict[str, Any]) -> Any:
        account = self._sandbox.account
        with account.lock:
            return [
                dataclasses.asdict(item) | {"applied_at": iso(item.applied_at), "status_at": iso(item.status_at), "active": item.active}
                for item in account.state.applications.values()
            ]

    def _requests(self, request: Request, sent: dict[str, Any]) -> Any:
        since = int(request.query.get("since", "0"))
        return [entry for entry in list(self._sandbox.log) if entry["number"] > since]

    def _tick(self, request: Request, sent: dict[str, Any]) -> Any:
        number = int(sent.get("number", 1))
        return {"changes": [told(change) for change in self._sandbox.account.tick(number)]}

    def _clock(self, request: Request, sent: dict[str, Any]) -> Any:
        clock = self._sandbox.account.clock
        if "now" in sent:
            clock.script(None if sent["now"] is None else instant(sent["now"]))
        if "advance" in sent:
            clock.advance(int(sent["advance"]))
        return {"now": iso(clock.now())}

    def _habits(self, request: Request, sent: dict[str, Any]) -> Any:
        habits = self._sandbox.account.habits
        if "rate" in sent:
            self._sandbox.rate = float(sent.pop("rate"))
        merged = msgspec.convert({**dataclasses.asdict(habits), **sent}, Habits)
        unknown = set(sent) - set(dataclasses.asdict(habits))
        if unknown or merged.page_size < 1 or merged.next_page_url not in NEXT_PAGE_URLS or merged.posted_by not in ("owner", "nobody"):
            raise ValueError(f"unknown habit or value: {sent}")
        self._sandbox.account.habits = merged
        return dataclasses.asdict(merged)

    def _change(self, request: Request, sent: dict[str, Any]) -> Any:
        """One change by hand. ``at`` may lie anywhere, also before the last change."""
        account = self._sandbox.account
        kind = Kind(sent.pop("kind"))
        at = instant(sent.pop("at")) if sent.get("at") is not None else None
        with account.lock:
            return told(self._make(kind, at, sent))

    def _make(self, kind: Kind, at: int | None, sent: dict[str, Any]) -> Change:
        account = self._sandbox.account
        state, actor = account.state, sent.get("actor")
        if kind is Kind.APPLIED:
            person = {"first_name": "Robin", "last_name": "Example", **sent.get("person", {})}
            return account.apply(state.jobs[int(sent["job_id"])].id, person, at=at)
        if kind is Kind.JOB_STATUS:
            job = state.jobs[int(sent["job_id"])]
            return account.change(kind, at=at, job_id=job.id, status_from=job.status, status_to=_job_status(sent["status"]), actor=actor)
        if kind is Kind.JOB_REPOSTED:
            return account.change(kind, at=at, job_id=state.jobs[int(sent["job_id"])].id, actor=actor)
        if kind is Kind.JOB_OPENED:
            raise ValueError("open a job through POST job_opening")
        application = state.applications[int(sent["application_id"])]
        if kind is Kind.STATUS:
            status = STATUSES[int(sent["status"])].id
            return account.set_status(application, status, actor=actor, at=at)
        fields: dict[str, Any] = {"application_id": application.id, "actor": actor}
        if kind is Kind.RATING:
            fields["value"] = int(sent["value"])
        elif kind is Kind.APPLIED_DATE:
            fields["value"] = instant(sent["value"])
        elif kind is Kind.REASSIGNED:
            fields |= {"job_id": state.jobs[int(sent["job_id"])].id, "facts": {"job_from": application.job_id}}
        return account.change(kind, at=at, **fields)


def _job_status(number: int) -> int:
    if number not in range(JobStatusId.OPEN, JobStatusId.DELETED + 1):
        raise ValueError(f"no such job status: {number}")
    return int(number)


def told(change: Change) -> dict[str, Any]:
    """A change as the truth tells it: times as text, and the key a poll would give it."""
    row: dict[str, Any] = msgspec.to_builtins(change)
    return row | {"at": iso(change.at), "provider_event_id": event_key(change)}


def instant(text: str) -> int:
    """Epoch seconds of an ISO 8601 time; one without an offset is taken as UTC."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
