"""BambooHR's calls, typed: which URL, which query, and how its paging behaves.

Reference: documentation.bamboohr.com/reference (Applicant Tracking); paging and throttling as recorded,
since the published description of ``paginationComplete`` says the opposite of what the service does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import msgspec

from connectors.bamboohr import wire
from connectors.bamboohr.wire import Application, Job, Status
from connectors.base import Account
from connectors.exceptions import NotConfigured, PagingBroken, PayloadNotUnderstood
from connectors.http import CallReport, Clock, Dialect, HttpClient, Policy, basic, bearer
from connectors.outbound import check_base_url, reach_of

HOSTS = ("*.bamboohr.com",)
#: the host of the older form of the base URL, /api/gateway.php/{companyDomain}/v1
GATEWAY = "api.bamboohr.com"
ROOT = "/applicant_tracking"
LIST = f"{ROOT}/applications"

#: Without these filters the list holds only active statuses of open jobs, and rejected or hired people
#: vanish. Oldest first: newcomers then arrive at the end, and no page shifts under the reader.
EVERYTHING = {
    "applicationStatus": "ALL",
    "jobStatusGroups": "ALL",
    "sortBy": "created_date",
    "sortOrder": "ASC",
}
#: the list's other filters: one of them in a link to the next page would quietly narrow what we see
NARROWING = frozenset({"jobId", "applicationStatusId", "searchString", "newSince"})

DIALECT = Dialect(
    provider="bamboohr",
    # the second spelling is BambooHR's own
    reason_headers=("X-BambooHR-Error-Message", "X-BambooHR-Error-Messsage", "X-BambooHR-Message"),
    request_id_headers=("x-request-id", "x-bamboohr-request-id", "request-id"),
    user_agent="Stagewatch (hiring pipeline monitor)",
    advice={
        401: "The API key is wrong or revoked, or the company domain is: renew the key or correct the base URL.",
        403: "The key's owner has no access to the ATS settings, or API access is off: grant it in BambooHR.",
        400: "BambooHR did not accept the request; this is a fault of the connector.",
    },
)


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the list. ``following`` is the query of the next one; None after the last."""

    applications: list[Application]
    asked_at: datetime
    answered_at: datetime
    following: dict[str, str] | None
    #: rows without a readable id: they cannot be held by anything
    unreadable: int = 0


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """One detail."""

    application: Application
    asked_at: datetime
    answered_at: datetime


def base_url_of(base_url: str, settings: Mapping[str, Any]) -> str:
    """The API base: as given, completed by ``/api/v1`` if it is only a host, or made from ``company``.

    Raises ``NotConfigured``.
    """
    company = settings.get("company")
    if not base_url and isinstance(company, str) and company.isascii() and company.replace("-", "").isalnum():
        base_url = f"https://{company}.bamboohr.com"
    if not base_url:
        raise NotConfigured("BambooHR needs a base URL such as https://COMPANY.bamboohr.com/api/v1.")
    url = check_base_url(base_url, hosts=HOSTS, reach=reach_of(settings))
    path = url.path.rstrip("/") or "/api/v1"
    return url._replace(path=path).geturl()


