"""What the connector's tests stand on: a real HTTP server with scripted answers, a clock that only moves
when somebody sleeps on it, and a memory in plain dictionaries."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from connectors.bamboohr.provider import BambooHR
from connectors.base import Account, Observation, Page, Record, SyncMode
from connectors.events import Mapped, NormalizedEvent
from connectors.http import Clock

KEY = "0123456789abcdef0123456789abcdef01234567"
RUN_1 = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class StoppedClock(Clock):
    """Time passes only by ``sleep`` and ``pass_time``; every wait is remembered."""

    def __init__(self, at: datetime = RUN_1) -> None:
        self.at = at
        self.seconds = 0.0
        self.waits: list[float] = []

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.pass_time(seconds=seconds)

    def pass_time(self, **span: float) -> None:
        self.at += timedelta(**span)
        self.seconds += timedelta(**span).total_seconds()


@dataclass
class Reply:
    """One answer of the server. ``body`` that is not bytes is sent as JSON."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    #: tell a longer Content-Length than is sent, then hang up
    cut: bool = False
    #: bytes of the body sent one by one, with this pause, in seconds
    drip: float = 0.0

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def all_headers(self) -> dict[str, str]:
        kind = "text/html" if isinstance(self.body, bytes) and self.body.startswith(b"<") else "application/json"
        return {"Content-Type": kind, **self.headers}


@dataclass
class Asked:
    path: str
    query: dict[str, str]
    headers: dict[str, str]


class ScriptedServer:
    """HTTP on a free port of the loopback address; ``answer`` decides, ``asked`` remembers."""

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # without it each answer waits for the client's delayed acknowledgement
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                asked = Asked(url.path, dict(parse_qsl(url.query)), {k.lower(): v for k, v in self.headers.items()})
                server.asked.append(asked)
                self._send(server.answer(asked))

            def _send(self, reply: Reply) -> None:
                content = reply.content()
                self.send_response_only(reply.status)  # no Date of the real clock
                for name, value in reply.all_headers().items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content) + (100 if reply.cut else 0)))
                self.end_headers()
                self.wfile.flush()
                try:
                    self._write(content, reply.drip)
                except (BrokenPipeError, ConnectionResetError):
                    reply.cut = True  # the client hung up, as some tests want
                self.close_connection = self.close_connection or reply.cut

            def _write(self, content: bytes, drip: float) -> None:
                for part in [content[i : i + 1] for i in range(len(content))] if drip else [content]:
                    self.wfile.write(part)
                    self.wfile.flush()
                    time.sleep(drip)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler


