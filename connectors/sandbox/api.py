"""The ten public calls of BambooHR's applicant tracking, without HTTP: a request in, an answer out.

What has no published answer (the body of an error, the default order of a list) is the least surprising choice,
and each is named where it is made.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlencode

from connectors.sandbox import listing, payloads
from connectors.sandbox.account import Account
from connectors.sandbox.faults import FaultBook, overridden
from connectors.sandbox.listing import Refusal
from connectors.sandbox.pages import Pager
from connectors.sandbox.state import Application
from connectors.sandbox.writes import Writes

API_KEY = "sandbox-key"
#: its owner has no access to the hiring settings: 403 everywhere
POWERLESS_KEY = "sandbox-key-without-hiring-rights"

BASES = (re.compile(r"^(?P<base>/api/v1)(?P<path>/.*)$"), re.compile(r"^(?P<base>/api/gateway\.php/(?P<domain>[^/]+)/v1)(?P<path>/.*)$"))
_numbers = count(1)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query_string: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: scheme and host the client used, e.g. ``http://127.0.0.1:8123``
    origin: str = "http://127.0.0.1"

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")


@dataclass
class Answer:
    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    #: length the headers promise, if not the real one
    promised_length: int | None = None
    #: close the connection without a word
    drop: bool = False


class Api:
    """Routes a request to its call. ``keys`` maps accepted API keys to whether their owner has hiring rights."""

    def __init__(self, account: Account, faults: FaultBook, keys: dict[str, bool] | None = None) -> None:
        self.account = account
        self.faults = faults
        self.keys = keys if keys is not None else {API_KEY: True, POWERLESS_KEY: False}
        self.writes = Writes(account)
        self.pager = Pager(account, faults)
        self._routes: tuple[tuple[str, re.Pattern[str], Callable[..., Any]], ...] = tuple(
            (method, re.compile(f"^/applicant_tracking{pattern}$"), call)
            for method, pattern, call in (
                ("GET", r"/applications", self._applications),
                ("GET", r"/applications/(\d+)", self._detail),
                ("GET", r"/jobs", self._jobs),
                ("GET", r"/statuses", self._statuses),
                ("GET", r"/hiring_leads", self._leads),
                ("GET", r"/locations", self._locations),
                ("POST", r"/applications/(\d+)/status", self._set_status),
                ("POST", r"/applications/(\d+)/comments", self._comment),
                ("POST", r"/application", self._create_candidate),
                ("POST", r"/job_opening", self._create_job),
            )
        )

    def answer(self, request: Request) -> Answer:
        """Never raises: what the API refuses becomes an answer with the reason in a header and an empty body."""
        try:
            value = self._call(request)
        except Refusal as refusal:
            answer = Answer(refusal.status, content_type="text/html", headers={"X-BambooHR-Error-Message": refusal.message})
        else:
            # without a word about JSON in Accept, some v1 calls answer XML; the sandbox makes all of them do so
            if "json" in request.header("Accept"):
                answer = Answer(200, json.dumps(value).encode())
            else:
                answer = Answer(200, ('<?xml version="1.0"?>\n' + payloads.to_xml(value)).encode(), "text/xml")
        answer.headers["x-request-id"] = f"sandbox-{next(_numbers)}"
        return answer

    def _call(self, request: Request) -> Any:
        match = next((found for base in BASES if (found := base.match(request.path))), None)
        if match is None:
            raise Refusal(404, "Not found")
        self._authorize(request, match.groupdict().get("domain"))
        path, known_path = match["path"], False
        for method, pattern, call in self._routes:
            if (found := pattern.match(path)) is not None:
                known_path = True
                if method == request.method:
                    with self.account.lock:
                        return call(request, *found.groups())
        raise Refusal(405, "Method not allowed") if known_path else Refusal(404, "Not found")

    def _authorize(self, request: Request, domain: str | None) -> None:
        """Basic auth, the key as user name, any password. A wrong company domain looks like a wrong key."""
        scheme, _, encoded = request.header("Authorization").partition(" ")
        try:
            key = base64.b64decode(encoded, validate=True).decode().split(":", 1)[0] if scheme.lower() == "basic" else ""
        except (binascii.Error, UnicodeDecodeError):
            key = ""
        if key not in self.keys or domain not in (None, self.account.habits.domain):
            raise Refusal(401, "Unauthorized")
        if not self.keys[key]:
            raise Refusal(403, "API access to applicant tracking is not permitted")

    # -- reads

    def _applications(self, request: Request) -> Any:
        query = request.query
        found = listing.applications(self.account.state, query)
        page = self.pager.page(found, listing.page_number(query), request.path)
        rows = [self._overridden(self._list_row(item), "list", request.path) for item in page.items]
        body: dict[str, Any] = {"paginationComplete": page.complete, "applications": rows}
        if page.next_url_key:
            body["nextPageUrl"] = self._next_url(request, page.next_page, page.next_host) if page.next_page else None
        self.pager.after(page, request.path)
        return body

    def _list_row(self, item: Application) -> dict[str, Any]:
        return payloads.list_row(item, self.account.state.jobs[item.job_id])

    def _next_url(self, request: Request, page: int, host: str | None) -> str:
        habits = self.account.habits
        query = {**(request.query if habits.keeps_filters else {}), "page": str(page)}
        relative = f"{request.path}?{urlencode(query)}"
        if host is not None:
            return f"https://{host}{relative}"
        return relative if habits.next_page_url == "relative" else request.origin + relative

    def _detail(self, request: Request, number: str) -> Any:
        application = self._find(number)
        state = self.account.state
        row = payloads.detail(application, state.jobs[application.job_id], state, self.account.company.staff)
        return self._overridden(row, "detail", request.path)

    def _find(self, number: str) -> Application:
        application = self.account.state.applications.get(int(number))
        if application is None:
            raise Refusal(404, "Application not found")
        return application

    def _jobs(self, request: Request) -> Any:
        state = self.account.state
        found = listing.jobs(state, request.query)
        rows = payloads.job_rows(found, state, self.account.company.staff, request.origin)
        return [self._overridden(row, "jobs", request.path) for row in rows]

    def _statuses(self, request: Request) -> Any:
        return [self._overridden(row, "statuses", request.path) for row in payloads.status_rows()]

    def _leads(self, request: Request) -> Any:
        return payloads.lead_rows(self.account.state, self.account.company.staff)

    def _locations(self, request: Request) -> Any:
        return payloads.location_rows()

    def _overridden(self, row: dict[str, Any], where: str, path: str) -> Any:
        """The row as the override faults want it; every one of them that fits, in the order they came."""
        result: Any = row
        for fault in self.faults.take_all(
            "override",
            method="GET",
            path=path,
            fits=lambda f: f.where in (None, where) and (f.id is None or str(f.id) == str(row["id"])),
        ):
            result = overridden(result, fault) if isinstance(result, dict) else result
        return result

    # -- writes

    def _set_status(self, request: Request, number: str) -> Any:
        return self.writes.set_status(self._find(number), request.body)

    def _comment(self, request: Request, number: str) -> Any:
        return self.writes.comment(self._find(number), request.body)

    def _create_candidate(self, request: Request) -> Any:
        return self.writes.create_candidate(request.header("Content-Type"), request.body)

    def _create_job(self, request: Request) -> Any:
        return self.writes.create_job(request.header("Content-Type"), request.body)