class BambooClient:
    """The reading half of the API for one account and one run."""

    def __init__(self, account: Account, *, clock: Clock | None = None, on_call: Callable[[CallReport], None] | None = None) -> None:
        settings = account.settings
        self._base = base_url_of(account.base_url, settings)
        rate = settings.get("requests_per_second")
        self._http = HttpClient(
            dialect=DIALECT,
            base_url=self._base,
            # An OAuth access token lasts an hour and is not renewed here: for short runs and trials.
            authorization=bearer(account.secret) if settings.get("auth") == "oauth" else basic(account.secret),
            secret=account.secret,
            reach=reach_of(settings),
            policy=Policy(requests_per_second=float(rate)) if rate else Policy(),
            clock=clock,
            on_call=on_call,
        )
        self._hosts = _own_hosts(self._base)

    def close(self) -> None:
        self._http.close()

    def now(self) -> datetime:
        return self._http.now()

    def statuses(self) -> tuple[list[Status], datetime]:
        """All company-wide statuses, and when BambooHR answered."""
        answer = self._http.get(f"{ROOT}/statuses", endpoint="statuses")
        members = _members(answer.body, "statuses")
        return [status for raw in members if (status := wire.read_status(raw))], answer.answered_at

    def jobs(self) -> tuple[list[Job], datetime, datetime]:
        """All jobs, deleted ones included; then when we asked and when BambooHR answered."""
        answer = self._http.get(f"{ROOT}/jobs", endpoint="jobs", params={"statusGroups": "ALL"})
        jobs = [job for raw in _members(answer.body, "jobs") if (job := wire.read_job(raw))]
        return jobs, answer.asked_at, answer.answered_at

    def application(self, application_id: str) -> Read:
        """One detail. Raises ``NotFound`` if it is not there."""
        path = f"{LIST}/{_path_part(application_id)}"
        # fewer tries than a list: the next run asks again, and a row of bad details must not take an hour
        answer = self._http.get(path, endpoint="application", attempts=3)
        application = wire.read_application(answer.body)
        if application is None or application.id != application_id:
            raise PayloadNotUnderstood(f"BambooHR's detail of application {application_id} is of something else, or has no id.")
        return Read(application=application, asked_at=answer.asked_at, answered_at=answer.answered_at)

    def page(self, query: Mapping[str, str]) -> Listed:
        """The page that ``query`` (at least ``{"page": "1"}``) asks for, of everything there is."""
        # Our filters win: some links to the next page have lost them.
        answer = self._http.get(LIST, endpoint="applications", params={**query, **EVERYTHING})
        body = answer.body
        members = _members(body.get("applications") if isinstance(body, dict) else body, "applications")
        read = [wire.read_application(raw) for raw in members]
        return Listed(
            applications=[application for application in read if application],
            asked_at=answer.asked_at,
            answered_at=answer.answered_at,
            following=self._following(body, members, query) if isinstance(body, dict) else None,
            unreadable=read.count(None),
        )

    def _following(self, body: dict[str, Any], members: list[Any], query: Mapping[str, str]) -> dict[str, str] | None:
        if body.get("paginationComplete") in (True, "true") or not members:
            return None
        link = body.get("nextPageUrl")
        if isinstance(link, str) and link.strip():
            return self._query_of(link.strip())
        # Neither an end nor a link (seen in older answers): count on, until a page is empty.
        return {**query, "page": str(int(query["page"]) + 1)}

    def _query_of(self, link: str) -> dict[str, str]:
        """What a link to the next page asks for. The link itself is never followed, so that the key goes
        only where the connector was pointed to; still, one that leads elsewhere says something is wrong."""
        try:
            url = urlsplit(urljoin(self._base + LIST, link))
            origin = (url.scheme, url.hostname or "", url.port)
        except ValueError:
            raise PagingBroken("BambooHR's link to the next page cannot be read.") from None
        if origin not in self._hosts:
            raise PagingBroken(f"BambooHR's link to the next page leads to {url.scheme}://{url.hostname}, which is refused.")
        query = dict(parse_qsl(url.query))
        if not url.path.endswith(LIST) or not query.get("page", "").isdecimal():
            raise PagingBroken("BambooHR's link to the next page names no page of the applications list.")
        return {name: value[:200] for name, value in query.items() if name not in EVERYTHING and name not in NARROWING}


def _own_hosts(base_url: str) -> set[tuple[str, str, int | None]]:
    """Origins a link may name: the base URL's own, and the other form of the same company's base."""
    base = urlsplit(base_url)
    own = {(base.scheme, base.hostname or "", base.port)}
    if base.hostname == GATEWAY:
        company = base.path.partition("/gateway.php/")[2].partition("/")[0].lower()
        own |= {("https", f"{company}.bamboohr.com", None)} if company else set()
    elif _is_bamboo(base.hostname or ""):
        own.add(("https", GATEWAY, None))
    return own


def _is_bamboo(host: str) -> bool:
    return host.endswith(".bamboohr.com")


def _members(raw: Any, what: str) -> list[Any]:
    members = wire.rows(raw)
    if members is None:
        raise PayloadNotUnderstood(f"BambooHR's answer holds no list of {what}.")
    return members


def _path_part(application_id: str) -> str:
    if not application_id.isalnum():
        raise PayloadNotUnderstood("An application id that is no plain number or word cannot be asked for.")
    return application_id