def closed_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class DictMemory:
    """``Memory`` as the services keep it: records change when a page is committed."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], Record] = {}

    def commit(self, page: Page) -> None:
        for record in page.records:
            # through JSON, as the database column would
            state = json.loads(json.dumps(record.state))
            self.records[record.kind, record.external_id] = msgspec.structs.replace(record, state=state)

    def recall(self, kind: str, external_ids: Sequence[str]) -> dict[str, Record]:
        return {i: self.records[kind, i] for i in external_ids if (kind, i) in self.records}

    def stalest(self, kind: str, *, before: datetime, limit: int) -> list[Record]:
        due = [r for r in self._of(kind) if r.watched and (r.detailed_at is None or r.detailed_at < before)]
        due.sort(key=lambda r: r.detailed_at or datetime.min.replace(tzinfo=UTC))
        return due[:limit]

    def unlisted(self, kind: str, *, since: datetime) -> Iterator[Record]:
        yield from [r for r in self._of(kind) if r.listed_at is None or r.listed_at < since]

    def _of(self, kind: str) -> list[Record]:
        return [record for (k, _), record in sorted(self.records.items()) if k == kind]


class Bamboo:
    """A BambooHR account as far as a reader sees it, answering over ``ScriptedServer``.

    Applications are raw details by id; ``faults[path]`` are replies given first, in order.
    """

    ROOT = "/api/v1/applicant_tracking"

    def __init__(self, clock: StoppedClock) -> None:
        self.clock = clock
        self.statuses: list[dict[str, Any]] = [
            {"id": str(number), "code": code, "name": name, "enabled": True, "manageable": False}
            for number, (code, name) in enumerate(BUILT_IN, start=1)
        ] + [{"id": "27", "code": None, "name": "Take-home Review", "enabled": True, "manageable": True}]
        self.jobs: list[dict[str, Any]] = [
            {"id": 31, "title": {"id": None, "label": "Data Engineer"}, "status": {"id": 1, "label": "Open"}}
        ]
        self.applications: dict[int, dict[str, Any]] = {}
        self.page_size = 50
        self.link_style = "absolute"
        self.keep_filters = True
        self.faults: dict[str, list[Reply]] = defaultdict(list)
        self.server = ScriptedServer(self.answer)

    # -- a small history -----------------------------------------------------------------------

    def apply(self, number: int, *, at: datetime, status: int = 1, job: int = 31) -> dict[str, Any]:
        self.applications[number] = {
            "id": number,
            "appliedDate": iso(at),
            "status": {"id": status, "label": self._label(status), "dateChanged": iso(at), "changedByUser": None},
            "rating": None,
            "applicant": {
                "id": 1000 + number,
                "firstName": "Ilse",
                "lastName": f"Brandt {number}",
                "email": f"p{number}@example.org",
            },
            "job": {"id": job, "title": {"id": None, "label": "Data Engineer"}, "hiringLead": None},
            "movedTo": None,
            "movedFrom": None,
            "commentCount": 0,
            "emailCount": 0,
            "eventCount": 2,
        }
        return self.applications[number]

    def move(self, number: int, status: int, *, at: datetime, by: dict[str, Any] | None = None) -> None:
        application = self.applications[number]
        application["status"] = {
            "id": status,
            "label": self._label(status),
            "dateChanged": iso(at),
            "changedByUser": by or {"id": 2412, "firstName": "Mara", "lastName": "Quist", "avatar": "https://x/a.png"},
        }
        application["eventCount"] += 1

    def _label(self, status: int) -> str:
        return next((s["name"] for s in self.statuses if s["id"] == str(status)), f"Status {status}")

    # -- the API -------------------------------------------------------------------------------

    def path(self, rest: str) -> str:
        return f"{self.ROOT}/{rest}"

    def answer(self, asked: Asked) -> Reply:
        if self.faults[asked.path]:
            return self.faults[asked.path].pop(0)
        rest = asked.path.removeprefix(self.ROOT + "/")
        if rest == "statuses":
            return Reply(self.statuses)
        if rest == "jobs":
            return Reply(self.jobs)
        if rest == "applications":
            return Reply(self.list_page(asked.query))
        number = rest.removeprefix("applications/")
        if number.isdecimal() and int(number) in self.applications:
            return Reply(self.applications[int(number)])
        return Reply(b"", status=404)

    def list_page(self, query: dict[str, str]) -> dict[str, Any]:
        if query.get("applicationStatus") != "ALL" or query.get("jobStatusGroups") != "ALL":
            return {"paginationComplete": True, "applications": [], "nextPageUrl": None}
        page = int(query.get("page", "1"))
        rows = sorted(self.applications.values(), key=lambda a: (a["appliedDate"], a["id"]))
        start = (page - 1) * self.page_size
        complete = start + self.page_size >= len(rows)
        return {
            "paginationComplete": complete,
            "applications": [list_row(row) for row in rows[start : start + self.page_size]],
            "nextPageUrl": None if complete else self._link(page + 1),
        }

    def _link(self, page: int) -> str | None:
        filters = "&applicationStatus=ALL&jobStatusGroups=ALL" if self.keep_filters else ""
        relative = f"{self.ROOT}/applications?page={page}{filters}"
        return {"absolute": self.server.origin + relative, "relative": relative, "absent": None}[self.link_style]

    def details_asked(self) -> list[int]:
        prefix = self.path("applications/")
        return [int(a.path.removeprefix(prefix)) for a in self.server.asked if a.path.startswith(prefix)]


BUILT_IN = [
    ("NEW", "New"),
    ("REVIEWED", "Reviewed"),
    ("SCHEDPHONE", "Schedule Phone Screen"),
    ("PHONED", "Phone Screened"),
    ("SCHEDINT", "Schedule Interview"),
    ("INTERVIEW", "Interviewed"),
    ("ONHOLD", "Put on Hold"),
    ("REFCHECK", "Checking References"),
    ("OFFER", "Made an Offer"),
    ("NOFIT", "Not a Fit"),
    ("DECLINED", "Declined Offer"),
    ("NOQUAL", "Not Qualified"),
    ("OVERQUAL", "Over Qualified"),
    ("POACHED", "Hired Elsewhere"),
    ("HIRED", "Hired"),
    ("OLSENT", "Offer Sent"),
    ("OLSIGNED", "Offer Signed"),
    ("DELETED", "Deleted"),
    ("MOVED", "Moved"),
]


def list_row(detail: dict[str, Any]) -> dict[str, Any]:
    """A detail as the list shows it: no dates of the status, no counters."""
    return {
        "id": detail["id"],
        "appliedDate": detail["appliedDate"],
        "status": {name: detail["status"][name] for name in ("id", "label")},
        "rating": detail["rating"],
        "applicant": {**detail["applicant"], "avatar": "https://resources.example/initials.php?initials=IB"},
        "job": {name: detail["job"][name] for name in ("id", "title")},
    }


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S+00:00")


@dataclass
class Run:
    pages: list[Page]
    observations: list[Observation]
    mapped: list[Mapped]

    @property
    def events(self) -> list[NormalizedEvent]:
        return [event for mapped in self.mapped for event in mapped.events]

    @property
    def notes(self) -> list[str]:
        return [note for page in self.pages for note in page.notes]


class Desk:
    """One connector at work: provider, account, memory and clock, run after run."""

    def __init__(self, bamboo: Bamboo, **settings: Any) -> None:
        self.bamboo = bamboo
        self.clock = bamboo.clock
        self.memory = DictMemory()
        self.provider = BambooHR(clock=self.clock)
        self.account = Account(
            connector_id=1,
            base_url=f"{bamboo.server.origin}/api/v1",
            secret=KEY,
            settings={"insecure_http": True, "requests_per_second": 1000, **settings},
        )

    def pages(self, mode: SyncMode = SyncMode.DELTA, *, checkpoint: Any = None, run: datetime | None = None) -> Iterator[Page]:
        """The pages of a run, each committed before the next is asked for."""
        fetched = self.provider.fetch(
            self.account, mode=mode, checkpoint=checkpoint, memory=self.memory, started_at=run or self.clock.now()
        )
        for page in fetched:
            self.memory.commit(page)
            yield page

    def sync(self, mode: SyncMode = SyncMode.DELTA, **more: Any) -> Run:
        pages = list(self.pages(mode, **more))
        observations = [
            msgspec.structs.replace(seen, payload=json.loads(json.dumps(seen.payload))) for page in pages for seen in page.observations
        ]
        return Run(pages, observations, [self.provider.map(seen.kind, seen.payload) for seen in observations])


def payload(name: str) -> Any:
    """A captured answer from tests/payloads/bamboohr."""
    folder = Path(__file__).resolve().parents[2] / "payloads" / "bamboohr"
    return json.loads((folder / f"{name}.json").read_text())
